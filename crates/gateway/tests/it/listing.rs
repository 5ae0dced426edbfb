//! Listings, both versions.

use crate::{
    client::{Answer, Call},
    server::Server,
};

const KEYS: &[&str] = &["a", "dir/1", "dir/2", "dir/sub/3", "e ü+", "other/x", "z"];

async fn server() -> Server {
    let server = Server::with_bucket().await;
    for key in KEYS {
        server.ok(Call::put(&format!("/bkt/{key}")).body(*key)).await;
    }
    server
}

fn v2() -> Call {
    Call::get("/bkt").query("list-type", "2")
}

/// Returns keys and common prefixes, in that order.
fn names(page: &Answer) -> (Vec<String>, Vec<String>) {
    let parts = page.elements("CommonPrefixes");
    let prefixes = parts.iter().map(|part| part.replace("<Prefix>", "").replace("</Prefix>", ""));
    (page.elements("Key"), prefixes.collect())
}

#[tokio::test]
async fn everything_is_listed_in_order_with_what_describes_it() {
    let server = server().await;
    let page = server.ok(v2()).await;
    assert_eq!(page.elements("Key"), KEYS);
    assert_eq!((page.element("KeyCount").as_str(), page.element("MaxKeys").as_str()), ("7", "1000"));
    assert_eq!((page.element("IsTruncated").as_str(), page.element("Name").as_str()), ("false", "bkt"));
    assert_eq!(page.elements("Size")[0], "1");
    assert_eq!(page.elements("StorageClass")[0], "STANDARD");
    assert_eq!(page.elements("ChecksumAlgorithm")[0], "CRC64NVME");
    assert!(page.elements("ETag")[0].contains("0cc175b9c0f1b6a831c399e269772661"));
    assert!(page.elements("LastModified")[0].ends_with('Z'));
    assert!(page.elements("Owner").is_empty(), "only on request");
    assert_eq!(server.ok(v2().query("fetch-owner", "true")).await.elements("Owner").len(), 7);

    let page = server.ok(Call::get("/bkt")).await;
    assert_eq!(page.elements("Key"), KEYS);
    assert_eq!(page.elements("Owner").len(), 7);
    assert_eq!(page.element("KeyCount"), "", "version 1 has none");
}

#[tokio::test]
async fn prefix_and_delimiter_make_folders() {
    let server = server().await;
    for call in [v2(), Call::get("/bkt")] {
        let page = server.ok(call.clone().query("delimiter", "/")).await;
        let (keys, prefixes) = names(&page);
        assert_eq!((keys.join("|"), prefixes.join("|")), ("a|e ü+|z".into(), "dir/|other/".into()));
        let page = server.ok(call.clone().query("delimiter", "/").query("prefix", "dir/")).await;
        let (keys, prefixes) = names(&page);
        assert_eq!((keys.join("|"), prefixes.join("|")), ("dir/1|dir/2".into(), "dir/sub/".into()));
        let page = server.ok(call.query("prefix", "nothing")).await;
        assert_eq!(names(&page), (vec![], vec![]));
    }
}

#[tokio::test]
async fn pages_follow_each_other_without_a_gap() {
    let server = server().await;
    for delimiter in ["", "/"] {
        let whole = names(&server.ok(v2().query("delimiter", delimiter)).await);
        for size in 1..=8 {
            let (mut keys, mut prefixes) = (Vec::new(), Vec::new());
            let mut token = String::new();
            loop {
                let mut call = v2().query("delimiter", delimiter).query("max-keys", size.to_string());
                if !token.is_empty() {
                    call = call.query("continuation-token", &*token);
                }
                let page = server.ok(call).await;
                assert!(page.element("KeyCount").parse::<usize>().unwrap() <= size);
                let (more_keys, more_prefixes) = names(&page);
                keys.extend(more_keys);
                prefixes.extend(more_prefixes);
                token = page.element("NextContinuationToken");
                assert_eq!(page.element("IsTruncated") == "true", !token.is_empty());
                if token.is_empty() {
                    break;
                }
            }
            assert_eq!((keys, prefixes), whole, "delimiter `{delimiter}`, pages of {size}");
        }
    }
    let first = server.ok(Call::get("/bkt").query("max-keys", "2").query("delimiter", "/")).await;
    assert_eq!(first.element("NextMarker"), "dir/");
    let rest = server.ok(Call::get("/bkt").query("marker", "dir/").query("delimiter", "/")).await;
    assert_eq!(names(&rest).0, ["e ü+", "z"]);
}

