//! One change, one event (OB-1, B1, B2).

use std::{sync::Arc, time::Duration};

use bucketbell_event::{EventType, Origin};
use bucketbell_ledger::{
    Change, ChangeKind, Clock as _, CommitError, Content, ContentHeaders, DeleteObject, PutObject, StoredChecksum,
    WritePrecondition,
};
use bucketbell_rule::{Rule, Scope};
use bytes::Bytes;
use tokio::task::JoinSet;

use crate::{
    fixture::{BUCKET, House, bucket_scope, event_ids, numbers, object, rule},
    store::Store,
};

pub async fn a_put_raises_one_event_for_every_rule_that_wants_it_the_bucket_s_first(store: &impl Store) {
    let house = House::open(store).await;
    let (of_server, first, second) = (rule(1), rule(2), rule(3));
    house.server_rules(vec![of_server.clone()]).await;
    house.rules(vec![first.clone(), second.clone(), Rule { prefix: "other/".into(), ..rule(4) }]).await;
    let mut owner = house.join().await;
    let mut endpoints = Vec::new();
    for rule in [&first, &second, &of_server] {
        let endpoint = owner.endpoint(rule).await;
        assert!(owner.take(endpoint, 1).await.due.is_empty());
        endpoints.push(endpoint);
    }

    let committed = house.put("a").await;

    assert_eq!(committed.events.len(), 1, "one event, whoever wants it (B2)");
    let expected: Vec<_> = endpoints.iter().map(|endpoint| (*endpoint, 1)).collect();
    assert_eq!(owner.handed(3).await, expected, "the bucket's rules in their order, then the server's");
    assert_eq!(house.owed(&rule(4)).await, Some(0));
}

pub async fn nothing_is_raised_when_nobody_wants_it(store: &impl Store) {
    let house = House::open(store).await;
    assert!(house.put("a").await.events.is_empty(), "no rules (B1)");
    let unwanting = vec![
        Rule { prefix: "b/".into(), ..rule(1) },
        Rule { suffix: ".jpg".into(), ..rule(2) },
        Rule { enabled: false, ..rule(3) },
        Rule { events: vec!["s3:ObjectRemoved:*".parse().expect("a pattern")], ..rule(4) },
    ];
    house.rules(unwanting.clone()).await;
    assert!(house.put("a").await.events.is_empty(), "B1");
    for rule in &unwanting {
        assert_eq!(house.owed(rule).await, Some(0));
    }
    assert_eq!(house.delete("a").await.events.len(), 1);
}

pub async fn deleting_what_is_not_there_raises_nothing(store: &impl Store) {
    let house = House::open(store).await;
    house.rules(vec![rule(1)]).await;
    assert!(house.delete("a").await.events.is_empty());
    house.put("a").await;
    assert_eq!(house.delete("a").await.events.len(), 1);
    assert!(house.delete("a").await.events.is_empty());
    assert_eq!(house.owed(&rule(1)).await, Some(2));
}

pub async fn an_event_tells_what_was_put_and_a_removal_what_was_there(store: &impl Store) {
    let house = House::open(store).await;
    house.rules(vec![rule(1)]).await;
    let owner = house.join().await;
    let endpoint = owner.endpoint(&rule(1)).await;
    let origin = Origin {
        principal: "admin".into(),
        source_ip: "192.0.2.7".into(),
        request_id: "R1".into(),
        ..Origin::default()
    };
    let put = PutObject {
        size: 4,
        etag: "the-etag".into(),
        content_type: Some("image/jpeg".into()),
        metadata: [("camera".to_owned(), "x100 ü".to_owned())].into(),
        ..object(BUCKET, "a b/ü+%.jpg")
    };
    let change = Change { origin: origin.clone(), kind: ChangeKind::PutObject(put) };
    let committed = house.ledger.commit(change).await.expect("a put");
    house.clock.advance(Duration::from_secs(60));
    let delete = DeleteObject { bucket: BUCKET.into(), key: "a b/ü+%.jpg".into() };
    let removed = house.commit(ChangeKind::DeleteObject(delete)).await.expect("a delete");

    let due = owner.take(endpoint, 9).await.due;
    assert_eq!(event_ids(&due), [committed.events[0], removed.events[0]]);
    let (put, gone) = (&due[0].event, &due[1].event);
    assert_eq!((put.kind, gone.kind), (EventType::ObjectCreatedPut, EventType::ObjectRemovedDelete));
    assert_eq!((put.sequencer, gone.sequencer), (committed.sequencer, removed.sequencer));
    assert_eq!((&put.origin, &gone.origin), (&origin, &Origin::default()), "each tells who asked for it");
    assert_eq!(put.id.sequencer(), put.sequencer);
    assert_eq!(put.time, committed.sequencer.timestamp());
    assert!(gone.time >= put.time.after(Duration::from_secs(59)));
    let object = put.object().expect("a data event");
    assert_eq!((object.bucket.as_str(), object.key.as_str()), (BUCKET, "a b/ü+%.jpg"));
    assert_eq!((object.size, object.etag.as_deref()), (Some(4), Some("the-etag")));
    assert_eq!(object.content_type.as_deref(), Some("image/jpeg"));
    assert_eq!(object.metadata["camera"], "x100 ü");
    assert_eq!(object.last_modified, Some(committed.sequencer.timestamp()));
    assert_eq!(object.bucket_owner, "admin");
    assert_eq!(gone.object(), Some(object), "of a removal: the object that is no more");
}

