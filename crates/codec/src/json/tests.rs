use proptest::prelude::*;
use serde_json::Value;

use super::inner::Inner;
use super::{Json, Tree, Unit};

/// Builds the value that `serde_json` makes of the same text.
fn value_of(json: Json<'_>) -> Value {
    if json.is_object() {
        let members = json.members();
        return Value::Object(
            members
                .map(|(name, json)| (name.to_owned(), value_of(json)))
                .collect(),
        );
    }
    if json.is_array() {
        return Value::Array(json.items().map(value_of).collect());
    }
    if json.is_text() {
        return Value::String(json.raw().to_owned());
    }
    serde_json::from_str(json.raw()).unwrap()
}

fn check_same(text: &str) {
    match (Tree::parse(text), serde_json::from_str::<Value>(text)) {
        (Ok(tree), Ok(value)) => assert_eq!(value_of(tree.root()), value, "{text}"),
        (Err(_), Err(_)) => {}
        // A number may be any here: whoever reads it says what is too large.
        (Ok(_), Err(err)) if err.to_string().starts_with("number out of range") => {}
        (tree, value) => panic!("{text}: {tree:?} and {value:?}"),
    }
}

#[test]
fn it_reads_what_serde_json_reads_and_nothing_else() {
    for text in [
        r#"{"a":[1,-0.5e3,true,false,null,"x\u00e9\ud83d\ude00\n\"",{}],"b":{"c":[]}}"#,
        " [ ] ",
        "",
        "-",
        "01",
        "1.",
        ".5",
        "1e",
        "+1",
        "tru",
        "[1,]",
        r#"{"a":1,}"#,
        r#"{"a" 1}"#,
        r#"{a:1}"#,
        r#""\ud800""#,
        r#""\ud800\u0041""#,
        r#""\udc00""#,
        r#""\u12g4""#,
        r#""\x""#,
        "\"a\u{1}b\"",
        r#""open"#,
        "1 2",
        "{}[]",
        "NaN",
        r#"{"é":"ü\tö"}"#,
    ] {
        check_same(text);
    }
}

#[test]
fn a_document_may_nest_so_deep_and_no_deeper() {
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert!(Tree::parse(&nested(super::MAX_DEPTH)).is_ok());
    let rejection = Tree::parse(&nested(super::MAX_DEPTH + 1)).unwrap_err();
    assert_eq!(rejection.reason.as_str(), "shape");
    assert!(Tree::parse(&"[".repeat(1 << 20)).is_err());
}

#[test]
fn numbers_are_read_in_every_spelling_and_refused_with_their_path() {
    let text = r#"{"a":{"n":812,"t":"812","f":812.0,"e":"8.12e2","neg":-1,"half":0.5,"huge":1e300,
        "nan":"NaN","word":"many","null":null,"empty":"","dash":"-","list":[{"x":true}]}}"#;
    let tree = Tree::parse(text).unwrap();
    let a = tree.root().get("a");
    for name in ["n", "t", "f", "e"] {
        assert_eq!(a.get(name).count().unwrap(), Some(812), "{name}");
    }
    for name in ["null", "empty", "dash", "absent"] {
        assert_eq!(a.get(name).count().unwrap(), None, "{name}");
    }
    for (name, reason) in [
        ("neg", "number"),
        ("half", "number"),
        ("huge", "number"),
        ("nan", "wrong_type"),
        ("word", "wrong_type"),
        ("list", "wrong_type"),
    ] {
        let rejection = a.get(name).count().unwrap_err();
        assert_eq!(rejection.reason.as_str(), reason, "{name}");
        assert!(
            rejection.detail.contains(&format!("`a.{name}`")),
            "{}",
            rejection.detail
        );
    }
    let deep = a.get("list").items().next().unwrap().get("x");
    assert_eq!(deep.place(), "a.list.0.x");
}

