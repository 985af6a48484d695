//! Mailpit's search language as a condition of SQL. Pure; every word of the user's becomes a bound parameter.

use jiff::{Timestamp, civil, tz::TimeZone};
use rusqlite::{ToSql, types::Value};

/// A condition on the table of mails.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::infra::embedded::mail) struct Filter {
    sql: String,
    params: Vec<Value>,
}

struct Word {
    negated: bool,
    text: String,
}

impl Filter {
    /// All mails.
    pub(in crate::infra::embedded::mail) fn all() -> Self {
        Self { sql: "1".to_owned(), params: Vec::new() }
    }

    /// The mails that `query` finds; dates without a zone are in `zone` (an IANA name, else UTC).
    pub(in crate::infra::embedded::mail) fn parse(query: &str, zone: Option<&str>) -> Self {
        let zone = zone.and_then(|name| TimeZone::get(name).ok()).unwrap_or(TimeZone::UTC);
        let mut filter = Self::all();
        for word in words(query) {
            if let Some((sql, params)) = condition(&word.text, &zone) {
                let not = if word.negated { "NOT " } else { "" };
                filter.sql.extend([" AND ", not, "(", &sql, ")"]);
                filter.params.extend(params);
            }
        }
        filter
    }

    /// The same, received before `date` too.
    pub(in crate::infra::embedded::mail) fn before(mut self, date: &str, zone: Option<&str>) -> Self {
        let zone = zone.and_then(|name| TimeZone::get(name).ok()).unwrap_or(TimeZone::UTC);
        if let Some(moment) = moment(date, &zone) {
            self.sql.push_str(" AND created < ?");
            self.params.push(Value::Integer(moment));
        }
        self
    }

    pub(super) fn sql(&self) -> &str {
        &self.sql
    }

    pub(super) fn params(&self) -> impl rusqlite::Params + '_ {
        rusqlite::params_from_iter(self.params.iter().map(|value| value as &dyn ToSql))
    }
}

/// Words and phrases of `query`. A quote may stand at the beginning of a word or after its `name:`.
fn words(query: &str) -> Vec<Word> {
    let mut words = Vec::new();
    let mut rest = query.trim_start();
    while !rest.is_empty() {
        let negated = rest.starts_with(['-', '!']);
        if negated {
            rest = &rest[1..];
        }
        let mut text = String::new();
        let mut quoted = false;
        let mut end = rest.len();
        for (at, letter) in rest.char_indices() {
            match letter {
                '"' => quoted = !quoted,
                _ if letter.is_whitespace() && !quoted => {
                    end = at;
                    break;
                }
                _ => text.push(letter),
            }
        }
        rest = rest[end..].trim_start();
        if !text.trim().is_empty() {
            words.push(Word { negated, text: text.trim().to_owned() });
        }
    }
    words
}

/// The condition of one word; none if it is to be ignored.
fn condition(word: &str, zone: &TimeZone) -> Option<(String, Vec<Value>)> {
    let contains = |columns: &[&str], text: &str| {
        let text = text.to_lowercase();
        let sql = columns.iter().map(|column| format!("instr({column}, ?) > 0")).collect::<Vec<_>>().join(" OR ");
        Some((sql, columns.iter().map(|_| Value::Text(text.clone())).collect()))
    };
    let plain = |sql: &str| Some((sql.to_owned(), Vec::new()));
    let Some((name, value)) = word.split_once(':') else { return contains(&["s_all"], word) };
    let value = value.trim();
    match (name.to_ascii_lowercase().as_str(), value.to_ascii_lowercase().as_str()) {
        ("from", _) => contains(&["s_from"], value),
        ("to", _) => contains(&["s_to"], value),
        ("cc", _) => contains(&["s_cc"], value),
        ("bcc", _) => contains(&["s_bcc"], value),
        ("reply-to", _) => contains(&["s_reply_to"], value),
        ("addressed", _) => contains(&["s_from", "s_to", "s_cc", "s_bcc", "s_reply_to"], value),
        ("subject", _) => contains(&["s_subject"], value),
        ("message-id", _) => contains(&["s_message_id"], value),
        ("tag", _) => Some((
            "EXISTS (SELECT 1 FROM json_each(tags) WHERE lower(json_each.value) = ?)".to_owned(),
            vec![Value::Text(value.to_lowercase())],
        )),
        ("is", "read") => plain("read = 1"),
        ("is", "unread") => plain("read = 0"),
        ("is", "tagged") => plain("tags <> '[]'"),
        ("has", "attachment" | "attachments") => plain("attachments > 0"),
        ("has", "inline" | "inlines") => plain("inlines > 0"),
        ("before", date) => moment(date, zone).map(|at| ("created <= ?".to_owned(), vec![Value::Integer(at)])),
        ("after", date) => moment(date, zone).map(|at| ("created >= ?".to_owned(), vec![Value::Integer(at)])),
        ("larger", size) => bytes(size).map(|size| ("size > ?".to_owned(), vec![Value::Integer(size)])),
        ("smaller", size) => bytes(size).map(|size| ("size < ?".to_owned(), vec![Value::Integer(size)])),
        _ => contains(&["s_all"], word),
    }
}

