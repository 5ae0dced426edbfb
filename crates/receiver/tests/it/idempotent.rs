//! A4 to A6: an event is handled once, a failure is handled again, and the sender hears the truth.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use bucketbell_receiver::{Family, HandlerError, Handlers, IncomingDialect, Memory, MemoryError, Receiver};
use http::HeaderMap;
use serde_json::json;
use tokio::sync::Notify;

use crate::fixture::{Home, Log, NOW, SECRET, counts, deliver, deliver_minio, minimal, put, sent, signed};

#[tokio::test]
async fn an_event_is_handled_once_also_after_a_restart() {
    let (home, log) = (Home::new(), Log::default());
    let event = put("a.jpg", 1);
    let receiver = home.receiver(log.handlers());
    let first = deliver(&receiver, &event).await;
    assert_eq!((first.status, counts(&first)), (200, [1, 0, 0, 0]));
    let again = deliver(&receiver, &event).await;
    assert_eq!((again.status, counts(&again)), (200, [0, 1, 0, 0]));
    drop(receiver);
    let receiver = home.receiver(log.handlers());
    assert_eq!(counts(&deliver(&receiver, &event).await), [0, 1, 0, 0], "A4: the memory is on disk");
    assert_eq!(
        counts(&deliver(&receiver, &put("a.jpg", 2)).await),
        [1, 0, 0, 0],
        "A4: another change is another event"
    );
    assert_eq!(log.len(), 2);
}

#[tokio::test]
async fn the_minimal_body_twice_is_a_repeat_and_with_a_time_it_is_new() {
    let (home, log) = (Home::new(), Log::default());
    let receiver = home.open_receiver(log.handlers());
    assert_eq!(counts(&deliver_minio(&receiver, &minimal()).await), [1, 0, 0, 0]);
    let again = deliver_minio(&receiver, &minimal()).await;
    assert_eq!((again.status, counts(&again)), (200, [0, 1, 0, 0]), "A5: the answer says so");
    let mut timed = minimal();
    timed["Records"][0]["eventTime"] = "2026-01-02T03:04:05.678Z".into();
    assert_eq!(counts(&deliver_minio(&receiver, &timed).await), [1, 0, 0, 0], "A5");
    timed["Records"][0]["s3"]["object"]["sequencer"] = "186D".into();
    assert_eq!(counts(&deliver_minio(&receiver, &timed).await), [1, 0, 0, 0], "A5");
    let arrival = &log.arrivals()[0];
    assert_eq!((arrival.event.family, arrival.event.key.as_deref()), (Family::Upload, Some("myfile.txt")));
}

/// Guards against two handlers at work on one event: a sender that timed out sends again while the first still runs.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_repeats_are_handled_once() {
    let home = Home::new();
    let (running, most, handled) =
        (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (now_running, most_seen, counted) = (Arc::clone(&running), Arc::clone(&most), Arc::clone(&handled));
    let handlers = Handlers::default().rest(move |_| {
        let (running, most, handled) = (Arc::clone(&now_running), Arc::clone(&most_seen), Arc::clone(&counted));
        async move {
            most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            for _ in 0..20 {
                tokio::task::yield_now().await;
            }
            running.fetch_sub(1, Ordering::SeqCst);
            handled.fetch_add(1, Ordering::SeqCst);
            Ok(())
        }
    });
    let receiver = home.receiver(handlers);
    let mut senders = tokio::task::JoinSet::new();
    for number in 0..200 {
        let receiver = receiver.clone();
        // Ten events of one key, each twenty times.
        senders.spawn(async move { deliver(&receiver, &put("a.jpg", 1 + number % 10)).await });
    }
    let (mut handled_said, mut repeats_said) = (0, 0);
    while let Some(reply) = senders.join_next().await {
        let reply = reply.unwrap();
        assert_eq!(reply.status, 200);
        handled_said += counts(&reply)[0];
        repeats_said += counts(&reply)[1];
    }
    assert_eq!((handled_said, repeats_said, handled.load(Ordering::SeqCst)), (10, 190, 10));
    assert_eq!(most.load(Ordering::SeqCst), 1, "events of one key are handled one at a time");
}

