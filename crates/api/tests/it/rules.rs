//! Saving rules and reading them back (C1, C6, C7).

use bucketbell_rule::Scope;
use serde_json::json;

use crate::app::{App, PHOTOS, SECRET, one_rule};

async fn stored_secret(app: &App) -> Option<String> {
    let set = app.ledger.rules(&Scope::Bucket("photos".into())).await.unwrap();
    set.rules[0].target.secret.as_ref().map(|secret| secret.expose().to_owned())
}

#[tokio::test]
async fn a_bucket_without_rules_answers_an_empty_list() {
    let answer = App::new().await.get(PHOTOS).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.json(), json!({"rules": []}));
    assert!(answer.etag().starts_with('"'));
}

#[tokio::test]
async fn what_was_saved_is_read_back_in_its_order() {
    let app = App::new().await;
    let body = json!({"rules": [
        {"id": "00000000-0000-0000-0000-000000000000", "url": "https://example.com/webhook", "secret": SECRET,
         "events": ["s3:ObjectCreated:*"], "prefix": "uploads/", "suffix": ".jpg", "enabled": true},
        {"url": "http://b/", "events": ["s3:ObjectRemoved:Delete", "backend.*"], "enabled": false, "paused": true,
         "timeout": "1500ms", "max_retries": 3, "max_age": "2d", "concurrency": 4, "dialect": "bucketbell"},
    ]});
    let saved = app.put(body.to_string()).await;
    assert_eq!(saved.status, 200, "{}", saved.text);
    let read = app.get(PHOTOS).await;
    assert_eq!((read.json()["rules"].clone(), read.etag()), (saved.json()["rules"].clone(), saved.etag()));
    let rules = read.json()["rules"].as_array().unwrap().clone();
    assert_ne!(rules[0]["id"], "00000000-0000-0000-0000-000000000000", "C4: the server assigns an id");
    let wanted = json!({
        "id": rules[1]["id"], "url": "http://b/", "events": ["s3:ObjectRemoved:Delete", "backend.*"], "prefix": "",
        "suffix": "", "enabled": false, "paused": true, "secret_set": false, "dialect": "bucketbell",
        "timeout": "1500ms", "max_retries": 3, "max_age": "2d", "concurrency": 4,
    });
    assert_eq!(rules[1], wanted);
    assert_eq!(
        (&rules[0]["prefix"], &rules[0]["suffix"], &rules[0]["secret_set"]),
        (&json!("uploads/"), &json!(".jpg"), &json!(true))
    );
    assert_eq!(stored_secret(&app).await.as_deref(), Some(SECRET));
}

#[tokio::test]
async fn an_empty_array_removes_all_rules() {
    let app = App::new().await;
    app.put(one_rule("")).await;
    let removed = app.put(r#"{"rules":[]}"#).await;
    assert_eq!(removed.json(), json!({"rules": [], "dead_letters": 0}));
    assert_eq!(app.get(PHOTOS).await.json(), json!({"rules": []}));
}

#[tokio::test]
async fn an_absent_secret_is_kept_and_an_empty_one_or_null_removes_it() {
    let app = App::new().await;
    for removal in [r#","secret":"""#, r#","secret":null"#] {
        app.put(one_rule(&format!(r#","secret":"{SECRET}""#))).await;
        let kept = app.put(one_rule("")).await;
        assert_eq!(kept.json()["rules"][0]["secret_set"], true, "C6");
        assert_eq!(stored_secret(&app).await.as_deref(), Some(SECRET));
        let removed = app.put(one_rule(removal)).await;
        assert_eq!(removed.json()["rules"][0]["secret_set"], false, "C6: {removal}");
        assert_eq!(stored_secret(&app).await, None);
    }
}

#[tokio::test]
async fn what_get_shows_can_be_sent_back_unchanged() {
    let app = App::new().await;
    app.put(one_rule(&format!(r#","secret":"{SECRET}","timeout":"90s""#))).await;
    let shown = app.get(PHOTOS).await;
    let again = app.put(shown.text.clone()).await;
    assert_eq!(again.status, 200, "{}", again.text);
    assert_eq!(again.json()["rules"], shown.json()["rules"]);
    assert_eq!(stored_secret(&app).await.as_deref(), Some(SECRET));
    let answered = app.put(again.text).await;
    assert_eq!(answered.status, 200, "nor is what PUT answers refused: {}", answered.text);
}
