//! The order of changes, as receivers see it.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::Timestamp;

/// Place of a change in the ledger's one hybrid clock: microseconds since 1970, never the same twice, never going back.
///
/// Of two changes of one key the later has the greater sequencer, also when the key was deleted in between. Printed
/// as 16 upper-case hexadecimal digits, so that the comparison AWS documents (right-pad with zeros, then compare as
/// text, same key only) gives this order (A8, D5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Sequencer(u64);

impl Sequencer {
    #[must_use]
    pub const fn from_u64(value: u64) -> Self {
        Self(value)
    }

    #[must_use]
    pub const fn as_u64(self) -> u64 {
        self.0
    }

    /// Returns the successor at `now`: the wall clock where that moves on, else one more than the last (hybrid clock).
    #[must_use]
    pub fn next(self, now: Timestamp) -> Self {
        Self(u64::try_from(now.as_micros()).unwrap_or(0).max(self.0.saturating_add(1)))
    }

    /// Returns the time this sequencer was taken at. Ahead of the wall clock only where that went back.
    #[must_use]
    pub fn timestamp(self) -> Timestamp {
        Timestamp::from_micros(i64::try_from(self.0).unwrap_or(i64::MAX))
    }
}

impl fmt::Display for Sequencer {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:016X}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn grows_whatever_the_clock_does(last in 0u64..u64::MAX / 2, now in any::<i64>()) {
            let last = Sequencer::from_u64(last);
            prop_assert!(last.next(Timestamp::from_micros(now)) > last);
        }

        #[test]
        fn prints_in_its_order(a in any::<u64>(), b in any::<u64>()) {
            prop_assert_eq!(a.cmp(&b), Sequencer::from_u64(a).to_string().cmp(&Sequencer::from_u64(b).to_string()));
        }
    }
}
