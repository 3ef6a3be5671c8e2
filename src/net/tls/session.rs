//! One TLS session beside its socket: records in, messages out, and back. It holds no byte that is not waited for.
//!
//! Owns the step between records and what they carry, handshake included. Refuses to know sockets, frames and threads.
//! Read first: RFC 8446 §4, §5, §6.1; rustls::unbuffered.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use rustls::HandshakeKind;
use rustls::client::UnbufferedClientConnection;
use rustls::pki_types::ServerName;
use rustls::server::UnbufferedServerConnection;
use rustls::unbuffered::{ConnectionState, EncodeError, EncryptError, UnbufferedStatus};
use rustls::{ClientConfig, Error, ServerConfig};

use super::refusal::{Cause, Refusal};

/// The first octet of every TLS handshake (RFC 8446 §5.1: handshake(22)).
const HANDSHAKE: u8 = 22;
/// What a record takes beside what it carries, at most (RFC 5246 §6.2.3), twice over for a key update before it.
const RECORD_OVERHEAD: usize = 512;
/// What one record carries at most (RFC 8446 §5.1).
const RECORD_BYTES_MAX: usize = 16_384;
/// Octets of records that are not whole yet, at most: a handshake's largest message is 64 KiB.
const UNREAD_BYTES_MAX: usize = 80 * 1024;
/// Turns until a record is written: what rustls has to say itself goes before it.
const RECORD_STEPS: usize = 16;
/// Turns for the alert that goes with a refusal.
const FAREWELL_STEPS: usize = 4;

enum Side {
    Client(UnbufferedClientConnection),
    Server(UnbufferedServerConnection),
}

/// One session.
pub struct Session {
    side: Side,
    /// Records that are not whole yet.
    unread: Vec<u8>,
    /// Octets have come.
    begun: bool,
    /// It was refused; nothing crosses any more.
    broken: bool,
    /// The far side has said that nothing more comes.
    pub ended: bool,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("unread", &self.unread.len()).finish_non_exhaustive()
    }
}

/// What one step of rustls asked for.
enum Step {
    /// Another step.
    More,
    /// Octets from the far side.
    Wait,
}

impl Session {
    /// A session of a machine that called us.
    pub fn server(config: Arc<ServerConfig>) -> Result<Self, Refusal> {
        let side = UnbufferedServerConnection::new(config).map_err(|error| Refusal::of(&error))?;
        Ok(Self { side: Side::Server(side), unread: Vec::new(), begun: false, broken: false, ended: false })
    }

    /// A session of ours with a machine of this name.
    pub fn client(config: Arc<ClientConfig>, name: ServerName<'static>) -> Result<Self, Refusal> {
        let side = UnbufferedClientConnection::new(config, name).map_err(|error| Refusal::of(&error))?;
        Ok(Self { side: Side::Client(side), unread: Vec::new(), begun: true, broken: false, ended: false })
    }

    /// Whether the handshake is still going on.
    #[must_use]
    pub fn is_handshaking(&self) -> bool {
        match &self.side {
            Side::Client(side) => side.is_handshaking(),
            Side::Server(side) => side.is_handshaking(),
        }
    }

    /// Whether the handshake was a resumption.
    #[must_use]
    pub fn is_resumed(&self) -> bool {
        let kind = match &self.side {
            Side::Client(side) => side.handshake_kind(),
            Side::Server(side) => side.handshake_kind(),
        };
        kind == Some(HandshakeKind::Resumed)
    }

    /// Whether the far side has proven itself by a certificate.
    #[must_use]
    pub fn is_proven(&self) -> bool {
        match &self.side {
            Side::Client(side) => side.peer_certificates().is_some(),
            Side::Server(side) => side.peer_certificates().is_some(),
        }
    }

