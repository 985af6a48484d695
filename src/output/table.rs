//! Tables for people: aligned columns without borders, so that they can be cut and grepped.

use comfy_table::{ContentArrangement, Table, presets};

/// A table of texts; the first row is its head. Lines are not wrapped: a terminal does that itself.
#[must_use]
pub fn render<const N: usize>(head: [&str; N], rows: impl IntoIterator<Item = [String; N]>) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled).set_header(head);
    for row in rows {
        table.add_row(row);
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table.lines().map(|line| line.trim_end().to_owned()).collect::<Vec<_>>().join("\n")
}

/// One row of a query as `name | value` lines, the way psql's expanded display has them.
#[must_use]
pub fn record(row: &serde_json::Map<String, serde_json::Value>) -> String {
    let width = row.keys().map(|name| name.chars().count()).max().unwrap_or(0);
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    row.iter().map(|(name, value)| format!("{name:<width$} | {}", text(value))).collect::<Vec<_>>().join("\n")
}

/// `12 s`, `3 min`, `2 h`, `5 d`: an age at a glance.
#[must_use]
pub fn age(since: jiff::Timestamp, now: jiff::Timestamp) -> String {
    let seconds = now.duration_since(since).as_secs().max(0);
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        7200..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[test]
    fn columns_align_and_lines_end_clean() {
        let text = render(
            ["name", "state"],
            [["api".to_owned(), "ready".to_owned()], ["common-watch".to_owned(), String::new()]],
        );
        assert_eq!(text, "name          state\napi           ready\ncommon-watch");
    }

    #[rstest]
    #[case(119, "119 s")]
    #[case(120, "2 min")]
    #[case(7_200, "2 h")]
    #[case(172_800, "2 d")]
    fn ages_read_at_a_glance(#[case] seconds: i64, #[case] expected: &str) {
        let since = jiff::Timestamp::UNIX_EPOCH;
        let now = jiff::Timestamp::from_second(seconds.max(0)).expect("a time");
        assert_eq!(age(since, now), expected);
    }
}
