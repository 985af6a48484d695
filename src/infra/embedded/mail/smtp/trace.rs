//! The headers that are put in front of a mail. Pure.

use std::net::IpAddr;

use crate::infra::embedded::mail::mime::Mail;

/// What is known of a mail beside its content.
#[derive(Clone, Debug)]
pub(super) struct Envelope {
    /// "" for the null sender.
    pub(super) from: String,
    pub(super) recipients: Vec<String>,
}

/// What is known of the connection it came over.
#[derive(Clone, Debug)]
pub(super) struct Origin {
    pub(super) helo: String,
    pub(super) extended: bool,
    pub(super) ip: IpAddr,
    pub(super) authenticated: bool,
}

/// `start`, the beginning of a mail with its headers, with ours in front: `Return-Path` (a different one of the sender's
/// is taken out), `Received`, `Message-ID` if there is none, `Bcc` with the recipients that stand in no header.
pub(super) fn with_headers(start: &[u8], id: &str, envelope: &Envelope, origin: &Origin, date: &str) -> Vec<u8> {
    let mail = Mail::parse(start);
    let protocol = match (origin.extended, origin.authenticated) {
        (_, true) => "ESMTPA",
        (true, false) => "ESMTP",
        (false, false) => "SMTP",
    };
    let target = match envelope.recipients.as_slice() {
        [only] => format!("\r\n\tfor <{only}>"),
        _ => String::new(),
    };
    let message_id = match mail.message_id() {
        "" => format!("Message-ID: <{id}@agent-harness>\r\n"),
        _ => String::new(),
    };
    let hidden = hidden(&mail, &envelope.recipients);
    let bcc = if hidden.is_empty() { String::new() } else { format!("Bcc: {}\r\n", hidden.join(",\r\n ")) };
    let head = format!(
        "Return-Path: <{}>\r\nReceived: from {} ([{}])\r\n\tby localhost (agent-harness) with {protocol} id {id}{target}; \
         {date}\r\n{message_id}{bcc}",
        envelope.from, origin.helo, origin.ip
    );
    let mut whole = head.into_bytes();
    if has_header_block(start) {
        whole.extend_from_slice(&without_return_path(start));
    } else {
        // Text without any header would be taken for headers of ours.
        whole.extend_from_slice(b"\r\n");
        whole.extend_from_slice(start);
    }
    whole
}

fn hidden(mail: &Mail<'_>, recipients: &[String]) -> Vec<String> {
    let named = |recipient: &str| {
        let lists = [mail.to(), mail.cc(), mail.bcc()];
        lists.into_iter().flatten().any(|one| one.address.eq_ignore_ascii_case(recipient))
    };
    let mut hidden: Vec<String> = Vec::new();
    for recipient in recipients {
        if !named(recipient) && !hidden.contains(recipient) {
            hidden.push(recipient.clone());
        }
    }
    hidden
}

/// Whether the first line is a header or the empty line.
fn has_header_block(start: &[u8]) -> bool {
    let line = start.split(|byte| *byte == b'\n').next().unwrap_or_default();
    if line.trim_ascii().is_empty() {
        return true;
    }
    let name = line.split(|byte| *byte == b':').next().unwrap_or_default();
    name.len() < line.len() && !name.is_empty() && name.trim_ascii_end().iter().all(u8::is_ascii_graphic)
}

fn without_return_path(start: &[u8]) -> Vec<u8> {
    const NAME: &[u8] = b"return-path";
    let mut out = Vec::with_capacity(start.len());
    let (mut in_head, mut dropping) = (true, false);
    for line in start.split_inclusive(|byte| *byte == b'\n') {
        if in_head {
            let continued = line.first().is_some_and(|first| matches!(first, b' ' | b'\t'));
            if line.trim_ascii().is_empty() {
                in_head = false;
                dropping = false;
            } else if !continued {
                let name = line.split(|byte| *byte == b':').next().unwrap_or_default();
                dropping = name.len() < line.len() && name.trim_ascii_end().eq_ignore_ascii_case(NAME);
            }
        }
        if !dropping {
            out.extend_from_slice(line);
        }
    }
    out
}

