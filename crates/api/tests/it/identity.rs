//! Which stored rule a written one is (C4).

use serde_json::{Value, json};

use crate::app::{App, PHOTOS};

async fn put(app: &App, rules: &[Value]) -> Vec<Value> {
    let answer = app.put(json!({ "rules": rules }).to_string()).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.json()["rules"].as_array().unwrap().clone()
}

fn rule(url: &str, prefix: &str) -> Value {
    json!({"url": url, "events": ["s3:ObjectCreated:*", "s3:ObjectRemoved:*"], "prefix": prefix})
}

#[tokio::test]
async fn an_equal_new_rule_takes_over_the_stored_id() {
    let app = App::new().await;
    let first = put(&app, &[rule("http://a/", "x"), rule("http://b/", "x")]).await;
    // In another order, with events in another order, and with another url spelled differently.
    let mut swapped = rule("http://a", "x");
    swapped["events"] = json!(["s3:ObjectRemoved:*", "s3:ObjectCreated:*"]);
    let second = put(&app, &[rule("http://b/", "x"), swapped]).await;
    assert_eq!((&second[0]["id"], &second[1]["id"]), (&first[1]["id"], &first[0]["id"]));
}

#[tokio::test]
async fn a_different_new_rule_gets_an_id_of_its_own() {
    let app = App::new().await;
    let first = put(&app, &[rule("http://a/", "x")]).await;
    let second = put(&app, &[rule("http://a/", "y")]).await;
    assert_ne!(first[0]["id"], second[0]["id"]);
}

#[tokio::test]
async fn two_equal_new_rules_are_two_rules_and_stay_the_same_two() {
    let app = App::new().await;
    let first = put(&app, &[rule("http://a/", ""), rule("http://a/", "")]).await;
    assert_ne!(first[0]["id"], first[1]["id"]);
    let second = put(&app, &[rule("http://a/", ""), rule("http://a/", "")]).await;
    assert_eq!((&first[0]["id"], &first[1]["id"]), (&second[0]["id"], &second[1]["id"]));
}

#[tokio::test]
async fn a_named_rule_is_not_taken_over_by_an_equal_new_one() {
    let app = App::new().await;
    let id = put(&app, &[rule("http://a/", "")]).await[0]["id"].clone();
    let mut named = rule("http://moved/", "");
    named["id"] = id.clone();
    let rules = put(&app, &[rule("http://a/", ""), named]).await;
    assert_eq!(rules[1]["id"], id, "C12: an edit keeps the rule");
    assert_ne!(rules[0]["id"], id);
}

#[tokio::test]
async fn unknown_and_repeated_ids_are_refused_and_nothing_is_saved() {
    let app = App::new().await;
    let mut stored = rule("http://a/", "");
    stored["id"] = put(&app, &[stored.clone()]).await[0]["id"].clone();
    let mut unknown = rule("http://b/", "");
    unknown["id"] = json!("6ff08747-4ec0-48fd-a0b1-f5adda6d3161");
    for (rules, field) in [(json!([stored, stored]), "rules[1].id"), (json!([unknown]), "rules[0].id")] {
        let answer = app.put(json!({ "rules": rules }).to_string()).await;
        assert_eq!(answer.error(400).1.as_deref(), Some(field), "C4");
    }
    assert_eq!(app.get(PHOTOS).await.json()["rules"].as_array().unwrap().len(), 1);
}
