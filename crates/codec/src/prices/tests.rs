//! Prices against what people compute by hand, and against the crate that has the table.

use std::time::{Duration, Instant, SystemTime};

use genai_prices::{Calculator, PriceRequest, Usage, UsageKey};
use model::CountField;

use super::*;

/// A row of one call: provider, model, time, input, output.
fn row(
    provider: &'static str,
    model: &'static str,
    time: &str,
    input: u64,
    output: u64,
) -> UsageRow<'static> {
    let mut row = UsageRow::at(Timestamp::parse(time).unwrap());
    row.set_text(TextField::Kind, "usage");
    row.set_text(TextField::Provider, provider);
    row.set_text(TextField::Model, model);
    row.set_count(CountField::Requests, 1);
    row.set_count(CountField::InputTokens, input);
    row.set_count(CountField::OutputTokens, output);
    row
}

fn price(prices: &Prices, mut row: UsageRow<'_>) -> Option<i64> {
    fill(prices, &mut row);
    row.cost.map(Nanos::get)
}

/// Prices a row that outlives the prices.
fn fill(prices: &Prices, row: &mut UsageRow<'_>) {
    let mut own = row.clone();
    prices.fill(&mut own);
    (row.cost, row.quality) = (own.cost, own.quality);
}

const MAY: &str = "2026-05-04T12:00:00Z";

#[test]
fn prices_are_those_that_are_computed_by_hand() {
    let prices = Prices::bundled();
    let check = |row: UsageRow<'_>, nanos: i64| {
        let what = format!("{:?}", (row.text(TextField::Model), row.time));
        assert_eq!(price(&prices, row), Some(nanos), "{what}");
    };
    // 800 at $1.25, 200 at $0.125, 100 at $10 a million.
    let mut cached = row("openai", "gpt-5", MAY, 1000, 100);
    cached.set_count(CountField::CacheReadTokens, 200);
    check(cached, 2_025_000);
    // The price of o3 fell on 2025-06-10.
    check(
        row("openai", "o3", "2025-06-09T23:59:59.999Z", 1000, 100),
        14_000_000,
    );
    check(
        row("openai", "o3", "2025-06-10T00:00:00Z", 1000, 100),
        2_800_000,
    );
    // More than 200 000 of input: 100 000 at $6, 100 000 at $0.60, 30 000 at $7.50, 20 000 at $12,
    // 1000 at $22.50.
    let mut long = row("anthropic", "claude-sonnet-4-5", MAY, 250_000, 1000);
    long.set_count(CountField::CacheReadTokens, 100_000);
    long.set_count(CountField::CacheWriteTokens, 50_000);
    long.set_count(CountField::CacheWrite1hTokens, 20_000);
    check(long, 1_147_500_000);
    check(
        row("anthropic", "claude-sonnet-4-5", MAY, 200_000, 1000),
        615_000_000,
    );
    check(
        row("anthropic", "claude-sonnet-4-5", MAY, 200_001, 1000),
        1_222_506_000,
    );
    // Twice as much outside of half past midnight to half past four in the afternoon.
    check(
        row(
            "deepseek",
            "deepseek-chat",
            "2026-05-04T00:30:00Z",
            1000,
            100,
        ),
        380_000,
    );
    check(
        row(
            "deepseek",
            "deepseek-chat",
            "2026-05-04T16:30:00Z",
            1000,
            100,
        ),
        190_000,
    );
    check(
        row(
            "deepseek",
            "deepseek-chat",
            "2026-05-04T00:29:59Z",
            1000,
            100,
        ),
        190_000,
    );
    // $12 for a thousand requests.
    check(row("perplexity", "sonar", MAY, 1000, 100), 13_100_000);
    let mut three = row("perplexity", "sonar", MAY, 1000, 100);
    three.set_count(CountField::Requests, 3);
    check(three, 37_100_000);
    // Reasoning that has a price of its own: 1000 at $2, 200 at $8, 300 at $3.
    let mut reasoning = row("perplexity", "sonar-deep-research", MAY, 1000, 500);
    reasoning.set_count(CountField::ReasoningTokens, 300);
    check(reasoning, 4_500_000);
    // Searches of the web: two at $10 a thousand.
    let mut searches = row("anthropic", "claude-sonnet-4-0", MAY, 1000, 0);
    searches.other_units.push(("web_searches".into(), 2.0));
    check(searches, 23_000_000);
    check(row("openai", "text-embedding-3-small", MAY, 25, 0), 500);
}