#[tokio::test]
async fn a_repeat_that_would_wait_too_long_is_asked_to_come_again() {
    let (home, release) = (Home::new(), Arc::new(Notify::new()));
    let (entered, mut inside) = tokio::sync::mpsc::unbounded_channel();
    let held = Arc::clone(&release);
    let handlers = Handlers::default().rest(move |_| {
        let (held, entered) = (Arc::clone(&held), entered.clone());
        async move {
            entered.send(()).map_err(|_| HandlerError::failed("the test is over"))?;
            held.notified().await;
            Ok(())
        }
    });
    let mut config = signed();
    config.wait = Duration::from_millis(20);
    let receiver = Receiver::new(config, home.memory(), handlers);
    let event = put("a.jpg", 1);
    let first = tokio::spawn({
        let (receiver, event) = (receiver.clone(), event.clone());
        async move { deliver(&receiver, &event).await }
    });
    inside.recv().await.expect("the handler runs");
    let second = deliver(&receiver, &event).await;
    assert_eq!((second.status, second.retry_after), (503, Some(Duration::from_secs(1))));
    release.notify_one();
    assert_eq!(first.await.unwrap().status, 200);
    assert_eq!(counts(&deliver(&receiver, &event).await), [0, 1, 0, 0]);
}

#[tokio::test]
async fn a_failed_handler_is_answered_5xx_and_handled_when_it_comes_again() {
    let (home, log, broken) = (Home::new(), Log::default(), Arc::new(AtomicBool::new(true)));
    let state = Arc::clone(&broken);
    let receiver = home.receiver(log.judged(move |_| match state.load(Ordering::SeqCst) {
        true => Err(HandlerError::failed("the database at 10.0.0.7 is down")),
        false => Ok(()),
    }));
    let event = put("a.jpg", 1);
    let reply = deliver(&receiver, &event).await;
    assert_eq!((reply.status, counts(&reply)), (500, [0, 0, 0, 1]), "A6");
    assert!(!reply.body.to_string().contains("10.0.0.7"), "the reason is the receiver's own");
    broken.store(false, Ordering::SeqCst);
    assert_eq!(counts(&deliver(&receiver, &event).await), [1, 0, 0, 0]);
    assert_eq!(log.len(), 2);
}

#[tokio::test]
async fn a_handler_that_panics_is_a_failure_and_leaves_nothing_locked() {
    let (home, log, broken) = (Home::new(), Log::default(), Arc::new(AtomicBool::new(true)));
    let state = Arc::clone(&broken);
    let receiver = home.receiver(log.judged(move |_| {
        assert!(!state.load(Ordering::SeqCst), "told to panic");
        Ok(())
    }));
    assert_eq!(deliver(&receiver, &put("a.jpg", 1)).await.status, 500);
    broken.store(false, Ordering::SeqCst);
    assert_eq!(counts(&deliver(&receiver, &put("a.jpg", 1)).await), [1, 0, 0, 0]);
}

#[tokio::test]
async fn of_a_body_with_several_events_only_what_failed_is_handled_again() {
    let (home, log, broken) = (Home::new(), Log::default(), Arc::new(AtomicBool::new(true)));
    let state = Arc::clone(&broken);
    let receiver = home.open_receiver(log.judged(move |arrival| {
        let fails = state.load(Ordering::SeqCst) && arrival.event.key.as_deref() == Some("b");
        if fails { Err(HandlerError::failed("b fails")) } else { Ok(()) }
    }));
    let record = |key: &str, sequencer: &str| json!({"eventName": "ObjectCreated:Put", "s3": {"bucket": {"name": "x"}, "object": {"key": key, "sequencer": sequencer}}});
    let body =
        json!({"Records": [record("a", "1"), record("b", "1"), record("b", "2"), record("c", "1"), record("a", "1")]});
    let keys = |log: &Log| log.arrivals().iter().map(|arrival| arrival.event.key.clone().unwrap()).collect::<String>();
    let reply = deliver_minio(&receiver, &body).await;
    assert_eq!((reply.status, counts(&reply)), (500, [2, 1, 0, 2]), "the second of b must not overtake the first");
    assert_eq!(keys(&log), "abc");
    broken.store(false, Ordering::SeqCst);
    let reply = deliver_minio(&receiver, &body).await;
    assert_eq!((reply.status, counts(&reply)), (200, [2, 3, 0, 0]));
    assert_eq!(keys(&log), "abcbb");
}

/// A sender that gives up and drops its connection must not leave a change half made and unremembered.
#[tokio::test]
async fn what_was_begun_is_finished_when_the_sender_hangs_up() {
    let (home, release) = (Home::new(), Arc::new(Notify::new()));
    let (entered, mut inside) = tokio::sync::mpsc::unbounded_channel();
    let held = Arc::clone(&release);
    let handlers = Handlers::default().rest(move |_| {
        let (held, entered) = (Arc::clone(&held), entered.clone());
        async move {
            entered.send(()).map_err(|_| HandlerError::failed("the test is over"))?;
            held.notified().await;
            Ok(())
        }
    });
    let receiver = home.receiver(handlers);
    let event = put("a.jpg", 1);
    let (headers, body) = sent(&event, SECRET);
    {
        let receiving = receiver.receive(IncomingDialect::Bucketbell, &headers, body, NOW);
        tokio::select! {
            _ = receiving => panic!("it waits for the handler"),
            entered = inside.recv() => entered.expect("the handler runs"),
        }
    }
    release.notify_one();
    assert_eq!(counts(&deliver(&receiver, &event).await), [0, 1, 0, 0]);
}

