//! What a receiver sees when all is well.

use std::collections::BTreeSet;

use bucketbell_rule::{Secret, SecretChange};
use bucketbell_testkit::Sink;

use crate::app::{App, GRACE, SECRET, draft};

/// Guards B5 and SG-1: no timer is involved, and a verifier that is not ours accepts what was sent.
#[tokio::test]
async fn a_commit_wakes_the_sender_and_a_foreign_library_verifies_the_event() {
    let (app, sink) = (App::new().await, Sink::start([]).await);
    let mut rule = draft(&sink.url());
    rule.secret = SecretChange::Set(Secret::new(SECRET));
    app.rules(&[rule]).await;
    let engine = app.engine().await;
    let event = app.put("a b/ü.jpg").await;
    let request = sink.wait_for(1).await.remove(0);
    let webhook = standardwebhooks::Webhook::new(SECRET).unwrap();
    webhook.verify(&request.body, &request.headers).unwrap();
    assert_eq!(request.header("webhook-id"), event.to_string());
    assert_eq!((request.header("bucketbell-sequence"), request.header("bucketbell-attempt")), ("1", "1"));
    assert!(request.header("content-length").parse::<usize>().unwrap() == request.body.len());
    app.wait_until_settled().await;
    engine.shutdown(GRACE).await;
}

#[tokio::test]
async fn each_rule_gets_each_event_once_under_its_own_numbers() {
    let (app, one, two) = (App::new().await, Sink::start([]).await, Sink::start([]).await);
    let mut narrow = draft(&two.url());
    narrow.prefix = Some("k1".to_owned());
    app.rules(&[draft(&one.url()), narrow]).await;
    let engine = app.engine().await;
    for place in 0..200 {
        app.put(&format!("k{place}")).await;
    }
    app.wait_until_settled().await;
    let numbers = |sink: &Sink| -> Vec<u64> {
        sink.requests().iter().map(|request| request.header("bucketbell-sequence").parse().unwrap()).collect()
    };
    let ids = |sink: &Sink| -> BTreeSet<String> {
        sink.requests().iter().map(|request| request.header("webhook-id").to_owned()).collect()
    };
    for (sink, count) in [(&one, 200), (&two, 111)] {
        let mut numbers = numbers(sink);
        numbers.sort_unstable();
        assert_eq!(numbers, (1..=count).collect::<Vec<u64>>(), "DL-4");
        assert_eq!(ids(sink).len() as u64, count);
    }
    assert!(ids(&two).is_subset(&ids(&one)), "the event is one, whoever gets it");
    engine.shutdown(GRACE).await;
}

/// What was committed before the engine ran, more than it takes at once, is sent in full.
#[tokio::test]
async fn a_backlog_is_drained_at_the_start() {
    let (app, sink) = (App::new().await, Sink::start([]).await);
    app.rules(&[draft(&sink.url())]).await;
    for place in 0..300 {
        app.put(&format!("k{place}")).await;
    }
    let engine = app.engine().await;
    app.wait_until_settled().await;
    assert_eq!(sink.requests().len(), 300);
    engine.shutdown(GRACE).await;
}

/// Guards C12: the body is rendered when it is sent, to where the rule now says.
#[tokio::test]
async fn an_edit_of_the_url_applies_to_what_is_queued() {
    let (app, old, new) = (App::new().await, Sink::start([]).await, Sink::start([]).await);
    let paused = |url: &str, paused| bucketbell_rule::Draft { paused: Some(paused), ..draft(url) };
    app.rules(&[paused(&old.url(), true)]).await;
    let engine = app.engine().await;
    for place in 0..20 {
        app.put(&format!("k{place}")).await;
    }
    app.rules(&[paused(&new.url(), false)]).await;
    assert_eq!(new.wait_for(20).await.len(), 20);
    assert_eq!(old.requests().len(), 0, "a paused rule sends nothing (C11)");
    app.wait_until_settled().await;
    engine.shutdown(GRACE).await;
}

#[tokio::test]
async fn a_rule_made_while_the_engine_runs_is_served_and_a_removed_one_no_more() {
    let (app, one, two) = (App::new().await, Sink::start([]).await, Sink::start([]).await);
    let engine = app.engine().await;
    app.rules(&[draft(&one.url())]).await;
    app.put("a").await;
    one.wait_for(1).await;
    app.rules(&[]).await;
    app.rules(&[draft(&two.url())]).await;
    app.put("b").await;
    two.wait_for(1).await;
    assert_eq!(one.requests().len(), 1);
    app.wait_until_settled().await;
    engine.shutdown(GRACE).await;
}
