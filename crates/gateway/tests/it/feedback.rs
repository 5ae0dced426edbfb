//! What a writer is told about the events it raised, and what the events tell about the writer.

use bucketbell_ledger::EndpointId;
use bucketbell_rule::{Draft, RuleId, Scope};

use crate::{client::Call, server::Server};

async fn wanted(server: &Server, rules: u8) {
    let rules = (0..rules).map(|number| {
        let draft = Draft {
            url: format!("http://receiver.example/{number}"),
            events: vec!["s3:ObjectCreated:*".into(), "s3:ObjectRemoved:*".into()],
            prefix: Some("w/".into()),
            ..Draft::default()
        };
        draft.validate(RuleId::from_random([number + 1; 16]), None).unwrap()
    });
    server.ledger.put_rules(&Scope::Bucket("bkt".into()), rules.collect(), None).await.unwrap();
}

/// X11.
#[tokio::test]
async fn a_write_answers_with_the_ids_of_its_events() {
    let server = Server::with_bucket().await;
    let before = server.ok(Call::put("/bkt/w/k").body("x")).await;
    assert_eq!(before.header("x-bucketbell-event-id"), "", "nobody asked (B1)");
    wanted(&server, 2).await;

    let mut ids = Vec::new();
    for call in [Call::put("/bkt/w/k").body("x"), Call::put("/bkt/w/k").body(vec![1; 50_000]), Call::delete("/bkt/w/k")]
    {
        let answer = server.ok(call).await;
        assert_eq!(answer.header("x-bucketbell-event-count"), "1", "one event, whoever wants it");
        let id: bucketbell_event::EventId = answer.header("x-bucketbell-event-id").parse().unwrap();
        ids.push(id);
    }
    assert!(ids.is_sorted(), "ids sort by time");
    for call in [
        Call::put("/bkt/other").body("x"),
        Call::delete("/bkt/w/k"),
        Call::get("/bkt/other"),
        Call::delete("/bkt/w/none"),
    ] {
        let answer = server.ok(call).await;
        assert_eq!(answer.headers.get("x-bucketbell-event-id"), None);
        assert_eq!(answer.headers.get("x-bucketbell-event-count"), None);
    }
}

#[tokio::test]
async fn an_event_tells_who_wrote_from_where_and_by_which_request() {
    let server = Server::with_bucket().await;
    wanted(&server, 1).await;
    let put =
        Call::put("/bkt/w/k").body("hello").header("user-agent", "tester/1.0").header("x-amz-meta-camera", "x100");
    let answer = server.ok(put).await;

    let (signals, _kept) = tokio::sync::mpsc::unbounded_channel();
    let instance = server.ledger.join(signals).await.unwrap();
    let endpoint: EndpointId = server.ledger.endpoints(instance, None).await.unwrap()[0].id;
    let taken = server.ledger.take(instance, endpoint, 10).await.unwrap();
    let event = &taken.due[0].event;
    assert_eq!(event.id.to_string(), answer.header("x-bucketbell-event-id"));
    let origin = &event.origin;
    assert_eq!(origin.request_id, answer.header("x-amz-request-id"));
    assert_eq!(origin.source_ip, "127.0.0.1");
    assert_eq!((origin.user_agent.as_str(), origin.region.as_str()), ("tester/1.0", "us-east-1"));
    assert!(!origin.principal.is_empty() && !origin.host_id.is_empty());
    let object = event.object().unwrap();
    assert_eq!((object.bucket.as_str(), object.key.as_str(), object.size), ("bkt", "w/k", Some(5)));
    assert_eq!(object.etag.as_deref(), Some("5d41402abc4b2a76b9719d911017c592"));
    assert_eq!(object.metadata["camera"], "x100");
}
