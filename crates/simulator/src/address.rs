//! Where requests come from. Every address is invented: 198.18.0.0/15 and 100.64.0.0/10
//! are never routed, and the three /24s are those of documentation.

use std::net::Ipv4Addr;

use model::{Timestamp, Window};
use rand::RngExt;

use crate::chance::{self, Rng};
use crate::clock;

/// A network, as its first address and the length of its prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Network {
    base: u32,
    prefix: u8,
}

const fn network(a: u8, b: u8, c: u8, prefix: u8) -> Network {
    Network {
        base: u32::from_be_bytes([a, b, c, 0]),
        prefix,
    }
}

/// Clouds, where services and many strangers live, one /16 a region.
const CLOUDS: [Network; 2] = [network(198, 18, 0, 15), network(100, 64, 0, 12)];
const OFFICES: Network = network(100, 80, 0, 13);
const HOMES: Network = network(100, 88, 0, 13);
const MOBILE: Network = network(100, 96, 0, 16);
const RUNNERS: Network = network(100, 97, 0, 16);
const ELSEWHERE: [Network; 4] = [
    network(192, 0, 2, 24),
    network(198, 51, 100, 24),
    network(203, 0, 113, 24),
    network(100, 112, 0, 13),
];

impl Network {
    /// Draws a network of a longer prefix inside this one.
    fn inside(self, prefix: u8, rng: &mut Rng) -> Self {
        let prefix = prefix.max(self.prefix);
        let choices = 1u32 << (prefix - self.prefix);
        let offset = rng.random_range(0..choices) << (32 - u32::from(prefix));
        Self {
            base: self.base + offset,
            prefix,
        }
    }

    /// Draws a host address.
    fn host(self, rng: &mut Rng) -> Ipv4Addr {
        let net = self.inside(24, rng);
        Ipv4Addr::from_bits(net.base + rng.random_range(1..255))
    }

    /// Returns the network of `prefix` that holds `address`.
    fn of(address: Ipv4Addr, prefix: u8) -> Self {
        let base = address.to_bits();
        Self { base, prefix: 32 }.around(prefix)
    }

    /// Returns the network of `prefix` around this one.
    fn around(self, prefix: u8) -> Self {
        let shift = 32 - u32::from(prefix);
        Self {
            base: self.base >> shift << shift,
            prefix,
        }
    }

    /// Draws an office range.
    pub(crate) fn office(rng: &mut Rng) -> Self {
        OFFICES.inside(24, rng)
    }

    /// Draws a range where strangers come from.
    pub(crate) fn of_strangers(rng: &mut Rng) -> Self {
        let range = if chance::happens(rng, 0.5) {
            chance::pick(rng, &CLOUDS)
        } else {
            chance::pick(rng, &ELSEWHERE)
        };
        range.inside(24, rng)
    }

    /// Returns the CIDR text.
    pub(crate) fn cidr(self) -> String {
        format!("{}/{}", Ipv4Addr::from_bits(self.base), self.prefix)
    }

    #[cfg(test)]
    fn contains(self, address: Ipv4Addr) -> bool {
        let bits = address.to_bits() >> (32 - u32::from(self.prefix));
        bits == self.base >> (32 - u32::from(self.prefix))
    }
}

/// When the next request may come from another address than the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Habit {
    /// With every request: a load balancer in front of a few hosts.
    Balanced,
    /// After a pause of so many milliseconds: a person who sits somewhere, a build runner.
    Seated(i64),
}

/// The addresses of one caller.
#[derive(Clone, Debug)]
pub(crate) struct AddressBook {
    habit: Habit,
    /// From when on which addresses with which weight are used; sorted by time.
    spells: Vec<(Timestamp, Vec<(Ipv4Addr, f64)>)>,
    /// The share of addresses drawn anew from a pool.
    fresh: Option<(Network, f64)>,
    home: Network,
    cidrs: Vec<Network>,
}

