//! Reads a mail's source: a tree of parts in one pass, headers by mail-parser, bodies decoded leniently.
//!
//! Everything is bounded ([`super::limits`]) and total: a source that is no mail at all is one part of text.

mod address;
mod decode;
mod head;
mod html;
mod mail;
mod tree;

pub(super) use address::Address;
pub(super) use head::raw_headers;
pub(super) use html::{inline_images, with_part_urls};
pub(super) use mail::{Attachment, Mail};
