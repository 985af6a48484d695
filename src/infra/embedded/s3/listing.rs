//! Which objects and common prefixes a page of a listing has. Pure: the index is given as a scan.

use std::ops::ControlFlow;

/// What a listing asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Query {
    pub(crate) prefix: String,
    /// Keys that share a beginning up to this text are shown as that beginning.
    pub(crate) delimiter: Option<String>,
    pub(crate) after: After,
    /// Objects and common prefixes of a page.
    pub(crate) limit: usize,
}

/// Where a page begins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum After {
    #[default]
    Nothing,
    /// After this key.
    Key(String),
    /// After all keys with this beginning.
    Prefix(String),
}

/// One object of a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) size: u64,
    pub(crate) etag: String,
    pub(crate) modified: i64,
}

/// A page, both lists in order of bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Page {
    pub(crate) objects: Vec<Entry>,
    pub(crate) prefixes: Vec<String>,
    /// Where the next page begins, if there is one.
    pub(crate) next: Option<After>,
}

impl After {
    /// Continuation tokens are opaque to clients; ours say what was last.
    pub(crate) fn to_token(&self) -> String {
        match self {
            Self::Nothing => String::new(),
            Self::Key(key) => hex::encode(format!("k{key}")),
            Self::Prefix(prefix) => hex::encode(format!("p{prefix}")),
        }
    }

    /// Reads what [`Self::to_token`] wrote.
    pub(crate) fn from_token(token: &str) -> Option<Self> {
        let text = String::from_utf8(hex::decode(token).ok()?).ok()?;
        match text.split_at_checked(1)? {
            ("k", key) => Some(Self::Key(key.to_owned())),
            ("p", prefix) => Some(Self::Prefix(prefix.to_owned())),
            _ => None,
        }
    }

    /// The marker of the old listing: an object's key or a common prefix that was shown last.
    pub(crate) fn from_marker(marker: String, prefix: &str, delimiter: Option<&str>) -> Self {
        let shown = marker.strip_prefix(prefix).and_then(|rest| delimiter.map(|delimiter| rest.ends_with(delimiter)));
        match shown {
            Some(true) => Self::Prefix(marker),
            _ => Self::Key(marker),
        }
    }

    /// The first bytes that may come.
    fn bound(&self) -> Vec<u8> {
        match self {
            Self::Nothing => Vec::new(),
            Self::Key(key) => [key.as_bytes(), &[0]].concat(),
            Self::Prefix(prefix) => successor(prefix),
        }
    }
}

/// The smallest bytes above every text that begins with `prefix`.
fn successor(prefix: &str) -> Vec<u8> {
    let mut bytes = prefix.as_bytes().to_vec();
    // UTF-8 has no byte 0xff, so the last byte can be raised.
    if let Some(last) = bytes.last_mut() {
        *last += 1;
    } else {
        bytes.push(0xff);
    }
    bytes
}

/// Collects a page. `scan(from, visit)` must hand the entries whose key is at or above `from` to `visit`, in order of
/// bytes, until it breaks.
pub(crate) fn list<E>(
    query: &Query,
    mut scan: impl FnMut(&[u8], &mut dyn FnMut(Entry) -> ControlFlow<()>) -> Result<(), E>,
) -> Result<Page, E> {
    let mut page = Page::default();
    if query.limit == 0 {
        return Ok(page);
    }
    let mut from = query.after.bound().max(query.prefix.as_bytes().to_vec());
    let mut last = query.after.clone();
    loop {
        let mut skip = None;
        scan(&from, &mut |entry| {
            let Some(rest) = entry.key.strip_prefix(query.prefix.as_str()) else { return ControlFlow::Break(()) };
            if page.objects.len() + page.prefixes.len() == query.limit {
                page.next = Some(last.clone());
                return ControlFlow::Break(());
            }
            let delimiter = query.delimiter.as_deref().filter(|delimiter| !delimiter.is_empty());
            if let Some(delimiter) = delimiter
                && let Some(at) = rest.find(delimiter)
            {
                let common = entry.key[..query.prefix.len() + at + delimiter.len()].to_owned();
                skip = Some(successor(&common));
                last = After::Prefix(common.clone());
                page.prefixes.push(common);
                return ControlFlow::Break(());
            }
            last = After::Key(entry.key.clone());
            page.objects.push(entry);
            ControlFlow::Continue(())
        })?;
        match skip {
            Some(bound) => from = bound,
            None => return Ok(page),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, convert::Infallible};

    use proptest::prelude::*;

    use super::*;

    fn page(keys: &BTreeSet<String>, query: &Query) -> Page {
        let scan = |from: &[u8], visit: &mut dyn FnMut(Entry) -> ControlFlow<()>| {
            for key in keys.iter().filter(|key| key.as_bytes() >= from) {
                let entry = Entry { key: key.clone(), size: 0, etag: String::new(), modified: 0 };
                if visit(entry).is_break() {
                    break;
                }
            }
            Ok::<(), Infallible>(())
        };
        match list(query, scan) {
            Ok(page) => page,
        }
    }

    /// What S3's documentation says, without any cleverness.
    fn expected(keys: &BTreeSet<String>, prefix: &str, delimiter: Option<&str>) -> (Vec<String>, Vec<String>) {
        let (mut objects, mut prefixes) = (Vec::new(), BTreeSet::new());
        for key in keys.iter().filter(|key| key.starts_with(prefix)) {
            match delimiter.and_then(|delimiter| key[prefix.len()..].find(delimiter).map(|at| (delimiter, at))) {
                Some((delimiter, at)) => {
                    prefixes.insert(key[..prefix.len() + at + delimiter.len()].to_owned());
                }
                None => objects.push(key.clone()),
            }
        }
        (objects, prefixes.into_iter().collect())
    }

    proptest! {
        #[test]
        fn pages_joined_are_the_whole_listing(
            keys in proptest::collection::btree_set("[ab/.é]{0,6}", 0..40),
            prefix in "[ab/]{0,2}",
            delimiter in proptest::option::of("[/b]|a/|é"),
            limit in 1_usize..6,
        ) {
            let (objects, prefixes) = expected(&keys, &prefix, delimiter.as_deref());
            let mut seen = (Vec::new(), Vec::new());
            let mut after = After::Nothing;
            for _ in 0..100 {
                let query = Query { prefix: prefix.clone(), delimiter: delimiter.clone(), after, limit };
                let page = page(&keys, &query);
                prop_assert!(page.objects.len() + page.prefixes.len() <= limit);
                seen.0.extend(page.objects.into_iter().map(|entry| entry.key));
                seen.1.extend(page.prefixes);
                let Some(next) = page.next else {
                    prop_assert_eq!(seen, (objects, prefixes));
                    return Ok(());
                };
                after = After::from_token(&next.to_token()).expect("a token of ours");
            }
            prop_assert!(false, "the listing does not end");
        }
    }

    #[test]
    fn a_common_prefix_as_marker_is_not_shown_again() {
        let keys = ["a/1", "a/2", "b"].map(str::to_owned).into();
        let after = After::from_marker("a/".to_owned(), "", Some("/"));
        let page = page(&keys, &Query { delimiter: Some("/".to_owned()), after, limit: 9, ..Query::default() });
        assert_eq!((page.objects.len(), page.prefixes.len()), (1, 0));
    }

    #[test]
    fn tokens_of_others_are_refused() {
        for token in ["", "zz", "00", "ff", "6b6"] {
            assert_eq!(After::from_token(token), None, "{token}");
        }
    }
}
