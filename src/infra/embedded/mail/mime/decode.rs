//! Transfer encodings and character sets, leniently: what is damaged is decoded as far as it makes sense.

use std::borrow::Cow;

use mail_parser::decoders::charsets::map::charset_decoder;

use super::head::Head;

/// The bytes of a part.
pub(super) fn bytes<'x>(head: &Head, body: &'x [u8]) -> Cow<'x, [u8]> {
    match head.encoding.as_str() {
        "base64" => Cow::Owned(base64(body)),
        "quoted-printable" => Cow::Owned(quoted_printable(body)),
        _ => Cow::Borrowed(body),
    }
}

/// The text of a part.
pub(super) fn text(head: &Head, body: &[u8]) -> String {
    let bytes = bytes(head, body);
    let charset = head.attribute("charset").unwrap_or_default();
    let decoder = if charset.eq_ignore_ascii_case("utf-8") || charset.is_empty() {
        None
    } else {
        charset_decoder(charset.as_bytes())
    };
    decoder.map_or_else(|| String::from_utf8_lossy(&bytes).into_owned(), |decode| decode(&bytes))
}

fn base64(body: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(body.len() / 4 * 3);
    let (mut bits, mut count) = (0_u32, 0_u32);
    for byte in body {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            b'=' => {
                // Padding ends a run; another may follow in a concatenated body.
                (bits, count) = (0, 0);
                continue;
            }
            _ => continue,
        };
        bits = bits << 6 | u32::from(value);
        count += 6;
        if count >= 8 {
            count -= 8;
            out.push((bits >> count & 0xff) as u8);
            bits &= (1 << count) - 1;
        }
    }
    out
}

fn quoted_printable(body: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(body.len());
    for line in body.split_inclusive(|byte| *byte == b'\n') {
        let content = line.trim_ascii_end();
        let line_break: &[u8] = match line {
            [.., b'\r', b'\n'] => b"\r\n",
            [.., b'\n'] => b"\n",
            _ => b"",
        };
        let (content, soft) = content.strip_suffix(b"=").map_or((content, false), |content| (content, true));
        let mut at = 0;
        while at < content.len() {
            let hex = content.get(at + 1..at + 3).filter(|_| content[at] == b'=');
            let decoded = hex.and_then(|hex| Some(digit(hex[0])? << 4 | digit(hex[1])?));
            out.push(decoded.unwrap_or(content[at]));
            at += if decoded.is_some() { 3 } else { 1 };
        }
        if !soft {
            out.extend_from_slice(line_break);
        }
    }
    out
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("aGVsbG8=", "hello")]
    #[case("aGVs\r\nbG8=\r\n", "hello")]
    #[case("aGVsbG8", "hello")]
    #[case("aGk=aGk=", "hihi")]
    #[case("!!aGk=", "hi")]
    #[case("", "")]
    fn base64_is_lenient(#[case] from: &str, #[case] to: &str) {
        assert_eq!(base64(from.as_bytes()), to.as_bytes());
    }

    #[rstest]
    #[case("a=3Db", "a=b")]
    #[case("a=3db", "a=b")]
    #[case("soft=\r\nline", "softline")]
    #[case("trailing  \r\nx", "trailing\r\nx")]
    #[case("100=% =ZZ =", "100=% =ZZ ")]
    fn quoted_printable_is_lenient(#[case] from: &str, #[case] to: &str) {
        assert_eq!(quoted_printable(from.as_bytes()), to.as_bytes());
    }

    proptest! {
        #[test]
        fn base64_reads_what_is_written(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            use ::base64::Engine as _;
            let text = ::base64::engine::general_purpose::STANDARD.encode(&bytes);
            prop_assert_eq!(base64(text.as_bytes()), bytes);
        }

        #[test]
        fn anything_decodes(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(quoted_printable(&bytes).len() <= bytes.len());
            prop_assert!(base64(&bytes).len() <= bytes.len());
        }
    }
}
