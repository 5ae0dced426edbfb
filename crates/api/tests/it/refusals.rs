//! Every error has one shape, and nothing refused is saved (C2, C3, C7, C9).

use axum::body::Body;
use bucketbell_api::BODY_BYTES_MAX;
use http::{Method, Request};
use serde_json::json;

use crate::app::{App, PHOTOS, SECRET, authorized, one_rule};

#[tokio::test]
async fn without_a_valid_token_it_is_401_whatever_else_is_wrong() {
    let app = App::new().await;
    for path in [PHOTOS, "/api/v1/buckets/none/notifications", "/api/v1/buckets//notifications"] {
        for header in [None, Some("Bearer wrong"), Some("Basic YTpi"), Some("Bearer")] {
            for method in [Method::GET, Method::PUT] {
                let mut request = Request::builder().method(method).uri(path);
                if let Some(header) = header {
                    request = request.header("authorization", header);
                }
                let answer = app.send(request.body(Body::from("{")).unwrap()).await;
                assert_eq!(answer.error(401).0, "unauthorized");
                assert_eq!(answer.headers["www-authenticate"], "Bearer");
            }
        }
    }
}

#[tokio::test]
async fn an_unknown_bucket_is_404_before_the_body_is_judged() {
    let app = App::new().await;
    let path = "/api/v1/buckets/none/notifications";
    assert_eq!(app.get(path).await.error(404).0, "bucket_not_found");
    let put = authorized(Method::PUT, path).body(Body::from("not json")).unwrap();
    assert_eq!(app.send(put).await.error(404).0, "bucket_not_found", "C2");
}

#[tokio::test]
async fn a_missing_bucket_name_is_400() {
    let app = App::new().await;
    for path in
        ["/api/v1/buckets//notifications", "/api/v1/buckets/%20/notifications", "/api/v1/buckets/%FF/notifications"]
    {
        assert_eq!(app.get(path).await.error(400).1.as_deref(), Some("bucketName"), "C9: {path}");
    }
}

#[tokio::test]
async fn unknown_paths_are_404_and_wrong_methods_405() {
    let app = App::new().await;
    for path in ["/", "/api", "/api/v1/buckets", "/api/v1/buckets/a/b/notifications", "/healthz/"] {
        assert_eq!(app.get(path).await.error(404).0, "not_found", "{path}");
    }
    for (method, path) in
        [(Method::DELETE, PHOTOS), (Method::POST, PHOTOS), (Method::PUT, "/healthz"), (Method::POST, "/metrics")]
    {
        let answer = app.send(authorized(method, path).body(Body::empty()).unwrap()).await;
        assert_eq!(answer.error(405).0, "method_not_allowed");
        assert!(answer.headers.contains_key("allow"), "{path}");
    }
}

#[tokio::test]
async fn a_body_over_its_limit_is_413_and_one_at_it_is_judged() {
    let app = App::new().await;
    let body = |bytes: usize| format!("{}{}", r#"{"rules":[]}"#, " ".repeat(bytes - 12));
    assert_eq!(app.put(body(BODY_BYTES_MAX + 1)).await.error(413).0, "body_too_large");
    assert_eq!(app.put(body(BODY_BYTES_MAX)).await.status, 200);
}

#[tokio::test]
async fn what_is_not_a_set_of_rules_is_400_with_the_place() {
    let app = App::new().await;
    for (body, field) in [
        ("", None),
        ("{", None),
        ("\u{feff}{}", None),
        ("[]", None),
        ("null", None),
        ("{}", Some("rules")),
        (r#"{"rules":null}"#, Some("rules")),
        (r#"{"rules":{}}"#, Some("rules")),
        (r#"{"rules":[],"more":1}"#, Some("more")),
        (r#"{"rules":[1]}"#, Some("rules[0]")),
        (r#"{"rules":[{"events":["*"]}]}"#, Some("rules[0].url")),
        (r#"{"rules":[{"url":"http://a/","events":[]}]}"#, Some("rules[0].events")),
        (r#"{"rules":[{"url":"http://a/","events":["*"]},{"url":"http://a/"}]}"#, Some("rules[1].events")),
    ] {
        let (code, at) = app.put(body.to_owned()).await.error(400);
        assert_eq!((code.as_str(), at.as_deref()), ("invalid_request", field), "{body}");
    }
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    app.put(deep).await.error(400);
    assert_eq!(app.get(PHOTOS).await.json(), json!({"rules": []}));
}

#[tokio::test]
async fn each_bad_field_of_a_rule_is_named() {
    let app = App::new().await;
    for (more, field) in [
        (r#","id":"x""#, "id"),
        (r#","name":"x""#, "name"),
        (r#","prefix":1"#, "prefix"),
        (r#","enabled":"yes""#, "enabled"),
        (r#","timeout":"soon""#, "timeout"),
        (r#","max_retries":-1"#, "max_retries"),
        (r#","max_retries":1001"#, "max_retries"),
        (r#","concurrency":70000"#, "concurrency"),
        (r#","dialect":"klingon""#, "dialect"),
        (r#","evnts":[]"#, "evnts"),
        (r#","secret":"whsec_!""#, "secret"),
    ] {
        let answer = app.put(one_rule(more)).await;
        assert_eq!(answer.error(400).1, Some(format!("rules[0].{field}")), "{more}");
    }
    let unknown = app.put(one_rule("").replace("ObjectCreated:*", "ObjectCreated:Putt")).await;
    assert_eq!(unknown.error(400).1.as_deref(), Some("rules[0].events"));
    assert!(unknown.text.contains("s3:ObjectCreated:Putt"), "C7 names the bad one: {}", unknown.text);
    for url in ["ftp://a/", "a", "http://user:pw@a/"] {
        let answer = app.put(one_rule("").replace("https://example.com/hook", url)).await;
        assert_eq!(answer.error(400).1.as_deref(), Some("rules[0].url"), "{url}");
    }
}

/// Guards C6: errors of the JSON parser quote the value that they refuse.
#[tokio::test]
async fn a_refused_secret_is_not_quoted() {
    let app = App::new().await;
    for secret in [json!([SECRET]), json!({ SECRET: SECRET }), json!(format!("whsec_{SECRET}!"))] {
        let answer = app.put(one_rule(&format!(r#","secret":{secret}"#))).await;
        assert_eq!(answer.error(400).1.as_deref(), Some("rules[0].secret"));
    }
    let number = app.put(one_rule(r#","secret":1234567"#)).await;
    assert!(number.status == 400 && !number.text.contains("1234567"), "{}", number.text);
}

#[tokio::test]
async fn seventeen_rules_are_too_many() {
    let app = App::new().await;
    let rules = |count: usize| {
        let rules: Vec<_> =
            (0..count).map(|index| json!({"url": format!("http://a/{index}"), "events": ["*"]})).collect();
        json!({ "rules": rules }).to_string()
    };
    assert_eq!(app.put(rules(17)).await.error(400).1.as_deref(), Some("rules"), "C3");
    assert_eq!(app.put(rules(16)).await.status, 200);
}

#[tokio::test]
async fn a_closed_ledger_answers_503_and_the_body_keeps_its_shape() {
    let app = App::new().await;
    app.ledger.close().await;
    assert_eq!(app.get(PHOTOS).await.error(503).0, "not_ready");
}
