//! Buckets.

use bucketbell_gateway::GatewayConfig;

use crate::{client::Call, server::Server};

fn located(region: &str) -> String {
    format!(
        "<CreateBucketConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><LocationConstraint>{region}</LocationConstraint></CreateBucketConfiguration>"
    )
}

#[tokio::test]
async fn a_bucket_is_made_found_and_removed() {
    let server = Server::start().await;
    assert_eq!(server.send(Call::head("/photos")).await.status, 404);
    let made = server.ok(Call::put("/photos")).await;
    assert_eq!((made.status, made.header("location")), (200, "/photos"));
    assert_eq!(server.ok(Call::head("/photos")).await.header("x-amz-bucket-region"), "us-east-1");
    assert_eq!(server.send(Call::put("/photos")).await.error(), (409, "BucketAlreadyOwnedByYou".into()));

    let location = server.ok(Call::get("/photos").query("location", "")).await;
    assert!(location.text().contains("LocationConstraint") && !location.text().contains("us-east-1"), "{location:?}");
    let versioning = server.ok(Call::get("/photos").query("versioning", "")).await;
    assert!(versioning.text().contains("VersioningConfiguration") && versioning.element("Status").is_empty());

    server.ok(Call::put("/photos/k").body("x")).await;
    assert_eq!(server.send(Call::delete("/photos")).await.error(), (409, "BucketNotEmpty".into()));
    server.ok(Call::delete("/photos/k")).await;
    assert_eq!(server.ok(Call::delete("/photos")).await.status, 204);
    for call in [
        Call::delete("/photos"),
        Call::get("/photos"),
        Call::get("/photos").query("list-type", "2"),
        Call::get("/photos").query("location", ""),
        Call::get("/photos").query("versioning", ""),
        Call::get("/photos/k"),
        Call::delete("/photos/k"),
        Call::put("/photos/k").body("x"),
        Call::put("/photos/k").body(vec![0; 100_000]),
    ] {
        assert_eq!(server.send(call).await.error(), (404, "NoSuchBucket".into()));
    }
    assert!(server.blob_files().await.is_empty());
}

#[tokio::test]
async fn names_are_held_to_the_rules_of_s3() {
    let server = Server::start().await;
    let (longest, longer) = ("a".repeat(63), "a".repeat(64));
    for name in ["abc", "a-b", "a.b.c", "0ab", &longest] {
        server.ok(Call::put(&format!("/{name}"))).await;
    }
    for name in ["ab", &longer, "Abc", "a_b", "-ab", "ab-", ".ab", "a..b", "192.168.0.1", "xn--ab", "a b", "büc"] {
        let refused = server.send(Call::put(&format!("/{name}"))).await;
        assert_eq!(refused.error(), (400, "InvalidBucketName".into()), "{name}");
    }
}

#[tokio::test]
async fn the_location_must_be_the_servers_region() {
    let config = GatewayConfig { region: "moon-1".into(), ..GatewayConfig::default() };
    let server = Server::start_with(config, |ledger| ledger).await;
    server.ok(Call::put("/here").body(located("moon-1"))).await;
    let location = server.ok(Call::get("/here").query("location", "")).await;
    assert!(location.text().ends_with(">moon-1</LocationConstraint>"), "{location:?}");
    let elsewhere = server.send(Call::put("/there").body(located("eu-west-1"))).await;
    assert_eq!(elsewhere.error(), (400, "IllegalLocationConstraintException".into()));
    assert!(elsewhere.element("Message").contains("moon-1"), "it says which");
    assert_eq!(server.send(Call::put("/there").body("<nonsense")).await.error(), (400, "MalformedXML".into()));
    assert_eq!(server.send(Call::head("/there")).await.status, 404);
}

/// It was called a body other than the signed one.
#[tokio::test]
async fn a_document_that_is_too_large_is_told_so() {
    let server = Server::start().await;
    for payload in [crate::client::Payload::Signed, crate::client::Payload::Unsigned] {
        let document = format!("{}{}", located("us-east-1"), " ".repeat(70_000));
        let refused = server.send(Call::put("/large").body(document).payload(payload)).await;
        assert_eq!(refused.error(), (400, "MaxMessageLengthExceeded".into()));
        assert!(refused.element("Message").contains("65536"), "it says how much");
    }
    assert_eq!(server.send(Call::head("/large")).await.status, 404);
}

#[tokio::test]
async fn buckets_are_listed_in_pages() {
    let server = Server::start().await;
    for name in ["c-3", "a-1", "b-2", "a-2"] {
        server.ok(Call::put(&format!("/{name}"))).await;
    }
    let all = server.ok(Call::get("/")).await;
    assert_eq!(all.elements("Name"), ["a-1", "a-2", "b-2", "c-3"]);
    assert_eq!(all.elements("CreationDate").len(), 4);
    assert!(!all.element("DisplayName").is_empty());
    assert_eq!(server.ok(Call::get("/").query("prefix", "a-")).await.elements("Name"), ["a-1", "a-2"]);

    let mut names = Vec::new();
    let mut token = None;
    loop {
        let mut call = Call::get("/").query("max-buckets", "3");
        if let Some(token) = token {
            call = call.query("continuation-token", token);
        }
        let page = server.ok(call).await;
        names.extend(page.elements("Name"));
        match page.element("ContinuationToken") {
            none if none.is_empty() => break,
            next => token = Some(next),
        }
    }
    assert_eq!(names, ["a-1", "a-2", "b-2", "c-3"]);
    for (name, value) in [("max-buckets", "0"), ("max-buckets", "10001"), ("continuation-token", "nonsense!")] {
        assert_eq!(server.send(Call::get("/").query(name, value)).await.error(), (400, "InvalidArgument".into()));
    }
}

/// The XML of a `CreateBucket` is signed like every body.
#[tokio::test]
async fn a_body_other_than_the_signed_one_makes_no_bucket() {
    let server = Server::start().await;
    let call = Call::put("/other").body(located("us-east-1"));
    let call = call.payload(crate::client::Payload::SignedAs("0".repeat(64)));
    let (status, _) = server.send(call).await.error();
    assert_eq!(status, 400);
    assert_eq!(server.send(Call::head("/other")).await.status, 404);
}

#[tokio::test]
async fn a_bucket_is_reached_by_its_host_name_too() {
    let config = GatewayConfig { domain: Some("s3.example.test".into()), ..GatewayConfig::default() };
    let server = Server::start_with(config, |ledger| ledger).await;
    let at = |mut call: Call, host: &str| {
        call.host = host.into();
        call
    };
    server.ok(at(Call::put("/"), "photos.s3.example.test:9000")).await;
    server.ok(at(Call::put("/k").body("x"), "photos.s3.example.test")).await;
    assert_eq!(server.ok(at(Call::get("/photos/k"), "s3.example.test")).await.text(), "x");
    assert_eq!(server.ok(at(Call::get("/photos/k"), "127.0.0.1:9000")).await.text(), "x");
}