impl AddressBook {
    /// Draws a service: 1 to 4 addresses of one /24 that change about once a month. A
    /// `pinned` one stays in its /24, because its key allows no other.
    pub(crate) fn service(rng: &mut Rng, span: Window, pinned: bool) -> Self {
        let cloud = chance::pick(rng, &CLOUDS).inside(16, rng);
        let mut home = cloud.inside(24, rng);
        let count = rng.random_range(1..5);
        let hosts = |net: Network, rng: &mut Rng| -> Vec<(Ipv4Addr, f64)> {
            (0..count).map(|_| (net.host(rng), 1.0)).collect()
        };
        let first = home;
        let mut spells = vec![(span.start, hosts(home, rng))];
        let mut time = span.start;
        loop {
            time = time.plus(clock::hours(chance::wait(rng, 30.0 * 24.0).max(12.0)));
            if time >= span.end {
                break;
            }
            let moves = chance::happens(rng, 0.3) && !pinned;
            home = if moves { cloud.inside(24, rng) } else { home };
            spells.push((time, hosts(home, rng)));
        }
        Self {
            habit: Habit::Balanced,
            spells,
            fresh: None,
            home: first,
            cidrs: vec![first],
        }
    }

    /// Draws a person: an office range, a home address, rarely a mobile one.
    pub(crate) fn person(rng: &mut Rng, span: Window) -> Self {
        let office = OFFICES.inside(24, rng);
        let home = HOMES.inside(24, rng);
        let at_home = chance::between(rng, 0.1, 0.6);
        let mobile = chance::between(rng, 0.0, 0.03);
        let places = vec![
            (office.host(rng), (1.0 - at_home) * 0.7),
            (office.host(rng), (1.0 - at_home) * 0.3),
            (home.host(rng), at_home),
        ];
        Self {
            habit: Habit::Seated(40 * Timestamp::MINUTE),
            spells: vec![(span.start, places)],
            fresh: Some((MOBILE, mobile)),
            home: office,
            cidrs: vec![office, home, MOBILE],
        }
    }

    /// Draws a fleet of build runners: often a new address for each build.
    pub(crate) fn runners(rng: &mut Rng, span: Window) -> Self {
        let usual = (0..4).map(|_| (RUNNERS.host(rng), 1.0)).collect();
        Self {
            habit: Habit::Seated(8 * Timestamp::MINUTE),
            spells: vec![(span.start, usual)],
            fresh: Some((RUNNERS, chance::between(rng, 0.5, 1.0))),
            home: RUNNERS,
            cidrs: vec![RUNNERS],
        }
    }

    /// Draws a stranger: a few addresses, sometimes of the same cloud range as the owner's.
    pub(crate) fn stranger(rng: &mut Rng, owner: &AddressBook) -> Self {
        let range = match rng.random::<f64>() {
            share if share < 0.2 => owner.home.around(16),
            share if share < 0.6 => chance::pick(rng, &CLOUDS).inside(16, rng),
            _ => chance::pick(rng, &ELSEWHERE),
        };
        let nets = [range.inside(24, rng), range.inside(24, rng)];
        let count = rng.random_range(1..6);
        let hosts = (0..count)
            .map(|_| {
                let net = chance::pick(rng, &nets);
                (net.host(rng), chance::between(rng, 0.2, 1.0))
            })
            .collect();
        Self {
            habit: Habit::Balanced,
            spells: vec![(Timestamp::EARLIEST, hosts)],
            fresh: None,
            home: nets[0],
            cidrs: nets.to_vec(),
        }
    }

    /// Draws a stranger with a few addresses of `network`.
    pub(crate) fn stranger_in(network: Network, rng: &mut Rng) -> Self {
        let hosts = (0..rng.random_range(2..5)).map(|_| (network.host(rng), 1.0));
        Self {
            habit: Habit::Balanced,
            spells: vec![(Timestamp::EARLIEST, hosts.collect())],
            fresh: None,
            home: network,
            cidrs: vec![network],
        }
    }

    /// Returns whether the caller sits in an office.
    pub(crate) fn has_office(&self) -> bool {
        self.home.around(OFFICES.prefix) == OFFICES
    }

    /// Moves whoever sits in an office to another one at `time`; other places stay.
    pub(crate) fn move_office(&mut self, time: Timestamp, office: Network, rng: &mut Rng) {
        let old = self.home;
        let Some((_, places)) = self.spells.last() else {
            return;
        };
        let moved = places.iter().map(|(address, weight)| {
            let in_office = Network::of(*address, old.prefix) == old;
            let address = if in_office {
                office.host(rng)
            } else {
                *address
            };
            (address, *weight)
        });
        let moved = moved.collect();
        self.spells.push((time, moved));
    }

    /// Returns the networks a rule for this caller would allow.
    pub(crate) fn cidrs(&self) -> Vec<String> {
        self.cidrs.iter().map(|net| net.cidr()).collect()
    }

