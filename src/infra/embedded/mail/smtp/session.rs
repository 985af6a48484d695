//! One SMTP connection: commands in, replies out.

use std::{borrow::Cow, io, net::IpAddr, sync::Arc};

use serde_json::json;
use smtp_proto::{AUTH_LOGIN, AUTH_PLAIN, Error as Parse, MAIL_BODY_BINARYMIME, Request};
use tokio::{
    io::AsyncWriteExt as _,
    net::{
        TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
};

use super::{
    auth::{self, Claim, Word},
    line::{Input, Line},
    receive::{Outcome, receive},
    trace::{Envelope, Origin, clean_address, clean_helo},
};
use crate::{
    infra::embedded::mail::{MailError, UNCLAIMED, limits, store::Store, users::Login},
    output::printer::Printer,
};

struct Session {
    input: Input<OwnedReadHalf>,
    output: OwnedWriteHalf,
    store: Arc<Store>,
    printer: Printer,
    origin: Origin,
    greeted: bool,
    login: Option<Login>,
    transaction: Option<Envelope>,
    mistakes: usize,
}

/// Whether the connection goes on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Next {
    Go,
    Close,
}

/// Serves one connection to its end.
///
/// # Errors
/// When the connection fails.
pub(super) async fn run(stream: TcpStream, ip: IpAddr, store: Arc<Store>, printer: Printer) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let (read, output) = stream.into_split();
    let mut logins = store.events.logins();
    let mut session = Session {
        input: Input::new(read),
        output,
        store,
        printer,
        origin: Origin { helo: "unknown".to_owned(), extended: false, ip, authenticated: false },
        greeted: false,
        login: None,
        transaction: None,
        mistakes: 0,
    };
    session.reply("220 localhost agent-harness ESMTP ready").await?;
    loop {
        let line = tokio::select! {
            // Reading a line is safe to cancel: what came in stays in the buffer.
            line = session.input.line(limits::COMMAND_LINE) => line,
            Ok(()) = logins.changed() => {
                if session.withdrawn() {
                    return session.reply("421 4.7.0 This login was withdrawn, closing").await;
                }
                continue;
            }
        };
        let line = match line {
            Ok(Line::Whole(line)) => line,
            Ok(Line::TooLong) => {
                session.mistake("500 5.5.2 Line too long").await?;
                continue;
            }
            Ok(Line::End) => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::TimedOut => {
                return session.reply("421 4.4.2 Idle for too long, closing").await;
            }
            Err(error) => return Err(error),
        };
        if session.command(&line).await? == Next::Close || session.mistakes > limits::MISTAKES {
            return session.output.shutdown().await;
        }
    }
}

impl Session {
    async fn command(&mut self, line: &[u8]) -> io::Result<Next> {
        if is_http(line) {
            // A browser was made to speak to this port; none of what follows are commands.
            self.reply("421 5.7.0 This is no web server").await?;
            return Ok(Next::Close);
        }
        if self.withdrawn() {
            self.reply("421 4.7.0 This login was withdrawn, closing").await?;
            return Ok(Next::Close);
        }
        let request = match Request::parse(&mut line.iter()) {
            Ok(request) => request,
            Err(error) => {
                self.mistake(&complaint(&error)).await?;
                return Ok(Next::Go);
            }
        };
        match request {
            Request::Ehlo { host } => self.hello(&host, true).await?,
            Request::Helo { host } => self.hello(&host, false).await?,
            Request::Auth { mechanism, initial_response } => self.auth(mechanism, initial_response).await?,
            Request::Mail { from } => self.mail(&from).await?,
            Request::Rcpt { to } => self.recipient(&to.address).await?,
            Request::Data => return self.data().await,
            Request::Rset => {
                self.transaction = None;
                self.reply("250 2.0.0 Ok").await?;
            }
            Request::Noop { .. } => self.reply("250 2.0.0 Ok").await?,
            Request::Quit => {
                self.reply("221 2.0.0 Bye").await?;
                return Ok(Next::Close);
            }
            Request::Vrfy { .. } | Request::Expn { .. } | Request::Help { .. } | Request::StartTls => {
                self.mistake("502 5.5.1 Command not implemented").await?;
            }
            Request::Lhlo { .. }
            | Request::Bdat { .. }
            | Request::Etrn { .. }
            | Request::Atrn { .. }
            | Request::Burl { .. } => self.mistake("500 5.5.1 Command not known").await?,
        }
        Ok(Next::Go)
    }

