//! Text as S3 writes it in answers: url encoding, page tokens, times.

use std::time::{Duration, SystemTime};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use bucketbell_event::Timestamp;
use bucketbell_ledger::AccountId;

/// First byte of every page token, so that another format can come later.
const TOKEN_VERSION: u8 = 1;
/// A token holds a key, and keys are short.
const TOKEN_BYTES_MAX: usize = 2048;

/// Returns `text` with everything but unreserved characters and `/` percent-encoded, as `encoding-type=url` asks for.
///
/// A space becomes `%20` and not `+`: readers that decode either understand it, and so do those that decode only one.
pub(crate) fn url_encoded(text: &str) -> String {
    use std::fmt::Write as _;
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~/".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

/// Returns an opaque token for "after this name".
pub(crate) fn page_token(after: &str) -> String {
    URL_SAFE_NO_PAD.encode([&[TOKEN_VERSION], after.as_bytes()].concat())
}

/// Returns the name in a token, or `None` when it is not one of ours.
pub(crate) fn after_token(token: &str) -> Option<String> {
    if token.len() > TOKEN_BYTES_MAX {
        return None;
    }
    let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
    let (&TOKEN_VERSION, after) = bytes.split_first()? else { return None };
    String::from_utf8(after.to_vec()).ok()
}

/// Returns a time as `s3s` takes it. Nothing happened before 1970.
pub(crate) fn s3_time(time: Timestamp) -> s3s::dto::Timestamp {
    let since = Duration::from_micros(u64::try_from(time.as_micros()).unwrap_or(0));
    // Only a time past the year 200,000 overflows, and a calendar would not write it either.
    SystemTime::UNIX_EPOCH.checked_add(since).unwrap_or(SystemTime::UNIX_EPOCH).into()
}

/// Returns the time in whole seconds, which is all that an HTTP date can say.
pub(crate) fn s3_seconds(time: Timestamp) -> s3s::dto::Timestamp {
    s3_time(Timestamp::from_micros(time.as_secs().saturating_mul(1_000_000)))
}

/// Returns an account's id in the form of a canonical user id: 64 hexadecimal digits.
pub(crate) fn canonical_id(account: AccountId) -> String {
    format!("{:064x}", account.0)
}

/// Returns whether XML 1.0 carries a character from a writer to a reader. Some it cannot write at all, escaped or not, and
/// of a carriage return a reader makes a line feed.
pub(crate) fn fits_xml(character: char) -> bool {
    matches!(character, '\t' | '\n' | ' '..='\u{fffd}' | '\u{10000}'..)
}

/// Escapes text for the content of an XML element.
pub(crate) fn xml_escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            other => escaped.push(if fits_xml(other) { other } else { '\u{fffd}' }),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_token_gives_back_its_name(name in any::<String>()) {
            prop_assert_eq!(after_token(&page_token(&name)), Some(name));
        }

        #[test]
        fn no_text_is_a_token_by_accident_and_none_panics(text in any::<String>()) {
            if let Some(name) = after_token(&text) {
                prop_assert_eq!(page_token(&name), text);
            }
        }

        #[test]
        fn encoded_text_is_plain_ascii_and_decodes_back(text in any::<String>()) {
            let encoded = url_encoded(&text);
            prop_assert!(encoded.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.~/%".contains(&byte)));
            let mut bytes = Vec::new();
            let mut rest = encoded.as_bytes();
            while let Some((&first, tail)) = rest.split_first() {
                if first == b'%' {
                    bytes.push(u8::from_str_radix(std::str::from_utf8(&tail[..2]).unwrap(), 16).unwrap());
                    rest = &tail[2..];
                } else {
                    bytes.push(first);
                    rest = tail;
                }
            }
            prop_assert_eq!(String::from_utf8(bytes).unwrap(), text);
        }
    }

    #[test]
    fn foreign_tokens_are_refused() {
        for text in ["", "!", "Zm9v", &"A".repeat(TOKEN_BYTES_MAX + 1), "AWk="] {
            assert_eq!(after_token(text), None, "{text}");
        }
    }

    #[test]
    fn xml_is_escaped() {
        assert_eq!(xml_escaped("/a&b<c>\"\u{1}ü"), "/a&amp;b&lt;c&gt;&quot;\u{fffd}ü");
    }
}
