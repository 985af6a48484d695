//! Names and texts as SQL wants them written.

use postgres_protocol::escape;

/// `name` as a quoted identifier.
#[must_use]
pub fn identifier(name: &str) -> String {
    escape::escape_identifier(name)
}

/// `text` as a string literal.
#[must_use]
pub fn literal(text: &str) -> String {
    // The crate begins a literal that has backslashes with a blank, as libpq does.
    escape::escape_literal(text).trim_start().to_owned()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("agent_1", r#""agent_1""#)]
    #[case(r#"a"; DROP ROLE x; --"#, r#""a""; DROP ROLE x; --""#)]
    fn identifiers_stay_one_name(#[case] name: &str, #[case] expected: &str) {
        assert_eq!(identifier(name), expected);
    }

    #[rstest]
    #[case("it's", "'it''s'")]
    #[case(r"a\'b", r"E'a\\''b'")]
    fn literals_stay_one_text(#[case] text: &str, #[case] expected: &str) {
        assert_eq!(literal(text), expected);
    }
}
