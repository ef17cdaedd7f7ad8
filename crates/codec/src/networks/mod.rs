//! The network and the country of an address, from files in MaxMind's format.
//!
//! GeoLite2, GeoIP2, DB-IP's lite files: whatever holds `autonomous_system_number` or
//! `country.iso_code`. A file comes as bytes; reading it is not this crate's matter.
//!
//! | what the event says | what the file says | what the row gets |
//! |---|---|---|
//! | its own network or country | anything | its own |
//! | a public address | something | what the file says |
//! | a public address | nothing | nothing |
//! | a private address, or none, or another text | anything | nothing |

mod file;
mod ranges;

use std::error::Error;
use std::net::IpAddr;

use model::{CountField, TextField, Timestamp, UsageRow};

use file::{CountryCode, NetworkFile};

/// What is known of addresses: nothing, until it is given a file.
#[derive(Debug, Default)]
pub struct Networks {
    asn: Option<NetworkFile<u32>>,
    country: Option<NetworkFile<CountryCode>>,
}

/// What a file says of itself, and how much of it can be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkFileSummary {
    /// What its maker calls it, such as `GeoLite2-ASN`.
    pub database_type: String,
    /// When it was made.
    pub built: Timestamp,
    /// How many networks it says something of.
    pub networks: u64,
}

/// Why a file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum NetworksError {
    /// The file is longer than [`Networks::MAX_FILE_BYTES`].
    #[error("it is longer than {} bytes", Networks::MAX_FILE_BYTES)]
    TooLarge,
    /// The file is of another format, or damaged.
    #[error("it could not be read as a MaxMind DB")]
    Unreadable(#[source] Box<dyn Error + Send + Sync>),
    /// The file is one of another kind.
    #[error("no network in it has `{field}`")]
    NoField {
        /// The field that is looked up.
        field: &'static str,
    },
}

impl Networks {
    /// The longest file that is taken, in bytes. While it is read all of it is in memory, and
    /// only what it says of each network afterwards.
    pub const MAX_FILE_BYTES: usize = 512 << 20;

    /// Takes the bytes of a file with `autonomous_system_number`.
    ///
    /// # Errors
    /// [`NetworksError`] if the file is too long, cannot be read, or has no such field.
    pub fn with_asn_file(mut self, bytes: Vec<u8>) -> Result<Self, NetworksError> {
        self.asn = Some(NetworkFile::with_asn(bytes)?);
        Ok(self)
    }

    /// Takes the bytes of a file with `country.iso_code`.
    ///
    /// # Errors
    /// [`NetworksError`] if the file is too long, cannot be read, or has no such field.
    pub fn with_country_file(mut self, bytes: Vec<u8>) -> Result<Self, NetworksError> {
        self.country = Some(NetworkFile::with_country(bytes)?);
        Ok(self)
    }

    /// Returns what is known of the file with networks, if there is one.
    pub fn asn_file(&self) -> Option<&NetworkFileSummary> {
        self.asn.as_ref().map(NetworkFile::summary)
    }

    /// Returns what is known of the file with countries, if there is one.
    pub fn country_file(&self) -> Option<&NetworkFileSummary> {
        self.country.as_ref().map(NetworkFile::summary)
    }

    /// Fills in what a row leaves open of where it came from.
    pub(crate) fn fill<'f>(&'f self, row: &mut UsageRow<'f>) {
        let asn_file = self.asn.as_ref();
        let asn_file = asn_file.filter(|_| row.count(CountField::Asn).is_none());
        let country_file = self.country.as_ref();
        let country_file = country_file.filter(|_| row.text(TextField::Country).is_none());
        if asn_file.is_none() && country_file.is_none() {
            return;
        }
        let Some(address) = row.text(TextField::SourceIp).and_then(public_address) else {
            return;
        };
        if let Some(asn) = asn_file.and_then(|file| file.look_up(address)) {
            row.set_count(CountField::Asn, u64::from(*asn));
        }
        if let Some(country) = country_file.and_then(|file| file.look_up(address)) {
            row.set_text(TextField::Country, country.as_str());
        }
    }
}

