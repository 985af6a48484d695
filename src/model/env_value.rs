//! How a value is written in an environment file, so that npm's dotenv, dotenv-expand (11 and later) and `sh` all read
//! exactly that value.
//!
//! The three agree on little: dotenv knows no escape for a quote and takes `\'` for one; it turns `\n` in double
//! quotes into a newline, and every CR into one; `sh` expands `$`, `` ` `` and `\` in double quotes; dotenv-expand
//! expands `$name` and `${name}` in whatever quotes (11 takes `$1` and `$.` for names too), and makes `\$` a `$`.
//! What remains:
//!
//! | value | written |
//! | --- | --- |
//! | without `'`, not ending with `\` | in single quotes, as it is |
//! | with `'`, without `"`, `\`, `$` and `` ` `` | in double quotes, as it is |
//!
//! and neither holds a CR, a NUL, `\$`, or `$` before a letter, digit, `_`, `.`, `{` or `(`. A value outside of that is
//! refused when the manifest is loaded; a process's own `env` is not written to the file and takes any text.

/// A value that the readers of an environment file would not read alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("dotenv and sh would not read this value alike: {0}")]
pub struct Unwritable(&'static str);

/// `value` in the quotes that all readers understand.
///
/// # Errors
/// When there are none.
pub fn quote(value: &str) -> Result<String, Unwritable> {
    if value.contains('\0') {
        return Err(Unwritable("it has a NUL character"));
    }
    if value.contains('\r') {
        return Err(Unwritable("it has a carriage return"));
    }
    if value.contains("\\$") {
        return Err(Unwritable("it has `\\$`"));
    }
    let expanded = |next: char| next.is_ascii_alphanumeric() || matches!(next, '_' | '.' | '{' | '(');
    if value.split('$').skip(1).any(|after| after.starts_with(expanded)) {
        return Err(Unwritable("it has a `$` before a letter, digit, `_`, `.`, `{` or `(`, which some would expand"));
    }
    if !value.contains('\'') {
        if value.ends_with('\\') {
            return Err(Unwritable("it ends with a backslash"));
        }
        return Ok(format!("'{value}'"));
    }
    if value.contains(['"', '\\', '$', '`']) {
        return Err(Unwritable("it has a `'` and one of `\"`, `\\`, `$` and `` ` ``"));
    }
    Ok(format!("\"{value}\""))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("", Some("''"))]
    #[case("a b#c=d\n\"e\" `f` \\n é", Some("'a b#c=d\n\"e\" `f` \\n é'"))]
    #[case("it's", Some("\"it's\""))]
    #[case("5$, $$ $-", Some("'5$, $$ $-'"))]
    #[case("$2b$10$", None)]
    #[case("a$.b", None)]
    #[case("100 $", Some("'100 $'"))]
    #[case("$HOME", None)]
    #[case("a${b}", None)]
    #[case("a$(b)", None)]
    #[case("a\\$ ", None)]
    #[case("C:\\", None)]
    #[case("it's \"it\"", None)]
    #[case("it's 1$", None)]
    #[case("a\r\nb", None)]
    #[case("\0", None)]
    fn one_kind_of_quotes_or_none(#[case] value: &str, #[case] written: Option<&str>) {
        assert_eq!(quote(value).ok().as_deref(), written);
    }
}
