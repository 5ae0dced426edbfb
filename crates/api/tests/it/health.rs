//! Health and metrics.

use std::time::Duration;

use bucketbell_event::{Metadata, Origin};
use bucketbell_ledger::{Change, ChangeKind, Content, ContentHeaders, PruneLimits, PutObject, WritePrecondition};

use crate::app::{App, one_rule};

#[tokio::test]
async fn readyz_follows_the_phase_and_the_ledger() {
    let app = App::new().await;
    assert_eq!(app.get("/healthz").await.status, 200);
    assert_eq!(app.get("/readyz").await.status, 200);
    app.ledger.close().await;
    let answer = app.get("/readyz").await;
    assert_eq!(answer.error(503).0, "not_ready");
    app.readiness.stopping();
    assert!(app.get("/readyz").await.text.contains("shutting down"));
    assert_eq!(app.get("/healthz").await.status, 200, "alive until the end");
}

/// The process once said that it was ready while it refused every write, because reading still worked.
#[tokio::test]
async fn a_ledger_that_cannot_write_is_not_ready_and_leaves_the_process_its_metrics() {
    let app = App::new().await;
    metrics::with_local_recorder(&app.recorder, || metrics::counter!("bucketbell_test_total").increment(7));
    assert_eq!(app.get("/readyz").await.status, 200);
    let beside = app.beside();
    beside.execute_batch("BEGIN IMMEDIATE").unwrap();
    // The time limits are over at once; what the ledger's threads do is not on this clock.
    tokio::time::pause();
    let answer = app.get("/readyz").await;
    assert_eq!(answer.error(503).0, "not_ready");
    let page = app.get("/metrics").await;
    assert_eq!(page.status, 200);
    assert!(page.text.contains("bucketbell_test_total 7\n") && page.text.contains("# The ledger"), "{}", page.text);
    assert!(!page.text.contains("outbox_depth"), "not known: {}", page.text);
    tokio::time::resume();
    beside.execute_batch("COMMIT").unwrap();
    assert_eq!(app.get("/readyz").await.status, 200);
    assert!(app.get("/metrics").await.text.contains("outbox_depth"));
    app.ledger.close().await;
    let page = app.get("/metrics").await;
    assert!(page.status == 200 && page.text.contains("bucketbell_test_total 7\n"), "{}", page.text);
}

#[tokio::test]
async fn metrics_say_what_each_rule_is_owed_and_forget_removed_rules() {
    let app = App::new().await;
    let id = app.put(one_rule("")).await.json()["rules"][0]["id"].as_str().unwrap().to_owned();
    let put = PutObject {
        bucket: "photos".into(),
        key: "a.jpg".into(),
        precondition: WritePrecondition::None,
        content: Content::Inline("hello".into()),
        size: 5,
        etag: "5d41402abc4b2a76b9719d911017c592".into(),
        content_type: None,
        headers: ContentHeaders::default(),
        metadata: Metadata::default(),
        checksum: None,
    };
    app.ledger.commit(Change { origin: Origin::default(), kind: ChangeKind::PutObject(put) }).await.unwrap();
    let page = app.get("/metrics").await;
    assert_eq!(page.headers["content-type"], "text/plain; version=0.0.4; charset=utf-8");
    let depth = format!("bucketbell_notification_outbox_depth{{endpoint=\"{id}\"}} 1\n");
    assert!(page.text.contains(&depth), "{}", page.text);
    assert!(page.text.contains("# TYPE bucketbell_notification_oldest_due_seconds gauge\n"), "{}", page.text);
    assert!(!page.text.contains("example.com"), "Y6: {}", page.text);
    assert_eq!(app.put(r#"{"rules":[]}"#).await.json()["dead_letters"], 1, "C12");
    let limits =
        PruneLimits { history: Duration::MAX, history_bytes_max: u64::MAX, dead: Duration::MAX, rows_max: 100 };
    assert_eq!(app.ledger.prune(limits).await.unwrap().buried[0].count, 1);
    let page = app.get("/metrics").await;
    assert!(!page.text.contains(&format!("{{endpoint=\"{id}\"}} 1")), "{}", page.text);
}
