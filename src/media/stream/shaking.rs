//! The handshakes of one leg: who may try, until one has shown to be the peer.
//!
//! Owns one association for each socket (RFC 5764 §3: RTCP on a port of its own has keys of its own), the few who may try
//! for one where the peer's address is not known, their time, and the keys. Refuses to know media.
//! Read first: RFC 5763 §5, §6.6; RFC 5764 §3; RFC 8842 §5; `media/dtls`.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use super::guard::Keys;
use super::pace::Pace;
use super::{Cause, Port};
use crate::clock::Tick;
use crate::media::dtls::{self, Broken, Handshake, Identity, Step};
use crate::media::order::Fingerprint;
use crate::media::srtp::{Inbound, Mki, Outbound, SRTP_PACKETS_MAX, Suite};

/// A handshake must have come to its end so long after the call was answered.
const PATIENCE: Duration = Duration::from_secs(30);
/// Who broke one off is tried again after.
const AGAIN: Duration = Duration::from_secs(1);
/// The other side may have missed our last flight, and asks for it again, for so long.
const LINGER: Duration = Duration::from_secs(20);
/// Who may try at once on one socket: the signalled address, and others within the peer's networks.
const CANDIDATES_MAX: usize = 4;
/// Datagrams a second of one who tries, once its handshake goes on; one has about ten, and is sent again a few times.
const DATAGRAMS_PER_SECOND_MAX: u32 = 60;
/// First flights a second in the name of the signalled address, and as many in all other names: anybody can write them, and they
/// take nothing of what goes on.
const BEGINNINGS_PER_SECOND_MAX: u32 = 20;
/// Both sockets.
const PORTS: [Port; 2] = [Port::Rtp, Port::Rtcp];

/// What both descriptions say of it. What says otherwise is another association (RFC 8842 §5.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Agreement {
    /// Whether we begin.
    pub(super) active: bool,
    /// What the peer's certificate hashes to.
    pub(super) fingerprint: Fingerprint,
    pub(super) suites: Arc<[Suite]>,
    /// Where the peer is, by socket; `None` where there is no such.
    pub(super) remotes: [Option<SocketAddr>; 2],
}

/// What is to be done.
#[derive(Debug)]
pub(super) enum Shaken {
    /// The first octets of the buffer are to be sent.
    Send { port: Port, to: SocketAddr, octets: usize },
    /// There are keys on one socket, with who is there.
    Keyed { port: Port, source: SocketAddr },
    /// Somebody within the peer's networks was not the peer.
    Stranger(SocketAddr),
    /// There will be none.
    Failed(String),
}

/// Where one who tries is.
#[derive(Debug, Clone, Copy)]
struct Who {
    source: SocketAddr,
    /// The address is the one that was signalled.
    signalled: bool,
}

/// One who tries.
#[derive(Debug)]
struct Candidate {
    who: Who,
    handshake: Box<Handshake>,
    /// Of what goes on.
    pace: Pace,
    /// When it is to be looked at.
    wake: Tick,
    /// It has something to say.
    ready: bool,
}

/// How far one socket is.
#[derive(Debug)]
enum Progress {
    /// It has no association.
    Off,
    /// Some try; where there is none we begin, if that is ours, at this time.
    Trying { candidates: Vec<Candidate>, begins: Tick },
    /// It has keys. Who has them may ask for our last flight again.
    Done { source: SocketAddr, last: Option<(Candidate, Tick)> },
}

/// What one socket has.
#[derive(Debug)]
struct Path {
    progress: Progress,
    keys: Option<Box<Keys>>,
}

/// The associations of one leg.
pub(super) struct Association {
    agreement: Agreement,
    identity: Arc<Identity>,
    paths: [Path; 2],
    /// Of what would begin, from the signalled address and from all others.
    beginnings: [Pace; 2],
    /// When it must have come to its end.
    by: Option<Tick>,
    failed: bool,
    /// Why somebody's handshake ended last.
    cause: Option<Broken>,
}

impl Association {
    pub(super) fn new(now: Tick, agreement: Agreement, identity: Arc<Identity>) -> Self {
        let paths = agreement.remotes.map(|remote| Path {
            progress: match remote {
                Some(_) => Progress::Trying { candidates: Vec::new(), begins: now },
                None => Progress::Off,
            },
            keys: None,
        });
        Self {
            agreement,
            identity,
            paths,
            beginnings: [Pace::default(); 2],
            by: None,
            failed: false,
            cause: None,
        }
    }

    /// Whether it is the one that is agreed on.
    pub(super) fn is_of(&self, agreement: &Agreement) -> bool {
        self.agreement == *agreement
    }

    /// The call is answered: from now on its time counts.
    pub(super) fn hurry(&mut self, now: Tick) {
        self.by.get_or_insert(now.after(PATIENCE));
    }

    /// Keys of a socket, once there are any.
    pub(super) fn keys(&mut self, port: Port) -> Option<&mut Keys> {
        self.paths.get_mut(port as usize)?.keys.as_deref_mut()
    }

