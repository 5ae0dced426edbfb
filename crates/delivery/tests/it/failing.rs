//! What happens when the receiver does not do its part.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use bucketbell_rule::Draft;
use bucketbell_testkit::{Behaviour, FaultyLedger, Sink, eventually};

use crate::app::{App, GRACE, draft};

#[tokio::test]
async fn a_failure_is_tried_again_with_the_same_id_and_number_until_it_is_accepted() {
    let (app, sink) =
        (App::new().await, Sink::start([Behaviour::Answer(500), Behaviour::Answer(404), Behaviour::Answer(302)]).await);
    app.rules(&[draft(&sink.url())]).await;
    let engine = app.engine().await;
    let event = app.put("a").await.to_string();
    app.wait_until_settled().await;
    let requests = sink.requests();
    let seen: Vec<(&str, &str, &str)> = requests
        .iter()
        .map(|r| (r.header("webhook-id"), r.header("bucketbell-sequence"), r.header("bucketbell-attempt")))
        .collect();
    assert_eq!(seen, ["1", "2", "3", "4"].map(|attempt| (event.as_str(), "1", attempt)));
    assert!(requests.iter().all(|request| request.body == requests[0].body), "one event, one body");
    engine.shutdown(GRACE).await;
}

#[tokio::test]
async fn a_delivery_dies_when_its_retries_are_used_up() {
    let (app, sink) = (App::new().await, Sink::start(vec![Behaviour::Answer(400); 9]).await);
    app.rules(&[Draft { max_retries: Some(2), ..draft(&sink.url()) }]).await;
    let engine = app.engine().await;
    app.put("a").await;
    app.wait_until_settled().await;
    assert_eq!(sink.requests().len(), 3, "the first and two retries (B10)");
    engine.shutdown(GRACE).await;
}

#[tokio::test]
async fn a_delivery_dies_of_age_whatever_retries_are_left() {
    let (app, sink) = (App::new().await, Sink::start(vec![Behaviour::Answer(500); 999]).await);
    app.rules(&[Draft { max_retries: Some(1000), max_age: Some("300ms".to_owned()), ..draft(&sink.url()) }]).await;
    let engine = app.engine().await;
    app.put("a").await;
    app.wait_until_settled().await;
    let attempts = sink.requests().len();
    assert!((1..900).contains(&attempts), "{attempts}");
    engine.shutdown(GRACE).await;
}

#[tokio::test]
async fn a_receiver_that_hangs_is_given_up_after_the_timeout() {
    let (app, sink) = (App::new().await, Sink::start([Behaviour::Hang]).await);
    app.rules(&[Draft { timeout: Some("100ms".to_owned()), ..draft(&sink.url()) }]).await;
    let engine = app.engine().await;
    app.put("a").await;
    app.wait_until_settled().await;
    assert_eq!(sink.requests().len(), 2);
    engine.shutdown(GRACE).await;
}

#[tokio::test]
async fn a_retry_waits_as_long_as_the_receiver_asked() {
    let asks = Behaviour::AnswerWith(503, "retry-after", "1".to_owned());
    let (app, sink) = (App::new().await, Sink::start([asks]).await);
    app.rules(&[draft(&sink.url())]).await;
    let engine = app.engine().await;
    app.put("a").await;
    sink.wait_for(1).await;
    let asked = std::time::Instant::now();
    sink.wait_for(2).await;
    // The test's own clock started a little after the answer.
    assert!(asked.elapsed() >= Duration::from_millis(900), "{:?}", asked.elapsed());
    app.wait_until_settled().await;
    engine.shutdown(GRACE).await;
}

/// Guards FN-1: a hanging receiver with a full queue delays nobody else.
#[tokio::test]
async fn a_dead_endpoint_delays_only_itself() {
    let (app, dead, alive) = (App::new().await, Sink::start(vec![Behaviour::Hang; 999]).await, Sink::start([]).await);
    app.rules(&[draft(&dead.url()), draft(&alive.url())]).await;
    let engine = app.engine().await;
    for place in 0..200 {
        app.put(&format!("k{place}")).await;
    }
    assert_eq!(alive.wait_for(200).await.len(), 200);
    eventually("only the dead one's are owed", || async { (app.owed().await == 200).then_some(()) }).await;
    assert!(dead.requests().len() <= 16, "its own slots, no more");
    engine.shutdown(Duration::ZERO).await;
}

/// Guards FN-1 and B5: an endpoint with no room left asked the ledger for more about every millisecond.
#[tokio::test]
async fn a_full_endpoint_leaves_the_ledger_alone() {
    // Five hundred fail at once and wait for their retry; those that are taken again hang, and fill the room.
    let script = [vec![Behaviour::Answer(500); 500], vec![Behaviour::Hang; 999]].concat();
    let (app, sink) = (App::new().await, Sink::start(script).await);
    let watched = Arc::new(FaultyLedger::new(Arc::clone(&app.ledger)));
    let app = App { ledger: watched.clone(), ..app };
    app.rules(&[draft(&sink.url())]).await;
    let engine = app.engine().await;
    for place in 0..500 {
        app.put(&format!("k{place}")).await;
    }
    sink.wait_for(516).await;
    let settles = || watched.settles.load(Ordering::Relaxed);
    let before = settles();
    let window = tokio::time::Instant::now() + Duration::from_millis(500);
    eventually("half a second has passed", || async { (tokio::time::Instant::now() > window).then_some(()) }).await;
    assert!(settles() - before <= 3, "{} settles in half a second of nothing", settles() - before);
    engine.shutdown(Duration::ZERO).await;
}

/// A wait for a retry must not be polled either: one look when it is due.
#[tokio::test]
async fn a_waiting_retry_leaves_the_ledger_alone_until_it_is_due() {
    let asks = Behaviour::AnswerWith(503, "retry-after", "1".to_owned());
    let (app, sink) = (App::new().await, Sink::start([asks]).await);
    let watched = Arc::new(FaultyLedger::new(Arc::clone(&app.ledger)));
    let app = App { ledger: watched.clone(), ..app };
    app.rules(&[draft(&sink.url())]).await;
    let engine = app.engine().await;
    app.put("a").await;
    app.wait_until_settled().await;
    let settles = watched.settles.load(Ordering::Relaxed);
    assert!(settles <= 6, "start, rules, failure, due, success: {settles}");
    engine.shutdown(GRACE).await;
}

/// Guards FN-2: fifteen endpoints that failed at once wrote so many small settles that every put waited behind them.
#[tokio::test]
async fn a_failing_endpoint_settles_at_a_pace() {
    let app = App::new().await;
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let watched = Arc::new(FaultyLedger::new(Arc::clone(&app.ledger)));
    let app = App { ledger: watched.clone(), ..app };
    app.rules(&[Draft { max_retries: Some(3), ..draft(&format!("http://{closed}/")) }]).await;
    let engine = app.engine().await;
    for place in 0..100 {
        app.put(&format!("k{place}")).await;
    }
    let began = std::time::Instant::now();
    app.wait_until_settled().await;
    let (settles, most) = (watched.settles.load(Ordering::Relaxed), 10 + began.elapsed().as_millis() as u64 / 100);
    assert!(settles <= most, "{settles} settles for 400 failed attempts, more than {most}");
    engine.shutdown(GRACE).await;
}
