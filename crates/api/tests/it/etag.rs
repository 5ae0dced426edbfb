//! Two people who change the rules of one bucket (C1).

use std::sync::Arc;

use serde_json::json;
use tokio::task::JoinSet;

use crate::app::{App, PHOTOS, one_rule};

#[tokio::test]
async fn if_match_refuses_a_change_of_what_somebody_else_has_changed() {
    let app = App::new().await;
    let seen = app.get(PHOTOS).await.etag();
    let saved = app.put_if(&seen, one_rule("")).await;
    assert_eq!(saved.status, 200, "{}", saved.text);
    assert_ne!(saved.etag(), seen);
    assert_eq!(app.put_if(&seen, r#"{"rules":[]}"#).await.error(412).0, "precondition_failed");
    assert_eq!(app.put_if("W/\"1\"", r#"{"rules":[]}"#).await.status, 412);
    assert_eq!(app.get(PHOTOS).await.etag(), saved.etag(), "nothing was saved");
    assert_eq!(app.put_if("*", r#"{"rules":[]}"#).await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_writers_with_one_etag_exactly_one_wins() {
    let app = Arc::new(App::new().await);
    let seen = app.get(PHOTOS).await.etag();
    let mut writers = JoinSet::new();
    for writer in 0..16 {
        let (app, seen) = (Arc::clone(&app), seen.clone());
        let body = json!({"rules": [{"url": format!("http://w{writer}/"), "events": ["*"]}]}).to_string();
        writers.spawn(async move { app.put_if(&seen, body).await.status.as_u16() });
    }
    let mut statuses = writers.join_all().await;
    statuses.sort_unstable();
    assert_eq!((statuses[0], &statuses[1..]), (200, &[412; 15][..]));
}

/// A PUT without If-Match reads, judges and saves; one that comes between makes it start again, not fail.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn writers_without_an_etag_all_succeed_and_the_last_one_stays() {
    let app = Arc::new(App::new().await);
    let mut writers = JoinSet::new();
    for writer in 0..4 {
        let app = Arc::clone(&app);
        let body = json!({"rules": [{"url": format!("http://w{writer}/"), "events": ["*"]}]}).to_string();
        writers.spawn(async move { app.put(body).await });
    }
    let answers = writers.join_all().await;
    let last = answers.iter().max_by_key(|answer| answer.etag().trim_matches('"').parse::<i64>().unwrap()).unwrap();
    assert!(answers.iter().all(|answer| answer.status == 200));
    let stays = app.get(PHOTOS).await;
    assert_eq!((stays.json()["rules"].clone(), stays.etag()), (last.json()["rules"].clone(), last.etag()));
}
