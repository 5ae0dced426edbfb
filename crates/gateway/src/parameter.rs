//! The names that S3 gives a meaning in a query string, and which operation here takes which: one table (Y5).
//!
//! A name selects an operation (`?acl`) or changes what one does (`?versionId=…`). `s3s` runs the plain operation when it
//! knows no other for a method and a name: `DELETE /bucket/key?acl` would delete the object. So a name of the table that
//! the chosen operation does not take is refused, whatever its value, and before a byte of the body is read. Names that
//! mean nothing to S3 are ignored, as S3 does.
//!
//! Not its business: `X-Amz-*`, which say in a url what headers say elsewhere ([`crate::operation`]).

use http::{HeaderValue, Uri};
use s3s::{S3Result, dto, s3_error};
use url::form_urlencoded;

use crate::text::fits_xml;

const NOBODY: &[&str] = &[];
const LISTINGS: &[&str] = &["ListObjects", "ListObjectsV2"];
const READS: &[&str] = &["GetObject", "HeadObject"];
/// Names in a listing may hold any character; its answer copes with those that XML cannot write.
const NAMES: &[&str] = &["prefix", "delimiter", "marker", "start-after"];

/// Every name with the operations that take it. From the S3 API reference, and what other stores added to it (MinIO's
/// `events`, Ceph's `append` and `position`): an object must not be overwritten by a client that meant those.
const TABLE: &[(&str, &[&str])] = &[
    ("abac", NOBODY),
    ("accelerate", NOBODY),
    ("acl", NOBODY),
    ("analytics", NOBODY),
    ("annotation", NOBODY),
    ("annotationName", NOBODY),
    ("append", NOBODY),
    ("attributes", NOBODY),
    ("bucket-region", &["ListBuckets"]),
    ("continuation-token", &["ListBuckets", "ListObjectsV2"]),
    ("cors", NOBODY),
    ("delete", NOBODY),
    ("delimiter", LISTINGS),
    ("encoding-type", LISTINGS),
    ("encryption", NOBODY),
    ("events", NOBODY),
    ("fetch-owner", &["ListObjectsV2"]),
    ("id", NOBODY),
    ("intelligent-tiering", NOBODY),
    ("inventory", NOBODY),
    ("key-marker", NOBODY),
    ("legal-hold", NOBODY),
    ("lifecycle", NOBODY),
    ("list-type", &["ListObjectsV2"]),
    ("location", &["GetBucketLocation"]),
    ("logging", NOBODY),
    ("marker", &["ListObjects"]),
    ("max-buckets", &["ListBuckets"]),
    ("max-directory-buckets", NOBODY),
    ("max-keys", LISTINGS),
    ("max-parts", NOBODY),
    ("max-uploads", NOBODY),
    ("metadataAnnotationTable", NOBODY),
    ("metadataConfiguration", NOBODY),
    ("metadataInventoryTable", NOBODY),
    ("metadataJournalTable", NOBODY),
    ("metadataTable", NOBODY),
    ("metrics", NOBODY),
    ("notification", NOBODY),
    ("object-lock", NOBODY),
    ("ownershipControls", NOBODY),
    ("part-number-marker", NOBODY),
    ("partNumber", NOBODY),
    ("policy", NOBODY),
    ("policyStatus", NOBODY),
    ("position", NOBODY),
    ("prefix", &["ListBuckets", "ListObjects", "ListObjectsV2"]),
    ("publicAccessBlock", NOBODY),
    ("renameObject", NOBODY),
    ("replication", NOBODY),
    ("requestPayment", NOBODY),
    ("response-cache-control", READS),
    ("response-content-disposition", READS),
    ("response-content-encoding", READS),
    ("response-content-language", READS),
    ("response-content-type", READS),
    ("response-expires", READS),
    ("restore", NOBODY),
    ("retention", NOBODY),
    ("select", NOBODY),
    ("select-type", NOBODY),
    ("session", NOBODY),
    ("start-after", &["ListObjectsV2"]),
    ("tagging", NOBODY),
    ("torrent", NOBODY),
    ("upload-id-marker", NOBODY),
    ("uploadId", NOBODY),
    ("uploads", NOBODY),
    ("version-id-marker", NOBODY),
    ("versionId", &["GetObject", "HeadObject", "DeleteObject"]),
    ("versioning", &["GetBucketVersioning"]),
    ("versions", NOBODY),
    ("website", NOBODY),
];

