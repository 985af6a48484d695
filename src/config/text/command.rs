//! Commands and folders of the manifest.

use camino::{Utf8Component, Utf8Path, Utf8PathBuf};

use super::{
    TextError,
    parse::{Piece, parse, substitute},
};

/// `run` as program and arguments: split as a shell would split words, each word substituted afterwards, so a value
/// with a space stays one word.
///
/// # Errors
/// When a quote is not closed, there is no word, or a name is unknown.
pub fn argv(run: &str, lookup: impl Fn(&str) -> Option<String>) -> Result<Vec<String>, TextError> {
    let mut compact = String::with_capacity(run.len());
    for piece in parse(run)? {
        match piece {
            Piece::Plain(plain) => compact.push_str(&plain.replace("{{", "{{{{")),
            Piece::Name { name, nth } => {
                if lookup(&name).is_none() {
                    return Err(TextError::Unknown { nth, name });
                }
                // Without its spaces the shell's rules leave it in one word.
                compact.extend(["{{", &name, "}}"]);
            }
        }
    }
    let words = shlex::split(&compact).ok_or(TextError::Quotes)?;
    if words.first().is_none_or(String::is_empty) {
        return Err(TextError::Empty);
    }
    words.iter().map(|word| substitute(word, &lookup)).collect()
}

/// The folder `cwd` of `workdir`, absolute and without `..`; the workdir itself when there is none.
///
/// # Errors
/// When it is not inside the workdir.
pub fn inside(workdir: &Utf8Path, cwd: Option<&str>) -> Result<Utf8PathBuf, TextError> {
    let Some(cwd) = cwd else { return Ok(workdir.to_owned()) };
    let mut path = Utf8PathBuf::new();
    for component in workdir.join(cwd).components() {
        match component {
            Utf8Component::ParentDir => drop(path.pop()),
            Utf8Component::CurDir => {}
            other => path.push(other),
        }
    }
    if path.starts_with(workdir) {
        Ok(path)
    } else {
        Err(TextError::Outside { cwd: cwd.to_owned(), workdir: workdir.to_string() })
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn lookup(name: &str) -> Option<String> {
        match name {
            "id" => Some("7".to_owned()),
            "workdir" => Some("/my work/d'or".to_owned()),
            _ => None,
        }
    }

    #[rstest]
    #[case("node a.js", &["node", "a.js"])]
    #[case("vite --port {{ id }}", &["vite", "--port", "7"])]
    #[case("ls {{ workdir }}/x '{{workdir}}'", &["ls", "/my work/d'or/x", "/my work/d'or"])]
    #[case("sh -c 'echo $HOME; exit {{ id }}'", &["sh", "-c", "echo $HOME; exit 7"])]
    #[case("docker ps --format '{{{{.Names}}'", &["docker", "ps", "--format", "{{.Names}}"])]
    #[case("a \"b c\" d\\ e ''", &["a", "b c", "d e", ""])]
    fn words_are_split_before_they_are_substituted(#[case] run: &str, #[case] expected: &[&str]) {
        assert_eq!(argv(run, lookup).expect("a command"), expected);
    }

    #[rstest]
    #[case("", TextError::Empty)]
    #[case("  # only a comment", TextError::Empty)]
    #[case("echo 'a", TextError::Quotes)]
    #[case("echo a\\", TextError::Quotes)]
    #[case("echo {{ id }} {{ ida }}", TextError::Unknown { nth: 1, name: "ida".to_owned() })]
    fn what_is_no_command(#[case] run: &str, #[case] expected: TextError) {
        assert_eq!(argv(run, lookup), Err(expected));
    }

    #[rstest]
    #[case(None, Some("/w/d"))]
    #[case(Some("a/b"), Some("/w/d/a/b"))]
    #[case(Some("a/../b/."), Some("/w/d/b"))]
    #[case(Some("/w/d/a"), Some("/w/d/a"))]
    #[case(Some(".."), None)]
    #[case(Some("../d2"), None)]
    #[case(Some("a/../../d/../x"), None)]
    #[case(Some("/etc"), None)]
    #[case(Some("/w/d/../x"), None)]
    fn a_folder_stays_inside(#[case] cwd: Option<&str>, #[case] expected: Option<&str>) {
        assert_eq!(inside(Utf8Path::new("/w/d"), cwd).ok(), expected.map(Utf8PathBuf::from));
    }
}
