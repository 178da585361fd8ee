//! How far a pull is.

use std::collections::HashSet;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::digest::Digest;
use crate::image::{Image, Layer};

/// Tells how much of an image is there. Counts go back when a download has to start over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PullProgress {
    /// The layer that moved.
    pub layer: Digest,
    /// Bytes of this layer that are there, earlier attempts included.
    pub layer_done_bytes: u64,
    /// The size of this layer in bytes.
    pub layer_total_bytes: u64,
    /// Bytes of the whole image that are there.
    pub done_bytes: u64,
    /// The size of the whole image in bytes, each layer counted once.
    pub total_bytes: u64,
}

/// Adds up the layers of one pull and reports to the caller.
pub(super) struct Tally<'a> {
    layers: Vec<&'a Layer>,
    done: AtomicU64,
    total: u64,
    report: &'a (dyn Fn(PullProgress) + Send + Sync),
}

impl<'a> Tally<'a> {
    /// Starts at zero. A layer that an image has twice is counted and fetched once.
    pub(super) fn new(image: &'a Image, report: &'a (dyn Fn(PullProgress) + Send + Sync)) -> Self {
        let mut seen = HashSet::new();
        let layers: Vec<&Layer> = image
            .layers
            .iter()
            .filter(|layer| seen.insert(layer.digest))
            .collect();
        let total = layers
            .iter()
            .fold(0_u64, |sum, layer| sum.saturating_add(layer.size_bytes));
        Self {
            layers,
            done: AtomicU64::new(0),
            total,
            report,
        }
    }

    /// Returns the layers to fetch.
    pub(super) fn layers(&self) -> Vec<&'a Layer> {
        self.layers.clone()
    }

    /// Starts the account of one layer.
    pub(super) fn layer(&self, layer: &'a Layer) -> LayerTally<'_> {
        LayerTally {
            tally: self,
            layer,
            done: 0,
        }
    }
}

impl fmt::Debug for Tally<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Tally")
            .field("done", &self.done)
            .field("total", &self.total)
            .finish_non_exhaustive()
    }
}

/// The account of one layer.
#[derive(Debug)]
pub(super) struct LayerTally<'a> {
    tally: &'a Tally<'a>,
    layer: &'a Layer,
    done: u64,
}

impl LayerTally<'_> {
    /// Says how much of the layer is there.
    pub(super) fn set(&mut self, bytes: u64) {
        let bytes = bytes.min(self.layer.size_bytes);
        let before = self.tally.done.fetch_add(bytes, Ordering::Relaxed);
        self.tally.done.fetch_sub(self.done, Ordering::Relaxed);
        let done_bytes = before.wrapping_add(bytes).wrapping_sub(self.done);
        self.done = bytes;
        (self.tally.report)(PullProgress {
            layer: self.layer.digest,
            layer_done_bytes: bytes,
            layer_total_bytes: self.layer.size_bytes,
            done_bytes,
            total_bytes: self.tally.total,
        });
    }
}
