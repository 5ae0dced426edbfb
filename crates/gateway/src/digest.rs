//! Hashing a body as it comes: the MD5 that is its ETag, and one checksum.

use bytes::Bytes;
use md5::{Digest as _, Md5};
use s3s::checksum::ChecksumHasher;
use tokio::task::{JoinError, JoinHandle};

/// A piece from this size on is hashed in a thread of its own. It takes about 0.1 ms; handing it over takes 0.01.
const THREAD_BYTES_MIN: usize = 64 * 1024;

/// The hashes so far.
pub(crate) struct Digests {
    md5: Md5,
    checksum: ChecksumHasher,
}

impl Digests {
    pub(crate) fn new(checksum: ChecksumHasher) -> Self {
        Self { md5: Md5::new(), checksum }
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.md5.update(bytes);
        self.checksum.update(bytes);
    }

    /// Returns the MD5 and the hasher of the checksum.
    pub(crate) fn finish(self) -> ([u8; 16], ChecksumHasher) {
        (self.md5.finalize().into(), self.checksum)
    }
}

/// Hashes large pieces beside the runtime, one at a time, while the next one is on its way.
pub(crate) struct Hashing {
    state: Option<State>,
}

enum State {
    Here(Box<Digests>),
    There(JoinHandle<Box<Digests>>),
}

impl Hashing {
    pub(crate) fn new(digests: Digests) -> Self {
        Self { state: Some(State::Here(Box::new(digests))) }
    }

    /// Appends a piece. May return before it is hashed. Its future is not to be dropped and another one asked for.
    ///
    /// # Errors
    ///
    /// The thread was lost: the runtime is shutting down.
    pub(crate) async fn update(&mut self, piece: Bytes) -> Result<(), HashingLost> {
        let mut digests = self.settle().await?;
        self.state = Some(if piece.len() < THREAD_BYTES_MIN {
            digests.update(&piece);
            State::Here(digests)
        } else {
            State::There(tokio::task::spawn_blocking(move || {
                digests.update(&piece);
                digests
            }))
        });
        Ok(())
    }

    /// Returns the hashes of all pieces.
    ///
    /// # Errors
    ///
    /// The thread was lost.
    pub(crate) async fn finish(mut self) -> Result<Digests, HashingLost> {
        self.settle().await.map(|digests| *digests)
    }

    async fn settle(&mut self) -> Result<Box<Digests>, HashingLost> {
        match self.state.take() {
            Some(State::Here(digests)) => Ok(digests),
            Some(State::There(thread)) => thread.await.map_err(|error| HashingLost(Some(error))),
            None => Err(HashingLost(None)),
        }
    }
}

/// The thread that hashed is gone.
#[derive(Debug, thiserror::Error)]
#[error("hashing was given up")]
pub(crate) struct HashingLost(#[source] Option<JoinError>);

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn pieces_of_any_size_hash_as_one() {
        let body: Bytes = (0..500_000u32).map(|at| (at % 253) as u8).collect::<Vec<_>>().into();
        let mut whole = Digests::new(ChecksumHasher::default());
        whole.update(&body);
        let mut hashing = Hashing::new(Digests::new(ChecksumHasher::default()));
        let mut rest = body.clone();
        for size in [1, THREAD_BYTES_MIN, THREAD_BYTES_MIN - 1, 200_000].into_iter().cycle() {
            hashing.update(rest.split_to(size.min(rest.len()))).await.unwrap();
            if rest.is_empty() {
                break;
            }
        }
        assert_eq!(hashing.finish().await.unwrap().finish().0, whole.finish().0);
    }
}