/// Returns every name that S3 gives a meaning in a query string, with the operations of this server that take it.
pub fn parameters() -> impl Iterator<Item = (&'static str, &'static [&'static str])> {
    TABLE.iter().copied()
}

/// Returns the decoded names and values of a query string.
pub(crate) fn pairs(uri: &Uri) -> form_urlencoded::Parse<'_> {
    form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes())
}

/// Refuses what the operation would ignore, and values that no answer could hold.
///
/// # Errors
///
/// `NotImplemented` for a name that the operation does not take, `InvalidArgument` for a value.
pub(crate) fn check(operation: &str, uri: &Uri) -> S3Result<()> {
    for (name, value) in pairs(uri) {
        let Some((name, takers)) = TABLE.iter().find(|(known, _)| **known == *name) else { continue };
        if !takers.contains(&operation) {
            return Err(s3_error!(
                NotImplemented,
                "The query parameter `{}` is not supported by this server for {}.",
                name,
                operation
            ));
        }
        let encodes = NAMES.contains(name) && LISTINGS.contains(&operation);
        if !is_sound(name, &value) || !(encodes || value.chars().all(fits_xml)) {
            return Err(s3_error!(InvalidArgument, "The value of the query parameter `{}` is not valid.", name));
        }
    }
    Ok(())
}

/// Returns whether a header of the answer can be made of it, where one will be, and whether a version is named by it.
fn is_sound(name: &str, value: &str) -> bool {
    if name == "response-expires" {
        return dto::Timestamp::parse(dto::TimestampFormat::HttpDate, value).is_ok();
    }
    if name == "versionId" {
        return !value.is_empty();
    }
    !name.starts_with("response-") || HeaderValue::from_str(value).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operation::SUPPORTED;

    fn checked(operation: &str, query: &str) -> Option<String> {
        let uri = format!("/bucket/key?{query}").parse().unwrap();
        check(operation, &uri).err().map(|error| error.code().as_str().to_owned())
    }

    #[test]
    fn the_table_is_sorted_and_names_operations_that_there_are() {
        assert!(TABLE.is_sorted_by(|(one, _), (next, _)| one < next), "and each name stands there once");
        for (name, takers) in TABLE {
            assert!(takers.iter().all(|taker| SUPPORTED.contains(taker)), "{name}");
        }
    }

    /// Y5. `DELETE /bucket/key?acl` deleted the object.
    #[test]
    fn a_name_that_an_operation_does_not_take_is_refused_in_every_form() {
        for operation in SUPPORTED {
            for (name, takers) in TABLE {
                let first = format!("%{:02x}{}", name.as_bytes()[0], &name[1..]);
                for query in [format!("{name}="), name.to_string(), format!("{name}=1"), first, format!("a=b&{name}")] {
                    let refused = checked(operation, &query).is_some_and(|code| code == "NotImplemented");
                    assert_eq!(refused, !takers.contains(operation), "{operation} {query}");
                }
            }
        }
    }

    #[test]
    fn names_without_a_meaning_are_ignored() {
        for query in
            ["", "zzz", "zzz=1", "ACL", "aclx=", "x-id=PutObject", "metadata=true", "X-Amz-Signature=ab", "=acl"]
        {
            for operation in SUPPORTED {
                assert_eq!(checked(operation, query), None, "{operation} {query}");
            }
        }
    }

    /// They were 500: the error document, or the header, could not be written.
    #[test]
    fn values_that_no_answer_can_hold_are_refused() {
        for (operation, query, valid) in [
            ("ListObjects", "encoding-type=%00", false),
            ("ListObjects", "max-keys=%01", false),
            ("ListObjects", "delimiter=%00", true),
            ("ListObjectsV2", "start-after=%01", true),
            ("ListBuckets", "prefix=%01", false),
            ("GetObject", "response-expires=%00", false),
            ("GetObject", "response-expires=soon", false),
            ("HeadObject", "response-expires=Fri,%2002%20Jan%202026%2003:04:05%20GMT", true),
            ("HeadObject", "response-content-type=a%0d%0ab:c", false),
            ("GetObject", "response-content-type=text/html", true),
            ("GetObject", "versionId=%01", false),
            ("DeleteObject", "versionId=", false),
            ("DeleteObject", "versionId=null", true),
        ] {
            let expected = (!valid).then(|| "InvalidArgument".to_owned());
            assert_eq!(checked(operation, query), expected, "{operation} {query}");
        }
    }
}
