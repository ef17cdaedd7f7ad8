//! One file in MaxMind's format, boiled down to what is asked of it.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;
use std::net::IpAddr;

use maxminddb::{LookupResult, MaxMindDbError, Reader, WithinOptions};
use model::Timestamp;
use serde::Deserialize;
use serde::de::{self, Deserializer, Visitor};

use super::ranges::Ranges;
use super::{NetworkFileSummary, Networks, NetworksError};

/// What a file says of addresses.
///
/// The format is a tree with a step for each bit of an address, and records that have much that
/// nobody asks for. A walk down two trees for each event would cost half as much again as all of
/// its decoding, so a file is read once, where damage shows as well, and let go.
pub(super) struct NetworkFile<T> {
    ipv4: Ranges<u32, T>,
    ipv6: Ranges<u128, T>,
    summary: NetworkFileSummary,
}

/// The record of one network.
type Found<'f> = LookupResult<'f, Vec<u8>>;

impl NetworkFile<u32> {
    /// Reads the number of each network.
    pub(super) fn with_asn(bytes: Vec<u8>) -> Result<Self, NetworksError> {
        Self::read(bytes, "autonomous_system_number", asn_of)
    }
}

impl NetworkFile<CountryCode> {
    /// Reads the country of each network.
    pub(super) fn with_country(bytes: Vec<u8>) -> Result<Self, NetworksError> {
        Self::read(bytes, "country.iso_code", country_of)
    }
}

impl<T: Copy + PartialEq> NetworkFile<T> {
    fn read(
        bytes: Vec<u8>,
        field: &'static str,
        answer_of: fn(&Found<'_>) -> Result<Option<T>, MaxMindDbError>,
    ) -> Result<Self, NetworksError> {
        if bytes.len() > Networks::MAX_FILE_BYTES {
            return Err(NetworksError::TooLarge);
        }
        let unreadable = |err| NetworksError::Unreadable(Box::new(err));
        let reader = Reader::from_source(bytes).map_err(unreadable)?;
        let metadata = reader.metadata();
        let built_millis = metadata.build_epoch.saturating_mul(1000);
        let mut file = Self {
            ipv4: Ranges::default(),
            ipv6: Ranges::default(),
            summary: NetworkFileSummary {
                database_type: metadata.database_type.clone(),
                built: Timestamp::from_millis(i64::try_from(built_millis).unwrap_or(i64::MAX)),
                networks: 0,
            },
        };
        file.take(&reader, answer_of).map_err(unreadable)?;
        if file.summary.networks == 0 {
            return Err(NetworksError::NoField { field });
        }
        file.ipv4.shrink();
        file.ipv6.shrink();
        Ok(file)
    }

    /// Takes what the file says of each network, in the order of addresses.
    ///
    /// The places in IPv6 where IPv4 shows again (6to4, Teredo) are left out: nobody calls from
    /// there any more.
    fn take(
        &mut self,
        reader: &Reader<Vec<u8>>,
        answer_of: fn(&Found<'_>) -> Result<Option<T>, MaxMindDbError>,
    ) -> Result<(), MaxMindDbError> {
        // A tree of N nodes has N + 1 leaves. Files may share branches, so allow for more; a tree
        // that was damaged into sharing without measure must still come to an end.
        let most_leaves = u64::from(reader.metadata().node_count).saturating_mul(3);
        let mut leaves = 0u64;
        // Many networks share a record.
        let mut answers = HashMap::new();
        let all = WithinOptions::default().include_networks_without_data();
        for found in reader.networks(all)? {
            let found = found?;
            leaves += 1;
            if leaves > most_leaves {
                let message = "the search tree shares its branches without measure";
                return Err(MaxMindDbError::invalid_database(message));
            }
            let Some(offset) = found.offset() else {
                continue;
            };
            let answer = match answers.entry(offset) {
                Entry::Occupied(known) => *known.get(),
                Entry::Vacant(unknown) => *unknown.insert(answer_of(&found)?),
            };
            if let Some(answer) = answer {
                let network = found.network()?;
                self.push(network.network(), network.broadcast(), answer);
            }
        }
        Ok(())
    }

    fn push(&mut self, first: IpAddr, last: IpAddr, answer: T) {
        match (first, last) {
            (IpAddr::V4(first), IpAddr::V4(last)) => {
                self.ipv4.push(first.to_bits(), last.to_bits(), answer);
            }
            (IpAddr::V6(first), IpAddr::V6(last)) => {
                self.ipv6.push(first.to_bits(), last.to_bits(), answer);
            }
            // A network is of one family.
            _ => return,
        }
        self.summary.networks += 1;
    }

    /// Returns what the file says of an address.
    pub(super) fn look_up(&self, address: IpAddr) -> Option<&T> {
        match address {
            IpAddr::V4(address) => self.ipv4.find(address.to_bits()),
            IpAddr::V6(address) => self.ipv6.find(address.to_bits()),
        }
    }

    pub(super) fn summary(&self) -> &NetworkFileSummary {
        &self.summary
    }
}

impl<T> fmt::Debug for NetworkFile<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.summary.fmt(f)
    }
}

/// Returns the number of the network; 0 is reserved and stands for none.
fn asn_of(found: &Found<'_>) -> Result<Option<u32>, MaxMindDbError> {
    #[derive(Deserialize)]
    struct AsnRecord {
        autonomous_system_number: Option<AsNumber>,
    }

    let record: Option<AsnRecord> = found.decode()?;
    let number = record.and_then(|record| record.autonomous_system_number);
    Ok(number.map(|number| number.0).filter(|number| *number != 0))
}

/// A number of whatever width its writer chose; the reader would insist on one.
struct AsNumber(u32);

impl<'de> Deserialize<'de> for AsNumber {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AnyWidth;

        impl Visitor<'_> for AnyWidth {
            type Value = AsNumber;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number of 32 bits")
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<AsNumber, E> {
                let wrong = |_| E::invalid_value(de::Unexpected::Unsigned(number), &self);
                u32::try_from(number).map(AsNumber).map_err(wrong)
            }

            fn visit_i64<E: de::Error>(self, number: i64) -> Result<AsNumber, E> {
                let wrong = |_| E::invalid_value(de::Unexpected::Signed(number), &self);
                u32::try_from(number).map(AsNumber).map_err(wrong)
            }
        }

        deserializer.deserialize_any(AnyWidth)
    }
}

/// Two capital letters.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct CountryCode([u8; 2]);

impl CountryCode {
    fn new(text: &str) -> Option<Self> {
        let letters: [u8; 2] = text.as_bytes().try_into().ok()?;
        let capital = letters.iter().all(u8::is_ascii_uppercase);
        capital.then_some(Self(letters))
    }

    pub(super) fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("capital letters are text")
    }
}

/// Returns the code of the country, if it is one.
fn country_of(found: &Found<'_>) -> Result<Option<CountryCode>, MaxMindDbError> {
    #[derive(Deserialize)]
    struct CountryRecord<'f> {
        #[serde(borrow)]
        country: Option<Country<'f>>,
    }
    #[derive(Deserialize)]
    struct Country<'f> {
        iso_code: Option<&'f str>,
    }

    let record: Option<CountryRecord<'_>> = found.decode()?;
    let code = record.and_then(|record| record.country?.iso_code);
    Ok(code.and_then(CountryCode::new))
}
