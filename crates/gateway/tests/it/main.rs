//! What keeps the gateway from listening.

#![allow(clippy::unwrap_used, reason = "a helper of a test may fail it")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use gateway::{GatewayConfig, TlsConfig, UserConfig};
use model::Secret;

fn config(listen: &str, password: &str) -> GatewayConfig {
    let user = UserConfig {
        password: Secret::new(password.to_owned()),
        accounts: None,
    };
    GatewayConfig {
        listen: Some(listen.parse().unwrap()),
        flight_listen: None,
        tls: None,
        users: BTreeMap::from([("analyst".to_owned(), user)]),
        max_connections: 1,
        sign_in_timeout: Duration::from_secs(60),
        max_queries_per_user: 1,
        max_rows: 1,
        flight_max_rows: 1,
    }
}

fn refused(config: &GatewayConfig, word: &str) {
    let error = config.check().unwrap_err().to_string();
    assert!(error.contains(word), "{error}");
}

#[test]
fn loopback_needs_no_certificate_and_everything_else_does() {
    for listen in ["127.0.0.1:5433", "[::1]:5433"] {
        config(listen, "a good password").check().unwrap();
    }
    for listen in ["0.0.0.0:5433", "[::]:5433", "192.0.2.1:5433"] {
        let postgres = config(listen, "a good password");
        refused(&postgres, "[sql.tls] cert_file");
        let flight = GatewayConfig {
            listen: None,
            flight_listen: postgres.listen,
            ..postgres
        };
        refused(&flight, "[sql] flight_listen");
    }
}

#[test]
fn a_password_that_could_be_guessed_is_refused_and_not_shown() {
    for password in ["", "hunter2", "elevenchars"] {
        let config = config("127.0.0.1:5433", password);
        refused(&config, "[sql.users.analyst] password");
        assert!(!format!("{config:?}").contains("hunter2"));
    }
}

#[test]
fn a_certificate_that_cannot_be_used_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| -> PathBuf {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let with = |cert_file: &Path, key_file: &Path| GatewayConfig {
        tls: Some(TlsConfig {
            cert_file: cert_file.to_owned(),
            key_file: key_file.to_owned(),
        }),
        ..config("0.0.0.0:5433", "a good password")
    };
    let (empty, missing) = (file("empty.pem", ""), folder.path().join("missing.pem"));
    refused(&with(&missing, &missing), "cert_file");
    refused(&with(&empty, &missing), "there is no certificate in it");
    let nonsense = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    refused(&with(&file("cert.pem", nonsense), &missing), "key_file");
}
