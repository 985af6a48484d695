//! One header block.

use std::collections::BTreeMap;

use mail_parser::{HeaderName, HeaderValue, MessageParser};

use super::Address;
use crate::infra::embedded::mail::limits;

/// What we need of a header block.
#[derive(Clone, Debug, Default)]
pub(super) struct Head {
    /// `text` of `text/plain`, lower case.
    pub(super) kind: String,
    pub(super) subtype: String,
    pub(super) attributes: Vec<(String, String)>,
    /// `attachment`, `inline`, lower case, or "".
    pub(super) disposition: String,
    pub(super) file_name: Option<String>,
    /// Without angle brackets.
    pub(super) content_id: String,
    /// Content-Transfer-Encoding, lower case.
    pub(super) encoding: String,
    pub(super) subject: String,
    pub(super) message_id: String,
    /// Unix seconds of the Date header.
    pub(super) date: Option<i64>,
    pub(super) from: Vec<Address>,
    pub(super) to: Vec<Address>,
    pub(super) cc: Vec<Address>,
    pub(super) bcc: Vec<Address>,
    pub(super) reply_to: Vec<Address>,
}

impl Head {
    /// Reads `block`; what cannot be understood is left out.
    pub(super) fn parse(block: &[u8]) -> Self {
        let mut head = Self { kind: "text".to_owned(), subtype: "plain".to_owned(), ..Self::default() };
        let mut block = block[..block.len().min(limits::HEADER_BLOCK)].to_vec();
        block.extend_from_slice(b"\r\n\r\n");
        let Some(message) = MessageParser::new().parse_headers(&block) else { return head };
        for header in message.headers() {
            head.take(&header.name, &header.value);
        }
        head.message_id = raw_header(&block, "message-id").map(|value| bare(&value)).unwrap_or_default();
        head.content_id = raw_header(&block, "content-id").map(|value| bare(&value)).unwrap_or_default();
        head
    }

    fn take(&mut self, name: &HeaderName<'_>, value: &HeaderValue<'_>) {
        match name {
            HeaderName::Subject if self.subject.is_empty() => {
                value.as_text().unwrap_or_default().clone_into(&mut self.subject);
            }
            HeaderName::From => self.from.extend(Address::all(value)),
            HeaderName::To => self.to.extend(Address::all(value)),
            HeaderName::Cc => self.cc.extend(Address::all(value)),
            HeaderName::Bcc => self.bcc.extend(Address::all(value)),
            HeaderName::ReplyTo => self.reply_to.extend(Address::all(value)),
            HeaderName::Date => {
                self.date = value.as_datetime().filter(|date| date.is_valid()).map(mail_parser::DateTime::to_timestamp);
            }
            HeaderName::ContentType => {
                if let Some(content) = value.as_content_type() {
                    self.kind = content.ctype().to_ascii_lowercase();
                    self.subtype = content.subtype().unwrap_or_default().to_ascii_lowercase();
                    self.attributes = attributes(content);
                }
            }
            HeaderName::ContentDisposition => {
                if let Some(content) = value.as_content_type() {
                    self.disposition = content.ctype().to_ascii_lowercase();
                    self.file_name = content.attribute("filename").map(ToOwned::to_owned);
                }
            }
            HeaderName::ContentTransferEncoding => {
                self.encoding = value.as_text().unwrap_or_default().trim().to_ascii_lowercase();
            }
            _ => {}
        }
    }

    pub(super) fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// The boundary, when this is a multipart that has one.
    pub(super) fn boundary(&self) -> Option<&str> {
        (self.kind == "multipart").then(|| self.attribute("boundary")).flatten()
    }

    /// `kind/subtype`; what is no token is replaced, so that it can stand in a header of ours.
    pub(super) fn content_type(&self) -> String {
        let token = |text: &str| {
            let good = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$&^_.+-".contains(&byte);
            !text.is_empty() && text.len() < 80 && text.bytes().all(good)
        };
        match self.kind.as_str() {
            "multipart" => "text/plain".to_owned(),
            _ if token(&self.kind) && token(&self.subtype) => format!("{}/{}", self.kind, self.subtype),
            _ => "application/octet-stream".to_owned(),
        }
    }