#[test]
fn tiers_have_prices_of_their_own_where_the_table_knows_them() {
    let prices = Prices::bundled();
    let check = |row: UsageRow<'static>, tier: &'static str, nanos: i64, exact: bool| {
        let mut row = row;
        row.set_text(TextField::ServiceTier, tier);
        fill(&prices, &mut row);
        assert_eq!(row.cost.map(Nanos::get), Some(nanos), "{tier} {}", row.time);
        assert_eq!(
            row.quality.contains(Quality::ESTIMATED_COST),
            !exact,
            "{tier}"
        );
    };
    let o3 = |time| row("openai", "o3", time, 1000, 100);
    let november = "2026-11-04T12:00:00Z";
    check(o3(november), "default", 2_800_000, true);
    check(o3(november), "flex", 1_400_000, true);
    check(o3(november), "priority", 4_900_000, true);
    check(o3(november), "batch", 1_400_000, true);
    // No list has it: the standard price, and a word that says so.
    check(o3(november), "scale", 2_800_000, false);
    check(o3(MAY), "flex", 2_800_000, false);
    let mut batch = o3(november);
    batch.flags[FlagField::Batch as usize] = Some(true);
    check(batch, "default", 1_400_000, true);
    let sonnet = |time| row("anthropic", "claude-sonnet-4-5", time, 1000, 100);
    check(sonnet("2026-10-13T23:59:59Z"), "batch", 4_500_000, false);
    check(sonnet("2026-10-14T00:00:00Z"), "batch", 2_250_000, true);
}

#[test]
fn models_are_found_under_the_names_that_events_have() {
    let prices = Prices::bundled();
    for (provider, model, nanos) in [
        ("azure.ai.openai", "gpt-4o-2024-08-06", 3_500_000),
        (
            "aws.bedrock",
            "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
            4_950_000,
        ),
        (
            "aws.bedrock",
            "global.anthropic.claude-sonnet-4-5-20250929-v1:0",
            4_500_000,
        ),
        (
            "aws.bedrock",
            "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.anthropic.claude-sonnet-4-5-20250929-v1:0",
            4_950_000,
        ),
        ("gcp.gemini", "gemini-2.5-pro", 2_250_000),
        (
            "gcp.vertex_ai",
            "publishers/google/models/gemini-2.5-pro",
            2_250_000,
        ),
        ("openai", "openai/gpt-4o", 3_500_000),
    ] {
        let seen = price(&prices, row(provider, model, MAY, 1000, 100));
        assert_eq!(seen, Some(nanos), "{provider} {model}");
    }
    // A router that no list knows, and an answer under a name that no list has yet.
    let mut routed = row("acme-gateway", "preview-of-something", MAY, 1000, 100);
    routed.set_text(TextField::UpstreamProvider, "openai");
    routed.set_text(TextField::ModelRequested, "gpt-4o");
    assert_eq!(price(&prices, routed), Some(3_500_000));
}

