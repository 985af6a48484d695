//! The words of AUTH PLAIN and AUTH LOGIN (RFC 4616, RFC 4954). Pure.

use base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};

/// Standard alphabet; some clients leave the padding out.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Who and by what.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Claim {
    pub(super) user: String,
    pub(super) password: String,
}

/// What a client said in an exchange.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Word {
    /// Decoded text.
    Text(String),
    /// `*`: it gives up.
    Cancelled,
    /// No base64, or no text.
    Malformed,
}

/// Decodes one line of an exchange; `=` alone is the empty text.
pub(super) fn word(line: &[u8]) -> Word {
    match line.trim_ascii() {
        b"*" => Word::Cancelled,
        b"=" => Word::Text(String::new()),
        text => {
            let decoded = BASE64.decode(text).ok().and_then(|bytes| String::from_utf8(bytes).ok());
            decoded.map_or(Word::Malformed, Word::Text)
        }
    }
}

/// The claim of a decoded PLAIN message. Somebody who wants to act as somebody else claims nothing.
pub(super) fn plain(message: &str) -> Option<Claim> {
    let mut fields = message.split('\0');
    let (acting, user, password) = (fields.next()?, fields.next()?, fields.next()?);
    let good = fields.next().is_none() && (acting.is_empty() || acting == user);
    good.then(|| Claim { user: user.to_owned(), password: password.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_decoded() {
        assert_eq!(word(b"YQ==\r\n"), Word::Text("a".to_owned()));
        assert_eq!(word(b"YQ\r\n"), Word::Text("a".to_owned()));
        assert_eq!(word(b"=\r\n"), Word::Text(String::new()));
        assert_eq!(word(b"*\r\n"), Word::Cancelled);
        assert_eq!(word(b"!\r\n"), Word::Malformed);
        assert_eq!(word(b"/w==\r\n"), Word::Malformed);
    }

    #[test]
    fn plain_has_three_fields() {
        let claim = Some(Claim { user: "u".to_owned(), password: "p".to_owned() });
        assert_eq!(plain("\0u\0p"), claim);
        assert_eq!(plain("u\0u\0p"), claim);
        assert_eq!(plain("other\0u\0p"), None);
        assert_eq!(plain("u\0p"), None);
        assert_eq!(plain("\0u\0p\0x"), None);
    }
}
