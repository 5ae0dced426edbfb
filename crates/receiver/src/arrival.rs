//! One event on its way through the receiver.

use std::fmt;

use bucketbell_dialect::{IncomingDialect, Received};

/// What a handler is given.
#[derive(Debug, Clone, PartialEq)]
pub struct Arrival {
    /// Which system sent it.
    pub dialect: IncomingDialect,
    /// The event.
    pub event: Received,
    /// Whether a later event of this key was handled already: what this one tells is out of date (A8).
    pub older_than_seen: bool,
}

/// What became of one event.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// The handler succeeded, and that is durable.
    Handled,
    /// It was handled before (A4).
    Repeat,
    /// A later event of its key was handled, and the receiver refuses older ones (A8).
    RefusedOlder,
    /// The handler failed, or its success could not be written down. The sender tries again (A6).
    Failed {
        /// For the log of the receiver, not for the sender.
        reason: String,
    },
    /// Something else held it up for too long. The sender tries again soon.
    Busy {
        /// For the log of the receiver, not for the sender.
        reason: String,
    },
}

impl Outcome {
    /// Returns one word for it.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Handled => "handled",
            Self::Repeat => "repeat",
            Self::RefusedOlder => "older",
            Self::Failed { .. } => "failed",
            Self::Busy { .. } => "busy",
        }
    }

    /// Returns why it was not handled, where there is a reason.
    #[must_use]
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::Failed { reason } | Self::Busy { reason } => Some(reason),
            Self::Handled | Self::Repeat | Self::RefusedOlder => None,
        }
    }
}

/// One line for people, without control characters: `s3:ObjectCreated:Put photos/a.jpg 1024 bytes id=…`.
impl fmt::Display for Arrival {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}", Printable(&self.event.kind))?;
        match (&self.event.bucket, &self.event.key) {
            (Some(bucket), Some(key)) => write!(out, " {}/{}", Printable(bucket), Printable(key))?,
            (Some(bucket), None) => write!(out, " {}", Printable(bucket))?,
            _ => {}
        }
        if let Some(size) = self.event.size {
            write!(out, " {size} bytes")?;
        }
        if let Some(time) = &self.event.time {
            write!(out, " at {}", Printable(time))?;
        }
        write!(out, " id={}", Printable(&self.event.identity))?;
        if self.older_than_seen { out.write_str(" (older than one already seen)") } else { Ok(()) }
    }
}

/// A text from outside, fit for a terminal.
struct Printable<'a>(&'a str);

impl fmt::Display for Printable<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for letter in self.0.chars() {
            // Marks that turn the direction of text can make one key look like another.
            if letter.is_control()
                || matches!(letter, '\u{200e}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
            {
                write!(out, "{}", letter.escape_unicode())?;
            } else {
                write!(out, "{letter}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use bucketbell_dialect::Family;
    use serde_json::Value;

    use super::*;

    #[test]
    fn a_line_shows_the_event_and_nothing_that_moves_a_cursor() {
        let event = Received {
            identity: "1".into(),
            kind: "s3:ObjectCreated:Put".into(),
            bucket: Some("photos".into()),
            key: Some("a\n\u{1b}[2J\u{202e}ü.jpg".into()),
            version_id: None,
            sequencer: None,
            time: Some("2026-01-02T03:04:05.678Z".into()),
            size: Some(3),
            etag: None,
            family: Family::Upload,
            json: Value::Null,
        };
        let arrival = Arrival { dialect: IncomingDialect::Minio, event, older_than_seen: false };
        assert_eq!(
            arrival.to_string(),
            "s3:ObjectCreated:Put photos/a\\u{a}\\u{1b}[2J\\u{202e}ü.jpg 3 bytes at 2026-01-02T03:04:05.678Z id=1"
        );
    }
}
