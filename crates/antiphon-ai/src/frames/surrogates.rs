//! Half surrogate pairs in JSON, which some servers make by cutting a text between the two escapes of one character.

/// The JSON with each `\u` escape of half a pair replaced by that of U+FFFD; none where every pair is whole. A lone
/// half is legal in JSON's grammar (RFC 8259, section 8.2) and in no Unicode text.
pub(crate) fn repaired(json: &[u8]) -> Option<Vec<u8>> {
    let mut repaired: Option<Vec<u8>> = None;
    let mut at = 0;
    while let Some(found) = json.get(at..).and_then(|rest| memchr::memchr(b'\\', rest)) {
        at += found;
        at += match (escape(json, at), escape(json, at + 6)) {
            (Some(0xD800..=0xDBFF), Some(0xDC00..=0xDFFF)) => 12,
            (Some(0xD800..=0xDFFF), _) => {
                let whole = repaired.get_or_insert_with(|| json.to_vec());
                if let Some(place) = whole.get_mut(at..at + 6) {
                    place.copy_from_slice(b"\\ufffd");
                }
                6
            }
            // Another escape, of which the second byte may be a backslash itself.
            _ => 2,
        };
    }
    repaired
}

/// The value of the `\uXXXX` that stands there.
fn escape(json: &[u8], at: usize) -> Option<u32> {
    let digits = json.get(at..at + 6)?.strip_prefix(b"\\u")?;
    u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_are_replaced_and_all_else_is_left() {
        let of = |json: &str| repaired(json.as_bytes()).map(|json| String::from_utf8(json).unwrap());
        for whole in [r#""plain""#, r#""\ud83d\ude00 \u00e9 \n \\ud83d""#, r#""\"#, r#""\ud8"#, ""] {
            assert_eq!(of(whole), None, "{whole}");
        }
        assert_eq!(of(r#""x \ud83d""#).unwrap(), r#""x \ufffd""#);
        assert_eq!(of(r#""\ude00 y \uD83D\ude00\ud83dz""#).unwrap(), r#""\ufffd y \uD83D\ude00\ufffdz""#);
        assert_eq!(of(r#""\ud83d\n""#).unwrap(), r#""\ufffd\n""#);
    }
}