/// Returns the address in a text, unless it means something only inside of a network.
fn public_address(text: &str) -> Option<IpAddr> {
    let address = text.parse::<IpAddr>().ok()?.to_canonical();
    let public = match address {
        IpAddr::V4(address) => {
            let [first, second, ..] = address.octets();
            let behind_carrier = first == 100 && second & 0xc0 == 64;
            let this_network = first == 0;
            !(this_network
                || behind_carrier
                || address.is_private()
                || address.is_loopback()
                || address.is_link_local()
                || address.is_multicast()
                || address.is_broadcast())
        }
        IpAddr::V6(address) => {
            !(address.is_unspecified()
                || address.is_loopback()
                || address.is_unique_local()
                || address.is_unicast_link_local()
                || address.is_multicast())
        }
    };
    public.then_some(address)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ASN: &[u8] = include_bytes!("../../../../fixtures/networks/asn.mmdb");
    const ASN_IPV4: &[u8] = include_bytes!("../../../../fixtures/networks/asn_ipv4.mmdb");
    const COUNTRY: &[u8] = include_bytes!("../../../../fixtures/networks/country.mmdb");

    fn networks() -> Networks {
        let networks = Networks::default().with_asn_file(ASN.to_vec()).unwrap();
        networks.with_country_file(COUNTRY.to_vec()).unwrap()
    }

    fn check(
        networks: &Networks,
        address: &str,
        expected_asn: Option<u64>,
        expected_country: Option<&str>,
    ) {
        let mut row = UsageRow::at(Timestamp::EARLIEST);
        row.set_text(TextField::SourceIp, address);
        networks.fill(&mut row);
        let asn = row.count(CountField::Asn);
        let country = row.text(TextField::Country);
        assert_eq!(
            (asn, country),
            (expected_asn, expected_country),
            "{address}"
        );
    }

    #[test]
    fn an_address_leads_to_its_network_and_country() {
        let networks = networks();
        check(&networks, "192.0.2.0", Some(64496), Some("DE"));
        check(&networks, "192.0.2.255", Some(64496), Some("DE"));
        check(&networks, "::ffff:192.0.2.7", Some(64496), Some("DE"));
        check(&networks, "2001:db8::7", Some(64498), Some("NL"));
        check(&networks, "2001:DB8:0:0::7", Some(64498), Some("NL"));
    }

    #[test]
    fn what_a_file_does_not_say_stays_unknown() {
        let networks = networks();
        // In one file only, and in none.
        check(&networks, "203.0.113.7", None, Some("US"));
        check(&networks, "2001:db8:8000::7", None, Some("NL"));
        check(&networks, "192.0.3.7", None, None);
        check(&networks, "2001:db9::7", None, None);
        // A record without a country, and one without a number whose country is no code.
        check(&networks, "198.51.100.7", Some(64497), None);
        check(&networks, "198.51.100.200", None, None);
    }

    #[test]
    fn a_text_that_is_no_address_leads_nowhere() {
        for text in [
            "nonsense",
            "",
            "192.0.2",
            "192.0.2.7.1",
            "192.0.2.300",
            "192.0.2.007",
            "192.0.2.7:443",
            "192.0.2.0/24",
            " 192.0.2.7",
            "2001:db8::7%eth0",
            "[2001:db8::7]",
            "bedrock.amazonaws.example",
            "[redacted:openai]",
        ] {
            check(&networks(), text, None, None);
        }
    }

    /// The fixture has records for these, which a real file has not.
    #[test]
    fn an_address_that_is_not_public_leads_nowhere() {
        for address in [
            "10.0.0.1",
            "100.64.0.1",
            "100.127.255.254",
            "127.0.0.1",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.254",
            "192.168.1.1",
            "::ffff:10.0.0.1",
            "0.0.0.0",
            "255.255.255.255",
            "::",
            "::1",
            "fc00::1",
            "fdff::1",
            "fe80::1",
        ] {
            check(&networks(), address, None, None);
        }
    }

    #[test]
    fn each_file_stands_alone() {
        let asn = Networks::default().with_asn_file(ASN.to_vec()).unwrap();
        check(&asn, "192.0.2.7", Some(64496), None);
        assert!(asn.country_file().is_none());
        let country = Networks::default();
        let country = country.with_country_file(COUNTRY.to_vec()).unwrap();
        check(&country, "192.0.2.7", None, Some("DE"));
        check(&Networks::default(), "192.0.2.7", None, None);
    }

    #[test]
    fn a_file_for_ipv4_knows_no_ipv6() {
        let networks = Networks::default();
        let networks = networks.with_asn_file(ASN_IPV4.to_vec()).unwrap();
        check(&networks, "192.0.2.7", Some(64499), None);
        check(&networks, "::ffff:192.0.2.7", Some(64499), None);
        check(&networks, "2001:db8::7", None, None);
    }

    #[test]
    fn a_file_says_what_it_is() {
        let networks = networks();
        let expected = |database_type: &str, networks| NetworkFileSummary {
            database_type: database_type.to_owned(),
            built: Timestamp::parse("2026-05-04T00:00:00Z").unwrap(),
            networks,
        };
        assert_eq!(networks.asn_file(), Some(&expected("Fixture-ASN", 11)));
        let country = networks.country_file();
        assert_eq!(country, Some(&expected("Fixture-Country", 11)));
    }

    fn refused(bytes: Vec<u8>) -> NetworksError {
        Networks::default().with_asn_file(bytes).unwrap_err()
    }

    #[test]
    fn what_is_no_file_of_the_format_is_refused() {
        for bytes in [
            b"".to_vec(),
            b"192.0.2.0/24,64496\n".to_vec(),
            vec![0; 4096],
        ] {
            let err = refused(bytes);
            assert_eq!(err.to_string(), "it could not be read as a MaxMind DB");
            assert!(err.source().is_some());
        }
        let err = refused(vec![0; Networks::MAX_FILE_BYTES + 1]);
        assert_eq!(err.to_string(), "it is longer than 536870912 bytes");
    }

    #[test]
    fn a_file_of_the_other_kind_is_refused() {
        let err = refused(COUNTRY.to_vec());
        let said = "no network in it has `autonomous_system_number`";
        assert_eq!(err.to_string(), said);
        let err = Networks::default().with_country_file(ASN.to_vec());
        let said = "no network in it has `country.iso_code`";
        assert_eq!(err.unwrap_err().to_string(), said);
    }

    #[test]
    fn a_file_that_was_cut_is_refused() {
        for end in 0..ASN.len() {
            let err = refused(ASN.get(..end).unwrap().to_vec());
            assert!(matches!(err, NetworksError::Unreadable(_)), "{end}: {err}");
        }
        // What is missing at the front shifts the tree against the data.
        for start in 1..ASN.len() {
            let _ = Networks::default().with_asn_file(ASN.get(start..).unwrap().to_vec());
        }
    }

    #[test]
    fn no_damaged_byte_stops_a_lookup() {
        for (whole, is_asn) in [(ASN, true), (COUNTRY, false)] {
            for at in 0..whole.len() {
                for damage in [0x00, 0xff, 0x20, 0xe1] {
                    let mut bytes = whole.to_vec();
                    bytes[at] = damage;
                    let networks = Networks::default();
                    let networks = if is_asn {
                        networks.with_asn_file(bytes)
                    } else {
                        networks.with_country_file(bytes)
                    };
                    // Wrong, refused or as before: the format has no checksum.
                    let Ok(networks) = networks else { continue };
                    for address in ["192.0.2.7", "203.0.113.7", "2001:db8::7", "2002:c000:207::"] {
                        let mut row = UsageRow::at(Timestamp::EARLIEST);
                        row.set_text(TextField::SourceIp, address);
                        networks.fill(&mut row);
                    }
                }
            }
        }
    }
}
