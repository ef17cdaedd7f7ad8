//! Client strings, and how their versions go up over the weeks.

use std::fmt;

use model::{Timestamp, Window};
use rand::RngExt;

use crate::chance::{self, Rng};
use crate::clock;

/// A client and its version, small enough to stand in every event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Client {
    family: u8,
    major: u8,
    minor: u8,
    patch: u8,
}

/// Provider's clients first: [`Client::draw`] gives an owner mostly its provider's.
const FAMILIES: [&str; 11] = [
    "openai-python",
    "openai-node",
    "anthropic-python",
    "anthropic-typescript",
    "aws-sdk-python",
    "aws-sdk-js",
    "langgraph-client",
    "python-requests",
    "node-fetch",
    "go-http-client",
    "curl",
];

impl Client {
    /// Draws the client of an owner of a key of `provider`.
    pub(crate) fn draw(rng: &mut Rng, provider: &str) -> Self {
        let own = match provider {
            "openai" => [0, 1],
            "anthropic" => [2, 3],
            _ => [4, 5],
        };
        let family = if chance::happens(rng, 0.8) {
            chance::pick(rng, &own)
        } else {
            rng.random_range(6..FAMILIES.len() as u8)
        };
        Self::of_family(rng, family)
    }

    /// Draws any client, as a stranger would bring.
    pub(crate) fn draw_any(rng: &mut Rng) -> Self {
        let family = rng.random_range(0..FAMILIES.len() as u8);
        Self::of_family(rng, family)
    }

    fn of_family(rng: &mut Rng, family: u8) -> Self {
        Self {
            family,
            major: rng.random_range(0..4),
            minor: rng.random_range(0..60),
            patch: rng.random_range(0..10),
        }
    }

    fn next(self, rng: &mut Rng) -> Self {
        if chance::happens(rng, 0.5) {
            let patch = self.patch + 1;
            Self { patch, ..self }
        } else {
            let minor = self.minor + rng.random_range(1..4);
            Self {
                minor,
                patch: 0,
                ..self
            }
        }
    }
}

impl fmt::Display for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let family = FAMILIES[usize::from(self.family)];
        write!(f, "{family}/{}.{}.{}", self.major, self.minor, self.patch)
    }
}

/// Which client a caller uses from when on.
#[derive(Clone, Debug)]
pub(crate) struct Clients {
    /// Sorted by time; the first holds from the beginning.
    spells: Vec<(Timestamp, Client)>,
}

impl Clients {
    /// Draws the versions of `client` over `span`: a new one every few weeks.
    pub(crate) fn draw(rng: &mut Rng, client: Client, span: Window) -> Self {
        let mut spells = vec![(span.start, client)];
        let (mut time, mut client) = (span.start, client);
        loop {
            time = time.plus(clock::hours(chance::wait(rng, 24.0 * 24.0).max(6.0)));
            if time >= span.end {
                return Self { spells };
            }
            client = client.next(rng);
            spells.push((time, client));
        }
    }

    /// Returns one client for ever.
    pub(crate) fn only(client: Client) -> Self {
        Self {
            spells: vec![(Timestamp::EARLIEST, client)],
        }
    }

    /// Puts a new version in place at `time`, for the rest of the run.
    pub(crate) fn upgrade(&mut self, time: Timestamp, rng: &mut Rng) {
        let next = self.at(time).next(rng);
        self.spells.retain(|(from, _)| *from < time);
        self.spells.push((time, next));
    }

    /// Returns the client in use at `time`.
    pub(crate) fn at(&self, time: Timestamp) -> Client {
        let after = self.spells.partition_point(|(from, _)| *from <= time);
        self.spells[after.saturating_sub(1)].1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_go_up_and_the_family_stays() {
        let start = Timestamp::parse("2026-04-06T00:00:00Z").unwrap();
        let end = start.plus(400 * Timestamp::DAY);
        let mut rng = chance::stream(2, "test", "client", 0);
        let client = Client::draw(&mut rng, "openai");
        let clients = Clients::draw(&mut rng, client, Window { start, end });
        assert!(clients.spells.len() > 5);
        assert_eq!(clients.at(start), client);
        let last = clients.at(end);
        assert_eq!(last.family, client.family);
        assert!((last.minor, last.patch) > (client.minor, client.patch));
        let middle = start.plus(200 * Timestamp::DAY);
        let before = clients.at(middle.plus(-1));
        let mut upgraded = clients.clone();
        upgraded.upgrade(middle, &mut rng);
        assert_eq!(upgraded.at(middle.plus(-1)), before);
        assert_ne!(upgraded.at(middle), before);
        assert_eq!(upgraded.at(end), upgraded.at(middle));
    }
}
