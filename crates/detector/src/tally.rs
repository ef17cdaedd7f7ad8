//! What the usage of one key in one bucket is made of: addresses, models, clients, failures.

use std::net::IpAddr;
use std::ops::Range;
use std::sync::Arc;

use hashbrown::HashSet;
use serde::{Deserialize, Serialize};
use twox_hash::{XxHash3_64, XxHash64};

use crate::known::{Known, TRAITS, Trait};

/// Different values of one dimension that one bucket of one key tells apart; the rest is
/// counted together. Fewer of a key on probation, when there are many of them.
const VALUES: usize = 64;
const VALUES_ON_PROBATION: usize = 4;
/// What is kept of a text, in bytes.
const TEXT_BYTES: usize = 256;

/// One value and what came with it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Share {
    /// The hash of the text.
    text_hash: u32,
    /// The hash of what is watched for newness: the network, the product, the model.
    pub(crate) trait_hash: u32,
    /// The hash of the first bits of an address, whatever system it belongs to.
    pub(crate) place_hash: u32,
    /// Whether it was new to the key when it first came.
    is_novel: bool,
    /// Whether it breaks a rule of the inventory; `None` before that was looked up.
    breaks_rule: Option<bool>,
    pub(crate) text: Arc<str>,
    pub(crate) requests: u64,
    pub(crate) cost_nanos: u64,
}

/// The texts that are in use, each kept once.
#[derive(Default)]
pub(crate) struct Texts {
    texts: HashSet<Arc<str>>,
}

/// A copy keeps none: it would hold what the original is about to forget.
impl Clone for Texts {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl Texts {
    fn keep(&mut self, text: &str) -> Arc<str> {
        if let Some(kept) = self.texts.get(text) {
            return kept.clone();
        }
        let kept: Arc<str> = text.into();
        self.texts.insert(kept.clone());
        kept
    }

    /// Forgets what nothing else holds any more.
    pub(crate) fn sweep(&mut self) {
        self.texts.retain(|text| Arc::strong_count(text) > 1);
    }

    pub(crate) fn bytes(&self) -> usize {
        self.texts.iter().map(|text| text.len() + 40).sum()
    }
}

/// One row's part in a tally.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Call<'a> {
    pub(crate) address: Option<&'a str>,
    /// The autonomous system of the address, where the event or a network file says it: it
    /// stands for the network in place of the address's first bits.
    pub(crate) asn: Option<u64>,
    pub(crate) client: Option<&'a str>,
    pub(crate) model: Option<&'a str>,
    pub(crate) requests: u64,
    pub(crate) cost_nanos: u64,
    /// Whether it was refused, or only lists what there is.
    pub(crate) probes: bool,
}

/// The composition of one bucket of one key.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Tally {
    /// The values of all traits in the order of [`Trait::ALL`], and where those of each end.
    shares: Vec<Share>,
    ends: [u8; TRAITS],
    /// The place of each trait's last value: the next row mostly has the same.
    last: [u8; TRAITS],
    /// Of the rules that are broken the one that comes first in the alphabet.
    rule: Option<Box<str>>,
    /// Requests of rows with an address.
    pub(crate) with_address: u64,
    pub(crate) requests: u64,
    pub(crate) probes: u64,
    /// Requests with new values beyond those that are told apart, by trait.
    pub(crate) new_beyond: [u64; 3],
    /// Requests with values that looked new when they first came.
    pub(crate) novel: u64,
    /// The dearest row's cost of a request, in nano-dollars.
    pub(crate) dearest_nanos: u64,
    /// Whether the key is one of very many on probation.
    pub(crate) is_brief: bool,
}

impl Tally {
    /// Adds a row; returns whether it shows a value that the bucket had not shown before.
    pub(crate) fn add(
        &mut self,
        call: &Call<'_>,
        texts: &mut Texts,
        is_novel: &dyn Fn(Trait, u32) -> bool,
    ) -> bool {
        let (mut is_new, mut novel) = (false, false);
        self.requests = self.requests.saturating_add(call.requests);
        if call.probes {
            self.probes = self.probes.saturating_add(call.requests);
        }
        let of_one = call.cost_nanos.checked_div(call.requests).unwrap_or(0);
        self.dearest_nanos = self.dearest_nanos.max(of_one);
        if call.address.is_some() {
            self.with_address = self.with_address.saturating_add(call.requests);
        }
        for (trait_, text) in [
            (Trait::Network, call.address),
            (Trait::Model, call.model),
            (Trait::Client, call.client),
        ] {
            // A refused or listing call says nothing of the models in use.
            if trait_ == Trait::Model && call.probes {
                continue;
            }
            if let Some(text) = text {
                let share = self.add_share(trait_, text, call, texts, is_novel);
                is_new |= share.0;
                novel |= share.1;
            }
        }
        if novel {
            self.novel = self.novel.saturating_add(call.requests);
        }
        is_new
    }

