//! Splits a source into its leaf parts, in one pass and time linear in its length.
//!
//! A stack of open boundaries is kept and every line that begins with `--` is compared with them, innermost first, so
//! nesting costs no second look at the same bytes.

use std::ops::Range;

use super::head::Head;
use crate::infra::embedded::mail::limits;

/// A part that has no parts.
#[derive(Debug)]
pub(super) struct Leaf {
    /// Place in the tree: "0" for a mail of one part, else "1", "2", "2.1" …
    pub(super) id: String,
    pub(super) head: Head,
    /// Its encoded body within the source.
    pub(super) body: Range<usize>,
    /// Subtype of the multipart it stands in, "" at the top.
    pub(super) within: String,
}

struct Open {
    boundary: Vec<u8>,
    id: String,
    children: usize,
    subtype: String,
}

struct Walker<'x> {
    raw: &'x [u8],
    open: Vec<Open>,
    leaves: Vec<Leaf>,
    current: bool,
}

/// The leaves of `raw` in order, with the head of the whole.
pub(super) fn split(raw: &[u8]) -> (Head, Vec<Leaf>) {
    let mut walker = Walker { raw, open: Vec::new(), leaves: Vec::new(), current: false };
    let head_end = walker.head_end(0);
    let top = Head::parse(&raw[..head_end]);
    let mut at = walker.begin(top.clone(), "0".to_owned(), head_end);
    while at < raw.len() && !walker.open.is_empty() {
        let end = line_end(raw, at);
        match walker.delimiter(&raw[at..end]) {
            Some((index, closing)) => {
                walker.finish(at, true);
                walker.open.truncate(index + 1);
                at = if closing {
                    walker.open.pop();
                    end
                } else {
                    walker.next_part(index, end)
                };
            }
            None => at = end,
        }
    }
    walker.finish(raw.len(), false);
    (top, walker.leaves)
}

impl Walker<'_> {
    fn next_part(&mut self, index: usize, start: usize) -> usize {
        let parent = &mut self.open[index];
        parent.children += 1;
        let id =
            if parent.id == "0" { parent.children.to_string() } else { format!("{}.{}", parent.id, parent.children) };
        let head_end = self.head_end(start);
        let head = Head::parse(&self.raw[start..head_end]);
        self.begin(head, id, head_end)
    }

    /// Opens a multipart or begins a leaf; gives where to go on.
    fn begin(&mut self, head: Head, id: String, body: usize) -> usize {
        let boundary =
            head.boundary().filter(|boundary| !boundary.is_empty()).map(|boundary| boundary.as_bytes().to_vec());
        match boundary {
            Some(boundary) if self.open.len() < limits::MIME_DEPTH => {
                self.open.push(Open { boundary, id, children: 0, subtype: head.subtype.clone() });
            }
            _ => {
                let within = self.open.last().map_or_else(String::new, |open| open.subtype.clone());
                self.leaves.push(Leaf { id, head, body: body..body, within });
                self.current = true;
            }
        }
        body
    }

    /// Ends the current leaf at `at`; the line break before a delimiter belongs to the delimiter.
    fn finish(&mut self, at: usize, delimited: bool) {
        if !std::mem::take(&mut self.current) {
            return;
        }
        let Some(leaf) = self.leaves.last_mut() else { return };
        let start = leaf.body.start;
        let mut body = &self.raw[start..at.max(start)];
        if delimited {
            body = body.strip_suffix(b"\n").unwrap_or(body);
            body = body.strip_suffix(b"\r").unwrap_or(body);
        }
        leaf.body = start..start + body.len();
    }

    /// Which open multipart the line delimits, and whether it closes it. Past the limit of parts nothing begins.
    fn delimiter(&self, line: &[u8]) -> Option<(usize, bool)> {
        let rest = line.strip_prefix(b"--")?.trim_ascii_end();
        let found = self.open.iter().enumerate().rev().find_map(|(index, open)| {
            let tail = rest.strip_prefix(open.boundary.as_slice())?;
            match tail {
                b"" => Some((index, false)),
                b"--" => Some((index, true)),
                _ => None,
            }
        })?;
        (found.1 || self.leaves.len() < limits::MIME_PARTS).then_some(found)
    }

    /// Where the header block that begins at `start` ends: after its empty line, before a delimiter, or at the end.
    fn head_end(&self, start: usize) -> usize {
        let mut at = start;
        while at < self.raw.len() {
            let end = line_end(self.raw, at);
            let line = &self.raw[at..end];
            if line == b"\r\n" || line == b"\n" {
                return end;
            }
            if self.delimiter(line).is_some() {
                return at;
            }
            at = end;
        }
        at
    }
}