#[tokio::test]
async fn events_are_forgotten_after_their_time_and_not_before() {
    let (home, log) = (Home::new(), Log::default());
    let keep = Duration::from_secs(31 * 24 * 3600);
    let receiver = home.open_receiver(log.handlers());
    let at = |days: u64| NOW.after(Duration::from_secs(days * 24 * 3600));
    let ask = async |receiver: &Receiver, key: &str, days| {
        let mut body = minimal();
        body["Records"][0]["s3"]["object"]["key"] = key.into();
        counts(&receiver.receive(IncomingDialect::Minio, &HeaderMap::new(), body.to_string().into(), at(days)).await)
    };
    assert_eq!(ask(&receiver, "a", 0).await, [1, 0, 0, 0]);
    assert_eq!(ask(&receiver, "a", 30).await, [0, 1, 0, 0], "a sender tries for thirty days");
    drop(receiver);
    // Forgetting goes with the first event that a start remembers.
    let receiver = Receiver::new(crate::fixture::unsigned(), Memory::open(&home.file(), keep).unwrap(), log.handlers());
    assert_eq!(ask(&receiver, "b", 32).await, [1, 0, 0, 0]);
    assert_eq!(ask(&receiver, "a", 32).await, [1, 0, 0, 0]);
}

/// Guards against a memory shorter than the longest `max_age` of a rule, 30 days: the last retry was handled again (A4).
#[tokio::test]
async fn the_last_retry_of_a_sender_that_tries_for_thirty_days_is_a_repeat() {
    let (home, log) = (Home::new(), Log::default());
    let at = |seconds: u64| NOW.after(Duration::from_secs(seconds));
    let ask = async |key: &str, now| {
        let mut body = minimal();
        body["Records"][0]["s3"]["object"]["key"] = key.into();
        // Forgetting goes with the first event that a start remembers.
        let receiver = home.open_receiver(log.handlers());
        counts(&receiver.receive(IncomingDialect::Minio, &HeaderMap::new(), body.to_string().into(), now).await)
    };
    let thirty_days = 30 * 24 * 3600;
    assert_eq!(ask("a", at(0)).await, [1, 0, 0, 0]);
    assert_eq!(ask("b", at(thirty_days)).await, [1, 0, 0, 0]);
    assert_eq!(ask("a", at(thirty_days)).await, [0, 1, 0, 0], "A4");
    assert_eq!(ask("a", at(thirty_days + 3600)).await, [0, 1, 0, 0], "the attempt was under way");
}

#[tokio::test]
async fn two_receivers_on_one_memory_do_not_both_start() {
    let (home, log) = (Home::new(), Log::default());
    let first = home.receiver(log.handlers());
    let error = Memory::open(&home.file(), Duration::from_secs(1)).expect_err("it is in use");
    assert!(matches!(error, MemoryError::InUse { .. }), "{error:?}");
    drop(first);
    home.memory();
}

#[test]
fn files_that_are_no_memory_of_ours_are_refused_and_left_alone() {
    let home = Home::new();
    std::fs::write(home.file(), "just some text, and enough of it to be no database header").unwrap();
    let error = Memory::open(&home.file(), Duration::from_secs(1)).expect_err("it is text");
    assert!(matches!(error, MemoryError::Open { .. }), "{error:?}");
    let other = home.file().with_extension("other");
    let connection = rusqlite::Connection::open(&other).unwrap();
    connection.execute_batch("CREATE TABLE t (x); PRAGMA user_version = 1;").unwrap();
    drop(connection);
    let error = Memory::open(&other, Duration::from_secs(1)).expect_err("it is another program's");
    assert!(matches!(error, MemoryError::Foreign { .. }), "{error:?}");
    let newer = home.file().with_extension("newer");
    drop(Memory::open(&newer, Duration::from_secs(1)).unwrap());
    rusqlite::Connection::open(&newer).unwrap().execute_batch("PRAGMA user_version = 99").unwrap();
    let error = Memory::open(&newer, Duration::from_secs(1)).expect_err("it is from the future");
    assert!(matches!(error, MemoryError::Newer { found: 99, .. }), "Y1: {error:?}");
    let error =
        Memory::open(&home.file().join("no/such/folder"), Duration::from_secs(1)).expect_err("there is no folder");
    assert!(matches!(error, MemoryError::Open { .. }), "{error:?}");
}
