//! Percent-encoding with the caller's choice of what stays.

use std::fmt::Write as _;

/// `text` with every byte encoded that is neither ASCII alphanumeric nor in `keep`.
pub(crate) fn encode(text: &str, keep: &[u8]) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || keep.contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            write!(encoded, "%{byte:02X}").expect("a String takes everything");
        }
    }
    encoded
}

/// Decodes `text`; `+` stays what it is.
pub(crate) fn decode(text: &str) -> String {
    let form = format!("v={}", text.replace('+', "%2B").replace('&', "%26"));
    url::form_urlencoded::parse(form.as_bytes()).next().map(|(_, value)| value.into_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decoding_takes_encoding_back() {
        let text = "a/é\"\r\n+&=%";
        assert_eq!(encode(text, b"/"), "a/%C3%A9%22%0D%0A%2B%26%3D%25");
        assert_eq!(decode(&encode(text, b"+&=")), text);
    }
}