/// A client's name for itself as it may stand in a header.
pub(super) fn clean_helo(host: &str) -> String {
    let good = |letter: &char| letter.is_ascii_alphanumeric() || ".-_:[]".contains(*letter);
    let clean: String = host.chars().filter(good).take(255).collect();
    if clean.is_empty() { "unknown".to_owned() } else { clean }
}

/// The spelling of an envelope address in a header, the local part quoted where it must be. None if it is no address:
/// without a local part or a domain, or with control characters.
pub(super) fn clean_address(address: &str) -> Option<String> {
    let (local, domain) = address.rsplit_once('@')?;
    let plain =
        |letter: char| !letter.is_ascii() || letter.is_ascii_alphanumeric() || ".!#$%&'*+-/=?^_`{|}~".contains(letter);
    let domain_letter =
        |letter: char| !letter.is_ascii() || letter.is_ascii_alphanumeric() || ".-_:[]".contains(letter);
    if local.is_empty()
        || domain.is_empty()
        || address.chars().any(char::is_control)
        || !domain.chars().all(domain_letter)
    {
        return None;
    }
    if local.chars().all(plain) {
        return Some(address.to_owned());
    }
    let escaped = local.replace('\\', "\\\\").replace('"', "\\\"");
    Some(format!("\"{escaped}\"@{domain}"))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn added(start: &str, recipients: &[&str]) -> String {
        let envelope =
            Envelope { from: "f@x.test".to_owned(), recipients: recipients.iter().map(ToString::to_string).collect() };
        let ip = IpAddr::from([127, 0, 0, 1]);
        let origin = Origin { helo: "client".to_owned(), extended: true, ip, authenticated: true };
        let whole = with_headers(start.as_bytes(), "ID", &envelope, &origin, "Sun, 22 Nov 2026 17:00:00 +0000");
        String::from_utf8(whole).expect("text")
    }

    #[test]
    fn what_is_missing_is_added_in_front() {
        assert_eq!(
            added("To: a@x.test\r\n\r\nbody\r\n", &["A@x.test", "b@x.test", "c@x.test"]),
            "Return-Path: <f@x.test>\r\nReceived: from client ([127.0.0.1])\r\n\
             \tby localhost (agent-harness) with ESMTPA id ID; Sun, 22 Nov 2026 17:00:00 +0000\r\n\
             Message-ID: <ID@agent-harness>\r\nBcc: b@x.test,\r\n c@x.test\r\nTo: a@x.test\r\n\r\nbody\r\n"
        );
    }

    #[test]
    fn recipients_missing_beside_a_bcc_header_are_kept() {
        let whole = added("Message-ID: <1@x>\r\nBcc: a@x.test\r\n\r\n", &["a@x.test", "b@x.test"]);
        let mail = Mail::parse(whole.as_bytes());
        let all: Vec<_> = mail.bcc().iter().map(|one| one.address.as_str()).collect();
        assert_eq!(all, ["b@x.test", "a@x.test"]);
        assert!(!whole.contains("agent-harness>"));
    }

    #[test]
    fn another_return_path_is_taken_out() {
        let whole =
            added("X: 1\r\nReturn-Path: <evil@x>\r\n folded\r\nY: 2\r\n\r\nReturn-Path: body\r\n", &["a@x.test"]);
        assert_eq!(whole.matches("Return-Path").count(), 2);
        assert!(whole.ends_with("X: 1\r\nY: 2\r\n\r\nReturn-Path: body\r\n"), "{whole}");
    }

    #[test]
    fn text_without_headers_is_a_body() {
        assert!(added("just text\r\n", &["a@x.test"]).ends_with("\r\n\r\njust text\r\n"));
        assert!(added("", &["a@x.test"]).ends_with("\r\nBcc: a@x.test\r\n"));
    }

    #[rstest]
    #[case("a@b", Some("a@b"))]
    #[case("a b@c", Some("\"a b\"@c"))]
    #[case("a\"b@c", Some("\"a\\\"b\"@c"))]
    #[case("ü@ö.test", Some("ü@ö.test"))]
    #[case("a@", None)]
    #[case("@b", None)]
    #[case("a", None)]
    #[case("a\u{1}@b", None)]
    #[case("a@b>c", None)]
    fn addresses_are_safe_in_a_header(#[case] address: &str, #[case] expected: Option<&str>) {
        assert_eq!(clean_address(address).as_deref(), expected);
    }
}
