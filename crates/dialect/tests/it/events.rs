//! Any event there can be.

use std::collections::BTreeMap;

use bucketbell_event::{Event, EventId, EventType, Fact, Object, Operation, Origin, Sequencer, Timestamp};
use proptest::{collection::btree_map, option, prelude::*, sample::select};

/// Microseconds of the year 9999, where RFC 3339 ends.
const SEQUENCER_MAX: u64 = 253_402_300_799_999_999;

pub(crate) fn any_event() -> impl Strategy<Value = Event> {
    (any_fact(), 0..=SEQUENCER_MAX, any::<u64>(), any_origin()).prop_map(|((kind, fact), at, random, origin)| {
        let sequencer = Sequencer::from_u64(at);
        Event { id: EventId::new(sequencer, random), sequencer, kind, time: sequencer.timestamp(), fact, origin }
    })
}

/// Keys as people have them, and as they should not: spaces, `+`, `%`, slashes, emoji, control characters.
pub(crate) fn any_key() -> impl Strategy<Value = String> {
    prop_oneof![any::<String>(), "[a-z +%/?#&=\u{0}-\u{1f}🔔é\"\\\\]{1,60}", "[a-z/]{900,1024}"]
        .prop_filter("at most 1,024 bytes", |key| !key.is_empty() && key.len() <= 1024)
}

fn any_fact() -> impl Strategy<Value = (EventType, Fact)> {
    let (data, operational): (Vec<_>, Vec<_>) = EventType::ALL.iter().partition(|kind| kind.is_data());
    prop_oneof![
        3 => (select(data), any_object().prop_map(Fact::Object)),
        1 => (select(operational), any_operation().prop_map(Fact::Operation)),
    ]
}

fn any_object() -> impl Strategy<Value = Object> {
    let time = || option::of((0..=SEQUENCER_MAX).prop_map(|at| Sequencer::from_u64(at).timestamp()));
    let text = || option::of("[ -~é🔔]{1,40}");
    (
        ("[a-z0-9.-]{3,63}", "[a-z]{0,8}", any_key()),
        (text(), option::of(any::<u64>()), text(), text(), time()),
        pairs(),
        pairs(),
    )
        .prop_map(
            |((bucket, bucket_owner, key), (version_id, size, etag, content_type, last_modified), metadata, tags)| {
                Object {
                    bucket,
                    bucket_owner,
                    key,
                    version_id,
                    size,
                    etag,
                    content_type,
                    last_modified,
                    metadata,
                    tags,
                }
            },
        )
}

fn any_operation() -> impl Strategy<Value = Operation> {
    (any::<String>(), pairs()).prop_map(|(subject, details)| Operation { subject, details })
}

fn any_origin() -> impl Strategy<Value = Origin> {
    let text = || "[ -~]{0,20}";
    (text(), text(), text(), text(), text(), text()).prop_map(
        |(principal, source_ip, request_id, host_id, user_agent, region)| Origin {
            principal,
            source_ip,
            request_id,
            host_id,
            user_agent,
            region,
        },
    )
}

fn pairs() -> impl Strategy<Value = BTreeMap<String, String>> {
    btree_map("[a-z_-]{1,12}", any::<String>(), 0..4)
}

/// A moment at which requests of these tests are made and judged.
pub(crate) const NOW: Timestamp = Timestamp::from_micros(1_767_323_045_678_912);
