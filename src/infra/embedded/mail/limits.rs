//! Every bound of the service, in one place. `docs/design/mail.md` lists them for users.

use std::time::Duration;

/// Largest mail, in bytes as sent; advertised as SIZE. Mailpit's default.
pub(super) const MESSAGE: usize = 52_428_800;
/// Bytes read off and thrown away after a mail went over [`MESSAGE`] before the connection is cut.
pub(super) const DISCARD: usize = 1 << 30;
/// Recipients of one mail (RFC 5321 §4.5.3.1.8 asks for at least 100).
pub(super) const RECIPIENTS: usize = 100;
/// Longest command line, its end included.
pub(super) const COMMAND_LINE: usize = 2_048;
/// Longest line in an AUTH exchange (RFC 4954 §4).
pub(super) const AUTH_LINE: usize = 12_288;
/// A client that says nothing for so long is sent away (RFC 5321 §4.5.3.2.7).
pub(super) const IDLE: Duration = Duration::from_mins(5);
/// SMTP connections at once.
pub(super) const SMTP_CONNECTIONS: usize = 100;
/// Wrong passwords, and commands not understood, before a connection is cut.
pub(super) const MISTAKES: usize = 20;
/// Bytes of a mail kept in memory before it goes to a file; its headers are looked for in them. What never goes to a file
/// is stored in the index.
pub(super) const IN_MEMORY: usize = 256 * 1024;
/// Mails of one box; the oldest goes first. Mailpit's default.
pub(super) const MAILS_PER_BOX: i64 = 500;
/// Bytes of all mails of one box; the oldest goes first.
pub(super) const BYTES_PER_BOX: i64 = 1 << 30;
/// Bytes of text kept for searching, a mail.
pub(super) const SEARCH_TEXT: usize = 1 << 20;
/// Depth of multiparts that is followed; deeper ones are shown as text.
pub(super) const MIME_DEPTH: usize = 32;
/// Parts of one mail that are told apart; the rest stays in the last.
pub(super) const MIME_PARTS: usize = 1_000;
/// Bytes of one header block that are read.
pub(super) const HEADER_BLOCK: usize = 256 * 1024;
/// Blocking jobs (disk, index, parsing) at once; bounds memory when many large mails come together.
pub(super) const JOBS: usize = 4;
/// Body of an API request. Mailpit's limit.
pub(super) const REQUEST_BODY: usize = 5 << 20;
/// Web connections at once.
pub(super) const WEB_CONNECTIONS: usize = 512;
/// Time for the head of an HTTP request.
pub(super) const REQUEST_HEAD: Duration = Duration::from_secs(30);
/// Events that a slow WebSocket client may lag behind before it is cut off. Mailpit's limit.
pub(super) const EVENTS: usize = 256;
/// Between two `stats` events.
pub(super) const STATS: Duration = Duration::from_millis(250);
/// Between two pings on a WebSocket.
pub(super) const PING: Duration = Duration::from_secs(54);