    /// Where the peer was found, by socket.
    pub(super) fn sources(&self) -> [Option<SocketAddr>; 2] {
        self.paths.each_ref().map(|path| match &path.progress {
            Progress::Done { source, .. } => Some(*source),
            Progress::Off | Progress::Trying { .. } => None,
        })
    }

    /// Takes a datagram of a handshake, from somebody whom the terms let try.
    ///
    /// # Errors
    /// Why it is dropped.
    pub(super) fn take(
        &mut self,
        now: Tick,
        port: Port,
        source: SocketAddr,
        datagram: &[u8],
    ) -> Result<(), Cause> {
        if self.failed {
            return Err(Cause::Handshake);
        }
        let active = self.agreement.active;
        let signalled = self.agreement.remotes.get(port as usize) == Some(&Some(source));
        let begins = is_first_flight(datagram);
        let [known, others] = &mut self.beginnings;
        let beginnings = if signalled { known } else { others };
        if begins && !beginnings.admits(now, BEGINNINGS_PER_SECOND_MAX) {
            return Err(Cause::Pace);
        }
        let path = self.paths.get_mut(port as usize).ok_or(Cause::Handshake)?;
        let candidates = match &mut path.progress {
            Progress::Done { source: found, last: Some((candidate, _)) } if *found == source => {
                return candidate.take(now, datagram);
            }
            Progress::Off | Progress::Done { .. } => return Err(Cause::Handshake),
            Progress::Trying { candidates, .. } => candidates,
        };
        if let Some(known) = candidates.iter_mut().find(|candidate| candidate.who.source == source) {
            return known.take(now, datagram);
        }
        // RFC 5763 §5: who is passive waits for a first flight, and nothing else begins one.
        if active || !begins {
            return Err(Cause::Handshake);
        }
        if candidates.len() >= CANDIDATES_MAX {
            // Whoever has come first makes room, but never the address that was signalled.
            let oldest = candidates.iter().position(|candidate| !candidate.who.signalled);
            candidates.remove(oldest.ok_or(Cause::Handshake)?);
        }
        let who = Who { source, signalled };
        let mut candidate = Candidate::new(now, who, &self.agreement, &self.identity);
        let taken = candidate.take(now, datagram);
        candidates.push(candidate);
        taken
    }

    /// The next thing to do; `None` until a datagram comes or [`Self::wakes`] says so.
    pub(super) fn next(&mut self, now: Tick, buffer: &mut [u8]) -> Option<Shaken> {
        if self.failed {
            return None;
        }
        for port in PORTS {
            self.begin(now, port);
            while let Some((at, who, step)) = self.step(now, port, buffer) {
                let shaken = self.after(now, port, (at, who), step);
                if shaken.is_some() {
                    return shaken;
                }
            }
        }
        let ended = self.paths.iter().all(|path| !matches!(path.progress, Progress::Trying { .. }));
        if ended {
            self.by = None;
        } else if self.by.is_some_and(|by| by <= now) {
            let cause = self.cause.as_ref().map(|cause| format!("; the last word was: {cause}"));
            let seconds = PATIENCE.as_secs();
            return Some(self.fail(format!(
                "no DTLS handshake came to its end within {seconds} s{}",
                cause.unwrap_or_default()
            )));
        }
        None
    }

    /// When [`Self::next`] is to be asked again, if nothing comes before.
    pub(super) fn wakes(&self) -> Option<Tick> {
        if self.failed {
            return None;
        }
        let of = |path: &Path| match &path.progress {
            Progress::Off | Progress::Done { last: None, .. } => None,
            Progress::Done { last: Some((candidate, until)), .. } => Some(candidate.wake.min(*until)),
            Progress::Trying { candidates, begins } if candidates.is_empty() => {
                self.agreement.active.then_some(*begins)
            }
            Progress::Trying { candidates, .. } => candidates.iter().map(|candidate| candidate.wake).min(),
        };
        let [rtp, rtcp] = self.paths.each_ref().map(of);
        [rtp, rtcp, self.by].into_iter().flatten().min()
    }

    /// Opens a handshake of ours where it is its time.
    fn begin(&mut self, now: Tick, port: Port) {
        let Self { agreement, identity, paths, .. } = self;
        let (true, Some(Some(remote))) = (agreement.active, agreement.remotes.get(port as usize)) else {
            return;
        };
        let Some(Path { progress: Progress::Trying { candidates, begins }, .. }) =
            paths.get_mut(port as usize)
        else {
            return;
        };
        if candidates.is_empty() && *begins <= now {
            let who = Who { source: *remote, signalled: true };
            candidates.push(Candidate::new(now, who, agreement, identity));
        }
    }

