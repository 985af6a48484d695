//! Which names may be given.

/// Longest name of a process, port, step: it becomes part of file names.
const MAX_NAME: usize = 48;

/// Whether `name` may name a process, port, step or stage: letters, digits, `-` and `_`, not starting with `-`.
pub(super) fn is_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    (1..=MAX_NAME).contains(&name.len()) && name.bytes().all(allowed) && !name.starts_with('-')
}

/// What is said of a name that [`is_name`] refuses.
pub(super) fn no_name(name: &str) -> String {
    format!(
        "{:?} cannot be a name: 1 to {MAX_NAME} letters, digits, `-` and `_`, the first no `-`",
        super::near::shortened(name)
    )
}

/// Whether `name` may name an environment variable, for dotenv and `sh` alike.
pub(super) fn is_variable(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    !name.is_empty() && name.len() <= 256 && name.bytes().all(allowed) && !name.as_bytes()[0].is_ascii_digit()
}

/// Whether `name` may name a database: what needs no quotes in SQL and fits PostgreSQL's 63 bytes.
pub(super) fn is_database(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    (1..=63).contains(&name.len()) && name.bytes().all(allowed) && !name.as_bytes()[0].is_ascii_digit()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("api", true)]
    #[case("common-watch_2", true)]
    #[case("", false)]
    #[case("-v", false)]
    #[case("a/b", false)]
    #[case("..", false)]
    #[case("a b", false)]
    #[case("a\n", false)]
    #[case("é", false)]
    fn names(#[case] name: &str, #[case] expected: bool) {
        assert_eq!(is_name(name), expected);
        assert!(!is_name(&"a".repeat(MAX_NAME + 1)));
    }

    #[rstest]
    #[case("PORT", true)]
    #[case("_a1", true)]
    #[case("1A", false)]
    #[case("A-B", false)]
    #[case("A=B", false)]
    #[case("A\nB", false)]
    #[case("", false)]
    fn variables(#[case] name: &str, #[case] expected: bool) {
        assert_eq!(is_variable(name), expected);
    }
}
