//! A mail as people see it: who, what, text, HTML, attachments.

use std::borrow::Cow;

use mail_parser::decoders::html::html_to_text;

use super::{
    Address, decode,
    head::Head,
    tree::{self, Leaf},
};

/// Bytes of a snippet before "..." is added.
const SNIPPET: usize = 200;

/// A source that was read.
#[derive(Debug)]
pub(in crate::infra::embedded::mail) struct Mail<'x> {
    raw: &'x [u8],
    head: Head,
    leaves: Vec<Leaf>,
}

/// A part that is no body text.
#[derive(Clone, Debug)]
pub(in crate::infra::embedded::mail) struct Attachment {
    pub(in crate::infra::embedded::mail) id: String,
    pub(in crate::infra::embedded::mail) file_name: String,
    /// Safe in a header.
    pub(in crate::infra::embedded::mail) content_type: String,
    pub(in crate::infra::embedded::mail) content_id: String,
    pub(in crate::infra::embedded::mail) inline: bool,
    index: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Text,
    Html,
    Inline,
    Attachment,
}

impl<'x> Mail<'x> {
    /// Reads `raw`. Never fails: what is no mail is a mail of text.
    pub(in crate::infra::embedded::mail) fn parse(raw: &'x [u8]) -> Self {
        let (head, leaves) = tree::split(raw);
        Self { raw, head, leaves }
    }

    pub(in crate::infra::embedded::mail) fn subject(&self) -> &str {
        &self.head.subject
    }

    pub(in crate::infra::embedded::mail) fn message_id(&self) -> &str {
        &self.head.message_id
    }

    /// Unix seconds of the Date header.
    pub(in crate::infra::embedded::mail) const fn date(&self) -> Option<i64> {
        self.head.date
    }

    pub(in crate::infra::embedded::mail) fn from(&self) -> Option<&Address> {
        self.head.from.first()
    }

    pub(in crate::infra::embedded::mail) fn to(&self) -> &[Address] {
        &self.head.to
    }

    pub(in crate::infra::embedded::mail) fn cc(&self) -> &[Address] {
        &self.head.cc
    }

    /// All of all Bcc headers.
    pub(in crate::infra::embedded::mail) fn bcc(&self) -> &[Address] {
        &self.head.bcc
    }

    pub(in crate::infra::embedded::mail) fn reply_to(&self) -> &[Address] {
        &self.head.reply_to
    }

    /// The text part, or the HTML part's text if there is none.
    pub(in crate::infra::embedded::mail) fn text(&self) -> String {
        if self.bodies(Role::Text).next().is_some() { self.joined(Role::Text) } else { html_to_text(&self.html()) }
    }

    /// The HTML part, "" if there is none.
    pub(in crate::infra::embedded::mail) fn html(&self) -> String {
        self.joined(Role::Html)
    }

    /// What a plain search looks through: the HTML part's text if there is one, else the text part.
    pub(in crate::infra::embedded::mail) fn visible_text(&self) -> String {
        let html = self.html();
        if html.is_empty() { self.joined(Role::Text) } else { html_to_text(&html) }
    }

    /// The beginning of the visible text on one line.
    pub(in crate::infra::embedded::mail) fn snippet(&self) -> String {
        let mut text = String::new();
        for word in self.visible_text().split_whitespace() {
            if !text.is_empty() {
                text.push(' ');
            }
            text.push_str(word);
            if text.len() > SNIPPET {
                let end = (0..=SNIPPET).rev().find(|end| text.is_char_boundary(*end)).unwrap_or_default();
                text.truncate(end);
                text.push_str("...");
                break;
            }
        }
        text
    }

    /// All parts that are no body text, inline ones too.
    pub(in crate::infra::embedded::mail) fn parts(&self) -> Vec<Attachment> {
        let others = self.leaves.iter().enumerate().filter_map(|(index, leaf)| match role(leaf) {
            Role::Text | Role::Html => None,
            role => Some(attachment(index, leaf, role == Role::Inline)),
        });
        others.collect()
    }

    /// Any leaf by its id, body text too.
    pub(in crate::infra::embedded::mail) fn part(&self, id: &str) -> Option<Attachment> {
        let index = self.leaves.iter().position(|leaf| leaf.id == id)?;
        Some(attachment(index, &self.leaves[index], true))
    }

