//! Carries CDP messages between a WebSocket and Chromium's pipe until one side is gone or time is up.
//!
//! Each direction carries one message at a time and reads the next one only when that is written, so a side that does
//! not read slows the other down and nothing piles up here.

use std::time::Duration;

use bytes::BytesMut;
use futures_util::{Sink, SinkExt as _, Stream, StreamExt as _};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::unix::pipe::{Receiver, Sender},
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        Error, Message, Utf8Bytes,
        protocol::{CloseFrame, WebSocketConfig, frame::coding::CloseCode},
    },
};
use tokio_util::sync::CancellationToken;

/// Largest message in bytes, in both directions: screenshots and traces of large pages.
const LARGEST: usize = 256 * 1024 * 1024;

/// How long a client gets to take the last frame, which tells the reason.
const FAREWELL: Duration = Duration::from_millis(500);

/// How the WebSocket is set up.
pub(super) fn config() -> WebSocketConfig {
    let mut config = WebSocketConfig::default();
    config.max_message_size = Some(LARGEST);
    config.max_frame_size = Some(LARGEST);
    config.read_buffer_size = 16 * 1024;
    config
}

/// Why a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// The client closed the socket or is gone.
    Client,
    /// The client sent what is no CDP message.
    Protocol(&'static str),
    /// Chromium closed its pipe.
    Browser,
    /// The session's time is up.
    TimedOut,
    /// The gateway is stopped.
    Stopped,
}

/// Carries messages until the session ends; the socket is still open for [`farewell`].
pub(super) async fn carry<S: AsyncRead + AsyncWrite + Unpin>(
    socket: &mut WebSocketStream<S>,
    mut to: Sender,
    mut from: Receiver,
    timeout: Duration,
    stop: &CancellationToken,
) -> Ended {
    let (mut sink, mut stream) = socket.split();
    tokio::select! {
        ended = from_client(&mut stream, &mut to) => ended,
        ended = from_browser(&mut from, &mut sink) => ended,
        () = tokio::time::sleep(timeout) => Ended::TimedOut,
        () = stop.cancelled() => Ended::Stopped,
    }
}

async fn from_client(stream: &mut (impl Stream<Item = Result<Message, Error>> + Unpin), to: &mut Sender) -> Ended {
    while let Some(Ok(message)) = stream.next().await {
        let text = match message {
            Message::Text(text) => text,
            Message::Close(_) => return Ended::Client,
            Message::Binary(_) => return Ended::Protocol("CDP messages are texts"),
            Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => continue,
        };
        if text.as_bytes().contains(&0) {
            return Ended::Protocol("a CDP message has no NUL in it");
        }
        if to.write_all(text.as_bytes()).await.is_err() || to.write_all(&[0]).await.is_err() {
            return Ended::Browser;
        }
    }
    Ended::Client
}

async fn from_browser(from: &mut Receiver, sink: &mut (impl Sink<Message, Error = Error> + Unpin)) -> Ended {
    let mut buffer = BytesMut::with_capacity(16 * 1024);
    // Bytes of the buffer that are known to have no end of a message in them.
    let mut seen = 0;
    loop {
        while let Some(at) = buffer[seen..].iter().position(|byte| *byte == 0) {
            let message = buffer.split_to(seen + at + 1).freeze();
            seen = 0;
            let Ok(text) = Utf8Bytes::try_from(message.slice(..message.len() - 1)) else { return Ended::Browser };
            if sink.send(Message::Text(text)).await.is_err() {
                return Ended::Client;
            }
        }
        seen = buffer.len();
        if seen > LARGEST {
            return Ended::Browser;
        }
        match from.read_buf(&mut buffer).await {
            Ok(0) | Err(_) => return Ended::Browser,
            Ok(_) => {}
        }
    }
}

/// Tells the client why the session ended; a client that is gone or does not read is not waited for.
pub(super) async fn farewell<S: AsyncRead + AsyncWrite + Unpin>(
    socket: &mut WebSocketStream<S>,
    code: CloseCode,
    reason: &str,
) {
    // A control frame carries at most 125 bytes, two of them the code.
    let cut = reason.char_indices().map(|(at, c)| at + c.len_utf8()).take_while(|end| *end <= 120).last().unwrap_or(0);
    let frame = CloseFrame { code, reason: reason[..cut].into() };
    drop(tokio::time::timeout(FAREWELL, socket.close(Some(frame))).await);
}