#[test]
fn money_is_exact_in_every_unit() {
    let tree = Tree::parse(r#"["0.00183",0.183,"1830",1830.0005]"#).unwrap();
    let units = [Unit::Dollars, Unit::Cents, Unit::Micros, Unit::Micros];
    let nanos: Vec<i64> = tree
        .root()
        .items()
        .zip(units)
        .map(|(json, unit)| json.money(unit).unwrap().unwrap().get())
        .collect();
    assert_eq!(nanos, [1_830_000, 1_830_000, 1_830_000, 1_830_000]);
}

#[test]
fn a_member_that_is_read_and_given_twice_is_seen() {
    let tree = Tree::parse(r#"[{"a":1,"a":2,"b":3},{"b":4}]"#).unwrap();
    let mut items = tree.root().items();
    let (first, second) = (items.next().unwrap(), items.next().unwrap());
    assert_eq!(first.get("b").count().unwrap(), Some(3));
    assert!(tree.ambiguous().is_none(), "nobody has read `a`");
    assert_eq!(first.get("a").count().unwrap(), Some(1));
    assert_eq!(tree.ambiguous().unwrap().place(), "0.a");
    tree.forgive(second);
    assert!(tree.ambiguous().is_some());
    tree.forgive(first);
    assert!(tree.ambiguous().is_none());
}

proptest! {
    #[test]
    fn any_text_is_read_as_serde_json_reads_it(text in r#"[\[\]{}:,"\\0-9eE+.tnu \-a-f]{0,40}"#) {
        check_same(&text);
    }

    #[test]
    fn any_cut_and_changed_document_is_read_as_serde_json_reads_it(at in 0usize..70, byte in 32u8..127, end in 1usize..70) {
        let mut text = r#"{"a":[1,-0.5e3,true,null,"x\u00e9\ud83d\ude00\n"],"b":{"c":[]},"d":1e5}"#.to_owned();
        if at < text.len() {
            text.replace_range(at..=at, &char::from(byte).to_string());
        }
        text.truncate(end);
        check_same(&text);
    }
}

/// `cargo test --release -p codec tree_is_as_fast -- --ignored --nocapture`
#[test]
#[ignore = "a measurement"]
fn a_tree_is_as_fast_as_a_value() {
    let one = include_str!("../../../../fixtures/payloads/litellm/full.json");
    let text = format!("[{}]", vec![one; 200].join(","));
    let time = |parse: &dyn Fn()| {
        let best = (0..20).map(|_| {
            let start = std::time::Instant::now();
            parse();
            start.elapsed()
        });
        best.min().unwrap()
    };
    let tree = time(&|| assert!(Tree::parse(&text).is_ok()));
    let value = time(&|| assert!(serde_json::from_str::<Value>(&text).is_ok()));
    println!("{} bytes: tree {tree:?}, Value {value:?}", text.len());
}

#[test]
fn json_in_a_text_is_read_like_the_rest() {
    let text = r#"{"a":{"data":"{\"n\":7,\"twice\":1,\"twice\":2,\"bad\":-1,\"deeper\":\"[8]\"}"},"o":{"n":1},"t":"{no","plain":"x"}"#;
    let tree = Tree::parse(text).unwrap();
    let root = tree.root();
    let inner = root.path(&["a", "data"]).inner().unwrap();
    assert!(matches!(inner, Inner::Text(_)));
    let data = inner.json();
    assert_eq!(data.get("n").count().unwrap(), Some(7));
    let fault = data.get("bad").count().unwrap_err();
    assert!(
        fault.detail.starts_with("`a.data.bad` is"),
        "{}",
        fault.detail
    );
    let deeper = data.get("deeper").inner().unwrap();
    assert_eq!(
        deeper.json().items().next().unwrap().place(),
        "a.data.deeper.0"
    );
    assert!(tree.ambiguous().is_none());
    data.get("twice");
    assert_eq!(tree.ambiguous().unwrap().place(), "a.data");

    assert_eq!(root.get("o").inner().unwrap().json().get("n").raw(), "1");
    assert_eq!(root.get("plain").inner().unwrap().json().str(), Some("x"));
    assert!(!root.get("absent").inner().unwrap().json().exists());
    let fault = root.get("t").inner().unwrap_err();
    assert_eq!(
        fault.detail,
        "`t` is no JSON inside: expected a name at byte 1"
    );
    assert!(!root.get("t").inner_if_any().json().exists());
}

#[test]
fn texts_in_texts_are_as_deep_as_they_are_opened_and_no_deeper_than_a_document() {
    let deep = format!("{}{}", "[".repeat(100), "]".repeat(100));
    let text = serde_json::to_string(&serde_json::json!({ "t": deep })).unwrap();
    let tree = Tree::parse(&text).unwrap();
    let fault = tree.root().get("t").inner().unwrap_err();
    assert_eq!(fault.reason.as_str(), "shape");
}

#[test]
fn members_of_a_wide_object_are_found_as_those_of_a_narrow_one_are() {
    for count in [1, 16, 17, 300] {
        let members: Vec<_> = (0..count)
            .map(|at| format!(r#""n{at}":{{"m":{at}}}"#))
            .collect();
        let text = format!("[{{{}}},7]", members.join(","));
        let tree = Tree::parse(&text).unwrap();
        let wide = tree.root().items().next().unwrap();
        for at in 0..count {
            let name = format!("n{at}");
            let found = wide.get(&name).get("m").count().unwrap();
            assert_eq!(found, Some(at), "{count}");
            assert_eq!(
                wide.any_case(&name.to_uppercase()).get("m").raw(),
                at.to_string()
            );
        }
        assert!(!wide.has("n") && !wide.has("m") && !wide.has(&format!("n{count}")));
    }
}
