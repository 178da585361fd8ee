//! What a process or a machine prints, kept in a ring.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use tokio::io::AsyncReadExt;
use tokio::net::UnixStream;
use tokio_util::task::AbortOnDropHandle;

/// The most kept, in bytes.
const RING_BYTES: usize = 1024 * 1024;

/// The most shown of it, in bytes.
const TAIL_BYTES: usize = 4 * 1024;

/// Reads a stream for as long as it lives and keeps its end.
#[derive(Debug)]
pub(crate) struct Ring {
    ring: Arc<Mutex<VecDeque<u8>>>,
    reader: AbortOnDropHandle<()>,
}

impl Ring {
    /// Starts to read. Must be called within a tokio runtime.
    pub(crate) fn read(stream: UnixStream) -> Self {
        let ring = Arc::new(Mutex::new(VecDeque::new()));
        let reader = AbortOnDropHandle::new(tokio::spawn(keep_end(stream, Arc::clone(&ring))));
        Self { ring, reader }
    }

    /// The last lines. If the machine has ended, all it wrote was read before.
    pub(crate) async fn tail(&mut self) -> String {
        // A stream whose writer is gone ends at once; one that goes on is not waited for.
        let patience = std::time::Duration::from_millis(100);
        if !self.reader.is_finished() {
            let _still_open = tokio::time::timeout(patience, &mut self.reader).await;
        }
        let ring = self
            .ring
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let skipped = ring.len().saturating_sub(TAIL_BYTES);
        let bytes: Vec<u8> = ring.iter().skip(skipped).copied().collect();
        let text = String::from_utf8_lossy(&bytes);
        let visible = |c: &char| *c == '\n' || !c.is_control();
        text.chars().filter(visible).collect::<String>().trim().to_owned()
    }
}

async fn keep_end(mut stream: UnixStream, ring: Arc<Mutex<VecDeque<u8>>>) {
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(count @ 1..) = stream.read(&mut buffer).await {
        let mut ring = ring.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        ring.extend(&buffer[..count]);
        let excess = ring.len().saturating_sub(RING_BYTES);
        ring.drain(..excess);
    }
}
