//! A mail server of a few lines that answers what it is told and remembers what it was sent.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// How it behaves where it does not simply agree.
#[derive(Clone, Default)]
pub(crate) struct Manners {
    /// The extensions after EHLO.
    pub(crate) extensions: Vec<&'static str>,
    /// Answers by the beginning of the command; `.` stands for the end of the message.
    pub(crate) answers: Vec<(&'static str, &'static str)>,
    /// Commands after which it says nothing any more.
    pub(crate) silent_at: Vec<&'static str>,
    /// Commands after which it hangs up without an answer.
    pub(crate) drops_at: Vec<&'static str>,
}

pub(crate) struct SmtpServer {
    pub(crate) port: u16,
    /// Every line it received, the message included.
    pub(crate) lines: Arc<Mutex<Vec<String>>>,
}

impl SmtpServer {
    pub(crate) async fn start(manners: Manners) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let lines = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&lines);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, manners.clone(), Arc::clone(&kept)));
            }
        });
        Self { port, lines }
    }

    pub(crate) fn transcript(&self) -> String {
        self.lines.lock().unwrap().join("\n")
    }
}

async fn serve(stream: TcpStream, manners: Manners, kept: Arc<Mutex<Vec<String>>>) {
    let mut stream = BufReader::new(stream);
    let mut in_message = false;
    if stream.write_all(b"220 test ESMTP\r\n").await.is_err() {
        return;
    }
    loop {
        let mut bytes = Vec::new();
        if stream.read_until(b'\n', &mut bytes).await.unwrap_or(0) == 0 {
            return;
        }
        let line = String::from_utf8_lossy(&bytes).trim_end().to_owned();
        kept.lock().unwrap().push(line.clone());
        if in_message && line != "." {
            continue;
        }
        let matches = |word: &&'static str| line.starts_with(*word);
        if manners.drops_at.iter().any(matches) {
            return;
        }
        if manners.silent_at.iter().any(matches) {
            tokio::time::sleep(Duration::from_secs(60)).await;
        }
        let told = manners
            .answers
            .iter()
            .find(|(word, _)| matches(word))
            .map(|(_, answer)| *answer);
        let answer = match told {
            Some(answer) => answer.to_owned(),
            None if in_message => "250 2.0.0 queued as 12345".to_owned(),
            None if line.starts_with("EHLO") => manners
                .extensions
                .iter()
                .map(|extension| format!("250-{extension}\r\n"))
                .chain(["250 SIZE 10000000".to_owned()])
                .collect(),
            None if line == "DATA" => "354 go on".to_owned(),
            None if line == "QUIT" => "221 bye".to_owned(),
            None => "250 ok".to_owned(),
        };
        in_message = line == "DATA" && answer.starts_with("354");
        if stream
            .write_all(format!("{answer}\r\n").as_bytes())
            .await
            .is_err()
        {
            return;
        }
    }
}
