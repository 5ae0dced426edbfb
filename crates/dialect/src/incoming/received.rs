//! One event as a receiver sees it, whatever system sent it.

use serde_json::Value;

/// What a handler is given.
#[derive(Debug, Clone, PartialEq)]
pub struct Received {
    /// The same for every repeat of one event, different for any two events (A4).
    pub identity: String,
    /// Full name: `s3:ObjectCreated:Put`, `backend.circuit.opened`.
    pub kind: String,
    pub bucket: Option<String>,
    /// The raw key: whatever the dialect escapes is decoded.
    pub key: Option<String>,
    pub version_id: Option<String>,
    /// Which of two events of this key is the later: see [`crate::compare_sequencers`] (A8).
    pub sequencer: Option<String>,
    /// When it happened, as the sender wrote it.
    pub time: Option<String>,
    /// Length of the object in bytes.
    pub size: Option<u64>,
    pub etag: Option<String>,
    pub family: Family,
    /// The event itself, as it was sent: one CloudEvent, or one of the `Records`.
    pub json: Value,
}

/// What an event tells of, as far as handlers care (A3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Family {
    /// `s3:ObjectCreated:*`
    Upload,
    /// `s3:ObjectRemoved:*`
    Delete,
    /// `s3:ObjectAccessed:*`
    Access,
    /// The rest.
    Other,
}

impl Family {
    /// Every family.
    pub const ALL: &[Self] = &[Self::Upload, Self::Delete, Self::Access, Self::Other];

    /// Returns the word for it in logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Upload => "upload",
            Self::Delete => "delete",
            Self::Access => "access",
            Self::Other => "other",
        }
    }

    /// Returns the family of an event type by its full name.
    #[must_use]
    pub fn of(kind: &str) -> Self {
        match kind.split(':').nth(1) {
            Some("ObjectCreated") => Self::Upload,
            Some("ObjectRemoved") => Self::Delete,
            Some("ObjectAccessed") => Self::Access,
            _ => Self::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use bucketbell_event::EventType;

    use super::*;

    #[test]
    fn every_event_type_has_its_family() {
        for &kind in EventType::ALL {
            let family = Family::of(kind.as_str());
            assert_eq!(family == Family::Access, kind.is_access(), "{kind}");
            assert_eq!(family == Family::Upload, kind.as_str().starts_with("s3:ObjectCreated:"), "{kind}");
            assert_eq!(family == Family::Delete, kind.as_str().starts_with("s3:ObjectRemoved:"), "{kind}");
        }
    }
}