#[test]
fn what_has_no_price_has_no_cost_and_is_counted() {
    let prices = Prices::bundled();
    let none = |row: UsageRow<'_>| assert_eq!(price(&prices, row), None);
    none(row("openai", "whisper-1", MAY, 100, 20));
    none(row("openai", "gpt-99", MAY, 1000, 0));
    none(row("openai", "gpt-99", MAY, 500, 500));
    none(row("nobody", "gpt-5", MAY, 7, 0));
    // Output that was not counted, of a model whose output costs something.
    let mut unknown = row("openai", "gpt-5", MAY, 5, 0);
    unknown.counts[CountField::OutputTokens as usize] = None;
    none(unknown);
    let mut embedding = row("openai", "text-embedding-3-small", MAY, 1000, 0);
    embedding.counts[CountField::OutputTokens as usize] = None;
    assert_eq!(price(&prices, embedding), Some(20_000));
    // These are not asked for at all.
    none(row("openai", "gpt-5", MAY, 0, 0));
    let mut line = row("openai", "gpt-99", MAY, 1, 1);
    line.set_text(TextField::Kind, "cost");
    none(line);
    let mut cached = row("openai", "gpt-5", MAY, 1, 1);
    cached.set_text(TextField::Outcome, "cached");
    none(cached);
    let mut contradiction = row("openai", "gpt-5", MAY, 1, 1);
    contradiction.set_count(CountField::CacheReadTokens, 2);
    none(contradiction);
    let mut own = row("openai", "gpt-5", MAY, 1000, 100);
    own.cost = Some(Nanos::new(7));
    assert_eq!(price(&prices, own), Some(7));
    let unpriced = prices.unpriced();
    let seen: Vec<_> = unpriced
        .iter()
        .map(|it| {
            (
                it.provider.as_str(),
                it.model.as_str(),
                it.events,
                it.tokens,
            )
        })
        .collect();
    assert_eq!(
        seen,
        [
            ("openai", "gpt-99", 2, 2000),
            ("openai", "whisper-1", 1, 120),
            ("nobody", "gpt-5", 1, 7),
            ("openai", "gpt-5", 1, 5),
        ]
    );
}

#[test]
fn lines_of_reports_are_priced_as_their_calls_on_average() {
    let prices = Prices::bundled();
    let line = |requests: Option<u64>, window: Option<&'static str>| {
        let mut row = row("anthropic", "claude-sonnet-4-5", MAY, 1_000_000, 0);
        row.time_end = Some(row.time.plus(Timestamp::DAY));
        row.counts[CountField::Requests as usize] = requests;
        row.extra
            .extend(window.map(|window| ("context_window".into(), window.into())));
        fill(&prices, &mut row);
        let estimated = row.quality.contains(Quality::ESTIMATED_COST);
        (row.cost.unwrap().get(), estimated)
    };
    assert_eq!(line(Some(1), None), (6_000_000_000, false));
    assert_eq!(line(Some(10), None), (3_000_000_000, true));
    assert_eq!(line(None, None), (3_000_000_000, true));
    assert_eq!(line(None, Some("0-200k")), (3_000_000_000, false));
    assert_eq!(line(None, Some("200k-1M")), (6_000_000_000, false));
}

const OVERRIDES: &str = r#"{
    "sample_spec": {"input_cost_per_token": "what it costs", "litellm_provider": "one of them"},
    "azure/contract-gpt": {"litellm_provider": "azure", "mode": "chat",
        "input_cost_per_token": 1.25e-06, "output_cost_per_token": 1e-05, "max_tokens": 128000,
        "cache_read_input_token_cost": 1.25e-07, "input_cost_per_token_batches": 6.25e-07,
        "input_cost_per_token_above_200k_tokens": 2.5e-06, "supports_vision": true, "output_cost_per_image": null},
    "anthropic.claude-own-v1:0": {"litellm_provider": "bedrock_converse",
        "input_cost_per_token": "0.000003", "output_cost_per_token": 1.5e-05,
        "cache_creation_input_token_cost": 3.7500000000000005e-06, "cache_creation_input_token_cost_above_1hr": 6e-06,
        "cache_creation_input_token_cost_above_1hr_above_200k_tokens": 1.2e-05},
    "qwen-tiered": {"tiered_pricing": [
        {"range": [0, 32000.0], "input_cost_per_token": 1e-06, "output_cost_per_token": 2e-06},
        {"range": [32000.0, 128000.0], "input_cost_per_token": 3e-06, "output_cost_per_token": 4e-06}]},
    "gpt-4o": {"litellm_provider": "openai", "input_cost_per_token": 1e-06, "output_cost_per_token": 2e-06},
    "own/house-model": {"litellm_provider": "own", "input_cost_per_token": 0, "output_cost_per_token": 0.0},
    "whisper-1": {"litellm_provider": "openai", "input_cost_per_second": 0.0001, "mode": "audio_transcription"},
    "rerank": {"litellm_provider": "cohere", "input_cost_per_token": 0.0, "output_cost_per_token": 0.0, "input_cost_per_query": 0.002}
}"#;

