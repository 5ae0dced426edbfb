//! The version of a set of rules as an ETag, and what If-Match says about it (RFC 9110 §13.1.1).

use bucketbell_ledger::RulesVersion;
use http::{HeaderMap, header};

pub(super) fn etag(version: RulesVersion) -> String {
    format!("\"{}\"", version.0)
}

/// Returns whether the request may change the set at `version`. Without If-Match it may.
pub(super) fn allows(headers: &HeaderMap, version: RulesVersion) -> bool {
    let current = etag(version);
    let mut fields = headers.get_all(header::IF_MATCH).iter().peekable();
    // Our tags hold digits only, so a comma is always between two of them. A weak tag matches nothing here: If-Match
    // compares strongly.
    fields.peek().is_none()
        || fields
            .filter_map(|field| field.to_str().ok())
            .flat_map(|field| field.split(','))
            .map(str::trim)
            .any(|tag| tag == "*" || tag == current)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn only_the_current_strong_tag_or_a_star_allows() {
        let says = |value: &'static str| {
            let headers = HeaderMap::from_iter([(header::IF_MATCH, HeaderValue::from_static(value))]);
            allows(&headers, RulesVersion(7))
        };
        assert!(allows(&HeaderMap::new(), RulesVersion(7)));
        assert!(says("\"7\"") && says("*") && says("\"6\", \"7\""));
        assert!(!says("\"6\"") && !says("W/\"7\"") && !says("7") && !says(""));
    }
}