    /// The decoded bytes of a part.
    pub(in crate::infra::embedded::mail) fn content(&self, part: &Attachment) -> Cow<'x, [u8]> {
        let leaf = &self.leaves[part.index];
        decode::bytes(&leaf.head, &self.raw[leaf.body.clone()])
    }

    fn bodies(&self, wanted: Role) -> impl Iterator<Item = &Leaf> {
        self.leaves.iter().filter(move |leaf| role(leaf) == wanted)
    }

    fn joined(&self, wanted: Role) -> String {
        let mut whole = String::new();
        for leaf in self.bodies(wanted) {
            if !whole.is_empty() {
                whole.push('\n');
            }
            whole.push_str(&decode::text(&leaf.head, &self.raw[leaf.body.clone()]));
        }
        whole
    }
}

fn role(leaf: &Leaf) -> Role {
    let head = &leaf.head;
    let is_text =
        head.kind == "text" && (head.subtype == "plain" || head.subtype == "html") || head.kind == "multipart";
    match head.disposition.as_str() {
        "attachment" => Role::Attachment,
        _ if is_text && head.name().is_none() => {
            if head.subtype == "html" && head.kind == "text" {
                Role::Html
            } else {
                Role::Text
            }
        }
        "inline" => Role::Inline,
        _ if leaf.within == "related" || !head.content_id.is_empty() => Role::Inline,
        _ => Role::Attachment,
    }
}

fn attachment(index: usize, leaf: &Leaf, inline: bool) -> Attachment {
    let head = &leaf.head;
    let mut file_name = head.name().unwrap_or(&head.content_id).to_owned();
    if file_name.is_empty() && role(leaf) != Role::Text && role(leaf) != Role::Html {
        let extension = if head.kind == "message" { "eml" } else { head.subtype.as_str() };
        file_name = format!("part-{}.{extension}", leaf.id);
    }
    Attachment {
        id: leaf.id.clone(),
        file_name,
        content_type: head.content_type(),
        content_id: head.content_id.clone(),
        inline,
        index,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mail_of_html_alone_has_text_too() {
        let mail = Mail::parse(b"Content-Type: text/html\r\n\r\n<p>Hello <b>you</b></p>");
        assert_eq!(mail.html(), "<p>Hello <b>you</b></p>");
        assert!(mail.text().contains("Hello"));
        assert!(mail.parts().is_empty());
    }

    #[test]
    fn roles_are_told_apart() {
        let raw = b"Content-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\n\r\nbody\r\n\
            --a\r\nContent-Type: text/plain; name=notes.txt\r\n\r\nnotes\r\n\
            --a\r\nContent-Type: image/png\r\nContent-ID: <i>\r\n\r\npng\r\n\
            --a\r\nContent-Type: message/rfc822\r\n\r\nSubject: inner\r\n\r\nx\r\n\
            --a\r\nContent-Type: text/html\r\nContent-Disposition: attachment; filename=\"<x>.html\"\r\n\r\n<p>\r\n--a--\r\n";
        let mail = Mail::parse(raw);
        assert_eq!(mail.text(), "body");
        assert_eq!(mail.html(), "");
        let parts = mail.parts();
        let shape: Vec<_> = parts.iter().map(|part| (part.file_name.as_str(), part.inline)).collect();
        assert_eq!(shape, [("notes.txt", false), ("i", true), ("part-4.eml", false), ("<x>.html", false)]);
    }

    #[test]
    fn a_snippet_ends_between_letters() {
        let raw = format!("\r\n{}", "ü".repeat(300));
        let snippet = Mail::parse(raw.as_bytes()).snippet();
        assert_eq!(snippet, format!("{}...", "ü".repeat(100)));
    }

    proptest::proptest! {
        #[test]
        fn no_content_is_too_strange(
            kind in proptest::prop_oneof!["text/html", "text/plain", "TEXT/HTML; charset=[a-z0-9-]{1,12}", "\\PC{0,20}"],
            encoding in proptest::prop_oneof!["base64", "quoted-printable", "\\PC{0,9}"],
            header in "\\PC{0,40}",
            body in proptest::collection::vec(proptest::prop_oneof![
                "<[a-z!/-]{0,8}", ">", "&[a-z#0-9]{0,6};?", "<!--", "-->", "=[0-9A-F]{0,2}", "\\PC{0,6}", "[ \r\n\t]{1,3}"
            ], 0..40),
        ) {
            let raw = format!(
                "From: {header}\r\nSubject: {header}\r\nContent-Type: {kind}\r\n\
                 Content-Transfer-Encoding: {encoding}\r\nDate: {header}\r\n\r\n{}",
                body.concat()
            );
            let mail = Mail::parse(raw.as_bytes());
            let seen = [mail.text(), mail.html(), mail.visible_text(), mail.snippet(), mail.subject().to_owned()];
            proptest::prop_assert!(seen.iter().all(|text| text.len() <= raw.len() * 4 + 3));
            proptest::prop_assert!(mail.parts().len() <= 1);
        }
    }
}
