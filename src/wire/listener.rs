//! An ear on loopback: who fetches what a token's header points at?

use std::io::ErrorKind;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// Ports that are tried where the system has none: below those that it gives to clients.
const LOWEST: u16 = 20_011;
const HIGHEST: u16 = 32_000;
const STEP: usize = 7;

/// Counts who connects, and answers each with the same document. Closed when dropped.
#[derive(Debug)]
pub struct Listener {
    url: String,
    hits: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Listener {
    /// Listens on a free port of 127.0.0.1, and answers with this JSON document.
    ///
    /// # Errors
    /// When the operating system gives no port.
    pub async fn open(document: String) -> std::io::Result<Self> {
        let listener = bind().await?;
        let url = format!("http://{}", listener.local_addr()?);
        let hits = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&hits);
        let task = tokio::spawn(async move {
            let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n";
            let answer = format!("{head}Content-Length: {}\r\n\r\n{document}", document.len());
            while let Ok((mut stream, _)) = listener.accept().await {
                counter.fetch_add(1, Ordering::SeqCst);
                // One after the other: whoever is slow here keeps nobody waiting but itself and its like.
                let mut request = [0; 4096];
                let _ = stream.read(&mut request).await;
                let _ = stream.write_all(answer.as_bytes()).await;
            }
        });
        Ok(Self { url, hits, task })
    }

    /// Scheme and authority: `http://127.0.0.1:40123`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// How many connections have come so far.
    pub fn hits(&self) -> usize {
        self.hits.load(Ordering::SeqCst)
    }
}

/// Listens on a port that is free: first as the system finds one, then on one of those that it does not give to clients.
/// Thousands of connections a minute, each of which holds its port for a minute more, leave it none of its own.
async fn bind() -> std::io::Result<TcpListener> {
    let error = match TcpListener::bind(("127.0.0.1", 0)).await {
        Err(error) if error.kind() == ErrorKind::AddrInUse => error,
        other => return other,
    };
    for port in (LOWEST..HIGHEST).step_by(STEP) {
        if let Ok(listener) = TcpListener::bind(("127.0.0.1", port)).await {
            return Ok(listener);
        }
    }
    Err(error)
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.task.abort();
    }
}
