//! What a receiver answered, as far as it is read.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Response, header};
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};

/// Bytes of an answer's body that are read. A longer one costs the connection, not our memory.
pub const BODY_BYTES_MAX: usize = 64 * 1024;
/// Bytes of an answer's body that are kept.
pub const EXCERPT_BYTES_MAX: usize = 1024;
/// The longest `Retry-After` that is believed (X5): as long as the longest pause between two attempts.
pub const RETRY_AFTER_MAX: Duration = Duration::from_secs(3600);

/// One answer. That it says no is not an error of the client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    /// How long the receiver asks to be left alone, at most [`RETRY_AFTER_MAX`].
    pub retry_after: Option<Duration>,
    /// The beginning of the body, at most [`EXCERPT_BYTES_MAX`].
    pub excerpt: Bytes,
    /// Whether the body went on after the excerpt, or broke off.
    pub truncated: bool,
}

impl Answer {
    /// Reads the body of `response` up to [`BODY_BYTES_MAX`]; one that ends before leaves the connection fit for the next
    /// request. A body that breaks off is no error: the receiver has said its status.
    pub(crate) async fn read(response: Response<Incoming>) -> Self {
        let (head, mut body) = response.into_parts();
        let mut answer = Self {
            status: head.status.as_u16(),
            retry_after: retry_after(&head.headers),
            excerpt: Bytes::new(),
            truncated: false,
        };
        if body.is_end_stream() {
            return answer;
        }
        let mut kept = BytesMut::new();
        let mut read_bytes: usize = 0;
        while let Some(frame) = body.frame().await {
            let Ok(frame) = frame else {
                answer.truncated = true;
                break;
            };
            // Trailers are read past.
            let Ok(data) = frame.into_data() else { continue };
            read_bytes = read_bytes.saturating_add(data.len());
            kept.extend_from_slice(&data[..data.len().min(EXCERPT_BYTES_MAX - kept.len())]);
            answer.truncated = read_bytes > kept.len();
            if read_bytes > BODY_BYTES_MAX {
                break;
            }
        }
        answer.excerpt = kept.freeze();
        answer
    }
}

/// Reads `Retry-After`: seconds, or a date. A date is taken against the answer's own `Date`, so the two clocks need not
/// agree; without that header it says nothing.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    let wait = if !text.is_empty() && text.bytes().all(|digit| digit.is_ascii_digit()) {
        // More digits than fit is more than the most.
        text.parse().map_or(RETRY_AFTER_MAX, Duration::from_secs)
    } else {
        let until = httpdate::parse_http_date(text).ok()?;
        let now = httpdate::parse_http_date(headers.get(header::DATE)?.to_str().ok()?).ok()?;
        until.duration_since(now).unwrap_or_default()
    };
    Some(wait.min(RETRY_AFTER_MAX))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn asked(retry_after_header: &'static str, date: Option<&'static str>) -> Option<Duration> {
        let mut headers = HeaderMap::new();
        headers.insert(header::RETRY_AFTER, HeaderValue::from_static(retry_after_header));
        headers.extend(date.map(|date| (header::DATE, HeaderValue::from_static(date))));
        retry_after(&headers)
    }

    #[test]
    fn retry_after_is_read_in_both_forms_and_bounded() {
        let date = Some("Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(asked("120", None), Some(Duration::from_secs(120)));
        assert_eq!(asked("0", None), Some(Duration::ZERO));
        assert_eq!(asked("3599", None), Some(Duration::from_secs(3599)));
        assert_eq!(asked("7200", None), Some(Duration::from_secs(3600)), "X5: an hour at most");
        assert_eq!(asked("99999999999999999999999", None), Some(RETRY_AFTER_MAX));
        assert_eq!(asked("Sun, 06 Nov 1994 08:50:07 GMT", date), Some(Duration::from_secs(30)));
        assert_eq!(asked("Sun, 06 Nov 1994 08:49:00 GMT", date), Some(Duration::ZERO), "the time is over");
        assert_eq!(asked("Sat, 06 Nov 2094 08:49:37 GMT", date), Some(RETRY_AFTER_MAX));
        for (text, date) in
            [("", None), ("-1", None), ("1.5", None), ("soon", date), ("Sun, 06 Nov 1994 08:50:07 GMT", None)]
        {
            assert_eq!(asked(text, date), None, "{text}");
        }
    }
}