    fn draw(&self, time: Timestamp, rng: &mut Rng) -> Ipv4Addr {
        if let Some((pool, share)) = self.fresh
            && chance::happens(rng, share)
        {
            return pool.host(rng);
        }
        let after = self.spells.partition_point(|(from, _)| *from <= time);
        let places = &self.spells[after.saturating_sub(1)].1;
        let total: f64 = places.iter().map(|(_, weight)| weight).sum();
        let mut left = chance::between(rng, 0.0, total);
        let chosen = places.iter().find(|(_, weight)| {
            left -= weight;
            left < 0.0
        });
        chosen.unwrap_or(&places[0]).0
    }
}

/// One walk through an address book in the order of time.
#[derive(Debug)]
pub(crate) struct Walk<'a> {
    book: &'a AddressBook,
    last: Option<(Timestamp, Ipv4Addr)>,
}

impl<'a> Walk<'a> {
    /// Begins a walk.
    pub(crate) const fn new(book: &'a AddressBook) -> Self {
        Self { book, last: None }
    }

    /// Returns where the requests at `time` come from.
    pub(crate) fn address(&mut self, time: Timestamp, rng: &mut Rng) -> Ipv4Addr {
        let seated = match (self.book.habit, self.last) {
            (Habit::Seated(pause), Some((last, address))) if time < last.plus(pause) => {
                Some(address)
            }
            _ => None,
        };
        let address = seated.unwrap_or_else(|| self.book.draw(time, rng));
        self.last = Some((time, address));
        address
    }

    /// Returns whether the requests of one roll-up may come from two addresses.
    pub(crate) fn is_balanced(&self) -> bool {
        self.book.habit == Habit::Balanced
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span() -> Window {
        let start = Timestamp::parse("2026-04-06T00:00:00Z").unwrap();
        Window {
            start,
            end: start.plus(35 * Timestamp::DAY),
        }
    }

    #[test]
    fn a_pinned_service_never_leaves_its_network() {
        for number in 0..30 {
            let mut rng = chance::stream(4, "test", "service", number);
            let book = AddressBook::service(&mut rng, span(), true);
            let mut walk = Walk::new(&book);
            for day in 0..35 {
                let time = span().start.plus(day * Timestamp::DAY);
                assert!(book.home.contains(walk.address(time, &mut rng)));
            }
        }
    }

    #[test]
    fn a_seated_person_keeps_the_address_until_a_pause() {
        let mut rng = chance::stream(4, "test", "person", 0);
        let book = AddressBook::person(&mut rng, span());
        let mut walk = Walk::new(&book);
        let mut time = span().start;
        let first = walk.address(time, &mut rng);
        for _ in 0..200 {
            time = time.plus(10 * Timestamp::MINUTE);
            assert_eq!(walk.address(time, &mut rng), first);
        }
    }

    #[test]
    fn whoever_moves_office_leaves_the_old_one_and_keeps_the_home() {
        let mut rng = chance::stream(4, "test", "person", 1);
        let mut book = AddressBook::person(&mut rng, span());
        assert!(book.has_office());
        let (old, office) = (book.home, Network::office(&mut rng));
        let time = span().start.plus(20 * Timestamp::DAY);
        book.move_office(time, office, &mut rng);
        let [(_, before), (_, after)] = &book.spells[..] else {
            panic!("two spells");
        };
        assert!(before[..2].iter().all(|(place, _)| old.contains(*place)));
        assert!(after[..2].iter().all(|(place, _)| office.contains(*place)));
        assert_eq!(before[2], after[2]);
        assert!(!AddressBook::service(&mut rng, span(), false).has_office());
    }

    #[test]
    fn every_address_is_an_invented_one() {
        let invented = [network(198, 18, 0, 15), network(100, 64, 0, 10)];
        let documents = &ELSEWHERE[..3];
        for number in 0..50 {
            let mut rng = chance::stream(4, "test", "any", number);
            let owner = AddressBook::service(&mut rng, span(), false);
            let stranger = AddressBook::stranger(&mut rng, &owner);
            for book in [&owner, &stranger] {
                let address = book.draw(span().start, &mut rng);
                let known = invented.iter().chain(documents);
                assert!(
                    known.into_iter().any(|net| net.contains(address)),
                    "{address}"
                );
            }
        }
    }
}