    /// Returns whether the value is the first of its kind in the bucket, and whether it is
    /// new to the key.
    fn add_share(
        &mut self,
        trait_: Trait,
        text: &str,
        call: &Call<'_>,
        texts: &mut Texts,
        is_novel: &dyn Fn(Trait, u32) -> bool,
    ) -> (bool, bool) {
        let text_hash = hash(text);
        if let Some(share) = self.share_mut(trait_, text_hash) {
            share.requests = share.requests.saturating_add(call.requests);
            share.cost_nanos = share.cost_nanos.saturating_add(call.cost_nanos);
            return (false, share.is_novel);
        }
        let trait_hash = match (trait_, call.asn) {
            (Trait::Network, Some(asn)) => XxHash64::oneshot(1, &asn.to_le_bytes()) as u32,
            _ => trait_hash(trait_, text),
        };
        let is_novel = is_novel(trait_, trait_hash);
        let most = if self.is_brief {
            VALUES_ON_PROBATION
        } else {
            VALUES
        };
        if self.shares(trait_).len() < most {
            let place_hash = match trait_ {
                Trait::Network => network_hash(text),
                Trait::Model | Trait::Client => 0,
            };
            self.push(
                trait_,
                Share {
                    text_hash,
                    trait_hash,
                    place_hash,
                    is_novel,
                    breaks_rule: None,
                    text: texts.keep(cut(text, TEXT_BYTES)),
                    requests: call.requests,
                    cost_nanos: call.cost_nanos,
                },
            );
        } else if is_novel {
            // Which values stand by themselves depends on who came first; their sum does not.
            let beyond = &mut self.new_beyond[trait_ as usize];
            *beyond = beyond.saturating_add(call.requests);
        }
        (true, is_novel)
    }

    fn share_mut(&mut self, trait_: Trait, text_hash: u32) -> Option<&mut Share> {
        let range = self.range(trait_);
        let last = range.start + usize::from(self.last[trait_ as usize]);
        let shares = &self.shares[range.clone()];
        let place = match self.shares.get(last) {
            Some(share) if last < range.end && share.text_hash == text_hash => last,
            _ => {
                range.start
                    + shares
                        .iter()
                        .position(|share| share.text_hash == text_hash)?
            }
        };
        self.last[trait_ as usize] = (place - range.start) as u8;
        self.shares.get_mut(place)
    }

    fn push(&mut self, trait_: Trait, share: Share) {
        if self.shares.len() == self.shares.capacity() {
            // Most buckets have one value of each.
            self.shares
                .reserve_exact((self.shares.len() / 2).max(TRAITS));
        }
        let range = self.range(trait_);
        self.last[trait_ as usize] = range.len() as u8;
        self.shares.insert(range.end, share);
        for end in &mut self.ends[trait_ as usize..] {
            *end += 1;
        }
    }

    fn range(&self, trait_: Trait) -> Range<usize> {
        let start = match trait_ as usize {
            0 => 0,
            at => self.ends[at - 1],
        };
        usize::from(start)..usize::from(self.ends[trait_ as usize])
    }

    /// Looks up the rules for values that were not looked up yet.
    pub(crate) fn look_up_rules(&mut self, rule_of: &dyn Fn(Trait, &str) -> Option<String>) {
        for trait_ in [Trait::Network, Trait::Model] {
            let range = self.range(trait_);
            for share in &mut self.shares[range] {
                if share.breaks_rule.is_some() {
                    continue;
                }
                let rule = rule_of(trait_, &share.text).map(String::into_boxed_str);
                share.breaks_rule = Some(rule.is_some());
                self.rule = match (self.rule.take(), rule) {
                    (Some(known), Some(rule)) => Some(known.min(rule)),
                    (known, rule) => known.or(rule),
                };
            }
        }
    }

