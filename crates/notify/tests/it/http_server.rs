//! A web server of a few lines that answers what it is told and remembers what it was asked.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// What it answers.
#[derive(Clone)]
pub(crate) enum Reply {
    /// Status, headers, body.
    Answer(u16, Vec<(&'static str, String)>, String),
    /// Nothing, ever.
    Silence,
    /// A body that never ends.
    Flood,
}

pub(crate) fn answer(status: u16, body: &str) -> Reply {
    Reply::Answer(status, Vec::new(), body.to_owned())
}

pub(crate) struct HttpServer {
    pub(crate) port: u16,
    /// The request heads and bodies.
    pub(crate) requests: Arc<Mutex<Vec<(String, String)>>>,
}

impl HttpServer {
    /// Starts it; every request gets the same reply.
    pub(crate) async fn start(reply: Reply) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&requests);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, reply.clone(), Arc::clone(&kept)));
            }
        });
        Self { port, requests }
    }

    pub(crate) fn count(&self) -> usize {
        self.requests.lock().unwrap().len()
    }
}

async fn serve(stream: TcpStream, reply: Reply, kept: Arc<Mutex<Vec<(String, String)>>>) {
    let mut stream = BufReader::new(stream);
    let (mut head, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await.unwrap_or(0) == 0 {
            return;
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        if line == "\r\n" {
            break;
        }
        head.push_str(&line);
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.unwrap();
    kept.lock()
        .unwrap()
        .push((head, String::from_utf8(body).unwrap()));
    match reply {
        Reply::Silence => tokio::time::sleep(Duration::from_secs(60)).await,
        Reply::Flood => {
            let _ = stream.write_all(b"HTTP/1.1 500 x\r\n\r\n").await;
            let chunk = vec![b'a'; 16 * 1024];
            while stream.write_all(&chunk).await.is_ok() {}
        }
        Reply::Answer(status, headers, body) => {
            let mut answer = format!("HTTP/1.1 {status} x\r\nconnection: close\r\n");
            for (name, value) in headers {
                answer.push_str(&format!("{name}: {value}\r\n"));
            }
            answer.push_str(&format!("content-length: {}\r\n\r\n{body}", body.len()));
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    }
}
