//! Reading the body of a request in bounded pieces, and holding it to what its headers announced.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;
use s3s::{S3Result, dto::StreamingBlob, s3_error};

use crate::failure;

/// A body whose length is known from its headers.
pub(crate) struct AnnouncedBody {
    /// `None` once it has ended.
    stream: Option<StreamingBlob>,
    /// Bytes that are still to come.
    left: u64,
    idle_max: Duration,
}

impl AnnouncedBody {
    pub(crate) fn new(stream: Option<StreamingBlob>, length: u64, idle_max: Duration) -> Self {
        Self { stream, left: length, idle_max }
    }

    /// Returns the next bytes, `None` after the last. Only then signatures and checksums of the whole were seen.
    ///
    /// # Errors
    ///
    /// `IncompleteBody` when it is shorter or longer than announced, `RequestTimeout` when nothing comes, and what
    /// `s3s` found wrong with signatures and framing. Nothing of the body may be committed then.
    pub(crate) async fn next(&mut self) -> S3Result<Option<Bytes>> {
        loop {
            let Some(stream) = &mut self.stream else { return Ok(None) };
            let piece = match tokio::time::timeout(self.idle_max, stream.next()).await {
                Ok(Some(Ok(piece))) => piece,
                Ok(Some(Err(error))) => return Err(failure::of_body(&error)),
                Ok(None) => {
                    self.stream = None;
                    return if self.left == 0 { Ok(None) } else { Err(failure::incomplete()) };
                }
                Err(_) => {
                    return Err(s3_error!(RequestTimeout, "No bytes came for too long. Send the request again."));
                }
            };
            self.left = self.left.checked_sub(piece.len() as u64).ok_or_else(failure::incomplete)?;
            if !piece.is_empty() {
                return Ok(Some(piece));
            }
        }
    }

    /// Returns the next bytes, at least `bytes_min` of them unless the body ends before, `None` after the last.
    ///
    /// # Errors
    ///
    /// As [`AnnouncedBody::next`].
    pub(crate) async fn next_block(&mut self, bytes_min: usize) -> S3Result<Option<Bytes>> {
        let Some(first) = self.next().await? else { return Ok(None) };
        if first.len() >= bytes_min {
            return Ok(Some(first));
        }
        // Room for the piece that goes over the minimum, too, as the connection usually hands them out.
        let mut block = BytesMut::with_capacity(bytes_min + bytes_min / 4);
        block.extend_from_slice(&first);
        while block.len() < bytes_min {
            let Some(piece) = self.next().await? else { break };
            block.extend_from_slice(&piece);
        }
        Ok(Some(block.freeze()))
    }
}

#[cfg(test)]
mod tests {
    use futures_util::stream;

    use super::*;

    fn body(pieces: &[&'static str], length: u64) -> AnnouncedBody {
        let pieces: Vec<_> =
            pieces.iter().map(|piece| Ok::<_, std::io::Error>(Bytes::from_static(piece.as_bytes()))).collect();
        AnnouncedBody::new(Some(StreamingBlob::wrap(stream::iter(pieces))), length, Duration::from_secs(60))
    }

    async fn blocks(mut body: AnnouncedBody, bytes_min: usize) -> Result<Vec<String>, String> {
        let mut all = Vec::new();
        loop {
            match body.next_block(bytes_min).await {
                Ok(Some(block)) => all.push(String::from_utf8(block.to_vec()).unwrap()),
                Ok(None) => return Ok(all),
                Err(error) => return Err(error.code().as_str().to_owned()),
            }
        }
    }

    #[tokio::test]
    async fn small_pieces_are_gathered_and_large_ones_passed_on() {
        assert_eq!(blocks(body(&["a", "", "bc", "d", "efghij", "k"], 11), 3).await.unwrap(), ["abc", "defghij", "k"]);
        assert_eq!(blocks(body(&[], 0), 3).await.unwrap(), [""; 0]);
        assert_eq!(blocks(AnnouncedBody::new(None, 0, Duration::ZERO), 3).await.unwrap(), [""; 0]);
    }

    #[tokio::test]
    async fn a_body_that_lies_about_its_length_is_incomplete() {
        assert_eq!(blocks(body(&["abc"], 4), 2).await, Err("IncompleteBody".into()));
        assert_eq!(blocks(body(&["abc", "d"], 3), 2).await, Err("IncompleteBody".into()));
        assert_eq!(blocks(body(&["a"], 0), 2).await, Err("IncompleteBody".into()));
        assert_eq!(blocks(AnnouncedBody::new(None, 1, Duration::ZERO), 2).await.unwrap(), [""; 0], "no body at all");
    }

    #[tokio::test]
    async fn a_client_that_sends_nothing_is_not_waited_for_forever() {
        let silent = stream::pending::<Result<Bytes, std::io::Error>>();
        let body = AnnouncedBody::new(Some(StreamingBlob::wrap(silent)), 1, Duration::from_millis(1));
        assert_eq!(blocks(body, 1).await, Err("RequestTimeout".into()));
    }
}