    /// Takes octets from the far side (none to begin with). What is to be sent back is put behind `out`, what the records
    /// carry is given to `heard`. After an error `out` ends with the alert that tells the far side why.
    pub fn feed(
        &mut self,
        bytes: &mut [u8],
        out: &mut Vec<u8>,
        heard: &mut dyn FnMut(&[u8]),
    ) -> Result<(), Refusal> {
        if self.broken {
            return Err(Refusal::new(Cause::Broken, "the session is over"));
        }
        if let (false, Some(&first)) = (self.begun, bytes.first()) {
            self.begun = true;
            if first != HANDSHAKE {
                return Err(Refusal::new(Cause::Plain, "the first octet is no TLS handshake"));
            }
        }
        // What a stranger sends goes through a library here. Should it ever break, one connection breaks with it.
        let fed = catch_unwind(AssertUnwindSafe(|| self.take(bytes, out, heard)));
        let fed = fed.unwrap_or_else(|_| Err(Error::General("a bug in TLS".to_owned())));
        fed.map_err(|error| {
            self.broken = true;
            Refusal::of(&error)
        })?;
        if self.unread.len() > UNREAD_BYTES_MAX {
            return Err(Refusal::new(Cause::Broken, "a record that never ends"));
        }
        Ok(())
    }

    /// rustls remembers places in what it was given and did not use up: the very same octets must stand first each time.
    fn take(
        &mut self,
        bytes: &mut [u8],
        out: &mut Vec<u8>,
        heard: &mut dyn FnMut(&[u8]),
    ) -> Result<(), Error> {
        let mut unread = std::mem::take(&mut self.unread);
        if unread.is_empty() {
            let used = self.run(bytes, out, heard)?;
            if let Some(rest) = bytes.get(used..).filter(|rest| !rest.is_empty()) {
                self.unread = rest.to_vec();
            }
        } else {
            unread.extend_from_slice(bytes);
            let used = self.run(&mut unread, out, heard)?;
            unread.drain(..used);
            if !unread.is_empty() {
                self.unread = unread;
            }
        }
        Ok(())
    }

    /// Steps until rustls waits; how many octets it has used up.
    fn run(
        &mut self,
        bytes: &mut [u8],
        out: &mut Vec<u8>,
        heard: &mut dyn FnMut(&[u8]),
    ) -> Result<usize, Error> {
        let mut used = 0;
        loop {
            let rest = bytes.get_mut(used..).unwrap_or_default();
            let ended = &mut self.ended;
            let (taken, step) = match &mut self.side {
                Side::Client(side) => step(side.process_tls_records(rest), out, heard, ended),
                Side::Server(side) => step(side.process_tls_records(rest), out, heard, ended),
            };
            used += taken;
            match step {
                Ok(Step::More) => {}
                Ok(Step::Wait) => return Ok(used),
                Err(error) => {
                    self.farewell(bytes.get_mut(used..).unwrap_or_default(), out);
                    return Err(error);
                }
            }
        }
    }

    /// The alert that rustls has ready after an error.
    fn farewell(&mut self, mut rest: &mut [u8], out: &mut Vec<u8>) {
        for _ in 0..FAREWELL_STEPS {
            let ended = &mut self.ended;
            let (taken, step) = match &mut self.side {
                Side::Client(side) => step(side.process_tls_records(rest), out, &mut |_| {}, ended),
                Side::Server(side) => step(side.process_tls_records(rest), out, &mut |_| {}, ended),
            };
            rest = rest.get_mut(taken..).unwrap_or_default();
            if !matches!(step, Ok(Step::More)) {
                return;
            }
        }
    }

    /// Puts what is to be said into records behind `out`. Before the handshake is done there is nobody to say it to.
    pub fn say(&mut self, plain: &[u8], out: &mut Vec<u8>) -> Result<(), Refusal> {
        for part in plain.chunks(RECORD_BYTES_MAX) {
            self.record(Some(part), out)?;
        }
        Ok(())
    }

    /// Says that nothing more comes (RFC 8446 §6.1).
    pub fn end(&mut self, out: &mut Vec<u8>) {
        // A session that cannot say it is closed without.
        let _said = self.record(None, out);
    }

    /// One record, or the end.
    fn record(&mut self, plain: Option<&[u8]>, out: &mut Vec<u8>) -> Result<(), Refusal> {
        if self.broken {
            return Err(Refusal::new(Cause::Broken, "the session is over"));
        }
        for _ in 0..RECORD_STEPS {
            let (ended, unread) = (&mut self.ended, &mut self.unread);
            let (taken, written) = match &mut self.side {
                Side::Client(side) => write(side.process_tls_records(unread), plain, out, ended),
                Side::Server(side) => write(side.process_tls_records(unread), plain, out, ended),
            };
            unread.drain(..taken.min(unread.len()));
            if written? {
                return Ok(());
            }
        }
        Err(Refusal::new(Cause::Broken, "TLS takes no message"))
    }
}