pub async fn sequencers_and_event_ids_grow_over_deletes_and_over_a_restart_with_the_clock_set_back(store: &impl Store) {
    let mut house = House::open(store).await;
    house.rules(vec![rule(1)]).await;
    let mut told = vec![house.put("a").await, house.delete("a").await, house.put("a").await];
    for _ in 0..2 {
        house = house.reopen(store).await;
        let hour = Duration::from_secs(3600);
        house.clock.set(house.clock.now().before(hour));
        told.extend([house.put("a").await, house.put("a").await, house.delete("a").await]);
    }
    assert!(told.windows(2).all(|pair| pair[0].sequencer < pair[1].sequencer), "{told:?}");
    assert!(told.windows(2).all(|pair| pair[0].events[0] < pair[1].events[0]), "{told:?}");
}

pub async fn a_write_whose_precondition_does_not_hold_changes_nothing(store: &impl Store) {
    let house = House::open(store).await;
    house.rules(vec![rule(1)]).await;
    let matches = |etag: &str| WritePrecondition::Matches(etag.to_owned());
    for missing in ["*", "8d777f385d3dfec8815d20f7496026dc"] {
        let refused = house.put_if("a", matches(missing)).await;
        assert!(matches!(refused, Err(CommitError::NoSuchKey)), "{refused:?}");
    }
    let first = house.put_if("a", WritePrecondition::Absent).await.expect("there is none");
    for precondition in [WritePrecondition::Absent, matches("another")] {
        let refused = house.put_if("a", precondition).await;
        assert!(matches!(refused, Err(CommitError::PreconditionFailed)), "{refused:?}");
    }
    assert_eq!(house.get("a").await.expect("the first").sequencer, first.sequencer);
    assert_eq!(house.owed(&rule(1)).await, Some(1), "a refused write raises nothing (OB-1)");
    house.put_if("a", matches("*")).await.expect("there is one");
    house.put_if("a", matches("8d777f385d3dfec8815d20f7496026dc")).await.expect("it is this one");
    house.delete("a").await;
    assert!(matches!(house.put_if("a", matches("*")).await, Err(CommitError::NoSuchKey)));
    house.put_if("a", WritePrecondition::Absent).await.expect("it was deleted");
}

pub async fn of_concurrent_writers_that_want_an_absent_key_one_wins(store: &impl Store) {
    let house = Arc::new(House::open(store).await);
    house.rules(vec![rule(1)]).await;
    let mut writers = JoinSet::new();
    for _ in 0..16 {
        let house = Arc::clone(&house);
        writers.spawn(async move { house.put_if("a", WritePrecondition::Absent).await });
    }
    let results = writers.join_all().await;
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1);
    let refused = results.iter().filter(|result| matches!(result, Err(CommitError::PreconditionFailed))).count();
    assert_eq!(refused, 15, "{results:?}");
    assert_eq!(house.owed(&rule(1)).await, Some(1));
}

pub async fn a_bucket_is_made_once_and_removed_only_when_empty(store: &impl Store) {
    let house = House::open(store).await;
    let again = house.make_bucket(BUCKET).await;
    assert!(matches!(again, Err(CommitError::BucketExists { same_owner: true, .. })), "{again:?}");
    house.put("a").await;
    assert!(matches!(house.delete_bucket(BUCKET).await, Err(CommitError::BucketNotEmpty(name)) if name == BUCKET));
    house.delete("a").await;
    house.make_bucket("another").await.expect("a new name");
    let names = house.ledger.buckets().await.expect("buckets").into_iter().map(|bucket| bucket.name);
    assert_eq!(names.collect::<Vec<_>>(), ["another", BUCKET], "in the order of their names");
    house.delete_bucket(BUCKET).await.expect("it is empty");
    assert_eq!(house.ledger.bucket(BUCKET).await.expect("a read"), None);

    let gone =
        |result: Result<(), CommitError>| matches!(result, Err(CommitError::NoSuchBucket(name)) if name == BUCKET);
    assert!(gone(house.delete_bucket(BUCKET).await.map(drop)));
    assert!(gone(house.commit(ChangeKind::PutObject(object(BUCKET, "a"))).await.map(drop)));
    let delete = DeleteObject { bucket: BUCKET.into(), key: "a".into() };
    assert!(gone(house.commit(ChangeKind::DeleteObject(delete)).await.map(drop)));
    assert!(gone(house.ledger.object(BUCKET, "a", false).await.map(drop)));
    assert!(gone(house.ledger.list(BUCKET, Default::default()).await.map(drop)));
    assert!(house.ledger.rules(&bucket_scope()).await.is_err());
    assert!(house.ledger.put_rules(&bucket_scope(), vec![], None).await.is_err());
    house.make_bucket(BUCKET).await.expect("the name is free again");
    assert_eq!(house.get("a").await, None);
}

