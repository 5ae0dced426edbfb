//! The decision that commit makes for every event: who wants it.

use bucketbell_event::{Event, EventSet};

use crate::{Rule, RuleId};

/// The part of a rule that decides (B7, C7): event types, then prefix and suffix on the raw key, each judged by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Matcher {
    rule: RuleId,
    enabled: bool,
    events: EventSet,
    prefix: String,
    suffix: String,
}

impl Matcher {
    pub(crate) fn new(rule: &Rule) -> Self {
        Self {
            rule: rule.id,
            enabled: rule.enabled,
            events: rule.events.iter().fold(EventSet::default(), |set, pattern| set.union(pattern.events())),
            prefix: rule.prefix.clone(),
            suffix: rule.suffix.clone(),
        }
    }

    #[must_use]
    pub const fn rule(&self) -> RuleId {
        self.rule
    }

    /// Returns whether the rule gets the event. Prefix and suffix do not apply to operational events (B7).
    #[must_use]
    pub fn matches(&self, event: &Event) -> bool {
        self.enabled
            && self.events.contains(event.kind)
            && event
                .object()
                .is_none_or(|object| object.key.starts_with(&self.prefix) && object.key.ends_with(&self.suffix))
    }
}

/// The matchers of one bucket, or of the server, ready to run, each with what the ledger knows its endpoint by.
#[derive(Debug, Clone)]
pub struct CompiledRules<E> {
    matchers: Vec<(Matcher, E)>,
}

impl<E: Copy> CompiledRules<E> {
    #[must_use]
    pub const fn new(matchers: Vec<(Matcher, E)>) -> Self {
        Self { matchers }
    }

    /// Returns the endpoints that are owed the event, in the order of their rules.
    pub fn wanting<'a>(&'a self, event: &'a Event) -> impl Iterator<Item = E> + 'a {
        self.matchers.iter().filter(|(matcher, _)| matcher.matches(event)).map(|(_, endpoint)| *endpoint)
    }
}

#[cfg(test)]
mod tests {
    use bucketbell_event::{EventId, EventType, Fact, Object, Operation, Origin, Sequencer};
    use proptest::prelude::*;

    use super::*;

    fn matcher(events: &[&str], prefix: &str, suffix: &str) -> Matcher {
        Matcher {
            rule: RuleId::from_bytes([1; 16]),
            enabled: true,
            events: events.iter().fold(EventSet::default(), |set, text| {
                set.union(text.parse::<bucketbell_event::Pattern>().unwrap().events())
            }),
            prefix: prefix.to_owned(),
            suffix: suffix.to_owned(),
        }
    }

    fn event(kind: EventType, key: &str) -> Event {
        let sequencer = Sequencer::from_u64(1);
        let fact = if kind.is_data() {
            Fact::Object(Object { bucket: "b".into(), key: key.into(), ..Object::default() })
        } else {
            Fact::Operation(Operation::default())
        };
        Event {
            id: EventId::new(sequencer, 0),
            sequencer,
            kind,
            time: sequencer.timestamp(),
            fact,
            origin: Origin::default(),
        }
    }

    #[test]
    fn a_prefix_filters_data_events_only() {
        let matcher = matcher(&["*"], "uploads/", "");
        assert!(matcher.matches(&event(EventType::ObjectCreatedPut, "uploads/a")));
        assert!(!matcher.matches(&event(EventType::ObjectCreatedPut, "other/a")));
        assert!(matcher.matches(&event(EventType::BackendCircuitOpened, "")), "B7");
    }

    /// MinIO joins both into one glob, so a key shorter than the two together never matches there.
    #[test]
    fn prefix_and_suffix_may_overlap_on_a_short_key() {
        assert!(matcher(&["*"], "a", "a").matches(&event(EventType::ObjectCreatedPut, "a")));
        assert!(matcher(&["*"], "ab", "bc").matches(&event(EventType::ObjectCreatedPut, "abc")));
    }

    #[test]
    fn a_disabled_rule_gets_nothing() {
        let matcher = Matcher { enabled: false, ..matcher(&["*"], "", "") };
        assert!(!matcher.matches(&event(EventType::ObjectCreatedPut, "a")));
    }

    proptest! {
        #[test]
        fn stars_and_dots_in_a_prefix_are_only_letters(prefix in "[a*.?%]{0,6}", key in "[a*.?%]{0,12}") {
            let verdict = matcher(&["s3:ObjectCreated:Put"], &prefix, "").matches(&event(EventType::ObjectCreatedPut, &key));
            prop_assert_eq!(verdict, key.as_bytes().starts_with(prefix.as_bytes()));
        }
    }
}
