//! A running server and the least client that can ask it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use casebook::Casebook;
use model::Alert;
use server::{AppState, ServerConfig, Vitals};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_util::sync::{CancellationToken, DropGuard};

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

/// A server that stops when dropped.
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    pub(crate) casebook: Casebook,
    _stop: DropGuard,
}

impl Running {
    pub(crate) async fn with(alerts: &[Alert], vitals: Vitals, allowed: &[&str]) -> Self {
        let casebook = Casebook::in_memory().await.unwrap();
        let channels = ["slack".to_owned()];
        casebook.record_alerts(alerts, &channels).await.unwrap();
        let config = ServerConfig {
            allow_non_loopback: false,
            listen: "127.0.0.1:0".parse().unwrap(),
            allowed_hosts: allowed.iter().map(ToString::to_string).collect(),
        };
        let state = AppState {
            casebook: casebook.clone(),
            vitals: Arc::new(vitals),
        };
        let server = server::bind(&config, state).await.unwrap();
        let address = server.local_addr();
        let cancel = CancellationToken::new();
        let stop = cancel.clone().drop_guard();
        tokio::spawn(server.serve(cancel));
        Self {
            address,
            casebook,
            _stop: stop,
        }
    }

    /// Asks for a path as a browser on this machine would.
    pub(crate) async fn get(&self, path: &str) -> Answer {
        let host = self.address.to_string();
        self.ask("GET", path, &[("Host", &host)]).await
    }

    pub(crate) async fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
        let mut request = format!("{method} {path} HTTP/1.1\r\nConnection: close\r\n");
        for (name, value) in headers {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        request.push_str("\r\n");
        self.raw(request.as_bytes()).await
    }

    pub(crate) async fn raw(&self, request: &[u8]) -> Answer {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(request).await.unwrap();
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).await.unwrap();
        let text = String::from_utf8(bytes).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let mut lines = head.lines();
        let status = lines.next().unwrap().split(' ').nth(1).unwrap();
        let headers = lines
            .map(|line| line.split_once(": ").unwrap())
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
            .collect();
        Answer {
            status: status.parse().unwrap(),
            headers,
            body: body.to_owned(),
        }
    }
}
