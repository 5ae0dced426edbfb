//! What is read is what was sent, and what cannot be read is named.

use bucketbell_dialect::{DecodeError, DialectName, Family, IncomingDialect, RECORDS_MAX, Received, decode, render};
use bucketbell_event::Fact;
use http::HeaderMap;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::events::{any_event, any_key};

fn read(dialect: IncomingDialect, body: &Value) -> Result<Vec<Received>, DecodeError> {
    decode(dialect, &HeaderMap::new(), body.to_string().as_bytes())
}

fn one(dialect: IncomingDialect, body: &Value) -> Received {
    let mut events = read(dialect, body).expect("the body is one of the dialect");
    assert_eq!(events.len(), 1);
    events.remove(0)
}

fn problem(dialect: IncomingDialect, body: &Value) -> String {
    read(dialect, body).expect_err("the body is malformed").to_string()
}

fn record(object: &Value) -> Value {
    json!({"Records": [{"eventName": "s3:ObjectCreated:Put", "s3": {"bucket": {"name": "mybucket"}, "object": object}}]})
}

proptest! {
    /// What one writes the other reads.
    #[test]
    fn a_decoded_event_holds_what_the_event_holds(event in any_event()) {
        let body = render(DialectName::Bucketbell, &event);
        let received = decode(IncomingDialect::Bucketbell, &HeaderMap::new(), &body.bytes).unwrap().remove(0);
        prop_assert_eq!(&received.identity, &event.id.to_string());
        prop_assert_eq!(&received.kind, event.kind.as_str());
        prop_assert_eq!(received.time, Some(event.time.to_string()));
        let data = &received.json["data"];
        let text = |name: &str| data[name].as_str().unwrap_or_default().to_owned();
        match event.fact {
            Fact::Object(object) => {
                prop_assert_eq!(received.json["subject"].as_str(), Some(object.key.as_str()));
                prop_assert_eq!(received.bucket, Some(object.bucket));
                prop_assert_eq!(received.key, Some(object.key));
                prop_assert_eq!(received.version_id, object.version_id);
                prop_assert_eq!(received.sequencer, Some(event.sequencer.to_string()));
                prop_assert_eq!((received.size, received.etag), (object.size, object.etag));
                prop_assert_eq!(text("contentType"), object.content_type.unwrap_or_default());
                prop_assert_eq!(text("bucketOwner"), object.bucket_owner);
                prop_assert_eq!(text("lastModified"), object.last_modified.map(|time| time.to_string()).unwrap_or_default());
                prop_assert_eq!(data.get("metadata").cloned().unwrap_or(json!({})), json!(object.metadata));
                prop_assert_eq!(data.get("tags").cloned().unwrap_or(json!({})), json!(object.tags));
                let origin = event.origin;
                prop_assert_eq!((text("principal"), text("sourceIp")), (origin.principal, origin.source_ip));
                prop_assert_eq!((text("requestId"), text("hostId")), (origin.request_id, origin.host_id));
                prop_assert_eq!((text("userAgent"), text("region")), (origin.user_agent, origin.region));
            }
            Fact::Operation(operation) => {
                prop_assert_eq!((received.bucket, received.key, received.size), (None, None, None));
                prop_assert_eq!(text("subject"), operation.subject);
                for (name, value) in operation.details {
                    prop_assert_eq!(text(&name), value);
                }
            }
        }
    }

    #[test]
    fn no_bytes_make_a_decoder_panic(bytes in any::<Vec<u8>>()) {
        for &dialect in IncomingDialect::ALL {
            let _ = decode(dialect, &HeaderMap::new(), &bytes);
        }
    }

    #[test]
    fn no_json_makes_a_decoder_panic(body in any_body(), text in any::<String>()) {
        for &dialect in IncomingDialect::ALL {
            let _ = read(dialect, &body);
            let _ = read(dialect, &record(&json!({"key": text})));
        }
    }

    /// MinIO escapes with Go's `url.QueryEscape`, AWS leaves the slash as it is.
    #[test]
    fn every_key_survives_the_escaping_of_records(key in any_key(), slash in any::<bool>()) {
        let mut escaped = String::new();
        for byte in key.bytes() {
            match byte {
                b' ' => escaped.push('+'),
                b'/' if slash => escaped.push('/'),
                plain if plain.is_ascii_alphanumeric() || b"-_.~".contains(&plain) => escaped.push(char::from(plain)),
                other => escaped.push_str(&format!("%{other:02X}")),
            }
        }
        prop_assert_eq!(one(IncomingDialect::Minio, &record(&json!({"key": escaped}))).key, Some(key));
    }
}

