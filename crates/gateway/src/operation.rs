//! What there is and what there is not: one table of operations, one of features (Y5).
//!
//! A feature that is not there is refused, with a sentence that names it. To accept a header and do nothing would be a
//! promise broken in silence.

use http::{HeaderMap, Uri};
use s3s::{S3Result, s3_error};

use crate::parameter;

/// The operations that are supported. Everything else answers `NotImplemented`.
pub(crate) const SUPPORTED: &[&str] = &[
    "ListBuckets",
    "CreateBucket",
    "HeadBucket",
    "DeleteBucket",
    "GetBucketLocation",
    "GetBucketVersioning",
    "ListObjects",
    "ListObjectsV2",
    "PutObject",
    "GetObject",
    "HeadObject",
    "DeleteObject",
];

/// A header, or the parameter of a presigned url, that asks for something that is not there.
struct Feature {
    /// In lower case. With a `*` at the end: every name that starts so.
    name: &'static str,
    /// Values that ask for nothing beyond what is there.
    harmless: &'static [&'static str],
    missing: &'static str,
}

const fn feature(name: &'static str, harmless: &'static [&'static str], missing: &'static str) -> Feature {
    Feature { name, harmless, missing }
}

const MISSING: &[Feature] = &[
    feature("x-amz-server-side-encryption*", &[], "Server-side encryption"),
    feature("x-amz-acl", &["private", "bucket-owner-full-control"], "An access control list other than `private`"),
    feature("x-amz-grant-*", &[], "An access control list"),
    feature("x-amz-object-lock-*", &[], "Object lock"),
    feature("x-amz-bucket-object-lock-enabled", &["false"], "Object lock"),
    feature("x-amz-bypass-governance-retention", &["false"], "Object lock"),
    feature("x-amz-mfa", &[], "MFA delete"),
    feature("x-amz-tagging", &[""], "Tagging objects"),
    feature("x-amz-storage-class", &["STANDARD"], "A storage class other than STANDARD"),
    feature("x-amz-website-redirect-location", &[], "A website redirect"),
    feature("x-amz-write-offset-bytes", &[], "Appending to an object"),
    feature("x-amz-object-ownership", &["BucketOwnerEnforced"], "An object ownership other than BucketOwnerEnforced"),
    feature("x-amz-bucket-namespace", &["global"], "A bucket namespace other than `global`"),
    feature("x-amz-expected-bucket-owner", &[], "Checking the bucket's owner by x-amz-expected-bucket-owner"),
    feature("x-amz-if-match-*", &[], "Deleting on a condition"),
    feature("x-amz-optional-object-attributes", &[], "Optional attributes in a listing"),
];

/// Headers that some signers move into the url, where nobody would read them.
const HEADERS_ONLY: &[&str] = &["x-amz-meta-", "x-amz-copy-source", "x-amz-rename-source"];

/// Refuses an operation that is not there.
///
/// # Errors
///
/// `NotImplemented`, naming it.
pub(crate) fn check(operation: &str) -> S3Result<()> {
    if SUPPORTED.contains(&operation) {
        return Ok(());
    }
    Err(s3_error!(NotImplemented, "{} is not supported by this server.", operation))
}

/// Refuses a request that asks for a feature that is not there, in its headers or its url.
///
/// # Errors
///
/// `NotImplemented`, naming the feature.
pub(crate) fn check_features(headers: &HeaderMap, uri: &Uri) -> S3Result<()> {
    for (name, value) in headers {
        check_feature(name.as_str(), value.as_bytes())?;
    }
    for (name, value) in parameter::pairs(uri) {
        let name = name.to_ascii_lowercase();
        check_feature(&name, value.as_bytes())?;
        if HEADERS_ONLY.iter().any(|stem| name.starts_with(stem)) {
            return Err(s3_error!(
                NotImplemented,
                "`{}` in a url is not supported by this server: send the header.",
                name
            ));
        }
    }
    Ok(())
}

/// Refuses a version other than the one there is.
///
/// # Errors
///
/// `NotImplemented`.
pub(crate) fn check_version(version_id: Option<&str>) -> S3Result<()> {
    match version_id {
        None | Some("null") => Ok(()),
        Some(_) => Err(s3_error!(NotImplemented, "Object versions are not supported by this server.")),
    }
}

fn check_feature(name: &str, value: &[u8]) -> S3Result<()> {
    if !name.starts_with("x-amz-") {
        return Ok(());
    }
    let asks = |feature: &&Feature| match feature.name.strip_suffix('*') {
        Some(stem) => name.starts_with(stem),
        None => name == feature.name,
    };
    match MISSING.iter().find(asks) {
        Some(feature) if !feature.harmless.iter().any(|harmless| harmless.as_bytes() == value) => {
            Err(s3_error!(NotImplemented, "{} is not supported by this server.", feature.missing))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn by_header(name: &'static str, value: &'static str) -> Option<String> {
        let mut headers = HeaderMap::new();
        headers.insert(name, value.parse().unwrap());
        check_features(&headers, &Uri::from_static("/b/k?list-type=2")).err().map(|error| {
            assert_eq!(error.code().as_str(), "NotImplemented");
            error.message().unwrap().to_owned()
        })
    }

    /// Y5: never silent success.
    #[test]
    fn what_is_missing_is_named() {
        for (name, value, says) in [
            ("x-amz-server-side-encryption", "AES256", "encryption"),
            ("x-amz-server-side-encryption-customer-key", "abc", "encryption"),
            ("x-amz-acl", "public-read", "access control"),
            ("x-amz-grant-read", "id=1", "access control"),
            ("x-amz-object-lock-mode", "GOVERNANCE", "lock"),
            ("x-amz-bucket-object-lock-enabled", "true", "lock"),
            ("x-amz-tagging", "a=b", "Tagging"),
            ("x-amz-storage-class", "GLACIER", "storage class"),
            ("x-amz-website-redirect-location", "/x", "redirect"),
            ("x-amz-expected-bucket-owner", "1", "owner"),
        ] {
            let message = by_header(name, value).unwrap_or_else(|| panic!("{name} was accepted"));
            assert!(message.contains(says), "{name}: {message}");
        }
    }

    #[test]
    fn what_asks_for_nothing_is_accepted() {
        for (name, value) in [
            ("x-amz-acl", "private"),
            ("x-amz-acl", "bucket-owner-full-control"),
            ("x-amz-storage-class", "STANDARD"),
            ("x-amz-object-ownership", "BucketOwnerEnforced"),
            ("x-amz-bucket-object-lock-enabled", "false"),
            ("x-amz-meta-acl", "public-read"),
            ("x-amz-content-sha256", "UNSIGNED-PAYLOAD"),
            ("x-amz-request-payer", "requester"),
        ] {
            assert_eq!(by_header(name, value), None, "{name}");
        }
    }

    #[test]
    fn a_presigned_url_is_held_to_the_same_table() {
        let check = |uri| check_features(&HeaderMap::new(), &Uri::from_static(uri));
        assert!(check("/b/k?X-Amz-Expires=60&x-amz-acl=public-read").is_err());
        assert!(check("/b/k?X-Amz-%41cl=public%2Dread").is_err(), "however it is written");
        assert!(check("/b/k?x-amz-meta-camera=x100").is_err(), "or the metadata would be lost");
        assert!(check("/b/k?x-amz-copy-source=/b/j").is_err(), "or an empty object would be stored");
        assert!(check("/b/k?X-Amz-Acl=private&X-Amz-Signature=abc&x-id=PutObject").is_ok());
    }
}