    async fn hello(&mut self, host: &str, extended: bool) -> io::Result<()> {
        self.origin.helo = clean_helo(host);
        self.origin.extended = extended;
        self.greeted = true;
        self.transaction = None;
        if !extended {
            return self.reply("250 localhost").await;
        }
        let size = format!("SIZE {}", limits::MESSAGE);
        let offers = ["localhost", &size, "8BITMIME", "SMTPUTF8", "PIPELINING", "AUTH PLAIN LOGIN"];
        self.reply(&format!("250-{}\r\n250 ENHANCEDSTATUSCODES", offers.join("\r\n250-"))).await
    }

    async fn auth(&mut self, mechanism: u64, initial: Cow<'_, str>) -> io::Result<()> {
        if self.login.is_some() || self.transaction.is_some() {
            return self.mistake("503 5.5.1 Not now").await;
        }
        let first = if initial.is_empty() { None } else { Some(auth::word(initial.as_bytes())) };
        let claim = match mechanism {
            AUTH_PLAIN => match self.asked(first, "").await? {
                Some(message) => auth::plain(&message),
                None => return Ok(()),
            },
            AUTH_LOGIN => {
                // "Username:" and "Password:" in base64.
                let Some(user) = self.asked(first, "VXNlcm5hbWU6").await? else { return Ok(()) };
                let Some(password) = self.asked(None, "UGFzc3dvcmQ6").await? else { return Ok(()) };
                Some(Claim { user, password })
            }
            _ => return self.mistake("504 5.5.4 Only PLAIN and LOGIN").await,
        };
        let Some(claim) = claim else { return self.mistake("501 5.5.2 Not the three fields of PLAIN").await };
        match self.store.users.check(&claim.user, &claim.password) {
            Some(login) => {
                self.login = Some(login);
                self.origin.authenticated = true;
                self.reply("235 2.7.0 Welcome").await
            }
            None => self.mistake("535 5.7.8 Wrong user or password").await,
        }
    }

    /// `first`, or what the client answers to `challenge`. None when it was refused, which was then said.
    async fn asked(&mut self, first: Option<Word>, challenge: &str) -> io::Result<Option<String>> {
        let word = if let Some(word) = first {
            word
        } else {
            self.reply(&format!("334 {challenge}")).await?;
            match self.input.line(limits::AUTH_LINE).await? {
                Line::Whole(line) => auth::word(&line),
                Line::TooLong => Word::Malformed,
                Line::End => return Err(io::ErrorKind::UnexpectedEof.into()),
            }
        };
        match word {
            Word::Text(text) => return Ok(Some(text)),
            Word::Cancelled => self.mistake("501 5.7.0 Cancelled").await?,
            Word::Malformed => self.mistake("501 5.5.2 Not base64").await?,
        }
        Ok(None)
    }

    async fn mail(&mut self, from: &smtp_proto::MailFrom<Cow<'_, str>>) -> io::Result<()> {
        if !self.greeted || self.transaction.is_some() {
            return self.mistake("503 5.5.1 Not now").await;
        }
        if from.size > limits::MESSAGE {
            return self.mistake(&too_large()).await;
        }
        if from.flags & MAIL_BODY_BINARYMIME != 0 {
            return self.mistake("555 5.5.4 BINARYMIME is not offered").await;
        }
        let address = if from.address.is_empty() { Some(String::new()) } else { clean_address(&from.address) };
        match address {
            Some(from) => {
                self.transaction = Some(Envelope { from, recipients: Vec::new() });
                self.reply("250 2.1.0 Ok").await
            }
            None => self.mistake("553 5.1.7 Not an address with a domain").await,
        }
    }

