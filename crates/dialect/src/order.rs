//! Which of two events of one key is the older (A8).

use std::cmp::Ordering;

/// Compares two sequencers of the **same** bucket and key as AWS documents it: the shorter is padded with zeros on the
/// right, then both are compared as text. Upper and lower case are the same hexadecimal digit.
///
/// Of two keys, or of two systems, it says nothing.
#[must_use]
pub fn compare_sequencers(left: &str, right: &str) -> Ordering {
    let length = left.len().max(right.len());
    padded(left, length).cmp(padded(right, length))
}

fn padded(text: &str, length: usize) -> impl Iterator<Item = u8> {
    text.bytes().map(|digit| digit.to_ascii_uppercase()).chain(std::iter::repeat(b'0')).take(length)
}

#[cfg(test)]
mod tests {
    use bucketbell_event::Sequencer;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_shorter_is_padded_with_zeros_on_the_right() {
        assert_eq!(compare_sequencers("0055AED6DCD90281E5", "0055AED6DCD90281E500"), Ordering::Equal);
        assert_eq!(compare_sequencers("0055AED6", "0055AED6DCD90281E5"), Ordering::Less);
        assert_eq!(compare_sequencers("1", "09"), Ordering::Greater);
        assert_eq!(compare_sequencers("0a", "0A"), Ordering::Equal);
        assert_eq!(compare_sequencers("", "0"), Ordering::Equal);
    }

    proptest! {
        /// A8: our own sequencers are ordered by the rule of AWS as the ledger orders them.
        #[test]
        fn our_sequencers_keep_their_order(a in any::<u64>(), b in any::<u64>()) {
            let (x, y) = (Sequencer::from_u64(a), Sequencer::from_u64(b));
            prop_assert_eq!(compare_sequencers(&x.to_string(), &y.to_string()), a.cmp(&b));
        }

        #[test]
        fn it_is_an_order(a in "[0-9a-fA-F]{0,20}", b in "[0-9a-fA-F]{0,20}", c in "[0-9a-fA-F]{0,20}") {
            prop_assert_eq!(compare_sequencers(&a, &b), compare_sequencers(&b, &a).reverse());
            if compare_sequencers(&a, &b).is_le() && compare_sequencers(&b, &c).is_le() {
                prop_assert!(compare_sequencers(&a, &c).is_le());
            }
        }
    }
}