    /// Returns the broken rule that comes first in the alphabet, and the requests that break
    /// rules: of networks or of models, whichever are more.
    pub(crate) fn broken_rule(&self) -> Option<(&str, u64)> {
        let rule = self.rule.as_deref()?;
        let requests = |trait_| {
            let shares = self.shares(trait_).iter();
            shares
                .filter(|share| share.breaks_rule == Some(true))
                .map(|share| share.requests)
                .fold(0, u64::saturating_add)
        };
        Some((rule, requests(Trait::Network).max(requests(Trait::Model))))
    }

    /// Returns the values of a dimension.
    pub(crate) fn shares(&self, trait_: Trait) -> &[Share] {
        &self.shares[self.range(trait_)]
    }

    /// Teaches the key's known values what this bucket has shown.
    pub(crate) fn teach(&self, known: &mut Known, slot: usize, bucket: i64) {
        for trait_ in Trait::ALL {
            match self.shares(trait_) {
                [] => {}
                [share] => known.learn(slot, trait_, share.trait_hash, bucket),
                shares => {
                    let mut hashes: Vec<u32> =
                        shares.iter().map(|share| share.trait_hash).collect();
                    // The order of arrival must not show.
                    hashes.sort_unstable();
                    hashes.dedup();
                    for hash in hashes {
                        known.learn(slot, trait_, hash, bucket);
                    }
                }
            }
        }
    }

    /// Returns the bytes held beside the tally itself.
    pub(crate) fn bytes(&self) -> usize {
        self.shares.capacity() * size_of::<Share>()
    }
}

/// Returns the first bytes of a text, whole characters.
pub(crate) fn cut(text: &str, bytes: usize) -> &str {
    &text[..text.floor_char_boundary(bytes)]
}

fn hash(text: &str) -> u32 {
    XxHash3_64::oneshot(text.as_bytes()) as u32
}

/// Returns the hash of what is watched for newness in a text.
fn trait_hash(trait_: Trait, text: &str) -> u32 {
    match trait_ {
        Trait::Network => network_hash(text),
        // The product without its version: a new version is no new client.
        Trait::Client => hash(text.split(['/', ' ']).next().unwrap_or(text)),
        Trait::Model => hash(text),
    }
}

/// Returns the hash of the network of an address or prefix: the first 24 bits of IPv4, the
/// first 48 of IPv6; a text that is no address stands for itself.
fn network_hash(text: &str) -> u32 {
    let address = text.split('/').next().unwrap_or(text);
    match address
        .parse::<IpAddr>()
        .map(|address| address.to_canonical())
    {
        Ok(IpAddr::V4(address)) => XxHash64::oneshot(4, &address.octets()[..3]) as u32,
        Ok(IpAddr::V6(address)) => XxHash64::oneshot(6, &address.octets()[..6]) as u32,
        Err(_) => hash(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_a_network_are_one_and_versions_of_a_client_are_one() {
        let same = |trait_, a, b| trait_hash(trait_, a) == trait_hash(trait_, b);
        assert!(same(Trait::Network, "203.0.113.7", "203.0.113.99"));
        assert!(same(Trait::Network, "203.0.113.7", "203.0.113.0/24"));
        assert!(same(Trait::Network, "::ffff:203.0.113.7", "203.0.113.99"));
        assert!(same(Trait::Network, "2001:db8:1::1", "2001:db8:1:7::2"));
        assert!(!same(Trait::Network, "203.0.113.7", "203.0.112.7"));
        assert!(same(
            Trait::Client,
            "openai-python/1.0",
            "openai-python/2.1"
        ));
        assert!(!same(Trait::Model, "gpt-5", "gpt-5-mini"));
    }

    #[test]
    fn shares_add_up_whatever_the_order() {
        let mut texts = Texts::default();
        let call = |address, requests| Call {
            address: Some(address),
            requests,
            ..Call::default()
        };
        let mut tally = Tally::default();
        let known = |_, _| false;
        tally.add(&call("203.0.113.7", 2), &mut texts, &known);
        tally.add(&call("198.51.100.1", 1), &mut texts, &known);
        tally.add(&call("203.0.113.7", 3), &mut texts, &known);
        let shares: Vec<u64> = tally
            .shares(Trait::Network)
            .iter()
            .map(|share| share.requests)
            .collect();
        assert_eq!(shares, [5, 1]);
        drop(tally);
        texts.sweep();
        assert_eq!(texts.bytes(), 0);
    }
}