pub async fn a_new_bucket_does_not_inherit_the_rules_of_a_deleted_one_whose_queue_is_still_delivered(
    store: &impl Store,
) {
    let house = House::open(store).await;
    house.rules(vec![rule(1)]).await;
    house.put("a").await;
    house.delete("a").await;
    house.delete_bucket(BUCKET).await.expect("it is empty");
    house.make_bucket(BUCKET).await.expect("the name is free");
    assert!(house.put("b").await.events.is_empty(), "nobody asked for the new bucket's events");
    assert!(house.ledger.rules(&bucket_scope()).await.expect("rules").rules.is_empty());
    let taken_id = house.ledger.put_rules(&bucket_scope(), vec![rule(1)], None).await;
    assert!(taken_id.is_err(), "the id stands in the deleted bucket");
    house.prune(Duration::MAX, Duration::MAX, 100).await;

    let owner = house.join().await;
    let endpoint = owner.endpoint(&rule(1)).await;
    assert_eq!(numbers(&owner.take(endpoint, 9).await.due), [1, 2], "a deleted bucket's queue is kept (C12)");
}

pub async fn the_rules_of_a_deleted_bucket_go_with_their_queue(store: &impl Store) {
    let house = House::open(store).await;
    house.rules(vec![rule(1)]).await;
    house.put("a").await;
    house.delete("a").await;
    house.delete_bucket(BUCKET).await.expect("it is empty");
    let owner = house.join().await;
    let endpoint = owner.endpoint(&rule(1)).await;
    owner.take(endpoint, 2).await;
    owner.settle(endpoint, vec![owner.delivered(1), owner.delivered(2)], 0).await;
    house.clock.advance(Duration::from_secs(60));
    house.prune(Duration::from_secs(1), Duration::from_secs(1), 100).await;
    assert!(owner.endpoints().await.is_empty());
    assert_eq!(house.owed(&rule(1)).await, None);
}

pub async fn small_bodies_read_back_byte_for_byte(store: &impl Store) {
    let mut house = House::open(store).await;
    let bodies: Vec<Vec<u8>> =
        [0, 1, 16_384].iter().map(|length| (0..*length).map(|at| (at % 251) as u8).collect()).collect();
    for body in &bodies {
        let content = Content::Inline(Bytes::from(body.clone()));
        house.put_content(&format!("k{}", body.len()), content.clone(), body.len() as u64).await.expect("a put");
        house.put_content("overwritten", content, body.len() as u64).await.expect("a put");
    }
    for _ in 0..2 {
        for body in &bodies {
            let record = house.get(&format!("k{}", body.len())).await.expect("an object");
            assert_eq!(record.content, Some(Content::Inline(Bytes::from(body.clone()))));
            assert_eq!(record.size, body.len() as u64);
        }
        let last = house.get("overwritten").await.expect("an object").content;
        assert_eq!(last, Some(Content::Inline(Bytes::from(bodies[2].clone()))));
        house = house.reopen(store).await;
    }
}

pub async fn what_is_stored_with_an_object_reads_back(store: &impl Store) {
    let house = House::open(store).await;
    let put = PutObject {
        content_type: Some("text/plain; charset=utf-8".into()),
        headers: ContentHeaders {
            cache_control: Some("no-store".into()),
            content_encoding: Some("gzip".into()),
            ..ContentHeaders::default()
        },
        metadata: [("a".to_owned(), "1".to_owned()), ("b".to_owned(), String::new())].into(),
        checksum: Some(StoredChecksum { algorithm: "CRC32C".into(), value: "yZRlqg==".into() }),
        ..object(BUCKET, &"k".repeat(1024))
    };
    let committed = house.commit(ChangeKind::PutObject(put.clone())).await.expect("a put");
    let record = house.ledger.object(BUCKET, &put.key, false).await.expect("a read").expect("an object");
    assert_eq!(record.content, None, "nobody asked for it");
    assert_eq!((record.key, record.size, record.etag), (put.key, put.size, put.etag));
    assert_eq!((record.content_type, record.headers), (put.content_type, put.headers));
    assert_eq!((record.metadata, record.checksum), (put.metadata, put.checksum));
    assert_eq!((record.sequencer, record.last_modified), (committed.sequencer, committed.sequencer.timestamp()));
    let too_long = Content::Inline(Bytes::from(vec![0; 16_385]));
    assert!(house.put_content("long", too_long, 16_385).await.is_err(), "a larger body belongs into the blob store");
    for key in [String::new(), "k".repeat(1025)] {
        assert!(house.commit(ChangeKind::PutObject(object(BUCKET, &key))).await.is_err(), "1 to 1,024 bytes");
    }
    assert!(house.ledger.rules(&Scope::Server).await.expect("rules").rules.is_empty());
}
