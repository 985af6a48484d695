//! Finds the end of a mail and takes the stuffed dots out (RFC 5321 §4.5.2). Pure.
//!
//! Only CR LF . CR LF ends a mail (at the very beginning . CR LF does): bare LF or CR in the neighbourhood of a dot is
//! content. So nothing that another server would take for the end is taken for it here, and none can smuggle a mail.

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Behind CR LF, or at the beginning.
    LineStart,
    /// Within a line.
    Inside,
    /// Behind a CR within a line.
    Cr,
    /// Behind a dot at the start of a line; the dot is withheld.
    Dot,
    /// Behind such a dot and a CR; both are withheld.
    DotCr,
}

/// The decoder of one mail.
#[derive(Debug)]
pub(super) struct Dots(State);

impl Dots {
    pub(super) const fn new() -> Self {
        Self(State::LineStart)
    }

    /// Decodes `input` to `out`. When the mail's end is in it: how many bytes of `input` belong to the mail.
    pub(super) fn feed(&mut self, input: &[u8], out: &mut Vec<u8>) -> Option<usize> {
        let mut at = 0;
        while at < input.len() {
            let byte = input[at];
            self.0 = match (self.0, byte) {
                (State::LineStart, b'.') => State::Dot,
                (State::Dot, b'\r') => State::DotCr,
                (State::DotCr, b'\n') => return Some(at + 1),
                (State::DotCr, _) => {
                    // The dot was stuffed, the CR is content; the byte is looked at again behind that CR.
                    out.push(b'\r');
                    self.0 = State::Cr;
                    continue;
                }
                (State::Cr, b'\n') => {
                    out.push(byte);
                    State::LineStart
                }
                (_, b'\r') => {
                    out.push(byte);
                    State::Cr
                }
                _ => {
                    let rest = &input[at..];
                    let run = memchr::memchr(b'\r', rest).unwrap_or(rest.len()).max(1);
                    out.extend_from_slice(&rest[..run]);
                    at += run;
                    self.0 = State::Inside;
                    continue;
                }
            };
            at += 1;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    fn decode(input: &[u8], chunk: usize) -> (Vec<u8>, Option<usize>) {
        let (mut dots, mut out, mut used) = (Dots::new(), Vec::new(), 0);
        for piece in input.chunks(chunk) {
            if let Some(end) = dots.feed(piece, &mut out) {
                return (out, Some(used + end));
            }
            used += piece.len();
        }
        (out, None)
    }

    #[rstest]
    #[case(b"a\r\n.\r\nNOOP", b"a\r\n", Some(6))]
    #[case(b".\r\n", b"", Some(3))]
    #[case(b"..\r\n.\r\n", b".\r\n", Some(7))]
    #[case(b"..a\r\n.b\r\n.\r\n", b".a\r\nb\r\n", Some(12))]
    #[case(b"a\n.\nMAIL\r\n.\r\n", b"a\n.\nMAIL\r\n", Some(13))]
    #[case(b"a\n.\r\nMAIL\r\n.\r\n", b"a\n.\r\nMAIL\r\n", Some(14))]
    #[case(b"a\r\n.\nMAIL\r\n.\r\n", b"a\r\n\nMAIL\r\n", Some(14))]
    #[case(b"a\r.\r\nMAIL\r\n.\r\n", b"a\r.\r\nMAIL\r\n", Some(14))]
    #[case(b"a\r\n.\r.\r\nMAIL\r\n.\r\n", b"a\r\n\r.\r\nMAIL\r\n", Some(17))]
    #[case(b"a\r\n.\r\r\nMAIL\r\n.\r\n", b"a\r\n\r\r\nMAIL\r\n", Some(16))]
    #[case(b"a\r\n\0.\r\nMAIL\r\n.\r\n", b"a\r\n\0.\r\nMAIL\r\n", Some(16))]
    #[case(b"no end\r\n.\r", b"no end\r\n", None)]
    fn only_crlf_dot_crlf_ends(#[case] input: &[u8], #[case] out: &[u8], #[case] end: Option<usize>) {
        for chunk in [1, 2, 3, 100] {
            assert_eq!(decode(input, chunk), (out.to_vec(), end), "in pieces of {chunk}");
        }
    }

    proptest! {
        #[test]
        fn what_is_stuffed_is_unstuffed(
            lines in proptest::collection::vec("[.a]{0,3}", 0..10), chunk in 1_usize..9) {
            let content: String = lines.iter().flat_map(|line| [line, "\r\n"]).collect();
            let dot = |line: &str| if line.starts_with('.') { "." } else { "" };
            let wire: String = lines.iter().flat_map(|line| [dot(line), line, "\r\n"]).collect();
            let wire = wire + ".\r\nnext";
            prop_assert_eq!(decode(wire.as_bytes(), chunk), (content.into_bytes(), Some(wire.len() - 4)));
        }
    }
}
