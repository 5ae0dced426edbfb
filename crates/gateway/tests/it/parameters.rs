//! Names in the query string: what an operation does not take never runs it (Y5).

use bucketbell_gateway::parameters;
use bucketbell_ledger::ListingQuery;

use crate::{client::Call, server::Server};

/// Returns everything that a request could have changed.
async fn state(server: &Server) -> String {
    let mut state = String::new();
    for bucket in server.ledger.buckets().await.unwrap() {
        let query =
            ListingQuery { prefix: String::new(), delimiter: String::new(), after: String::new(), max_keys: 1000 };
        let objects = server.ledger.list(&bucket.name, query).await.unwrap().objects;
        state.push_str(&format!("{} {objects:?}\n", bucket.name));
    }
    state
}

/// The plain operation of a method on a path.
fn plain(method: &str, path: &str) -> &'static str {
    match (method, path.matches('/').count()) {
        ("GET", 1) => "ListObjects",
        ("HEAD", 1) => "HeadBucket",
        ("PUT", 1) => "CreateBucket",
        ("DELETE", 1) => "DeleteBucket",
        ("GET", _) => "GetObject",
        ("HEAD", _) => "HeadObject",
        ("PUT", _) => "PutObject",
        ("DELETE", _) => "DeleteObject",
        _ => "none",
    }
}

/// The forms in which a name is written: with a value, with an empty one, and alone.
fn forms(method: &'static str, path: &str, name: &str) -> [Call; 3] {
    let call = Call::new(method, path).body(if plain(method, path) == "PutObject" { "clobbered" } else { "" });
    let mut alone = call.clone().query(name, "");
    alone.tamper = Some(|wire| {
        let at = wire.windows(6).position(|window| window == b"= HTTP").unwrap();
        [&wire[..at], &wire[at + 1..]].concat()
    });
    [call.clone().query(name, "1"), call.query(name, ""), alone]
}

/// `DELETE /bucket/key?acl` deleted the object, `DELETE /bucket?versioning` the bucket, `PUT /bucket/key?versionId=abc`
/// overwrote, `PUT /bucket?uploads` created, and `GET /bucket/key?uploads` read.
#[tokio::test]
async fn no_name_of_s3_runs_the_plain_operation_by_mistake() {
    let server = Server::with_bucket().await;
    server.ok(Call::put("/bkt/k").body("original")).await;
    server.ok(Call::put("/empty")).await;
    let before = state(&server).await;
    for (name, takers) in parameters() {
        for path in ["/bkt", "/empty", "/absent", "/bkt/k", "/bkt/none"] {
            for method in ["PUT", "DELETE", "POST", "GET", "HEAD"] {
                // What a name selects, if it selects an operation that there is, is a read.
                let reads = matches!(method, "GET" | "HEAD");
                let taken = takers.contains(&plain(method, path))
                    || method == "GET" && path.matches('/').count() == 1 && !takers.is_empty();
                for call in forms(method, path, name) {
                    let status = server.send(call).await.status;
                    let refused = matches!(status, 400 | 405 | 501);
                    assert!(refused || taken && (reads || name == "versionId"), "{method} {path}?{name}: {status}");
                }
            }
        }
        assert_eq!(state(&server).await, before, "{name}");
    }
}

/// A client that says which operation it means does not get past the table.
#[tokio::test]
async fn naming_the_operation_does_not_help() {
    let server = Server::with_bucket().await;
    server.ok(Call::put("/bkt/k").query("x-id", "PutObject").body("original")).await;
    server.ok(Call::put("/empty")).await;
    let before = state(&server).await;
    for (name, takers) in parameters().filter(|(_, takers)| takers.is_empty()) {
        for (method, path) in [("PUT", "/bkt/k"), ("DELETE", "/bkt/k"), ("DELETE", "/empty"), ("PUT", "/absent")] {
            let call = Call::new(method, path).query(name, "").query("x-id", plain(method, path));
            assert_eq!(server.send(call).await.error(), (501, "NotImplemented".into()), "{method} {name} {takers:?}");
        }
    }
    assert_eq!(state(&server).await, before);
}

#[tokio::test]
async fn names_that_mean_nothing_are_ignored_as_s3_does() {
    let server = Server::with_bucket().await;
    server.ok(Call::put("/bkt/k").query("zzz", "1").body("hello")).await;
    assert_eq!(server.ok(Call::get("/bkt/k").query("zzz", "")).await.text(), "hello");
    server.ok(Call::delete("/bkt/k").query("versionId", "null")).await;
    assert_eq!(server.send(Call::get("/bkt/k")).await.status, 404, "the null version is the object");
}

/// They were 500.
#[tokio::test]
async fn a_value_that_no_answer_can_hold_is_the_clients_mistake() {
    let server = Server::with_bucket().await;
    server.ok(Call::put("/bkt/k").body("hello")).await;
    for method in ["GET", "HEAD"] {
        for name in ["response-expires", "response-content-type", "response-cache-control"] {
            let answer = server.send(Call::new(method, "/bkt/k").query(name, "\0")).await;
            assert_eq!(answer.status, 400, "{method} {name}");
        }
    }
    let refused = server.send(Call::get("/").query("prefix", "\u{1}")).await;
    assert_eq!(refused.error(), (400, "InvalidArgument".into()));
    let elsewhere = server.send(Call::get("/").query("bucket-region", "moon-1")).await;
    assert_eq!(elsewhere.error(), (400, "InvalidArgument".into()));
    assert_eq!(server.ok(Call::get("/").query("bucket-region", "us-east-1")).await.elements("Name"), ["bkt"]);
    for name in ["max-keys", "encoding-type", "continuation-token"] {
        let answer = server.send(Call::get("/bkt").query("list-type", "2").query(name, "\0")).await;
        assert_eq!(answer.error(), (400, "InvalidArgument".into()), "{name}");
    }
}
