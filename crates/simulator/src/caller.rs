//! What a caller's requests look like; it dresses batches as events.

use model::{Nanos, Timestamp, Window};
use rand::RngExt;

use crate::address::{AddressBook, Walk};
use crate::batch::{Batch, Grain};
use crate::chance::{self, Rng};
use crate::client::{Client, Clients};
use crate::event::{Operation, SimulatedEvent};
use crate::key::Key;
use crate::prices::{Model, Tier};
use crate::shape::Tokens;

/// An owner or an abuser: models, lengths, errors, addresses and clients.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    /// The model of most requests.
    pub(crate) model: &'static Model,
    /// Another one and its share.
    pub(crate) second: Option<(&'static Model, f64)>,
    pub(crate) tokens: Tokens,
    pub(crate) error_rate: f64,
    pub(crate) book: AddressBook,
    pub(crate) clients: Clients,
}

impl Caller {
    /// Draws the owner of a key of `provider`.
    pub(crate) fn owner(rng: &mut Rng, provider: &str, book: AddressBook, span: Window) -> Self {
        let models: Vec<_> = Model::of(provider).collect();
        let tier = match rng.random::<f64>() {
            share if share < 0.55 => Tier::Cheap,
            share if share < 0.93 => Tier::Middle,
            _ => Tier::Dear,
        };
        let of_tier: Vec<_> = models.iter().copied().filter(|m| m.tier == tier).collect();
        let model = chance::pick(
            rng,
            if of_tier.is_empty() {
                &models
            } else {
                &of_tier
            },
        );
        let second = chance::pick(rng, &models);
        let has_second = chance::happens(rng, 0.3) && second.tier != Tier::Dear && second != model;
        let share = chance::log_between(rng, 0.02, 0.3);
        let client = Client::draw(rng, provider);
        Self {
            model,
            second: has_second.then_some((second, share)),
            tokens: Tokens::draw(rng, span),
            error_rate: chance::log_between(rng, 0.001, 0.025),
            book,
            clients: Clients::draw(rng, client, span),
        }
    }

    /// Draws an abuser of `owner`'s key at `time`: the same model and similar lengths, other
    /// addresses, and in a third of the cases the owner's client.
    pub(crate) fn abuser(rng: &mut Rng, owner: &Caller, time: Timestamp) -> Self {
        let client = if chance::happens(rng, 1.0 / 3.0) {
            owner.clients.at(time)
        } else {
            Client::draw_any(rng)
        };
        Self {
            model: owner.model,
            second: None,
            tokens: owner.tokens.scaled(chance::log_between(rng, 0.75, 1.35)),
            error_rate: chance::log_between(rng, 0.002, 0.04),
            book: AddressBook::stranger(rng, &owner.book),
            clients: Clients::only(client),
        }
    }

    /// Adds the events of `batches`, which are sorted by time, to `out`.
    pub(crate) fn dress(
        &self,
        key: &Key,
        batches: &[Batch],
        ids: &mut Ids,
        rng: &mut Rng,
        out: &mut Vec<SimulatedEvent>,
    ) {
        debug_assert!(batches.is_sorted_by_key(|batch| batch.time));
        let mut walk = Walk::new(&self.book);
        for batch in batches {
            let failed = chance::binomial(rng, batch.requests, self.error_rate);
            let other = self.second.map_or(0, |(_, share)| {
                chance::binomial(rng, batch.requests - failed, share)
            });
            let mut add = |model, requests: u32, status, rng: &mut Rng| {
                // Equal requests means one address too, so a busy roll-up may be two events.
                let rolled = key.grain != Grain::Single && walk.is_balanced();
                let apart = if rolled && requests > 3 && chance::happens(rng, 0.3) {
                    chance::binomial(rng, requests, 0.5)
                } else {
                    0
                };
                for requests in [requests - apart, apart] {
                    if requests == 0 {
                        continue;
                    }
                    let (input_tokens, output_tokens) = if status < 400 {
                        self.tokens.sum(requests, batch.time, rng)
                    } else {
                        (0, 0)
                    };
                    out.push(SimulatedEvent {
                        time: batch.time,
                        id: ids.next(),
                        names: key.names.clone(),
                        model,
                        input_tokens,
                        output_tokens,
                        cost: model.cost(input_tokens, output_tokens, key.discount_permille),
                        requests,
                        late_millis: 0,
                        source: walk.address(batch.time, rng),
                        client: self.clients.at(batch.time),
                        status,
                        operation: self.tokens.operation(),
                        span_minutes: key.grain.told_minutes(),
                    });
                }
            };
            add(self.model, batch.requests - failed - other, 200, rng);
            if let Some((second, _)) = self.second {
                add(second, other, 200, rng);
            }
            if failed > 0 {
                let status = draw_failure(rng);
                add(self.model, failed, status, rng);
            }
        }
    }

    /// Adds the events of a key that is tried out: lists of models and requests that fail.
    pub(crate) fn dress_probes(
        &self,
        key: &Key,
        batches: &[Batch],
        ids: &mut Ids,
        rng: &mut Rng,
        out: &mut Vec<SimulatedEvent>,
    ) {
        let mut walk = Walk::new(&self.book);
        let models: Vec<_> = Model::of(key.names.provider).collect();
        for batch in batches {
            // A roll-up holds equal requests only, so each outcome is an event.
            let mut counts = [0; PROBES.len()];
            for _ in 0..batch.requests {
                counts[rng.random_range(0..PROBES.len())] += 1;
            }
            for ((operation, status), requests) in PROBES.into_iter().zip(counts) {
                if requests == 0 {
                    continue;
                }
                out.push(SimulatedEvent {
                    time: batch.time,
                    id: ids.next(),
                    names: key.names.clone(),
                    model: if status == 404 && !models.is_empty() {
                        chance::pick(rng, &models)
                    } else {
                        self.model
                    },
                    input_tokens: 0,
                    output_tokens: 0,
                    cost: Nanos::default(),
                    requests,
                    late_millis: 0,
                    source: walk.address(batch.time, rng),
                    client: self.clients.at(batch.time),
                    status,
                    operation,
                    span_minutes: key.grain.told_minutes(),
                });
            }
        }
    }
}

/// What comes of trying out a key: what it can do, and what it may not.
const PROBES: [(Operation, u16); 5] = [
    (Operation::ListModels, 200),
    (Operation::Chat, 401),
    (Operation::Chat, 403),
    (Operation::Chat, 404),
    (Operation::Chat, 429),
];

/// Mostly the rate limit.
fn draw_failure(rng: &mut Rng) -> u16 {
    match rng.random::<f64>() {
        share if share < 0.8 => 429,
        share if share < 0.88 => 500,
        share if share < 0.95 => 503,
        _ => 400,
    }
}

/// The event ids of one key, which say nothing about order or caller.
#[derive(Debug)]
pub(crate) struct Ids {
    key: u32,
    count: u32,
}

impl Ids {
    /// Begins the ids of a key.
    pub(crate) const fn new(key: u32) -> Self {
        Self { key, count: 0 }
    }

    fn next(&mut self) -> u64 {
        self.count += 1;
        // Scrambling is one to one, so no two events share an id.
        chance::scramble(u64::from(self.key) << 32 | u64::from(self.count))
    }
}
