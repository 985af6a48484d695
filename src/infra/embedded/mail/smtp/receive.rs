//! The content of one mail, from the line after 354 to the answer.

use std::{io, sync::Arc};

use tokio::io::AsyncRead;

use super::{
    dots::Dots,
    line::Input,
    trace::{self, Envelope, Origin},
};
use crate::infra::embedded::mail::{
    MailError, limits,
    store::{Content, Spool, Store, new_id},
    users::Login,
};

/// What became of a mail.
#[derive(Debug)]
pub(super) enum Outcome {
    /// It is on disk under this id.
    Kept(String),
    /// It was over the limit; all of it was read off.
    TooLarge,
    /// It could not be kept.
    Failed(MailError),
    /// The client went away, or sent far more than the limit: the connection is to be closed.
    Broken,
}

/// Where the bytes of a mail go.
enum Sink {
    Memory(Vec<u8>),
    File(Spool),
    Discard(Option<MailError>),
}

struct Receiver<'x> {
    store: &'x Arc<Store>,
    id: String,
    envelope: &'x Envelope,
    origin: &'x Origin,
    sink: Sink,
    /// Bytes received, stuffed dots taken out.
    size: usize,
}

/// Reads one mail from `input` and keeps it. Whatever happens, the input stands behind the mail's end afterwards, except
/// for [`Outcome::Broken`].
///
/// # Errors
/// When the connection fails or is idle for too long.
pub(super) async fn receive<R: AsyncRead + Unpin>(
    input: &mut Input<R>,
    store: &Arc<Store>,
    login: Option<&Login>,
    envelope: &Envelope,
    origin: &Origin,
) -> io::Result<Outcome> {
    let (id, sink) = match new_id() {
        Ok(id) => (id, Sink::Memory(Vec::new())),
        Err(error) => (String::new(), Sink::Discard(Some(error))),
    };
    let mut receiver = Receiver { store, id, envelope, origin, sink, size: 0 };
    let mut dots = Dots::new();
    let mut piece = Vec::new();
    loop {
        let bytes = input.bytes().await?;
        if bytes.is_empty() {
            return Ok(Outcome::Broken);
        }
        let end = dots.feed(bytes, &mut piece);
        let used = end.unwrap_or(bytes.len());
        input.consume(used);
        receiver.take(&mut piece).await;
        if end.is_some() {
            return Ok(receiver.finish(login).await);
        }
        if receiver.size > limits::MESSAGE + limits::DISCARD {
            return Ok(Outcome::Broken);
        }
    }
}

impl Receiver<'_> {
    /// Takes what is in `piece` and leaves it empty.
    async fn take(&mut self, piece: &mut Vec<u8>) {
        self.size += piece.len();
        if self.size > limits::MESSAGE && !matches!(self.sink, Sink::Discard(_)) {
            self.sink = Sink::Discard(None);
        }
        let sink = std::mem::replace(&mut self.sink, Sink::Discard(None));
        self.sink = match sink {
            Sink::Memory(mut memory) => {
                memory.append(piece);
                if memory.len() > limits::IN_MEMORY {
                    self.spill(None, self.headed(&memory)).await
                } else {
                    Sink::Memory(memory)
                }
            }
            Sink::File(spool) => self.spill(Some(spool), std::mem::take(piece)).await,
            discard @ Sink::Discard(_) => discard,
        };
        piece.clear();
    }

    async fn spill(&self, spool: Option<Spool>, bytes: Vec<u8>) -> Sink {
        let job = move |store: &Store| {
            let mut spool = spool.map_or_else(|| Spool::new(store), Ok)?;
            spool.write(&bytes)?;
            Ok(spool)
        };
        match self.store.run(job).await {
            Ok(spool) => Sink::File(spool),
            Err(error) => Sink::Discard(Some(error)),
        }
    }

    fn headed(&self, start: &[u8]) -> Vec<u8> {
        let date = jiff::Zoned::now().strftime("%a, %d %b %Y %H:%M:%S %z").to_string();
        trace::with_headers(start, &self.id, self.envelope, self.origin, &date)
    }

    async fn finish(mut self, login: Option<&Login>) -> Outcome {
        let content = match std::mem::replace(&mut self.sink, Sink::Discard(None)) {
            Sink::Discard(Some(error)) => return Outcome::Failed(error),
            Sink::Discard(None) => return Outcome::TooLarge,
            Sink::Memory(memory) => Content::Memory(self.headed(&memory)),
            Sink::File(spool) => Content::File(spool),
        };
        let (login, id) = (login.cloned(), self.id.clone());
        match self.store.run(move |store| store.deliver(login.as_ref(), &id, content)).await {
            Ok(()) => Outcome::Kept(self.id),
            Err(error) => Outcome::Failed(error),
        }
    }
}