/// Unix milliseconds of a date in one of many spellings.
fn moment(text: &str, zone: &TimeZone) -> Option<i64> {
    let text = text.trim().to_ascii_uppercase();
    if let Ok(timestamp) = text.parse::<Timestamp>() {
        return Some(timestamp.as_millisecond());
    }
    if text.len() > 8
        && let Ok(number) = text.parse::<i64>()
    {
        return Some(if text.len() > 11 { number } else { number.saturating_mul(1_000) });
    }
    let civil = text.parse::<civil::DateTime>().ok().or_else(|| {
        let formats = [
            "%Y/%m/%d",
            "%d %b %Y",
            "%d %B %Y",
            "%b %d, %Y",
            "%B %d, %Y",
            "%b %d %Y",
            "%m/%d/%Y",
            "%d.%m.%Y",
            "%Y%m%d",
        ];
        formats.iter().find_map(|format| civil::Date::strptime(format, &text).ok()).map(civil::DateTime::from)
    })?;
    civil.to_zoned(zone.clone()).ok().map(|zoned| zoned.timestamp().as_millisecond())
}

/// Bytes of `1.5m`, `20kb`, `300`.
fn bytes(text: &str) -> Option<i64> {
    let digits = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let factor = match &text[digits.len()..] {
        "" | "b" => 1.0,
        "k" | "kb" => 1024.0,
        "m" | "mb" => 1024.0 * 1024.0,
        _ => return None,
    };
    let number: f64 = digits.trim().parse().ok()?;
    #[expect(clippy::cast_possible_truncation, reason = "a size beyond i64 saturates")]
    (number.is_finite() && number >= 0.0).then_some((number * factor) as i64)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("", &[])]
    #[case("a b", &["a", "b"])]
    #[case("\"a b\" -c !d", &["a b", "-c", "-d"])]
    #[case("subject:\"two words\" x", &["subject:two words", "x"])]
    #[case("-subject:\"two words\"", &["-subject:two words"])]
    #[case("\"open", &["open"])]
    #[case("-", &[])]
    fn words_are_told_apart(#[case] query: &str, #[case] expected: &[&str]) {
        let shown = |word: Word| if word.negated { format!("-{}", word.text) } else { word.text };
        assert_eq!(words(query).into_iter().map(shown).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn nothing_of_the_user_is_in_the_sql() {
        let evil = "x') OR 1=1 -- subject:'; tag:\"a'b\" from:x\" is:odd before:nonsense larger:1x";
        let filter = Filter::parse(evil, None);
        assert!(!filter.sql.contains('x') && !filter.sql.contains(';'), "{}", filter.sql);
        assert_eq!(filter.sql.matches('?').count(), filter.params.len());
    }

    #[rstest]
    #[case("2026-11-22", Some(1_795_305_600_000))]
    #[case("2026/11/22", Some(1_795_305_600_000))]
    #[case("22 Nov 2026", Some(1_795_305_600_000))]
    #[case("2026-11-22T01:00:00+01:00", Some(1_795_305_600_000))]
    #[case("2026-11-22 00:00:00", Some(1_795_305_600_000))]
    #[case("nonsense", None)]
    fn dates_have_many_spellings(#[case] text: &str, #[case] expected: Option<i64>) {
        assert_eq!(moment(text, &TimeZone::UTC), expected);
    }

    #[rstest]
    #[case("10", Some(10))]
    #[case("1.5k", Some(1536))]
    #[case("2mb", Some(2 << 20))]
    #[case("x", None)]
    #[case("1x", None)]
    fn sizes_have_units(#[case] text: &str, #[case] expected: Option<i64>) {
        assert_eq!(bytes(text), expected);
    }
}
