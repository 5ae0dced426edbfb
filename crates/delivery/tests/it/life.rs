//! Starting, stopping, and coming back.

use std::time::Duration;

use bucketbell_testkit::{Behaviour, Sink};

use crate::app::{App, GRACE, draft};

#[tokio::test]
async fn a_stop_lets_what_is_in_flight_finish_and_returns_the_rest_untouched() {
    // Sixteen slots hang until their timeout; the queue behind them has not been sent.
    let (app, sink) = (App::new().await, Sink::start(vec![Behaviour::Hang; 16]).await);
    app.rules(&[bucketbell_rule::Draft { timeout: Some("500ms".to_owned()), ..draft(&sink.url()) }]).await;
    let engine = app.engine().await;
    for place in 0..50 {
        app.put(&format!("k{place}")).await;
    }
    sink.wait_for(16).await;
    engine.shutdown(GRACE).await;
    assert_eq!(sink.requests().len(), 16, "nothing was begun after the stop");
    let app = app.reopen().await;
    assert_eq!(app.owed().await, 50);
    let engine = app.engine().await;
    app.wait_until_settled().await;
    let attempts = |wanted: &str| sink.requests().iter().filter(|r| r.header("bucketbell-attempt") == wanted).count();
    assert_eq!((attempts("1"), attempts("2")), (50, 16), "the returned ones are on their first attempt");
    engine.shutdown(GRACE).await;
}

/// Guards B3 and DL-3: an engine that is cut off leaves its taken deliveries to the next, with the same ids.
#[tokio::test]
async fn what_was_in_flight_at_a_crash_is_sent_again_as_a_later_attempt() {
    let (app, sink) = (App::new().await, Sink::start(vec![Behaviour::Hang; 3]).await);
    app.rules(&[draft(&sink.url())]).await;
    let engine = app.engine().await;
    let mut events = Vec::new();
    for place in 0..3 {
        events.push(app.put(&format!("k{place}")).await.to_string());
    }
    sink.wait_for(3).await;
    // No grace: as after a kill, nothing of the three is recorded.
    engine.shutdown(Duration::ZERO).await;
    let app = app.reopen().await;
    let engine = app.engine().await;
    app.wait_until_settled().await;
    let requests = sink.requests();
    let mut again: Vec<(&str, &str)> =
        requests[3..].iter().map(|r| (r.header("webhook-id"), r.header("bucketbell-attempt"))).collect();
    again.sort_unstable();
    assert_eq!(again, events.iter().map(|id| (id.as_str(), "2")).collect::<Vec<_>>());
    engine.shutdown(GRACE).await;
}

/// Guards DL-1 and DL-2: of two engines on one ledger only the one that joined last goes on.
#[tokio::test]
async fn an_engine_that_lost_the_ledger_stops_sending() {
    let (app, sink) = (App::new().await, Sink::start([]).await);
    app.rules(&[draft(&sink.url())]).await;
    let old = app.engine().await;
    app.put("a").await;
    app.wait_until_settled().await;
    let new = app.engine().await;
    for place in 0..40 {
        app.put(&format!("k{place}")).await;
    }
    app.wait_until_settled().await;
    let mut ids: Vec<String> = sink.requests().iter().map(|r| r.header("webhook-id").to_owned()).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!((ids.len(), sink.requests().len()), (41, 41), "nothing was sent twice");
    old.shutdown(GRACE).await;
    new.shutdown(GRACE).await;
}

#[tokio::test]
async fn a_receiver_that_was_down_gets_everything_when_it_is_back() {
    let app = App::new().await;
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    app.rules(&[draft(&format!("http://{closed}/hook"))]).await;
    let engine = app.engine().await;
    for place in 0..5 {
        app.put(&format!("k{place}")).await;
    }
    assert_eq!(app.owed().await, 5, "nobody listens, so nothing can have arrived");
    let back = Sink::start([]).await;
    app.rules(&[draft(&back.url())]).await;
    app.wait_until_settled().await;
    assert_eq!(back.requests().len(), 5);
    engine.shutdown(GRACE).await;
}