#[test]
fn overrides_go_before_the_table_and_are_exact() {
    let prices = Prices::bundled().with_overrides(OVERRIDES).unwrap();
    let check = |row: UsageRow<'_>, nanos: Option<i64>| {
        let what = format!("{:?}", row.text(TextField::Model));
        assert_eq!(price(&prices, row), nanos, "{what}");
    };
    let azure = |input, output| row("azure.ai.openai", "contract-gpt", MAY, input, output);
    check(azure(1000, 100), Some(2_250_000));
    // 200 001 at $2.50, and 100 at $10 for which nothing else is said.
    check(azure(200_001, 100), Some(501_002_500));
    let mut batch = azure(1000, 100);
    batch.flags[FlagField::Batch as usize] = Some(true);
    check(batch, Some(1_625_000));
    // In a region, by another case, with both kinds of written tokens: 100 at $3, 200 at $3.75, 300
    // at $6, 10 at $15 a million.
    let mut bedrock = row("aws.bedrock", "eu.Anthropic.claude-own-v1:0", MAY, 600, 10);
    bedrock.set_count(CountField::CacheWriteTokens, 500);
    bedrock.set_count(CountField::CacheWrite1hTokens, 300);
    check(bedrock, Some(3_000_000));
    check(
        row("dashscope", "qwen-tiered", MAY, 32_000, 10),
        Some(32_020_000),
    );
    check(
        row("dashscope", "qwen-tiered", MAY, 32_001, 10),
        Some(96_043_000),
    );
    check(row("openai", "gpt-4o", MAY, 1000, 100), Some(1_200_000));
    // Another provider's model of that name keeps the price of the table.
    check(
        row("azure.ai.openai", "gpt-4o", MAY, 1000, 100),
        Some(3_500_000),
    );
    check(row("own", "house-model", MAY, 1000, 100), Some(0));
    check(row("openai", "whisper-1", MAY, 1000, 100), None);
    check(row("cohere", "rerank", MAY, 1000, 100), None);
    check(row("openai", "gpt-5", MAY, 1000, 100), Some(2_250_000));
}

#[test]
fn the_version_is_that_of_the_table_and_the_overrides() {
    let lock = include_str!("../../../../Cargo.lock");
    let version = Table::VERSION.strip_prefix("genai-prices-").unwrap();
    assert!(lock.contains(&format!(
        "name = \"genai-prices\"\nversion = \"{version}\"\n"
    )));
    assert_eq!(Prices::bundled().version(), Table::VERSION);
    let one = Prices::bundled().with_overrides(OVERRIDES).unwrap();
    let other = format!("{OVERRIDES} ");
    let other = Prices::bundled().with_overrides(&other).unwrap();
    assert_eq!(one.version().len(), Table::VERSION.len() + 22);
    assert_ne!(one.version(), other.version());
}

