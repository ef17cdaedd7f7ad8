//! What the usage of a key is made of: models, addresses, clients.

use std::collections::HashMap;

use model::{Contributor, TextField};
use twox_hash::XxHash3_128;

/// The dimensions that are watched.
pub(crate) const DIMENSIONS: [TextField; 3] =
    [TextField::Model, TextField::SourceIp, TextField::UserAgent];

/// Values remembered for each key and dimension; the least used makes room.
const VALUES_A_DIMENSION: usize = 12;

/// Buckets that may be open at once, and one that is being closed.
const OPEN_BUCKETS: usize = 3;

/// How long a value must be known before it is ordinary, in buckets: a day.
const NEW_FOR_BUCKETS: i64 = 144;

/// One value of one dimension of one key.
#[derive(Clone, Copy, Debug)]
struct Seen {
    value: u32,
    first_bucket: i64,
    last_bucket: i64,
    /// Requests of the newest buckets, each with its bucket.
    newest: [(i64, u64); OPEN_BUCKETS],
    /// Requests of the closed buckets of the running episode.
    in_episode: u64,
}

impl Seen {
    fn in_bucket(&self, bucket: i64) -> u64 {
        let (of, count) = self.newest[bucket.rem_euclid(OPEN_BUCKETS as i64) as usize];
        if of == bucket { count } else { 0 }
    }
}

/// Networks remembered for each key; the one unused for longest makes room.
const NETWORKS: usize = 16;

/// A network is judged new only on a key that has been known for so long, in buckets: two days.
const KEY_SETTLED_BUCKETS: i64 = 2 * 144;

/// One network of one key.
#[derive(Clone, Copy, Debug)]
struct Network {
    hash: u128,
    first_bucket: i64,
    last_bucket: i64,
    /// Whether it was there from the key's beginning.
    settled: bool,
}

/// Interned values, and for each key and dimension the few that it uses.
#[derive(Default)]
pub(crate) struct Traits {
    ids: HashMap<Box<str>, u32>,
    values: Vec<Box<str>>,
    seen: Vec<[Vec<Seen>; DIMENSIONS.len()]>,
    networks: Vec<Vec<Network>>,
}

impl Traits {
    pub(crate) fn grow(&mut self) {
        self.seen.push(Default::default());
        self.networks.push(Vec::new());
    }

    /// Notes a network in a bucket and returns whether it is new to the key: first seen within
    /// the last day, on a key that was known before. `age` is the key's, in buckets.
    pub(crate) fn note_network(
        &mut self,
        slot: usize,
        network: &str,
        bucket: i64,
        age: i64,
    ) -> bool {
        let hash = XxHash3_128::oneshot(network.as_bytes());
        let networks = &mut self.networks[slot];
        let at = match networks.iter().position(|network| network.hash == hash) {
            Some(at) => at,
            None => {
                if networks.len() >= NETWORKS {
                    let oldest = (0..networks.len()).min_by_key(|&at| networks[at].last_bucket);
                    networks.remove(oldest.unwrap_or(0));
                }
                let settled = age < KEY_SETTLED_BUCKETS;
                networks.push(Network {
                    hash,
                    first_bucket: bucket,
                    last_bucket: bucket,
                    settled,
                });
                networks.len() - 1
            }
        };
        let network = &mut networks[at];
        network.first_bucket = network.first_bucket.min(bucket);
        network.last_bucket = network.last_bucket.max(bucket);
        !network.settled && bucket < network.first_bucket + NEW_FOR_BUCKETS
    }