    async fn recipient(&mut self, address: &str) -> io::Result<()> {
        let Some(envelope) = &mut self.transaction else { return self.mistake("503 5.5.1 MAIL comes first").await };
        if envelope.recipients.len() >= limits::RECIPIENTS {
            return self.complain("452 4.5.3 Too many recipients").await;
        }
        match clean_address(address) {
            Some(address) => {
                envelope.recipients.push(address);
                self.reply("250 2.1.5 Ok").await
            }
            None => self.mistake("553 5.1.3 Not an address with a domain").await,
        }
    }

    async fn data(&mut self) -> io::Result<Next> {
        match &self.transaction {
            None => return self.mistake("503 5.5.1 MAIL comes first").await.map(|()| Next::Go),
            Some(envelope) if envelope.recipients.is_empty() => {
                return self.mistake("503 5.5.1 RCPT comes first").await.map(|()| Next::Go);
            }
            Some(_) => {}
        }
        let Some(envelope) = self.transaction.take() else { return Ok(Next::Go) };
        self.reply("354 End with <CR><LF>.<CR><LF>").await?;
        match receive(&mut self.input, &self.store, self.login.as_ref(), &envelope, &self.origin).await? {
            Outcome::Kept(id) => self.reply(&format!("250 2.0.0 Ok: queued as {id}")).await?,
            Outcome::TooLarge => self.mistake(&too_large()).await?,
            Outcome::Broken => return Ok(Next::Close),
            Outcome::Failed(MailError::Gone(_)) => {
                self.complain("421 4.7.0 This login was withdrawn, closing").await?;
                return Ok(Next::Close);
            }
            Outcome::Failed(error) => {
                let chain = crate::error::Error::from(error).chain();
                self.printer.tell(format_args!("a mail could not be kept: {chain}"));
                self.complain("451 4.3.0 The mail could not be kept, try again later").await?;
            }
        }
        Ok(Next::Go)
    }

    fn withdrawn(&self) -> bool {
        self.login.as_ref().is_some_and(|login| !self.store.users.holds(login))
    }

    /// A refusal for which the client is to blame; too many of them end the connection.
    async fn mistake(&mut self, text: &str) -> io::Result<()> {
        self.mistakes += 1;
        self.complain(text).await
    }

    /// A refusal, which watchers of the box are told of.
    async fn complain(&mut self, text: &str) -> io::Result<()> {
        let mailbox = self.login.as_ref().map_or(UNCLAIMED, |login| login.user.as_str());
        let level = if text.starts_with('4') { "warning" } else { "error" };
        let event = json!({ "Level": level, "Type": "smtpd", "IP": self.origin.ip, "Message": text });
        self.store.count(mailbox, |stats| stats.rejected += 1);
        self.store.events.frame(mailbox, "error", &event);
        self.reply(text).await
    }

    /// Writes a reply. Inside a group of pipelined commands each is its own write: correct, if not the fewest packets.
    async fn reply(&mut self, text: &str) -> io::Result<()> {
        self.output.write_all(format!("{text}\r\n").as_bytes()).await
    }
}

fn too_large() -> String {
    format!("552 5.3.4 Larger than {} bytes", limits::MESSAGE)
}

fn is_http(line: &[u8]) -> bool {
    let line = line.trim_ascii_end();
    line.ends_with(b" HTTP/1.1") || line.ends_with(b" HTTP/1.0") || line.ends_with(b" HTTP/2.0")
}

fn complaint(error: &Parse) -> String {
    match error {
        Parse::UnknownCommand => "500 5.5.1 Command not known".to_owned(),
        Parse::InvalidSenderAddress => "553 5.1.7 Not an address with a domain".to_owned(),
        Parse::InvalidRecipientAddress => "553 5.1.3 Not an address with a domain".to_owned(),
        Parse::SyntaxError { syntax } => format!("501 5.5.4 Syntax: {syntax}"),
        Parse::InvalidParameter { param } => format!("501 5.5.4 Not a value of {param}"),
        Parse::UnsupportedParameter { .. } => "555 5.5.4 Parameter not known".to_owned(),
        Parse::NeedsMoreData { .. } | Parse::ResponseTooLong | Parse::InvalidResponse { .. } => {
            "501 5.5.2 Syntax error".to_owned()
        }
    }
}
