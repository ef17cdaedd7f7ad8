//! The section `[server]`.

use std::net::{Ipv4Addr, SocketAddr};

use serde::Deserialize;

use crate::Error;

/// Where the pages are served and under which names.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ServerConfig {
    /// The address to listen on; loopback only, because there is no sign-in yet.
    pub listen: SocketAddr,
    /// Listen on another address all the same: inside a container, whose port is published on
    /// loopback, or behind a proxy that signs people in.
    pub allow_non_loopback: bool,
    /// Names besides loopback that a browser may ask for, such as `console.example.com` or
    /// `console.example.com:8443`; needed behind a reverse proxy that signs people in.
    pub allowed_hosts: Vec<String>,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8080)),
            allow_non_loopback: false,
            allowed_hosts: Vec::new(),
        }
    }
}

impl ServerConfig {
    /// Checks what the types cannot say.
    ///
    /// # Errors
    /// When the address is not loopback, or an allowed host is no host.
    pub fn validate(&self) -> Result<(), Error> {
        if !self.listen.ip().is_loopback() && !self.allow_non_loopback {
            return Err(Error::NotLoopback(self.listen));
        }
        let is_host = |host: &&String| {
            !host.is_empty()
                && host
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b".-_:[]".contains(&byte))
        };
        match self.allowed_hosts.iter().find(|host| !is_host(host)) {
            Some(host) => Err(Error::Host(host.clone())),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_and_plain_hosts_pass() {
        let config = |listen: &str, host: &str| ServerConfig {
            listen: listen.parse().unwrap(),
            allow_non_loopback: false,
            allowed_hosts: vec![host.to_owned()],
        };
        assert!(config("127.0.0.1:0", "a.example").validate().is_ok());
        assert!(config("[::1]:80", "a.example:8443").validate().is_ok());
        let open = config("0.0.0.0:80", "a.example").validate().unwrap_err();
        assert!(open.to_string().contains("0.0.0.0:80"));
        for host in ["", "*", "http://a.example", "a b"] {
            assert!(config("127.0.0.1:0", host).validate().is_err(), "{host}");
        }
    }

    #[test]
    fn an_unknown_field_is_refused() {
        let text = r#"{ "listen": "127.0.0.1:1", "host": "a" }"#;
        let refused = serde_json::from_str::<ServerConfig>(text).unwrap_err();
        assert!(refused.to_string().contains("unknown field `host`"));
        let default: ServerConfig = serde_json::from_str("{}").unwrap();
        assert_eq!(default, ServerConfig::default());
    }
}