#[tokio::test]
async fn names_are_encoded_when_asked_for() {
    let server = server().await;
    for call in [v2(), Call::get("/bkt")] {
        let page = server.ok(call.clone().query("encoding-type", "url").query("prefix", "e ")).await;
        assert_eq!(page.elements("Key"), ["e%20%C3%BC%2B"]);
        assert_eq!((page.element("Prefix").as_str(), page.element("EncodingType").as_str()), ("e%20", "url"));
        let bad = server.send(call.query("encoding-type", "base64")).await;
        assert_eq!(bad.error(), (400, "InvalidArgument".into()));
    }
}

#[tokio::test]
async fn a_listing_starts_and_stops_where_it_is_told() {
    let server = server().await;
    assert_eq!(server.ok(v2().query("start-after", "dir/sub/3")).await.elements("Key"), ["e ü+", "other/x", "z"]);
    assert_eq!(server.ok(Call::get("/bkt").query("marker", "other/x")).await.elements("Key"), ["z"]);
    for call in [v2(), Call::get("/bkt")] {
        let none = server.ok(call.clone().query("max-keys", "0")).await;
        assert_eq!((names(&none), none.element("IsTruncated")), ((vec![], vec![]), "false".into()));
        assert_eq!(server.ok(call.clone().query("max-keys", "5000")).await.element("MaxKeys"), "1000");
        assert_eq!(server.send(call.query("max-keys", "-1")).await.error(), (400, "InvalidArgument".into()));
    }
    let bad = server.send(v2().query("continuation-token", "nonsense!")).await;
    assert_eq!(bad.error(), (400, "InvalidArgument".into()));
}

/// One such key made the listing of its bucket 500.
#[tokio::test]
async fn a_key_that_xml_cannot_carry_leaves_its_bucket_listable() {
    let server = Server::with_bucket().await;
    server.ok(Call::put("/bkt/a b").body("x")).await;
    for character in ["\u{1}", "\u{8}", "\u{b}", "\u{1f}", "\r", "\u{fffe}", "\u{ffff}"] {
        let key = format!("k{character}/x");
        server.ok(Call::put(&format!("/bkt/{key}")).body("x")).await;
        let written = crate::sigv4::encoded(key.as_bytes(), true);
        for call in [v2(), Call::get("/bkt")] {
            let page = server.ok(call.clone()).await;
            assert_eq!(page.elements("Key"), ["a%20b", &*written], "{character:?}");
            assert_eq!(page.element("EncodingType"), "url", "and it says so");
            let page = server.ok(call.clone().query("delimiter", "/")).await;
            assert_eq!(names(&page).1, [written.trim_end_matches('x')]);
            let page = server.ok(call.clone().query("prefix", &key[..key.len() - 1])).await;
            assert_eq!((page.elements("Key").len(), page.element("EncodingType").as_str()), (1, "url"));
            let page = server.ok(call.query("prefix", "a")).await;
            assert_eq!((page.element("Key"), page.element("EncodingType")), ("a b".into(), String::new()), "as asked");
        }
        let page = server.ok(Call::get("/bkt").query("marker", &*key)).await;
        assert_eq!(page.elements("Key").len(), 0);
        server.ok(Call::delete(&format!("/bkt/{key}"))).await;
    }
    for name in ["delimiter", "marker", "prefix"] {
        let page = server.ok(Call::get("/bkt").query(name, "\0")).await;
        assert_eq!(page.element("EncodingType"), "url", "{name}");
    }
}

#[tokio::test]
async fn every_other_control_character_is_listed_as_it_is() {
    let server = Server::with_bucket().await;
    for character in ["\t", "\n", "\u{7f}", "\u{85}", "\u{fffd}", "\u{10ffff}"] {
        let key = format!("k{character}");
        server.ok(Call::put(&format!("/bkt/{key}")).body("x")).await;
        let page = server.ok(v2()).await;
        assert_eq!((page.element("Key"), page.element("EncodingType")), (key.clone(), String::new()));
        server.ok(Call::delete(&format!("/bkt/{key}"))).await;
    }
}
