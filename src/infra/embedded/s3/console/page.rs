//! The pages. Every text from outside goes through [`escape`] or [`percent`].

use std::fmt::Write as _;

use hyper::{
    Response, StatusCode,
    header::{self, HeaderValue},
};
use s3s::Body;

use super::Session;
use crate::infra::embedded::s3::{listing::Page, percent as encoding};

const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:60rem;padding:0 1rem;\
color-scheme:light dark}table{border-collapse:collapse;width:100%}td,th{text-align:left;padding:.3rem .6rem;\
border-bottom:1px solid #8884;overflow-wrap:anywhere}td.n{text-align:right;white-space:nowrap}form.i{display:inline}\
input{font:inherit;padding:.3rem}button{font:inherit;padding:.3rem .8rem}header{display:flex;justify-content:\
space-between;align-items:baseline}.e{color:#c33}label{display:block;margin:.6rem 0}";

const SCRIPT: &str = r#"const form = document.getElementById("upload");
if (form) form.addEventListener("submit", async event => {
  event.preventDefault();
  const told = document.getElementById("told");
  for (const file of form.file.files) {
    told.textContent = "Uploading " + file.name;
    const key = form.dataset.prefix + file.name;
    const answer = await fetch("upload?key=" + encodeURIComponent(key),
      { method: "PUT", body: file, headers: { "x-token": form.dataset.token } });
    if (!answer.ok) { told.textContent = file.name + " was not stored"; return; }
  }
  location.reload();
});
"#;

/// Text as it stands between tags or quotes.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            // What a page cannot show, and what turns the direction of text.
            c if c.is_control() || ('\u{202a}'..='\u{202e}').contains(&c) || ('\u{2066}'..='\u{2069}').contains(&c) => {
                escaped.push('\u{fffd}');
            }
            c => escaped.push(c),
        }
    }
    escaped
}

/// Text as it stands in a URL's query or in a header.
pub(super) fn percent(text: &str) -> String {
    encoding::encode(text, b"-_.~")
}

fn write(text: &mut String, arguments: std::fmt::Arguments<'_>) {
    text.write_fmt(arguments).expect("a String takes everything");
}

pub(super) fn html(status: StatusCode, body: String) -> Response<Body> {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    response
}

pub(super) fn script() -> Response<Body> {
    let mut response = Response::new(Body::from(SCRIPT.to_owned()));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/javascript"));
    response
}

pub(super) fn redirect(to: &str, cookie: Option<&str>) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SEE_OTHER;
    let values = [(header::LOCATION, Some(to)), (header::SET_COOKIE, cookie)];
    for (name, value) in values {
        if let Some(value) = value.and_then(|value| HeaderValue::from_str(value).ok()) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

fn frame(title: &str, body: &str) -> String {
    format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>{}</title>\
         <meta name=\"viewport\" content=\"width=device-width\"><style>{STYLE}</style></head><body>{body}</body></html>",
        escape(title)
    )
}

pub(super) fn login(told: Option<&str>) -> String {
    let told = told.map(|told| format!("<p class=\"e\">{}</p>", escape(told))).unwrap_or_default();
    frame(
        "Buckets",
        &format!(
            "<h1>Buckets</h1>{told}<form method=\"post\" action=\"/login\">\
             <label>Access key <input name=\"access_key\" autocomplete=\"username\" autofocus></label>\
             <label>Secret key <input name=\"secret_key\" type=\"password\" autocomplete=\"current-password\"></label>\
             <button>Log in</button></form>"
        ),
    )
}

pub(super) fn error(status: StatusCode, told: &str) -> String {
    frame(status.as_str(), &format!("<h1>{status}</h1><p>{}</p><p><a href=\"/\">Log in</a></p>", escape(told)))
}

pub(super) fn listing(session: &Session, prefix: &str, page: &Page) -> String {
    let bucket = escape(&session.key.bucket);
    let token = escape(&session.token);
    let mut body = format!(
        "<header><h1>{bucket}</h1><form class=\"i\" method=\"post\" action=\"logout\">\
         <input type=\"hidden\" name=\"token\" value=\"{token}\"><button>Log out</button></form></header>"
    );
    breadcrumbs(&mut body, &session.key.bucket, prefix);
    write(
        &mut body,
        format_args!(
            "<form id=\"upload\" data-prefix=\"{}\" data-token=\"{token}\"><input type=\"file\" name=\"file\" multiple \
             required> <button>Upload</button> <span id=\"told\"></span></form>\
             <table><thead><tr><th>Name</th><th>Size</th><th>Changed</th><th></th></tr></thead><tbody>",
            escape(prefix)
        ),
    );
    for common in &page.prefixes {
        let name = escape(&common[prefix.len()..]);
        write(
            &mut body,
            format_args!(
                "<tr><td><a href=\"?prefix={}\">{name}</a></td><td></td><td></td><td></td></tr>",
                percent(common)
            ),
        );
    }
    for object in &page.objects {
        let name = match &object.key[prefix.len()..] {
            "" => "(this name)",
            name => name,
        };
        write(
            &mut body,
            format_args!(
                "<tr><td><a href=\"download?key={link}\">{name}</a></td><td class=\"n\">{size}</td><td class=\"n\">{time}\
                 </td><td><form class=\"i\" method=\"post\" action=\"delete\"><input type=\"hidden\" name=\"token\" \
                 value=\"{token}\"><input type=\"hidden\" name=\"key\" value=\"{key}\"><input type=\"hidden\" \
                 name=\"prefix\" value=\"{prefix}\"><button>Delete</button></form></td></tr>",
                link = percent(&object.key),
                name = escape(name),
                size = object.size,
                time = time(object.modified),
                key = percent(&object.key),
                prefix = percent(prefix),
            ),
        );
    }
    body.push_str("</tbody></table>");
    if page.objects.is_empty() && page.prefixes.is_empty() {
        body.push_str("<p>Nothing here.</p>");
    }
    if let Some(next) = &page.next {
        let (prefix, after) = (percent(prefix), percent(&next.to_token()));
        write(&mut body, format_args!("<p><a href=\"?prefix={prefix}&amp;after={after}\">More</a></p>"));
    }
    body.push_str("<script src=\"/console.js\"></script>");
    frame(&session.key.bucket, &body)
}

fn breadcrumbs(body: &mut String, bucket: &str, prefix: &str) {
    write(body, format_args!("<p><a href=\"?prefix=\">{}</a>", escape(bucket)));
    let mut end = 0;
    for piece in prefix.split_inclusive('/') {
        end += piece.len();
        write(
            body,
            format_args!(
                " / <a href=\"?prefix={}\">{}</a>",
                percent(&prefix[..end]),
                escape(piece.trim_end_matches('/'))
            ),
        );
    }
    body.push_str("</p>");
}

fn time(milliseconds: i64) -> String {
    let stamp = jiff::Timestamp::from_millisecond(milliseconds).unwrap_or_default();
    stamp.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_escapes() {
        let hostile = "<script>\"'&\u{0}\u{202e}é";
        assert_eq!(escape(hostile), "&lt;script&gt;&quot;&#39;&amp;\u{fffd}\u{fffd}é");
    }
}
