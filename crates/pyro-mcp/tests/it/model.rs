//! A server on loopback that speaks the API of a model and says what it is told to say.

#![expect(clippy::unwrap_used, reason = "a server that fails must fail its test")]

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use serde_json::Value;

/// What is answered: a status and an object.
pub(crate) type Answer = (u16, Value);

/// Gives the answer to a path and what was sent to it.
type Script = Box<dyn FnMut(&str, &Value) -> Answer + Send>;

/// The server. It is there until the test's process ends.
#[derive(Debug)]
pub(crate) struct ModelServer {
    url: String,
}

impl ModelServer {
    /// Serves a script, whose panics break the connection off and so fail its client.
    pub(crate) fn start(script: impl FnMut(&str, &Value) -> Answer + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/v1", listener.local_addr().unwrap());
        let script: Arc<Mutex<Script>> = Arc::new(Mutex::new(Box::new(script)));
        thread::spawn(move || {
            for stream in listener.incoming() {
                let script = Arc::clone(&script);
                thread::spawn(move || serve(&stream.unwrap(), &script));
            }
        });
        Self { url }
    }

    /// Where the API begins.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }
}

fn serve(stream: &TcpStream, script: &Mutex<Script>) {
    let mut reader = BufReader::new(stream);
    while let Some((path, body)) = request(&mut reader) {
        let (status, answer) = {
            let mut script = script.lock().unwrap_or_else(PoisonError::into_inner);
            script(&path, &body)
        };
        let answer = answer.to_string();
        let head = format!(
            "HTTP/1.1 {status} Said\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            answer.len()
        );
        let mut stream = stream;
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(answer.as_bytes()).unwrap();
    }
}

/// The next request of a connection; none at its end.
fn request(reader: &mut impl BufRead) -> Option<(String, Value)> {
    let mut first = String::new();
    if reader.read_line(&mut first).ok()? == 0 {
        return None;
    }
    let mut words = first.split(' ');
    assert_eq!(words.next(), Some("POST"), "{first}");
    let path = words.next().unwrap().to_owned();
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        let Some((name, value)) = line.split_once(':') else {
            break;
        };
        if name.eq_ignore_ascii_case("content-length") {
            length = value.trim().parse().unwrap();
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    Some((path, serde_json::from_slice(&body).unwrap()))
}
