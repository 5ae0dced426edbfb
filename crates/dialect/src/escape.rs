//! The two escapings that notifications use: percent-encoding of a URI's path, and form-urlencoding of keys.

use std::borrow::Cow;

/// The digits of an escape, in upper case as RFC 3986 §2.1 asks.
const HEX: &[u8; 16] = b"0123456789ABCDEF";

/// Writes `segment` so that it can stand as one segment of a URI's path: all but RFC 3986's unreserved is escaped.
pub(crate) fn path_segment(segment: &str) -> Cow<'_, str> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
    if segment.bytes().all(plain) {
        return Cow::Borrowed(segment);
    }
    let mut escaped = String::with_capacity(segment.len() * 3);
    for byte in segment.bytes() {
        if plain(byte) {
            escaped.push(char::from(byte));
        } else {
            escaped.push('%');
            escaped.push(char::from(HEX[usize::from(byte >> 4)]));
            escaped.push(char::from(HEX[usize::from(byte & 0xf)]));
        }
    }
    Cow::Owned(escaped)
}

/// Reads a key of a `Records` body: `+` is a space, `%` and two digits a byte (AWS's form of
/// `application/x-www-form-urlencoded`).
///
/// # Errors
///
/// What is wrong with the text, as the end of a sentence that names the field.
pub(crate) fn form_decoded(text: &str) -> Result<String, &'static str> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => match (rest.next().and_then(digit), rest.next().and_then(digit)) {
                (Some(high), Some(low)) => high << 4 | low,
                _ => return Err("has a `%` that two hexadecimal digits do not follow (keys are form-urlencoded)"),
            },
            other => other,
        });
    }
    String::from_utf8(bytes).map_err(|_| "is not UTF-8 once decoded")
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn keys_decode_as_aws_and_minio_write_them() {
        assert_eq!(form_decoded("red+flower%2B1.jpg").unwrap(), "red flower+1.jpg");
        assert_eq!(form_decoded("2026%2Fred+flower.jpg").unwrap(), "2026/red flower.jpg");
        assert_eq!(form_decoded("100%25/%F0%9F%94%94%01").unwrap(), "100%/\u{1f514}\u{1}");
    }

    #[test]
    fn broken_escapes_are_refused() {
        for text in ["%", "%2", "a%zz", "%+1", "%ff", "%C3("] {
            assert!(form_decoded(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_a_path_segment_escapes_decodes_to_itself(text in any::<String>()) {
            let escaped = path_segment(&text);
            prop_assert!(escaped.bytes().all(|byte| byte.is_ascii_graphic() && !b"/?#[]@+ ".contains(&byte)));
            prop_assert_eq!(form_decoded(&escaped).unwrap(), text);
        }
    }
}