/// Room behind `out`, filled by `fill` with as many octets as it says.
fn room<E>(
    out: &mut Vec<u8>,
    bytes: usize,
    fill: impl FnOnce(&mut [u8]) -> Result<usize, E>,
) -> Result<(), E> {
    let begin = out.len();
    out.resize(begin.saturating_add(bytes), 0);
    let filled = fill(out.get_mut(begin..).unwrap_or_default());
    out.truncate(begin.saturating_add(*filled.as_ref().unwrap_or(&0)));
    filled.map(|_| ())
}

/// Carries out what rustls says; the octets it has used up.
fn step<Data>(
    status: UnbufferedStatus<'_, '_, Data>,
    out: &mut Vec<u8>,
    heard: &mut dyn FnMut(&[u8]),
    ended: &mut bool,
) -> (usize, Result<Step, Error>) {
    let UnbufferedStatus { mut discard, state, .. } = status;
    let state = match state {
        Ok(state) => state,
        Err(error) => return (discard, Err(error)),
    };
    let step = match state {
        ConnectionState::ReadTraffic(mut traffic) => {
            while let Some(record) = traffic.next_record() {
                match record {
                    Ok(record) => {
                        discard += record.discard;
                        heard(record.payload);
                    }
                    Err(error) => return (discard, Err(error)),
                }
            }
            Step::More
        }
        ConnectionState::EncodeTlsData(mut record) => {
            let wanted = match record.encode(&mut []) {
                Err(EncodeError::InsufficientSize(size)) => size.required_size,
                Err(EncodeError::AlreadyEncoded) | Ok(_) => 0,
            };
            match room(out, wanted, |place| record.encode(place)) {
                Ok(()) => Step::More,
                Err(error) => return (discard, Err(Error::General(error.to_string()))),
            }
        }
        ConnectionState::TransmitTlsData(sent) => {
            sent.done();
            Step::More
        }
        ConnectionState::PeerClosed => {
            *ended = true;
            Step::More
        }
        ConnectionState::BlockedHandshake | ConnectionState::WriteTraffic(_) | ConnectionState::Closed => {
            Step::Wait
        }
        // Neither early data nor what a later rustls may add is ever offered.
        ConnectionState::ReadEarlyData(_) | _ => {
            return (discard, Err(Error::General("a state that was not offered".to_owned())));
        }
    };
    (discard, Ok(step))
}

/// Writes a record once rustls is ready for one; the octets it has used up, and whether it is written.
fn write<Data>(
    status: UnbufferedStatus<'_, '_, Data>,
    plain: Option<&[u8]>,
    out: &mut Vec<u8>,
    ended: &mut bool,
) -> (usize, Result<bool, Refusal>) {
    let UnbufferedStatus { discard, state, .. } = status;
    let written = match state {
        Ok(ConnectionState::WriteTraffic(mut traffic)) => {
            let wanted = plain.map_or(0, <[u8]>::len) + RECORD_OVERHEAD;
            let written = room(out, wanted, |place| match plain {
                Some(plain) => traffic.encrypt(plain, place),
                None => traffic.queue_close_notify(place),
            });
            written.map(|()| true).map_err(|error| match error {
                EncryptError::InsufficientSize(_) => Refusal::new(Cause::Broken, "a record larger than any"),
                EncryptError::EncryptExhausted => Refusal::new(Cause::Broken, "the session's key is used up"),
            })
        }
        Ok(ConnectionState::BlockedHandshake | ConnectionState::Closed) => {
            Err(Refusal::new(Cause::Broken, "nobody to say it to"))
        }
        other => {
            let status = UnbufferedStatus { discard, state: other };
            let (taken, step) = step(status, out, &mut |_| {}, ended);
            return (taken, step.map(|_| false).map_err(|error| Refusal::of(&error)));
        }
    };
    (discard, written)
}