#[test]
fn a_file_that_is_no_price_list_is_refused_by_its_first_fault() {
    let refused = |text: &str| Prices::bundled().with_overrides(text).unwrap_err();
    for (text, message) in [
        (
            r#"{"m":{"input_cost_per_token":-1e-6}}"#,
            "\"input_cost_per_token\" of \"m\" is not a price",
        ),
        (
            r#"{"m":{"input_cost_per_token":1250}}"#,
            "\"input_cost_per_token\" of \"m\" is not a price",
        ),
        (
            r#"{"m":{"output_cost_per_token":"cheap"}}"#,
            "\"output_cost_per_token\" of \"m\"",
        ),
        (
            r#"{"m":{"tiered_pricing":[{"input_cost_per_token":1}]}}"#,
            "\"tiered_pricing\" of \"m\"",
        ),
        (
            r#"{"m":1}"#,
            "the price file is not a JSON object of models: \"m\" is no object",
        ),
        ("[]", "the price file is not a JSON object"),
        (r#"{"sample_spec":{}}"#, "the price file has no model"),
    ] {
        let seen = refused(text).to_string();
        assert!(seen.starts_with(message), "{text}: {seen}");
    }
}

#[test]
fn a_priced_row_says_where_the_cost_is_from() {
    let prices = Prices::bundled();
    let mut row = row("openai", "gpt-5", MAY, 1000, 100);
    let given = (0..MAX_EXTRA).map(|number| (format!("n{number}").into(), "x".into()));
    row.extra.extend(given);
    row.extra[0] = (PRICE_VERSION.into(), "claimed".into());
    prices.fill(&mut row);
    assert_eq!(row.text(TextField::CostSource), Some("price_table"));
    assert_eq!(row.text(TextField::Currency), Some("USD"));
    assert_eq!(row.extra.len(), MAX_EXTRA);
    let versions = row.extra.iter().filter(|(name, _)| name == PRICE_VERSION);
    let versions: Vec<_> = versions.map(|(_, value)| &**value).collect();
    assert_eq!(versions, [prices.version()]);
}

/// Every model of the table, on days and at lengths of all kinds, costs what the crate says.
///
/// It fails if a release has prices that change by something that is not read off here. Without
/// optimisation it looks at every seventh model only, and takes a second.
#[test]
fn rates_are_those_of_the_crate() {
    let prices = Prices::bundled();
    let calculator = Calculator::bundled();
    let times = [
        "2025-03-01T03:00:01Z",
        "2026-05-04T09:59:59Z",
        "2026-11-20T16:45:00Z",
        "2027-02-01T23:31:00Z",
    ];
    let inputs = [
        700, 33_000, 150_000, 199_999, 200_000, 260_000, 300_000, 900_000,
    ];
    let (mut compared, mut number) = (0, 0);
    for provider in calculator.providers() {
        for model in provider.models() {
            number += 1;
            if cfg!(debug_assertions) && number % 7 != 0 {
                continue;
            }
            let time = Timestamp::parse(times[number % times.len()]).unwrap();
            for (at, input) in inputs.into_iter().enumerate() {
                let parts = [
                    input,
                    input / 3,
                    input / 5,
                    input / 11,
                    777 + at as u64,
                    111,
                ];
                let [input, read, write, write_1h, output, reasoning] = parts;
                let usage = [
                    (UsageKey::INPUT_TOKENS, input),
                    (UsageKey::CACHE_READ_TOKENS, read),
                    (UsageKey::CACHE_WRITE_TOKENS, write),
                    (UsageKey::CACHE_WRITE_1H_TOKENS, write_1h),
                    (UsageKey::OUTPUT_TOKENS, output),
                    (UsageKey::OUTPUT_REASONING_TOKENS, reasoning),
                ];
                let usage: Usage = usage.map(|(key, count)| (key, count as f64)).into();
                let since_epoch = Duration::from_millis(time.millis().unsigned_abs());
                let request = PriceRequest::new(model.id(), &usage)
                    .with_provider_id(provider.id())
                    .with_timestamp(SystemTime::UNIX_EPOCH + since_epoch)
                    .with_price_context("processing", "batch");
                let expected = calculator
                    .calculate(&request)
                    .map_or(0.0, |it| it.total_price);
                let mut row = UsageRow::at(time);
                row.set_text(TextField::Provider, provider.id().to_owned());
                row.set_text(TextField::Model, model.id().to_owned());
                row.flags[FlagField::Batch as usize] = Some(true);
                for (field, count) in [
                    (CountField::InputTokens, input),
                    (CountField::CacheReadTokens, read),
                    (CountField::CacheWriteTokens, write),
                    (CountField::CacheWrite1hTokens, write_1h),
                    (CountField::OutputTokens, output),
                    (CountField::ReasoningTokens, reasoning),
                ] {
                    row.set_count(field, count);
                }
                prices.fill(&mut row);
                let seen = row.cost.map_or(0.0, Nanos::to_usd);
                let what = (provider.id(), model.id(), time.to_string(), input);
                assert!(
                    (seen - expected).abs() < 2e-9,
                    "{what:?}: {seen} {expected}"
                );
                compared += usize::from(expected > 0.0);
            }
        }
    }
    assert!(compared > 1_000, "{compared}");
}

#[test]
fn the_order_of_events_changes_no_price() {
    let days = [
        "2025-06-08",
        "2025-06-09",
        "2025-06-10",
        "2025-06-11",
        "2026-05-04",
    ];
    let price_of = |prices: &Prices, day: &str| {
        let time = format!("{day}T12:00:00Z");
        price(prices, row("openai", "o3", &time, 1000, 100))
    };
    let (forwards, backwards) = (Prices::bundled(), Prices::bundled());
    let one: Vec<_> = days.iter().map(|day| price_of(&forwards, day)).collect();
    let other: Vec<_> = days
        .iter()
        .rev()
        .map(|day| price_of(&backwards, day))
        .collect();
    assert_eq!(one, other.into_iter().rev().collect::<Vec<_>>());
}

/// `cargo test --release -p codec -- --ignored --nocapture how_long`.
#[test]
#[ignore = "a measurement"]
fn how_long_a_price_takes() {
    let start = Instant::now();
    let prices = Prices::bundled();
    println!("bundled table: {:?}", start.elapsed());
    let models = [
        ("openai", "gpt-5"),
        ("anthropic", "claude-sonnet-4-5"),
        (
            "aws.bedrock",
            "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
        ),
        ("deepseek", "deepseek-chat"),
        ("nobody", "nothing"),
    ];
    for (provider, model) in models {
        let mut row = row(provider, model, MAY, 1000, 100);
        let start = Instant::now();
        prices.fill(&mut row);
        let first = start.elapsed();
        row.cost = None;
        row.time = row.time.plus(Timestamp::DAY);
        let start = Instant::now();
        prices.fill(&mut row);
        let next_day = start.elapsed();
        const ROUNDS: u32 = 1_000_000;
        let start = Instant::now();
        for _ in 0..ROUNDS {
            row.cost = None;
            prices.fill(std::hint::black_box(&mut row));
        }
        let each = start.elapsed() / ROUNDS;
        println!("{model}: first {first:?}, on another day {next_day:?}, then {each:?}");
    }
}

#[test]
fn what_was_looked_up_is_listed_as_it_costs() {
    let prices = Prices::bundled();
    assert_eq!(prices.list(), []);
    price(&prices, row("openai", "gpt-5", MAY, 1000, 100));
    let listed = prices.list();
    let input = listed.iter().find(|price| price.token_class == "input");
    let input = input.unwrap();
    assert_eq!(
        (&*input.model, input.tier, input.usd_per_million.to_usd()),
        ("gpt-5", "standard", 1.25)
    );
    assert_eq!(input.day, Timestamp::parse("2026-05-04T00:00:00Z").unwrap());
    let output = listed.iter().find(|price| price.token_class == "output");
    assert_eq!(output.unwrap().usd_per_million.to_usd(), 10.0);
}
