//! Points the `cid:` links of an HTML part to something that a browser can show.

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::{Attachment, Mail};

/// Bytes of inlined images in one page.
const INLINED: usize = 20 << 20;

/// `html` with `cid:` links that name a part of `mail` rewritten to `prefix` + part id.
pub(in crate::infra::embedded::mail) fn with_part_urls(mail: &Mail<'_>, html: &str, prefix: &str) -> String {
    rewrite(mail, html, |part| Some(format!("{prefix}{}", part.id)))
}

/// `html` with `cid:` links that name an image of `mail` replaced by the image itself, for a frame that can fetch
/// nothing.
pub(in crate::infra::embedded::mail) fn inline_images(mail: &Mail<'_>, html: &str) -> String {
    let mut left = INLINED;
    rewrite(mail, html, |part| {
        if !part.content_type.starts_with("image/") {
            return None;
        }
        let bytes = mail.content(part);
        left = left.checked_sub(bytes.len())?;
        Some(format!("data:{};base64,{}", part.content_type, STANDARD.encode(bytes)))
    })
}

fn rewrite(mail: &Mail<'_>, html: &str, mut target: impl FnMut(&Attachment) -> Option<String>) -> String {
    let parts = mail.parts();
    let mut out = String::with_capacity(html.len());
    let mut rest = html;
    while let Some(at) = find_ignoring_case(rest, "cid:") {
        let (before, link) = rest.split_at(at);
        out.push_str(before);
        let length =
            link.find(|letter: char| letter.is_whitespace() || "\"'<>()".contains(letter)).unwrap_or(link.len());
        let id = percent_decode(&link[4..length]);
        let part = parts.iter().find(|part| !part.content_id.is_empty() && part.content_id == id);
        match part.and_then(&mut target) {
            Some(url) => out.push_str(&url),
            None => out.push_str(&link[..length]),
        }
        rest = &link[length..];
    }
    out.push_str(rest);
    out
}

fn find_ignoring_case(text: &str, needle: &str) -> Option<usize> {
    text.as_bytes().windows(needle.len()).position(|window| window.eq_ignore_ascii_case(needle.as_bytes()))
}

fn percent_decode(text: &str) -> String {
    let text = text.replace("&amp;", "&");
    let pair = format!("x={}", text.replace('+', "%2B"));
    url::form_urlencoded::parse(pair.as_bytes()).next().map_or_else(String::new, |(_, value)| value.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_ids_become_urls_or_images() {
        let raw = "Content-Type: multipart/related; boundary=a\r\n\r\n--a\r\nContent-Type: text/html\r\n\r\n\
                   <img src=\"cid:logo@x\"><img src='CID:none'>\r\n--a\r\nContent-Type: image/png\r\nContent-ID: <logo@x>\r\n\
                   Content-Transfer-Encoding: base64\r\n\r\naGk=\r\n--a--\r\n";
        let mail = Mail::parse(raw.as_bytes());
        let html = mail.html();
        assert_eq!(with_part_urls(&mail, &html, "/p/"), "<img src=\"/p/2\"><img src='CID:none'>");
        assert_eq!(inline_images(&mail, &html), "<img src=\"data:image/png;base64,aGk=\"><img src='CID:none'>");
    }
}
