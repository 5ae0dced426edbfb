//! Which event types a rule asks for (B7, C7).

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::EventType;

/// A name as a rule writes it: an exact event type, a family such as `s3:ObjectCreated:*` or `backend.*`, or `*`.
///
/// A `*` stands only at the end, after a whole segment, and must cover at least one known type: a pattern that can
/// never match is a mistake, and is refused like an unknown name.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Pattern {
    text: String,
    set: EventSet,
}

/// The text is neither a known event type nor a pattern that covers one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "unknown event `{0}`: give an event type such as `s3:ObjectCreated:Put`, a family such as `s3:ObjectCreated:*` or `backend.*`, or `*`"
)]
pub struct PatternError(pub String);

/// A set of event types. Asking whether a type is in it costs one AND.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct EventSet(u64);

const _: () = assert!(EventType::ALL.len() <= 64, "EventSet holds one bit per event type");

impl EventSet {
    #[must_use]
    pub const fn contains(self, event: EventType) -> bool {
        self.0 & (1 << event as u32) != 0
    }

    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

impl FromIterator<EventType> for EventSet {
    fn from_iter<I: IntoIterator<Item = EventType>>(events: I) -> Self {
        Self(events.into_iter().fold(0, |bits, event| bits | (1 << event as u32)))
    }
}

impl Pattern {
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns the types that the pattern covers, never none.
    #[must_use]
    pub const fn events(&self) -> EventSet {
        self.set
    }
}

impl FromStr for Pattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let all = || EventType::ALL.iter().copied();
        let set: EventSet = match text.strip_suffix('*') {
            Some("") => all().filter(|event| !event.is_access()).collect(),
            Some(stem) if stem.ends_with([':', '.']) => {
                all().filter(|event| event.as_str().starts_with(stem)).collect()
            }
            Some(_) => EventSet::default(),
            None => all().filter(|event| event.as_str() == text).collect(),
        };
        // `s3:*` must not bring reads either: they are asked for by name (B7).
        let set = match text {
            "s3:*" => all().filter(|event| set.contains(*event) && !event.is_access()).collect(),
            _ => set,
        };
        if set.is_empty() {
            return Err(PatternError(text.chars().take(128).collect()));
        }
        Ok(Self { text: text.to_owned(), set })
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.text)
    }
}

impl Serialize for Pattern {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for Pattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn covers(pattern: &str, event: EventType) -> bool {
        pattern.parse::<Pattern>().expect(pattern).events().contains(event)
    }

    #[test]
    fn a_family_covers_its_own_and_no_other() {
        assert!(covers("s3:ObjectCreated:*", EventType::ObjectCreatedPut));
        assert!(covers("s3:ObjectCreated:*", EventType::ObjectCreatedCompleteMultipartUpload));
        assert!(!covers("s3:ObjectCreated:*", EventType::ObjectRemovedDelete));
        assert!(!covers("s3:ObjectRemoved:*", EventType::LifecycleExpirationDelete), "C8");
        assert!(covers("backend.*", EventType::BackendCircuitOpened));
        assert!(covers("backend.circuit.*", EventType::BackendCircuitOpened));
        assert!(!covers("backend.circuit.*", EventType::BackendRemoved));
    }

    #[test]
    fn a_star_covers_all_but_reads() {
        for &event in EventType::ALL {
            assert_eq!(covers("*", event), !event.is_access(), "{event}");
            assert_eq!(covers("s3:*", event), event.is_data() && !event.is_access(), "{event}");
        }
        assert!(covers("s3:ObjectAccessed:*", EventType::ObjectAccessedGet));
        assert!(covers("s3:ObjectAccessed:Head", EventType::ObjectAccessedHead));
    }

    #[test]
    fn every_exact_name_covers_itself_only() {
        for &event in EventType::ALL {
            for &other in EventType::ALL {
                assert_eq!(covers(event.as_str(), other), event == other);
            }
        }
    }

    #[test]
    fn what_can_never_match_is_refused() {
        for text in ["", "s3:ObjectCreate*", "s3:ObjectCreated:*:*", "*:Put", "s3:Nothing:*", "nothing.*", "**", "S3:*"]
        {
            assert_eq!(text.parse::<Pattern>(), Err(PatternError(text.to_owned())), "{text}");
        }
    }
}