    /// The name of the file, from either header.
    pub(super) fn name(&self) -> Option<&str> {
        self.file_name.as_deref().or_else(|| self.attribute("name")).filter(|name| !name.is_empty())
    }
}

fn attributes(content: &mail_parser::ContentType<'_>) -> Vec<(String, String)> {
    let all = content.attributes().unwrap_or_default();
    all.iter().map(|attribute| (attribute.name.to_string(), attribute.value.to_string())).collect()
}

/// An id without its angle brackets.
fn bare(value: &str) -> String {
    let value = value.trim();
    let inner = value.find('<').and_then(|start| value[start + 1..].split('>').next());
    inner.unwrap_or(value).trim().to_owned()
}

fn raw_header(block: &[u8], name: &str) -> Option<String> {
    fields(block).find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

/// All headers of a source, undecoded: canonical name to values in order.
pub(in crate::infra::embedded::mail) fn raw_headers(raw: &[u8]) -> BTreeMap<String, Vec<String>> {
    let mut all = BTreeMap::<String, Vec<String>>::new();
    for (name, value) in fields(raw) {
        all.entry(canonical(&name)).or_default().push(value);
    }
    all
}

/// The fields of a header block up to its empty line, unfolded.
fn fields(block: &[u8]) -> impl Iterator<Item = (String, String)> {
    let mut fields = Vec::<(String, String)>::new();
    let block = &block[..block.len().min(limits::HEADER_BLOCK)];
    for line in block.split_inclusive(|byte| *byte == b'\n') {
        let text = String::from_utf8_lossy(line);
        let text = text.trim_end_matches(['\r', '\n']);
        if text.is_empty() {
            break;
        }
        if text.starts_with([' ', '\t']) {
            if let Some((_, value)) = fields.last_mut() {
                value.push(' ');
                value.push_str(text.trim());
            }
        } else if let Some((name, value)) = text.split_once(':') {
            fields.push((name.trim().to_owned(), value.trim().to_owned()));
        }
    }
    fields.into_iter()
}

/// `message-ID` as `Message-Id`, as Go spells it.
fn canonical(name: &str) -> String {
    let mut upper = true;
    let spell = |letter: char| {
        let spelt = if upper { letter.to_ascii_uppercase() } else { letter.to_ascii_lowercase() };
        upper = letter == '-';
        spelt
    };
    name.chars().map(spell).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_read() {
        let head = Head::parse(
            b"subject: =?UTF-8?Q?Gr=C3=BC=C3=9Fe?=\r\nFrom: \"A, B\" <a@b.test>\r\nTo: x@y.test,\r\n z@y.test\r\n\
              MESSAGE-ID: <1@2>\r\nContent-Type: text/HTML; charset=utf-8; name*=utf-8''%c3%a4.html\r\n\
              Date: Sun, 22 Nov 2026 17:00:00 +0100\r\n",
        );
        assert_eq!(head.subject, "Grüße");
        assert_eq!(head.from[0].name, "A, B");
        assert_eq!(head.to.len(), 2);
        assert_eq!(head.message_id, "1@2");
        assert_eq!(head.content_type(), "text/html");
        assert_eq!(head.name(), Some("ä.html"));
        assert_eq!(head.date, Some(1_795_363_200));
    }

    #[test]
    fn names_are_canonical_and_values_raw() {
        let all =
            raw_headers(b"message-ID: <a>\r\nX-a: =?UTF-8?Q?=C3=BC?=\r\nx-A: two\r\n lines\r\n\r\nno: header\r\n");
        assert_eq!(all["Message-Id"], ["<a>"]);
        assert_eq!(all["X-A"], ["=?UTF-8?Q?=C3=BC?=", "two lines"]);
        assert_eq!(all.len(), 2);
    }

    #[test]
    fn a_content_type_is_safe_in_a_header() {
        let head = Head::parse(b"Content-Type: text/ht\"ml\r\n");
        assert!(head.content_type().bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"'));
        assert_eq!(Head::parse(b"Content-Type: nonsense\r\n").content_type(), "application/octet-stream");
    }
}
