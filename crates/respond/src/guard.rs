//! Which addresses a connector may speak to.
//!
//! The names in a config can come to mean other machines than those that were meant, by
//! mistake or by whoever owns the zone. So a webhook's name is resolved here, and the
//! connection goes to an address that was looked at, not to a second answer.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use reqwest::Url;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use crate::Error;

/// Checks an address from the config: https, or http to this machine, and nobody's password.
pub(crate) fn checked_url(field: &'static str, text: &str) -> Result<Url, Error> {
    let refused = |reason| Error::Config { field, reason };
    // The parser's own error is not passed on: it may quote the address.
    let url = Url::parse(text.trim()).map_err(|_| refused("it is not an absolute URL"))?;
    match url.scheme() {
        "https" => {}
        "http" if is_loopback(&url) => {}
        "http" => return Err(refused("it must begin with https://")),
        _ => return Err(refused("it is not an https URL")),
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(refused("it must not hold a username or password"));
    }
    Ok(url)
}

/// Returns whether the address itself says that it is this machine.
pub(crate) fn is_loopback(url: &Url) -> bool {
    match url.host_str() {
        Some("localhost") => true,
        Some(_) => literal(url).is_some_and(|address| address.is_loopback()),
        None => false,
    }
}

/// Checks a literal address, which no resolver sees.
pub(crate) fn check_literal(
    field: &'static str,
    url: &Url,
    private_allowed: bool,
) -> Result<(), Error> {
    match literal(url) {
        Some(address) if !is_loopback(url) && !is_allowed(address, private_allowed) => {
            Err(Error::Config {
                field,
                reason: "it points into a private or reserved network; \
                         allow_private_network = true allows the private ones",
            })
        }
        _ => Ok(()),
    }
}

/// A name leads only to addresses that may not be spoken to.
#[derive(Debug, thiserror::Error)]
#[error("the name leads into a private or reserved network")]
pub(crate) struct ForbiddenAddress;

/// Resolves names and leaves out addresses that may not be spoken to.
pub(crate) struct GuardedResolver {
    pub(crate) private_allowed: bool,
}

impl Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let private_allowed = self.private_allowed;
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let allowed: Vec<SocketAddr> = found
                .filter(|address| is_allowed(address.ip(), private_allowed))
                .collect();
            if allowed.is_empty() {
                return Err(ForbiddenAddress.into());
            }
            Ok(Box::new(allowed.into_iter()) as Addrs)
        })
    }
}

fn literal(url: &Url) -> Option<IpAddr> {
    url.host_str()?
        .trim_start_matches('[')
        .trim_end_matches(']')
        .parse()
        .ok()
}

fn is_allowed(address: IpAddr, private_allowed: bool) -> bool {
    match address {
        IpAddr::V4(address) => is_allowed_v4(address, private_allowed),
        IpAddr::V6(address) => match address.to_ipv4_mapped() {
            Some(address) => is_allowed_v4(address, private_allowed),
            None => {
                let [head, second, ..] = address.segments();
                let is_reserved = address.is_loopback()
                    || address.is_unspecified()
                    || address.is_multicast()
                    || address.is_unicast_link_local()
                    // NAT64 and 6to4 hold a second address inside.
                    || (head == 0x64 && second == 0xff9b)
                    || head == 0x2002;
                !is_reserved && (private_allowed || !address.is_unique_local())
            }
        },
    }
}

fn is_allowed_v4(address: Ipv4Addr, private_allowed: bool) -> bool {
    let [a, b, ..] = address.octets();
    // Link-local holds the metadata services of the clouds; nobody's webhook lives there.
    let is_reserved = a == 0
        || a >= 240
        || address.is_loopback()
        || address.is_link_local()
        || address.is_multicast();
    let is_private = address.is_private() || (a == 100 && (64..128).contains(&b));
    !is_reserved && (private_allowed || !is_private)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_metadata_service_is_never_allowed_and_private_networks_on_request() {
        for address in [
            "169.254.169.254",
            "127.0.0.1",
            "0.0.0.0",
            "255.255.255.255",
            "224.0.0.1",
            "::1",
            "::",
            "fe80::1",
            "ff02::1",
            "::ffff:169.254.169.254",
            "::ffff:127.0.0.1",
            "64:ff9b::a9fe:a9fe",
            "2002:7f00:1::",
        ] {
            let address = address.parse().unwrap();
            assert!(!is_allowed(address, true), "{address}");
        }
        for address in [
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "100.64.0.1",
            "fd00::1",
        ] {
            let address = address.parse().unwrap();
            assert!(
                !is_allowed(address, false) && is_allowed(address, true),
                "{address}"
            );
        }
        for address in ["93.184.216.34", "2606:2800:220:1::1"] {
            assert!(is_allowed(address.parse().unwrap(), false), "{address}");
        }
    }

    #[test]
    fn only_https_or_this_machine() {
        for text in [
            "https://hooks.example.com/x",
            "http://localhost:1/x",
            "http://[::1]:1/",
        ] {
            checked_url("f", text).unwrap();
        }
        for text in [
            "http://hooks.example.com/secret",
            "ftp://h/secret",
            "secret",
            "",
            "https://user:secret@h/",
            "http://localhost.example.com/secret",
        ] {
            let err = checked_url("f", text).unwrap_err();
            assert!(!format!("{err} {err:?}").contains("secret"), "{err:?}");
        }
    }

    #[test]
    fn literal_addresses_are_checked_at_once() {
        let check = |text: &str, private_allowed| {
            check_literal("f", &checked_url("f", text).unwrap(), private_allowed)
        };
        assert!(check("https://169.254.169.254/latest", true).is_err());
        // Every spelling of an address is the same address to the URL parser.
        assert!(check("https://0xa9fea9fe/latest", true).is_err());
        assert!(check("https://10.0.0.1/", false).is_err());
        assert!(check("https://10.0.0.1/", true).is_ok());
        assert!(check("http://127.0.0.1:1/", false).is_ok());
    }

    #[tokio::test]
    async fn a_name_that_means_this_machine_is_not_resolved() {
        let resolver = GuardedResolver {
            private_allowed: true,
        };
        let name: Name = "localhost".parse().unwrap();
        assert!(resolver.resolve(name).await.is_err());
    }
}
