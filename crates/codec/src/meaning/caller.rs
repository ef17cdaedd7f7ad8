//! Where a call came from: whole addresses, masked ones, and lists of hops.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4};

use model::{TextField, UsageRow};

/// Writes an address into a row: a whole one as it is, a masked one as its network, with or
/// without a port.
///
/// What is no address, such as the name of the AWS service that called, is left out.
pub(crate) fn fill<'t>(row: &mut UsageRow<'t>, text: Option<&'t str>) {
    let Some(text) = text.map(str::trim) else {
        return;
    };
    if let Some(address) = ipv4(text) {
        row.set_text(TextField::SourceIp, address);
    } else if let Some(address) = address(text) {
        row.set_text(TextField::SourceIp, address.to_string());
    } else if let Some(prefix) = masked(text) {
        row.set_text(TextField::SourceIpPrefix, prefix);
    }
}

/// Returns the first public hop of `X-Forwarded-For`.
///
/// The header is the client's to write, so that only a gateway's own log is to be believed.
pub(crate) fn first_public_hop(list: &str) -> Option<&str> {
    let mut hops = list.split(',').map(str::trim);
    hops.find(|hop| address(hop).is_some_and(is_public))
}

/// Returns the caller of a gateway: what connected to it where that is public, else the first
/// public hop of the header, else what connected.
pub(crate) fn behind_proxies<'a>(
    connected: Option<&'a str>,
    hops: Option<&'a str>,
) -> Option<&'a str> {
    let public = connected.filter(|text| address(text.trim()).is_some_and(is_public));
    public.or_else(|| first_public_hop(hops?)).or(connected)
}

/// Returns an IPv4 address as it stands, without its port: it has one spelling only.
fn ipv4(text: &str) -> Option<&str> {
    let address = text.split_once(':').map_or(text, |(address, _)| address);
    address.parse::<Ipv4Addr>().ok()?;
    let alone = address.len() == text.len() || text.parse::<SocketAddrV4>().is_ok();
    alone.then_some(address)
}

fn address(text: &str) -> Option<IpAddr> {
    let address = text.parse::<IpAddr>().ok();
    let address = address.or_else(|| Some(text.parse::<SocketAddr>().ok()?.ip()));
    let bracketed = || text.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    Some(address.or_else(bracketed)?.to_canonical())
}

/// Returns the network of an IPv4 address whose last parts are stars or crosses.
fn masked(text: &str) -> Option<String> {
    let mut octets = [0u8; 4];
    let mut known = 0;
    let mut parts = 0;
    for part in text.split('.') {
        let place = octets.get_mut(parts)?;
        parts += 1;
        if let Ok(octet) = part.parse::<u8>() {
            if known + 1 != parts {
                return None;
            }
            *place = octet;
            known += 1;
        } else if part.is_empty() || !part.bytes().all(|byte| matches!(byte, b'*' | b'x' | b'X')) {
            return None;
        }
    }
    let [a, b, c, d] = octets;
    (parts == 4 && (1..4).contains(&known)).then(|| format!("{a}.{b}.{c}.{d}/{}", known * 8))
}

fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => {
            let [first, second, ..] = address.octets();
            // Shared addresses of carriers, 100.64.0.0/10, have no name in the standard library.
            let shared = first == 100 && second & 0xc0 == 64;
            !(address.is_private()
                || address.is_loopback()
                || address.is_link_local()
                || address.is_unspecified()
                || address.is_broadcast()
                || shared)
        }
        IpAddr::V6(address) => {
            !(address.is_loopback()
                || address.is_unspecified()
                || address.is_unique_local()
                || address.is_unicast_link_local())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::Timestamp;

    fn check(text: &str, address: Option<&str>, prefix: Option<&str>) {
        let mut row = UsageRow::at(Timestamp::EARLIEST);
        fill(&mut row, Some(text));
        assert_eq!(row.text(TextField::SourceIp), address, "{text}");
        assert_eq!(row.text(TextField::SourceIpPrefix), prefix, "{text}");
    }

    #[test]
    fn addresses_are_whole_masked_or_none() {
        check("192.0.2.7", Some("192.0.2.7"), None);
        check("192.0.2.7:443", Some("192.0.2.7"), None);
        check("[2001:db8::7]:443", Some("2001:db8::7"), None);
        check("[2001:db8::7]", Some("2001:db8::7"), None);
        check("::ffff:192.0.2.7", Some("192.0.2.7"), None);
        check("192.0.2.***", None, Some("192.0.2.0/24"));
        check("192.0.xxx.xxx", None, Some("192.0.0.0/16"));
        for none in [
            "***.0.2.7",
            "*.*.*.*",
            "192.0.2",
            "192.0.2.",
            "192.0.2.07",
            "192.0.2.7:x",
            "192.0.2.7:",
            "bedrock.amazonaws.com",
            "-",
            "",
        ] {
            check(none, None, None);
        }
    }

    #[test]
    fn the_first_public_hop_counts() {
        let hop = |list| first_public_hop(list);
        assert_eq!(hop("10.0.0.1, 192.0.2.7, 198.51.100.1"), Some("192.0.2.7"));
        assert_eq!(hop("unknown, 100.64.0.1, fe80::1"), None);
    }

    #[test]
    fn a_header_counts_where_a_proxy_of_ones_own_connected() {
        let hops = Some("198.51.100.9, 10.0.0.2");
        for (connected, hops, expected) in [
            (Some("192.0.2.7:5000"), hops, Some("192.0.2.7:5000")),
            (Some("10.0.0.2:5000"), hops, Some("198.51.100.9")),
            (Some("10.0.0.2:5000"), None, Some("10.0.0.2:5000")),
            (None, hops, Some("198.51.100.9")),
            (None, None, None),
        ] {
            assert_eq!(behind_proxies(connected, hops), expected);
        }
    }
}
