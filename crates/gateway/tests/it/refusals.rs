//! What is not there says so (Y5).

use bucketbell_gateway::GatewayConfig;

use crate::{
    client::{Call, Proof},
    server::Server,
};

#[tokio::test]
async fn every_other_operation_is_not_implemented() {
    let server = Server::with_bucket().await;
    server.ok(Call::put("/bkt/k").body("hello")).await;
    let bucket = |method, name| Call::new(method, "/bkt").query(name, "");
    let object = |method, name| Call::new(method, "/bkt/k").query(name, "");
    let mut calls = Vec::new();
    for name in [
        "acl",
        "cors",
        "encryption",
        "lifecycle",
        "logging",
        "notification",
        "object-lock",
        "ownershipControls",
        "policy",
        "policyStatus",
        "publicAccessBlock",
        "replication",
        "requestPayment",
        "tagging",
        "website",
        "versions",
        "uploads",
        "accelerate",
        "analytics",
        "inventory",
        "metrics",
        "intelligent-tiering",
    ] {
        calls.push(bucket("GET", name));
    }
    for name in ["acl", "attributes", "legal-hold", "retention", "tagging", "torrent"] {
        calls.push(object("GET", name).header("x-amz-object-attributes", "ETag"));
    }
    for name in ["cors", "encryption", "lifecycle", "policy", "replication", "tagging", "website"] {
        calls.push(bucket("DELETE", name));
    }
    let versioning = "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>";
    calls.extend([
        bucket("PUT", "versioning").body(versioning),
        object("POST", "uploads"),
        Call::put("/bkt/k").query("partNumber", "1").query("uploadId", "u").body("x"),
        Call::delete("/bkt/k").query("uploadId", "u"),
        object("DELETE", "tagging"),
        Call::put("/bkt/copy").header("x-amz-copy-source", "/bkt/k"),
        Call::get("/bkt/k").query("versionId", "1"),
        Call::get("/bkt/k").query("partNumber", "1"),
        Call::delete("/bkt/k").query("versionId", "1"),
        Call::delete("/bkt/k").header("if-match", "\"aa\""),
        bucket("POST", "delete").body("<Delete><Object><Key>k</Key></Object></Delete>"),
    ]);
    for call in calls {
        let what = format!("{} {:?}", call.method, call.query);
        let answer = server.send(call).await;
        assert_eq!(answer.error(), (501, "NotImplemented".into()), "{what}");
    }
    assert_eq!(server.ok(Call::get("/bkt/k")).await.text(), "hello", "and none of them did anything");
    server.ok(Call::get("/bkt/k").query("versionId", "null")).await;
}

#[tokio::test]
async fn a_feature_that_is_not_there_is_refused_and_nothing_is_stored() {
    let server = Server::with_bucket().await;
    for (name, value) in [
        ("x-amz-server-side-encryption", "AES256"),
        ("x-amz-server-side-encryption-customer-algorithm", "AES256"),
        ("x-amz-acl", "public-read"),
        ("x-amz-grant-read", "id=1"),
        ("x-amz-object-lock-mode", "GOVERNANCE"),
        ("x-amz-tagging", "a=b"),
        ("x-amz-storage-class", "GLACIER"),
        ("x-amz-website-redirect-location", "/x"),
        ("x-amz-write-offset-bytes", "5"),
        ("x-amz-expected-bucket-owner", "1"),
    ] {
        let answer = server.send(Call::put("/bkt/k").body("x").header(name, value)).await;
        assert_eq!(answer.error(), (501, "NotImplemented".into()), "{name}");
        assert!(answer.element("Message").contains("not supported"), "{name}");
    }
    let lock = Call::put("/locked").header("x-amz-bucket-object-lock-enabled", "true");
    assert_eq!(server.send(lock).await.error(), (501, "NotImplemented".into()));
    assert_eq!(server.send(Call::head("/locked")).await.status, 404);
    assert_eq!(server.send(Call::get("/bkt/k")).await.status, 404);
    server
        .ok(Call::put("/bkt/k").body("x").header("x-amz-acl", "private").header("x-amz-storage-class", "STANDARD"))
        .await;
}

/// By default s3s makes a PUT of a form, and reads the form before it asks who sends it.
#[tokio::test]
async fn a_form_upload_is_refused_before_it_is_read() {
    let server = Server::with_bucket().await;
    let mut form =
        Call::new("POST", "/bkt").proof(Proof::Nothing).header("Content-Type", "Multipart/Form-Data; boundary=x");
    form.claimed_length = Some(1 << 40);
    assert_eq!(server.send(form).await.error(), (501, "NotImplemented".into()));
}

#[tokio::test]
async fn an_expectation_that_nobody_knows_fails() {
    let server = Server::with_bucket().await;
    let call = Call::put("/bkt/k").body("x").unsigned("expect", "200-ok");
    assert_eq!(server.send(call).await.error(), (417, "ExpectationFailed".into()));
    let known = server.send(Call::put("/bkt/k").body("x").unsigned("expect", "100-Continue")).await;
    assert_eq!(known.status, 100);
}

#[tokio::test]
async fn an_error_names_the_resource_and_the_request() {
    let config = GatewayConfig { host_id: "host-7".into(), ..GatewayConfig::default() };
    let server = Server::start_with(config, |ledger| ledger).await;
    server.ok(Call::put("/bkt")).await;
    let first = server.send(Call::get("/bkt/a<b>&c")).await;
    assert_eq!(first.error(), (404, "NoSuchKey".into()));
    assert_eq!(first.element("Resource"), "/bkt/a%3Cb%3E%26c");
    assert_eq!((first.element("HostId").as_str(), first.header("x-amz-id-2")), ("host-7", "host-7"));
    assert_eq!(first.header("content-type"), "application/xml");
    let second = server.send(Call::get("/bkt/k")).await;
    assert_ne!(first.header("x-amz-request-id"), second.header("x-amz-request-id"));
    assert_eq!(server.ok(Call::head("/bkt")).await.header("x-amz-id-2"), "host-7", "answers of all kinds have it");
}
