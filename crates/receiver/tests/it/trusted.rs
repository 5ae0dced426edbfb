//! A7: nothing forged gets in, and nothing stale.

use std::time::Duration;

use bucketbell_receiver::{IncomingDialect, Receiver, ReceiverConfig};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue};

use crate::fixture::{Home, Log, NOW, SECRET, counts, minimal, put, sent, unsigned};

#[tokio::test]
async fn forged_and_stale_requests_are_refused_and_not_handled() {
    let (home, log) = (Home::new(), Log::default());
    let receiver = home.receiver(log.handlers());
    let ask = async |headers: &HeaderMap, body: Bytes, now| {
        receiver.receive(IncomingDialect::Bucketbell, headers, body, now).await
    };
    let event = put("a.jpg", 1);
    let (forged, body) = sent(&event, "another secret");
    assert_eq!(ask(&forged, body.clone(), NOW).await.status, 401);
    assert_eq!(ask(&HeaderMap::new(), body.clone(), NOW).await.status, 401);
    let (good, _) = sent(&event, SECRET);
    let mut changed = body.to_vec();
    changed.push(b' ');
    assert_eq!(ask(&good, changed.into(), NOW).await.status, 401, "one byte more");
    let stale = ask(&good, body.clone(), NOW.after(Duration::from_secs(301))).await;
    assert_eq!(stale.status, 401);
    assert!(stale.body["error"]["message"].as_str().unwrap().contains("301 seconds off"), "{}", stale.body);
    assert_eq!(log.len(), 0);
    assert_eq!(counts(&ask(&good, body, NOW).await), [1, 0, 0, 0]);
}

#[tokio::test]
async fn minio_is_known_by_its_token() {
    let (home, log) = (Home::new(), Log::default());
    let config = ReceiverConfig::try_new(&["old token", "tok3n"], false).unwrap();
    let receiver = Receiver::new(config, home.memory(), log.handlers());
    let ask = async |authorization: &'static str| {
        let headers = [(http::header::AUTHORIZATION, HeaderValue::from_static(authorization))].into_iter().collect();
        receiver.receive(IncomingDialect::Minio, &headers, minimal().to_string().into(), NOW).await.status
    };
    assert_eq!(ask("Bearer tok3").await, 401);
    assert_eq!(log.len(), 0);
    assert_eq!((ask("Bearer tok3n").await, ask("old token").await), (200, 200));
}

#[tokio::test]
async fn an_open_receiver_believes_those_who_claim_nothing_and_checks_those_who_do() {
    let (home, log) = (Home::new(), Log::default());
    let config = ReceiverConfig::try_new(&[SECRET], true).unwrap();
    let receiver = Receiver::new(config, home.memory(), log.handlers());
    let (forged, body) = sent(&put("a.jpg", 1), "another secret");
    assert_eq!(receiver.receive(IncomingDialect::Bucketbell, &forged, body.clone(), NOW).await.status, 401);
    let unsigned_reply = receiver.receive(IncomingDialect::Bucketbell, &HeaderMap::new(), body.clone(), NOW).await;
    assert_eq!(counts(&unsigned_reply), [1, 0, 0, 0]);
    drop(receiver);
    let receiver = Receiver::new(unsigned(), home.memory(), log.handlers());
    let reply = receiver.receive(IncomingDialect::Bucketbell, &forged, body, NOW).await;
    assert_eq!(counts(&reply), [0, 1, 0, 0], "without a secret there is nothing to check with");
}

#[tokio::test]
async fn a_malformed_body_is_named_and_not_handled() {
    let (home, log) = (Home::new(), Log::default());
    let receiver = home.open_receiver(log.handlers());
    let body = Bytes::from_static(br#"{"Records":[{"eventName":"s3:ObjectCreated:Put"}]}"#);
    let reply = receiver.receive(IncomingDialect::Minio, &HeaderMap::new(), body, NOW).await;
    assert_eq!((reply.status, reply.body["error"]["message"].as_str()), (400, Some("`Records[0].s3` is missing")));
    assert_eq!(log.len(), 0);
}