/// JSON built of the names that decoders look for, with anything below them.
fn any_body() -> impl Strategy<Value = Value> {
    let name = prop::sample::select(vec![
        "Records",
        "eventName",
        "s3",
        "bucket",
        "object",
        "name",
        "key",
        "size",
        "specversion",
        "id",
        "source",
        "type",
        "data",
        "Event",
        "eventTime",
        "sequencer",
    ]);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "(1\\.0|s3:|ObjectCreated:Put|%|[+a-z]){0,3}".prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 48, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(name.clone(), inner, 0..8)
                .prop_map(|map| map.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()),
        ]
    })
}

/// The body that the seed shows with curl.
#[test]
fn the_minimal_curl_body_is_known_by_its_content() {
    let body = record(&json!({"key": "myfile.txt"}));
    let received = one(IncomingDialect::Minio, &body);
    assert_eq!((received.bucket.as_deref(), received.key.as_deref()), (Some("mybucket"), Some("myfile.txt")));
    assert_eq!((received.kind.as_str(), received.family), ("s3:ObjectCreated:Put", Family::Upload));
    assert_eq!(one(IncomingDialect::Minio, &body).identity, received.identity, "A5: the same body is a repeat");
    for (name, value) in [("sequencer", "1"), ("versionId", "v1"), ("eTag", "x")] {
        let mut other = json!({"key": "myfile.txt"});
        other[name] = value.into();
        assert_ne!(one(IncomingDialect::Minio, &record(&other)).identity, received.identity, "A4: {name}");
    }
    let mut later = body;
    later["Records"][0]["eventTime"] = "2026-01-02T03:04:05.678Z".into();
    assert_ne!(one(IncomingDialect::Minio, &later).identity, received.identity, "A5: with a time it is a new event");
}

#[test]
fn the_envelope_of_minio_is_read_whole() {
    let body = json!({"EventName": "s3:ObjectCreated:Put", "Key": "photos/2026/red flower.jpg", "Records": [{
        "eventVersion": "2.0", "eventSource": "minio:s3", "awsRegion": "", "eventTime": "2026-01-02T03:04:05.678Z",
        "eventName": "s3:ObjectCreated:Put", "userIdentity": {"principalId": "minioadmin"},
        "requestParameters": {"principalId": "minioadmin", "region": "", "sourceIPAddress": "10.0.0.7"},
        "responseElements": {"x-amz-request-id": "186D", "x-minio-deployment-id": "d"},
        "s3": {"s3SchemaVersion": "1.0", "configurationId": "Config",
            "bucket": {"name": "photos", "ownerIdentity": {"principalId": "minioadmin"}, "arn": "arn:aws:s3:::photos"},
            "object": {"key": "2026%2Fred+flower.jpg", "size": 1024, "eTag": "9e10", "contentType": "image/jpeg",
                "userMetadata": {"content-type": "image/jpeg"}, "sequencer": "186D6B1F0A1B2C3D"}},
        "source": {"host": "10.0.0.7", "port": "", "userAgent": "MinIO (linux; amd64) minio-go/v7"}}]});
    let received = one(IncomingDialect::Minio, &body);
    assert_eq!(received.key.as_deref(), Some("2026/red flower.jpg"));
    assert_eq!((received.size, received.etag.as_deref()), (Some(1024), Some("9e10")));
    assert_eq!(received.sequencer.as_deref(), Some("186D6B1F0A1B2C3D"));
    assert_eq!(received.json, body["Records"][0]);
    let mut repeated = body.clone();
    repeated["Records"][0]["source"]["port"] = "1".into();
    assert_eq!(one(IncomingDialect::Minio, &repeated).identity, received.identity, "A4 names what an identity is of");
}

#[test]
fn names_come_with_and_without_their_prefix_and_sizes_as_numbers_and_text() {
    for (name, kind, family) in [
        ("ObjectCreated:Put", "s3:ObjectCreated:Put", Family::Upload),
        ("s3:ObjectRemoved:Delete", "s3:ObjectRemoved:Delete", Family::Delete),
        ("ObjectAccessed:Head", "s3:ObjectAccessed:Head", Family::Access),
        ("LifecycleExpiration:Delete", "s3:LifecycleExpiration:Delete", Family::Other),
    ] {
        let mut body = record(&json!({"key": "k", "size": "7"}));
        body["Records"][0]["eventName"] = name.into();
        let received = one(IncomingDialect::Aws, &body);
        assert_eq!((received.kind.as_str(), received.family, received.size), (kind, family, Some(7)));
    }
    assert_eq!(one(IncomingDialect::Minio, &record(&json!({"key": "k", "size": null}))).size, None);
    assert!(read(IncomingDialect::Minio, &json!({"Records": null})).unwrap().is_empty());
}

