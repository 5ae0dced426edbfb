//! A3 and A8: the right handler, and out of order is visible and can be refused.

use bucketbell_receiver::{Buckets, Family, Handlers, Receiver};
use serde_json::json;

use crate::fixture::{Home, Log, counts, deliver, deliver_minio, put, signed};

#[tokio::test]
async fn an_older_event_of_a_key_is_shown_as_such() {
    let (home, log) = (Home::new(), Log::default());
    let receiver = home.receiver(log.handlers());
    for (key, at) in [("a", 5), ("a", 3), ("b", 1), ("a", 6), ("a", 4)] {
        assert_eq!(counts(&deliver(&receiver, &put(key, at)).await), [1, 0, 0, 0]);
    }
    let older: Vec<bool> = log.arrivals().iter().map(|arrival| arrival.older_than_seen).collect();
    assert_eq!(older, [false, true, false, false, true], "A8: per key, against the latest");
}

#[tokio::test]
async fn an_older_event_can_be_refused_and_is_remembered() {
    let (home, log) = (Home::new(), Log::default());
    let mut config = signed();
    config.refuse_older = true;
    let receiver = Receiver::new(config.clone(), home.memory(), log.handlers());
    assert_eq!(counts(&deliver(&receiver, &put("a", 5)).await), [1, 0, 0, 0]);
    let older = deliver(&receiver, &put("a", 3)).await;
    assert_eq!((older.status, counts(&older)), (200, [0, 0, 1, 0]), "acknowledged: it would never become newer");
    assert_eq!(counts(&deliver(&receiver, &put("a", 3)).await), [0, 1, 0, 0]);
    drop(receiver);
    let receiver = Receiver::new(config, home.memory(), log.handlers());
    assert_eq!(counts(&deliver(&receiver, &put("a", 4)).await), [0, 0, 1, 0], "A8: also after a restart");
    assert_eq!(log.len(), 1);
}

#[tokio::test]
async fn sequencers_of_one_system_say_nothing_of_another_and_reads_make_nothing_old() {
    let (home, log) = (Home::new(), Log::default());
    let receiver = home.open_receiver(log.handlers());
    let record = |name: &str, sequencer: &str| json!({"Records": [{"eventName": name, "s3": {"bucket": {"name": "photos"}, "object": {"key": "a", "sequencer": sequencer}}}]});
    assert_eq!(counts(&deliver(&receiver, &put("a", u64::MAX / 2)).await), [1, 0, 0, 0]);
    deliver_minio(&receiver, &record("s3:ObjectAccessed:Get", "9")).await;
    deliver_minio(&receiver, &record("s3:ObjectCreated:Put", "1")).await;
    deliver_minio(&receiver, &record("s3:ObjectRemoved:Delete", "0FFF")).await;
    let older: Vec<bool> = log.arrivals().iter().map(|arrival| arrival.older_than_seen).collect();
    assert_eq!(older, [false, false, false, true], "right-padded with zeros, 0FFF is before 1");
}

#[tokio::test]
async fn handlers_are_chosen_by_family_and_bucket_and_the_rest_is_caught() {
    let home = Home::new();
    let [photos, uploads, deletes, reads, rest] = std::array::from_fn::<_, 5, _>(|_| Log::default());
    let to = |log: &Log| {
        let log = log.clone();
        move |arrival: std::sync::Arc<bucketbell_receiver::Arrival>| {
            log.write(&arrival);
            async { Ok(()) }
        }
    };
    let handlers = Handlers::default()
        .upload("photos", to(&photos))
        .upload(Buckets::All, to(&uploads))
        .delete("photos", to(&deletes))
        .access(Buckets::All, to(&reads))
        .on(Family::Other, "nowhere", to(&reads))
        .rest(to(&rest));
    let receiver = home.open_receiver(handlers);
    for (name, bucket) in [
        ("s3:ObjectCreated:Put", "photos"),
        ("s3:ObjectCreated:Copy", "films"),
        ("s3:ObjectRemoved:Delete", "photos"),
        ("s3:ObjectRemoved:Delete", "films"),
        ("s3:ObjectAccessed:Head", "films"),
        ("s3:LifecycleExpiration:Delete", "photos"),
    ] {
        let body =
            json!({"Records": [{"eventName": name, "s3": {"bucket": {"name": bucket}, "object": {"key": "k"}}}]});
        assert_eq!(counts(&deliver_minio(&receiver, &body).await), [1, 0, 0, 0]);
    }
    assert_eq!([&photos, &uploads, &deletes, &reads, &rest].map(Log::len), [1, 1, 1, 1, 2], "A3");
}