    /// Notes `requests` of a value in a bucket.
    pub(crate) fn note(
        &mut self,
        slot: usize,
        dimension: usize,
        value: &str,
        bucket: i64,
        requests: u64,
    ) {
        let id = self.intern(value);
        let seen = &mut self.seen[slot][dimension];
        let at = match seen.iter().position(|seen| seen.value == id) {
            Some(at) => at,
            None => {
                if seen.len() >= VALUES_A_DIMENSION {
                    // The one that was used longest ago goes; ties go by order of arrival.
                    let oldest = (0..seen.len()).min_by_key(|&at| seen[at].last_bucket);
                    seen.remove(oldest.unwrap_or(0));
                }
                seen.push(Seen {
                    value: id,
                    first_bucket: bucket,
                    last_bucket: bucket,
                    newest: [(i64::MIN, 0); OPEN_BUCKETS],
                    in_episode: 0,
                });
                seen.len() - 1
            }
        };
        let seen = &mut seen[at];
        seen.first_bucket = seen.first_bucket.min(bucket);
        seen.last_bucket = seen.last_bucket.max(bucket);
        let (of, count) = &mut seen.newest[bucket.rem_euclid(OPEN_BUCKETS as i64) as usize];
        if bucket > *of {
            (*of, *count) = (bucket, requests);
        } else if bucket == *of {
            *count += requests;
        }
    }

    /// Begins an episode: nothing belongs to it yet.
    pub(crate) fn begin_episode(&mut self, slot: usize) {
        self.seen[slot]
            .iter_mut()
            .flatten()
            .for_each(|seen| seen.in_episode = 0);
    }

    /// Books a closed bucket on the running episode.
    pub(crate) fn close_bucket(&mut self, slot: usize, bucket: i64) {
        for seen in self.seen[slot].iter_mut().flatten() {
            seen.in_episode += seen.in_bucket(bucket);
        }
    }

    /// Returns the values with the largest shares of the episode, of every dimension; an open
    /// bucket counts with what it holds.
    pub(crate) fn contributors(
        &self,
        slot: usize,
        first_bucket: i64,
        open_bucket: Option<i64>,
        age: i64,
    ) -> Vec<Contributor> {
        let share_of =
            |seen: &Seen| seen.in_episode + open_bucket.map_or(0, |bucket| seen.in_bucket(bucket));
        let mut contributors = Vec::new();
        for (dimension, seen) in DIMENSIONS.iter().zip(&self.seen[slot]) {
            let total: u64 = seen.iter().map(share_of).sum();
            let mut of_dimension: Vec<&Seen> =
                seen.iter().filter(|seen| share_of(seen) > 0).collect();
            let name = |seen: &Seen| &self.values[seen.value as usize];
            of_dimension.sort_by(|a, b| {
                share_of(b)
                    .cmp(&share_of(a))
                    .then_with(|| name(a).cmp(name(b)))
            });
            contributors.extend(of_dimension.iter().take(3).map(|seen| Contributor {
                dimension: dimension.name().to_owned(),
                value: name(seen).to_string(),
                share: share_of(seen) as f64 / total.max(1) as f64,
                // A young key has nothing but new values; that says nothing.
                first_seen: age > NEW_FOR_BUCKETS && seen.first_bucket >= first_bucket,
            }));
        }
        contributors
    }

    fn intern(&mut self, value: &str) -> u32 {
        if let Some(&id) = self.ids.get(value) {
            return id;
        }
        let id = self.values.len() as u32;
        self.values.push(value.into());
        self.ids.insert(value.into(), id);
        id
    }

    pub(crate) fn bytes(&self) -> usize {
        let seen: usize = self.seen.iter().flatten().map(|seen| seen.capacity()).sum();
        let texts: usize = self.values.iter().map(|value| 2 * value.len() + 48).sum();
        let networks: usize = self.networks.iter().map(Vec::capacity).sum();
        seen * size_of::<Seen>() + networks * size_of::<Network>() + texts
    }
}

/// Returns the network of an address: the first 24 bits of IPv4, the first 48 of IPv6; a text
/// that is no address stands for itself.
pub(crate) fn network_of(address: &str, scratch: &mut String) {
    use std::fmt::Write;
    scratch.clear();
    let written = match address.parse::<std::net::IpAddr>() {
        Ok(std::net::IpAddr::V4(address)) => {
            let [a, b, c, _] = address.octets();
            write!(scratch, "{a}.{b}.{c}")
        }
        Ok(std::net::IpAddr::V6(address)) => {
            let [a, b, c, ..] = address.segments();
            write!(scratch, "{a:x}:{b:x}:{c:x}")
        }
        Err(_) => write!(scratch, "{address}"),
    };
    debug_assert!(written.is_ok(), "writing to a string cannot fail");
}