fn line_end(raw: &[u8], at: usize) -> usize {
    memchr::memchr(b'\n', &raw[at..]).map_or(raw.len(), |position| at + position + 1)
}

#[cfg(test)]
mod tests {
    use std::{fmt::Write as _, time::Instant};

    use proptest::prelude::*;

    use super::*;

    fn shape(raw: &str) -> Vec<(String, String, String)> {
        let (_, leaves) = split(raw.as_bytes());
        leaves
            .into_iter()
            .map(|leaf| (leaf.id, format!("{}/{}", leaf.head.kind, leaf.head.subtype), raw[leaf.body].to_owned()))
            .collect()
    }

    #[test]
    fn parts_are_named_by_their_place() {
        let raw = "Content-Type: multipart/mixed; boundary=a\r\n\r\npreamble\r\n--a\r\n\
                   Content-Type: multipart/alternative; boundary=\"b c\"\r\n\r\n--b c\r\n\r\nplain\r\n--b c\r\n\
                   Content-Type: text/html\r\n\r\n<p>\r\n--b c--\r\nepilogue\r\n--a\r\n\
                   Content-Type: application/pdf\r\n\r\n%PDF\r\n--a--\r\nend\r\n";
        let text = |id: &str, kind: &str, body: &str| (id.to_owned(), kind.to_owned(), body.to_owned());
        assert_eq!(
            shape(raw),
            [text("1.1", "text/plain", "plain"), text("1.2", "text/html", "<p>"), text("2", "application/pdf", "%PDF")]
        );
    }

    #[test]
    fn broken_multiparts_are_text() {
        for kind in ["multipart/mixed", "multipart/mixed; boundary=\"\"", "multipart/mixed; boundary=x"] {
            let raw = format!("Subject: s\r\nContent-Type: {kind}\r\n\r\nbody\r\n");
            let (_, leaves) = split(raw.as_bytes());
            assert!(leaves.len() <= 1, "{kind}");
        }
        assert_eq!(shape("")[0].0, "0");
        assert_eq!(shape("no header at all\r\n")[0].0, "0");
    }

    #[test]
    fn an_unterminated_part_reaches_to_the_end() {
        let raw = "Content-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\n\r\nbody\r\n";
        assert_eq!(shape(raw)[0].2, "body\r\n");
    }

    #[test]
    fn nesting_costs_linear_time() {
        let mut raw = String::new();
        for level in 0..20_000 {
            write!(raw, "Content-Type: multipart/mixed; boundary=b{level}\r\n\r\n--b{level}\r\n").expect("memory");
        }
        let begin = Instant::now();
        split(raw.as_bytes());
        assert!(begin.elapsed().as_secs() < 5, "{:?}", begin.elapsed());
    }

    proptest! {
        #[test]
        fn any_bytes_are_split(raw in proptest::collection::vec(any::<u8>(), 0..400)) {
            let (_, leaves) = split(&raw);
            for leaf in leaves {
                prop_assert!(leaf.body.end <= raw.len() && leaf.body.start <= leaf.body.end);
            }
        }

        #[test]
        fn any_lines_of_a_multipart_are_split(lines in proptest::collection::vec(
            prop_oneof!["--a", "--a--", "--b", "--b--", "", "x", "Content-Type: multipart/mixed; boundary=b"], 0..30)) {
            let raw = format!("Content-Type: multipart/mixed; boundary=a\r\n\r\n{}", lines.join("\r\n"));
            let (_, leaves) = split(raw.as_bytes());
            for pair in leaves.windows(2) {
                prop_assert!(pair[0].body.end <= pair[1].body.start);
            }
        }
    }
}
