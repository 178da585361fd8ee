//! A relay in front of a registry that misbehaves on request, and remembers what it was asked.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// What the relay does with one request.
#[derive(Clone, Debug)]
pub(crate) enum Action {
    /// Passes request and answer on.
    Forward,
    /// Passes the request on without its range.
    IgnoreRange,
    /// Closes the connection after so many bytes of the body.
    CutAfter(usize),
    /// Sends so many bytes of the body and then nothing.
    StallAfter(usize),
    /// Announces and sends so many bytes of the body only.
    ShortenTo(usize),
    /// Changes a byte of the body.
    Corrupt,
    /// Appends so many bytes to the body, without announcing a length.
    Lengthen(usize),
    /// Answers itself.
    Answer {
        status: u16,
        headers: Vec<(&'static str, String)>,
        body: Vec<u8>,
    },
    /// Never answers.
    Hang,
    /// Connects to the upstream, whatever name was asked for.
    Tunnel,
    /// Waits and then passes on.
    Delay(Duration),
}

impl Action {
    /// Answers with a status alone.
    pub(crate) fn status(status: u16) -> Self {
        Self::Answer {
            status,
            headers: vec![],
            body: vec![],
        }
    }
}

/// One request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) target: String,
    headers: HashMap<String, String>,
    pub(crate) body: String,
}

impl Request {
    /// Returns a header by its lower-case name.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    /// Returns true for the download of a blob.
    pub(crate) fn is_blob(&self) -> bool {
        self.target.contains("/blobs/")
    }

    /// Returns true for the download of this blob.
    pub(crate) fn is_blob_of(&self, digest: &str) -> bool {
        self.target.ends_with(&format!("/blobs/{digest}"))
    }
}

/// Decides about a request; the number says how many with the same target came before it.
type Script = dyn Fn(&Request, usize) -> Action + Send + Sync;

/// A relay that ends with this value.
pub(crate) struct Proxy {
    address: String,
    requests: Arc<Mutex<Vec<Request>>>,
    _tasks: JoinSet<()>,
}

impl Proxy {
    /// Relays to `upstream` as `script` decides.
    pub(crate) async fn start(
        upstream: &str,
        script: impl Fn(&Request, usize) -> Action + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let requests = Arc::default();
        let script: Arc<Script> = Arc::new(script);
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(
            listener,
            upstream.to_owned(),
            script,
            Arc::clone(&requests),
        ));
        Self {
            address,
            requests,
            _tasks: tasks,
        }
    }

    /// Returns `127.0.0.1:port`.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// Returns what was asked so far.
    pub(crate) fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }

    /// Counts the downloads of a blob.
    pub(crate) fn downloads(&self, digest: &str) -> usize {
        self.requests()
            .iter()
            .filter(|request| request.is_blob_of(digest))
            .count()
    }
}

async fn accept(
    listener: TcpListener,
    upstream: String,
    script: Arc<Script>,
    requests: Arc<Mutex<Vec<Request>>>,
) {
    let mut connections = JoinSet::new();
    loop {
        let (client, _) = listener.accept().await.unwrap();
        let (upstream, script, requests) = (upstream.clone(), Arc::clone(&script), Arc::clone(&requests));
        connections.spawn(async move {
            // A client that goes away is part of some tests.
            drop(serve(client, &upstream, &*script, &requests).await);
        });
    }
}

async fn serve(
    mut client: TcpStream,
    upstream: &str,
    script: &Script,
    requests: &Mutex<Vec<Request>>,
) -> std::io::Result<()> {
    let request = read_request(&mut client).await?;
    let action = {
        let mut seen = requests.lock().unwrap();
        let before = seen.iter().filter(|it| it.target == request.target).count();
        seen.push(request.clone());
        script(&request, before)
    };
    match action {
        Action::Answer {
            status,
            headers,
            body,
        } => {
            return client.write_all(&answer(status, &headers, &body)).await;
        }
        Action::Tunnel => return tunnel(client, upstream).await,
        Action::Hang => return std::future::pending().await,
        Action::Delay(pause) => tokio::time::sleep(pause).await,
        _ => {}
    }
    let (head, body) = ask(&request, upstream, matches!(action, Action::IgnoreRange)).await?;
    relay(&mut client, &action, head, body).await
}

async fn tunnel(mut client: TcpStream, upstream: &str) -> std::io::Result<()> {
    let mut server = TcpStream::connect(upstream).await?;
    client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await?;
    tokio::io::copy_bidirectional(&mut client, &mut server)
        .await
        .map(|_| ())
}

async fn relay(
    client: &mut TcpStream,
    action: &Action,
    head: String,
    mut body: Vec<u8>,
) -> std::io::Result<()> {
    match action {
        Action::CutAfter(count) | Action::StallAfter(count) => {
            client.write_all(head.as_bytes()).await?;
            client.write_all(&body[..*count]).await?;
            client.flush().await?;
            if matches!(action, Action::StallAfter(_)) {
                std::future::pending::<()>().await;
            }
            return Ok(());
        }
        Action::ShortenTo(count) => body.truncate(*count),
        Action::Corrupt => {
            let middle = body.len() / 2;
            body[middle] ^= 1;
        }
        Action::Lengthen(count) => body.resize(body.len() + count, b' '),
        _ => {}
    }
    let resized = matches!(action, Action::ShortenTo(_) | Action::Lengthen(_));
    let head = if resized {
        without_header(&head, "content-length")
    } else {
        head
    };
    client.write_all(head.as_bytes()).await?;
    client.write_all(&body).await
}

async fn ask(request: &Request, upstream: &str, without_range: bool) -> std::io::Result<(String, Vec<u8>)> {
    let mut text = format!(
        "{} {} HTTP/1.1\r\nconnection: close\r\n",
        request.method, request.target
    );
    for (name, value) in &request.headers {
        let skip = name == "connection" || (without_range && name == "range");
        if !skip {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
    }
    let mut server = TcpStream::connect(upstream).await?;
    server.write_all(format!("{text}\r\n").as_bytes()).await?;
    let mut response = Vec::new();
    server.read_to_end(&mut response).await?;
    let end = response.windows(4).position(|it| it == b"\r\n\r\n").unwrap() + 4;
    let body = response.split_off(end);
    Ok((String::from_utf8(response).unwrap(), body))
}

async fn read_request(client: &mut TcpStream) -> std::io::Result<Request> {
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"\r\n\r\n") {
        bytes.push(client.read_u8().await?);
    }
    let head = String::from_utf8(bytes).unwrap();
    let mut lines = head.lines();
    let mut words = lines.next().unwrap().split(' ');
    let (method, target) = (words.next().unwrap().to_owned(), words.next().unwrap().to_owned());
    let headers: HashMap<String, String> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    let length = headers
        .get("content-length")
        .map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    client.read_exact(&mut body).await?;
    Ok(Request {
        method,
        target,
        headers,
        body: String::from_utf8(body).unwrap(),
    })
}

fn answer(status: u16, headers: &[(&'static str, String)], body: &[u8]) -> Vec<u8> {
    let mut text = format!(
        "HTTP/1.1 {status} X\r\nconnection: close\r\ncontent-length: {}\r\n",
        body.len()
    );
    for (name, value) in headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    [format!("{text}\r\n").as_bytes(), body].concat()
}

fn without_header(head: &str, name: &str) -> String {
    let kept = head
        .lines()
        .filter(|line| !line.to_ascii_lowercase().starts_with(name) && !line.is_empty());
    let lines: Vec<&str> = kept.collect();
    format!("{}\r\n\r\n", lines.join("\r\n"))
}