    /// One step of one of those who try on a socket: its place, who it is, and the step; `None` where all wait.
    fn step(&mut self, now: Tick, port: Port, buffer: &mut [u8]) -> Option<(usize, Who, Step)> {
        match &mut self.paths.get_mut(port as usize)?.progress {
            Progress::Off => None,
            Progress::Done { last, .. } => {
                let (candidate, until) = last.as_mut()?;
                if *until <= now {
                    *last = None;
                    return None;
                }
                Some((0, candidate.who, candidate.step(now, buffer)?))
            }
            Progress::Trying { candidates, .. } => {
                let mut all = candidates.iter_mut().enumerate();
                all.find_map(|(at, one)| Some((at, one.who, one.step(now, buffer)?)))
            }
        }
    }

    /// What a step comes to.
    fn after(&mut self, now: Tick, port: Port, (at, who): (usize, Who), step: Step) -> Option<Shaken> {
        match step {
            Step::Wait(_) => None,
            Step::Send(octets) => Some(Shaken::Send { port, to: who.source, octets }),
            Step::Keys(keys) => {
                self.paths.get_mut(port as usize)?.settle(now, at, &keys);
                Some(Shaken::Keyed { port, source: who.source })
            }
            Step::Broken(broken) => self.lose(now, port, (at, who), broken),
        }
    }

    /// Somebody's handshake is over.
    fn lose(&mut self, now: Tick, port: Port, (at, who): (usize, Who), broken: Broken) -> Option<Shaken> {
        match &mut self.paths.get_mut(port as usize)?.progress {
            Progress::Off => return None,
            // The keys are there; what is said behind them changes nothing.
            Progress::Done { last, .. } => {
                *last = None;
                return None;
            }
            Progress::Trying { candidates, begins } => {
                candidates.remove(at);
                *begins = now.after(AGAIN);
            }
        }
        let shaken = match &broken {
            // RFC 5763 §5: a certificate that is not the one that was told of ends it.
            Broken::Certificate | Broken::Profile if who.signalled => Some(self.fail(broken.to_string())),
            Broken::Certificate | Broken::Profile => Some(Shaken::Stranger(who.source)),
            // Alerts of a handshake have no tag: anybody may have written them.
            Broken::Protocol(_) => None,
        };
        self.cause = Some(broken);
        shaken
    }

    fn fail(&mut self, why: String) -> Shaken {
        self.failed = true;
        for path in &mut self.paths {
            *path = Path { progress: Progress::Off, keys: None };
        }
        Shaken::Failed(why)
    }
}

impl Path {
    /// One of those who tried has keys: the others end.
    fn settle(&mut self, now: Tick, at: usize, keys: &dtls::Keys) {
        let before = std::mem::replace(&mut self.progress, Progress::Off);
        let Progress::Trying { mut candidates, .. } = before else {
            self.progress = before;
            return;
        };
        let candidate = candidates.swap_remove(at);
        let source = candidate.who.source;
        self.progress = Progress::Done { source, last: Some((candidate, now.after(LINGER))) };
        let inbound = Inbound::new(&keys.inbound, Mki::NONE);
        let outbound = Outbound::new(&keys.outbound, SRTP_PACKETS_MAX);
        self.keys = Some(Box::new(Keys { inbound, outbound }));
    }
}

impl Candidate {
    fn new(now: Tick, who: Who, agreement: &Agreement, identity: &Arc<Identity>) -> Self {
        let Agreement { active, fingerprint, suites, .. } = agreement;
        let handshake = Box::new(Handshake::new(identity, (fingerprint, suites), *active, now));
        Self { who, handshake, pace: Pace::default(), wake: now, ready: true }
    }

    fn take(&mut self, now: Tick, datagram: &[u8]) -> Result<(), Cause> {
        if !is_first_flight(datagram) && !self.pace.admits(now, DATAGRAMS_PER_SECOND_MAX) {
            return Err(Cause::Pace);
        }
        self.handshake.take(now, datagram);
        self.ready = true;
        Ok(())
    }

    /// The next step; `None` where it waits.
    fn step(&mut self, now: Tick, buffer: &mut [u8]) -> Option<Step> {
        if !self.ready {
            if now < self.wake {
                return None;
            }
            self.handshake.pass(now);
            self.ready = true;
        }
        let step = self.handshake.step(buffer);
        if let Step::Wait(until) = &step {
            self.ready = false;
            // Whatever the library wants, it is not asked twice in a moment.
            self.wake = (*until).max(now.after(Duration::from_millis(1)));
        }
        Some(step)
    }
}

impl fmt::Debug for Association {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { agreement, paths, by, failed, .. } = self;
        let mut shown = f.debug_struct("Association");
        shown.field("agreement", agreement).field("paths", paths).field("by", by).field("failed", failed);
        shown.finish_non_exhaustive()
    }
}

/// Whether a datagram begins with the first record of a client: a handshake in epoch 0, whose message is ClientHello
/// (RFC 6347 §4.1, §4.2.2; RFC 9147 §4, §5.2).
const fn is_first_flight(datagram: &[u8]) -> bool {
    matches!(datagram, [22, 254, 253 | 255, 0, 0, _, _, _, _, _, _, _, _, 1, ..])
}