#[test]
fn the_test_message_of_s3_is_an_event_like_any_other() {
    let body = json!({"Service": "Amazon S3", "Event": "s3:TestEvent", "Time": "2026-01-02T03:04:05.678Z", "Bucket": "b",
        "RequestId": "r", "HostId": "h"});
    let received = one(IncomingDialect::Aws, &body);
    assert_eq!((received.kind.as_str(), received.family), ("s3:TestEvent", Family::Other));
    assert_eq!((received.bucket.as_deref(), received.key), (Some("b"), None));
    assert_eq!(problem(IncomingDialect::Minio, &body), "`Records` is missing");
}

#[test]
fn an_event_of_s3_orchestrator_is_read() {
    let body = json!({"specversion": "1.0", "id": "evt_0123456789abcdef01234567", "source": "/s3-orchestrator",
        "type": "s3:ObjectCreated:Put", "time": "2026-01-02T03:04:05Z", "subject": "a+b %20.txt",
        "datacontenttype": "application/json",
        "data": {"bucket": "b", "key": "a+b %20.txt", "backend": "disk", "size": 3, "request_id": "r"}});
    let received = one(IncomingDialect::S3Orchestrator, &body);
    assert_eq!((received.identity.as_str(), received.size), ("evt_0123456789abcdef01234567", Some(3)));
    assert_eq!(received.key.as_deref(), Some("a+b %20.txt"), "keys of CloudEvents are raw");
    let batch = json!([body, body]);
    assert_eq!(read(IncomingDialect::Bucketbell, &batch).unwrap().len(), 2);
}

#[test]
fn what_is_malformed_is_named_with_its_place() {
    use IncomingDialect::{Bucketbell, Minio};
    assert!(problem_of_text("{").starts_with("the body is not JSON: EOF"));
    assert_eq!(problem(Minio, &json!([])), "`body` is not an object");
    assert_eq!(problem(Minio, &json!({})), "`Records` is missing");
    assert_eq!(problem(Minio, &json!({"Records": {}})), "`Records` is not a list");
    assert_eq!(problem(Minio, &json!({"Records": [1]})), "`Records[0]` is not an object");
    assert_eq!(problem(Minio, &json!({"Records": [{"eventName": 1}]})), "`Records[0].eventName` is not a string");
    assert_eq!(problem(Minio, &json!({"Records": [{"eventName": "x"}]})), "`Records[0].s3` is missing");
    assert_eq!(problem(Minio, &record(&json!({}))), "`Records[0].s3.object.key` is missing or empty");
    assert_eq!(problem(Minio, &record(&json!({"key": "%FF"}))), "`Records[0].s3.object.key` is not UTF-8 once decoded");
    let long = "k".repeat(1025);
    assert_eq!(problem(Minio, &record(&json!({"key": long}))), "`Records[0].s3.object.key` is longer than 1024 bytes");
    for size in [json!(-1), json!(1.5), json!("1k"), json!("99999999999999999999"), json!([])] {
        let body = record(&json!({"key": "k", "size": size}));
        assert_eq!(problem(Minio, &body), "`Records[0].s3.object.size` is not a length in bytes", "{size}");
    }
    assert_eq!(problem(Bucketbell, &json!({"specversion": "0.3"})), "`specversion` is not `1.0`");
    let event = json!({"specversion": "1.0", "id": "1", "source": "/x", "type": "s3:ObjectCreated:Put"});
    assert_eq!(problem(Bucketbell, &event), "`data` is missing");
    assert_eq!(problem(Bucketbell, &json!([event])), "`[0].data` is missing");
}

fn problem_of_text(text: &str) -> String {
    decode(IncomingDialect::Minio, &HeaderMap::new(), text.as_bytes()).expect_err(text).to_string()
}

#[test]
fn a_body_of_too_many_records_is_refused_and_one_of_just_enough_is_not() {
    let record = &record(&json!({"key": "k"}))["Records"][0];
    let body = |count: usize| json!({"Records": vec![record.clone(); count]});
    assert_eq!(read(IncomingDialect::Minio, &body(RECORDS_MAX)).unwrap().len(), RECORDS_MAX);
    assert_eq!(
        read(IncomingDialect::Minio, &body(RECORDS_MAX + 1)),
        Err(DecodeError::TooMany { count: RECORDS_MAX + 1, max: RECORDS_MAX })
    );
    assert!(problem_of_text(&"[".repeat(100_000)).contains("recursion limit"));
}
