//! Reading on after an answer that did not need the body.
//!
//! A connection that is closed while bytes of the client are still unread is reset, and the reset can overtake the answer:
//! the client then sees a broken pipe and not `NoSuchBucket`. So what is left of a refused body is read for a while.

use std::{
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, header};
use http_body_util::BodyExt as _;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use s3s::{Body, StdError};

/// Bytes that are read for nothing, at most.
const BYTES_MAX: usize = 64 * 1024 * 1024;
/// Time that is spent on it, at most.
const TIME_MAX: Duration = Duration::from_secs(5);
/// A client that sends nothing for so long has seen the answer, or has nothing to send.
const IDLE_MAX: Duration = Duration::from_millis(500);

/// Where a body comes back to that was not read to its end.
#[derive(Clone, Default)]
pub(crate) struct Returned(Arc<Home>);

#[derive(Default)]
struct Home {
    left: Mutex<Option<Body>>,
    unasked: AtomicBool,
}

/// A body on loan to the protocol layer.
struct Lent {
    body: Option<Body>,
    /// The client waits to be asked for its body. To read is to ask.
    waits: bool,
    home: Returned,
}

impl Returned {
    /// Lends a body out.
    pub(crate) fn lend(&self, body: Body, headers: &HeaderMap) -> Body {
        if body.is_end_stream() {
            return body;
        }
        let waits = headers.contains_key(header::EXPECT);
        Body::http_body_unsync(Lent { body: Some(body), waits, home: self.clone() })
    }

    /// Returns whether the client still waits to be asked for its body. The connection ends with the answer then, which
    /// has to say so: a client that keeps it would lose its next request.
    pub(crate) fn is_unasked(&self) -> bool {
        self.0.unasked.load(Ordering::Relaxed)
    }

    /// Reads on in the background, if anything is left.
    pub(crate) fn linger(&self) {
        let left = self.0.left.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(left) = left {
            tokio::spawn(tokio::time::timeout(TIME_MAX, read_on(left)));
        }
    }
}

async fn read_on(mut body: Body) {
    let mut bytes: usize = 0;
    while let Ok(Some(Ok(frame))) = tokio::time::timeout(IDLE_MAX, body.frame()).await {
        bytes = bytes.saturating_add(frame.data_ref().map_or(0, Bytes::len));
        if bytes > BYTES_MAX {
            return;
        }
    }
}

impl HttpBody for Lent {
    type Data = Bytes;
    type Error = StdError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, StdError>>> {
        self.waits = false;
        let Some(body) = &mut self.body else { return Poll::Ready(None) };
        let frame = ready!(Pin::new(body).poll_frame(cx));
        if !matches!(frame, Some(Ok(_))) {
            self.body = None;
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(HttpBody::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(|| SizeHint::with_exact(0), HttpBody::size_hint)
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let Some(body) = self.body.take().filter(|body| !body.is_end_stream()) else { return };
        if self.waits {
            self.home.0.unasked.store(true, Ordering::Relaxed);
        } else {
            *self.home.0.left.lock().unwrap_or_else(PoisonError::into_inner) = Some(body);
        }
    }
}
