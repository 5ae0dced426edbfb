//! The id of an event: what a receiver remembers to drop repeats.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use uuid::Uuid;

use crate::Sequencer;

/// A UUID version 7 (RFC 9562) whose time part is the event's [`Sequencer`], so ids of one ledger sort as its events do.
///
/// Layout: 48 bits of milliseconds; version; the 10 bits of microseconds within the millisecond (RFC 9562 §6.2, method
/// 3) and 2 random bits; variant; 62 random bits. The sequencer can be read back, so finding an event by id needs no
/// index of ids.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventId(Uuid);

/// The text is not the id of an event.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an event id (a UUID like 019a9f3e-6c3c-7a01-8d0e-3f1b5a7c9d24)")]
pub struct ParseEventIdError(String);

impl EventId {
    /// Makes the id of the event at `sequencer`. `random` is what keeps ids of different ledgers apart.
    #[must_use]
    pub fn new(sequencer: Sequencer, random: u64) -> Self {
        let (millis, micros) = (sequencer.as_u64() / 1000, sequencer.as_u64() % 1000);
        let high = (millis << 16) | (0x7 << 12) | (micros << 2) | (random >> 62);
        let low = (0b10 << 62) | (random & (u64::MAX >> 2));
        Self(Uuid::from_u64_pair(high, low))
    }

    #[must_use]
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(Uuid::from_bytes(bytes))
    }

    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }

    /// Returns the sequencer that [`EventId::new`] was given. Of an id made elsewhere it is only a number.
    #[must_use]
    pub fn sequencer(&self) -> Sequencer {
        let (high, _) = self.0.as_u64_pair();
        Sequencer::from_u64((high >> 16) * 1000 + ((high >> 2) & 0x3ff))
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(out)
    }
}

impl fmt::Debug for EventId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
}

impl FromStr for EventId {
    type Err = ParseEventIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // The parser of `uuid` also takes braces, URNs and no hyphens; an id has one spelling.
        match Uuid::try_parse(text) {
            Ok(id) if text.len() == 36 => Ok(Self(id)),
            _ => Err(ParseEventIdError(text.chars().take(64).collect())),
        }
    }
}

impl Serialize for EventId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for EventId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The last sequencer whose milliseconds fit the 48 bits of a UUID version 7: the year 10889.
    const SEQUENCER_MAX: u64 = (1 << 48) * 1000 - 1;

    proptest! {
        #[test]
        fn ids_sort_by_time(a in 0..=SEQUENCER_MAX, b in 0..=SEQUENCER_MAX, ra in any::<u64>(), rb in any::<u64>()) {
            prop_assume!(a != b);
            let (x, y) = (EventId::new(Sequencer::from_u64(a), ra), EventId::new(Sequencer::from_u64(b), rb));
            prop_assert_eq!(a.cmp(&b), x.cmp(&y));
            prop_assert_eq!(a.cmp(&b), x.to_string().cmp(&y.to_string()));
        }

        #[test]
        fn an_id_gives_back_its_sequencer_and_parses_back(at in 0..=SEQUENCER_MAX, random in any::<u64>()) {
            let id = EventId::new(Sequencer::from_u64(at), random);
            prop_assert_eq!(id.sequencer().as_u64(), at);
            prop_assert_eq!(id.to_string().parse::<EventId>(), Ok(id));
            prop_assert_eq!((id.0.get_version_num(), id.0.get_variant()), (7, uuid::Variant::RFC4122));
        }
    }

    #[test]
    fn other_spellings_are_refused() {
        for text in ["", "evt_1", "019a9f3e6c3c7a018d0e3f1b5a7c9d24", "{019a9f3e-6c3c-7a01-8d0e-3f1b5a7c9d24}"] {
            assert!(text.parse::<EventId>().is_err(), "{text}");
        }
    }
}
