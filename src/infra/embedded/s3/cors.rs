//! Which pages of a browser may call: the bucket's CORS rules, open to all as long as it has none. Pure.

use hyper::{
    HeaderMap,
    header::{self, HeaderName, HeaderValue},
};
use serde::{Deserialize, Serialize};

/// Name of the setting that holds the rules.
pub(crate) const SETTING: &str = "cors";

/// One CORS rule.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Rule {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) id: Option<String>,
    pub(crate) origins: Vec<String>,
    pub(crate) methods: Vec<String>,
    #[serde(default)]
    pub(crate) headers: Vec<String>,
    #[serde(default)]
    pub(crate) expose: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) max_age: Option<i32>,
}

/// The rules of a bucket that has none: every page may do what its signature allows.
pub(crate) fn open() -> Vec<Rule> {
    let texts = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect();
    vec![Rule {
        id: None,
        origins: texts(&["*"]),
        methods: texts(&["GET", "PUT", "POST", "DELETE", "HEAD"]),
        headers: texts(&["*"]),
        expose: texts(&[
            "Accept-Ranges",
            "Content-Disposition",
            "Content-Encoding",
            "Content-Length",
            "Content-Range",
            "Date",
            "ETag",
            "Last-Modified",
            "x-amz-checksum-crc32",
            "x-amz-checksum-crc32c",
            "x-amz-checksum-crc64nvme",
            "x-amz-checksum-sha1",
            "x-amz-checksum-sha256",
            "x-amz-mp-parts-count",
            "x-amz-request-id",
            "x-amz-version-id",
        ]),
        max_age: Some(3600),
    }]
}

/// Whether `text` fits `pattern`, which may have one `*`.
fn fits(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern.eq_ignore_ascii_case(text),
        Some((before, after)) => {
            let (text, before, after) = (text.to_lowercase(), before.to_lowercase(), after.to_lowercase());
            text.len() >= before.len() + after.len() && text.starts_with(&before) && text.ends_with(&after)
        }
    }
}

fn allows(rule: &Rule, origin: &str, method: &str) -> bool {
    rule.origins.iter().any(|pattern| fits(pattern, origin)) && rule.methods.iter().any(|allowed| allowed == method)
}

/// The headers of the answer to a preflight; none when no rule allows it.
pub(crate) fn preflight(rules: &[Rule], origin: &str, method: &str, wanted: &[&str]) -> Option<HeaderMap> {
    let allowed = |rule: &&Rule| {
        allows(rule, origin, method) && wanted.iter().all(|name| rule.headers.iter().any(|pattern| fits(pattern, name)))
    };
    let rule = rules.iter().find(allowed)?;
    let mut headers = common(rule, origin)?;
    add(&mut headers, header::ACCESS_CONTROL_ALLOW_METHODS, &rule.methods.join(", "));
    add(&mut headers, header::ACCESS_CONTROL_ALLOW_HEADERS, &wanted.join(", "));
    if let Some(seconds) = rule.max_age {
        add(&mut headers, header::ACCESS_CONTROL_MAX_AGE, &seconds.to_string());
    }
    Some(headers)
}

/// The headers to add to an answer, errors included; none when no rule allows the page to read it.
pub(crate) fn answer(rules: &[Rule], origin: &str, method: &str) -> Option<HeaderMap> {
    let rule = rules.iter().find(|rule| allows(rule, origin, method))?;
    common(rule, origin)
}

fn common(rule: &Rule, origin: &str) -> Option<HeaderMap> {
    let mut headers = HeaderMap::new();
    if rule.origins.iter().any(|allowed| allowed == "*") {
        add(&mut headers, header::ACCESS_CONTROL_ALLOW_ORIGIN, "*");
    } else {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_str(origin).ok()?);
        add(&mut headers, header::ACCESS_CONTROL_ALLOW_CREDENTIALS, "true");
    }
    add(&mut headers, header::ACCESS_CONTROL_EXPOSE_HEADERS, &rule.expose.join(", "));
    add(&mut headers, header::VARY, "Origin, Access-Control-Request-Method, Access-Control-Request-Headers");
    Some(headers)
}

/// Adds a header unless its value is empty or was made of what is no header.
fn add(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let (false, Ok(value)) = (value.is_empty(), HeaderValue::from_str(value)) {
        headers.insert(name, value);
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("*", "http://a", true)]
    #[case("http://a", "http://a", true)]
    #[case("http://a", "http://a.evil", false)]
    #[case("http://*.a", "http://b.a", true)]
    #[case("http://*.a", "http://.a", true)]
    #[case("http://*.a", "http://a", false)]
    #[case("ab*bc", "abc", false)]
    fn a_pattern_has_one_star(#[case] pattern: &str, #[case] text: &str, #[case] expected: bool) {
        assert_eq!(fits(pattern, text), expected);
    }

    #[test]
    fn the_first_rule_that_allows_all_answers() {
        let rule = |origin: &str, headers: &[&str]| Rule {
            origins: vec![origin.into()],
            methods: vec!["PUT".into()],
            headers: headers.iter().map(|text| (*text).to_owned()).collect(),
            ..Rule::default()
        };
        let rules = [rule("http://a", &[]), rule("http://a", &["x-*"])];
        assert!(preflight(&rules, "http://a", "PUT", &["X-One"]).is_some());
        assert!(preflight(&rules, "http://a", "PUT", &["y"]).is_none());
        assert!(preflight(&rules, "http://b", "PUT", &[]).is_none());
        assert!(preflight(&rules, "http://a", "GET", &[]).is_none());
        let headers = answer(&rules, "http://a", "PUT").expect("allowed");
        assert_eq!(headers[header::ACCESS_CONTROL_ALLOW_ORIGIN], "http://a");
    }
}
