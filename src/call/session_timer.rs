//! Session timers: which interval a leg agrees on, who refreshes it, and when that is due.
//!
//! Owns the negotiation of one leg, as the side that asks and as the side that answers, and the header lines it is
//! written in. Refuses to know the call's phases and the other leg: nothing of a session timer crosses.
//! Read first: RFC 4028 §4, §7-10.

use std::time::Duration;

use super::leg::text;
use crate::policy::peer::{Refreshes, SessionTimers};
use crate::sip::error::Cause;
use crate::sip::headers::{Refresher, SessionExpires};
use crate::sip::{HeaderName, Message, Method, Text, Writer};

/// The option tag.
pub const TAG: &str = "timer";

/// The only body that is kept for a re-INVITE of ours.
pub const SDP_TYPE: &[u8] = b"application/sdp";

/// RFC 4028 §5: the shortest interval there is.
pub const INTERVAL_SECONDS_MIN: u32 = 90;

/// The longest Min-SE that is taken from a peer: a day. Nothing else makes an interval longer than `session_expires`.
pub const INTERVAL_SECONDS_MAX: u32 = 86_400;

/// 422s to one request that are answered with a longer interval; the next one stands.
const RAISES_MAX: u8 = 3;

/// RFC 4028 §10: the side that does not refresh ends the session so long before it expires, or a third of the interval
/// if that is less.
const EXPIRY_MARGIN_SECONDS: u32 = 32;

/// Who refreshes a leg.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// This edge: by agreement, or because the peer knows no session timers and must be looked after all the same.
    Edge,
    /// The peer; it ends if the peer does not.
    Peer,
}

/// Whether a peer takes UPDATE.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Update {
    /// Its Allow does not say so.
    Closed,
    /// Its Allow says so, or it took one.
    Said,
    /// It refused one, whatever its Allow says.
    Refused,
}

/// What a request of a peer asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asked {
    /// Its Session-Expires.
    pub interval: Option<u32>,
    /// Who it wants to refresh.
    pub refresher: Option<Refresher>,
    /// Its Min-SE.
    pub min_se: u32,
    /// Whether it knows session timers itself; Session-Expires alone may be a proxy's.
    pub supports: bool,
}

impl Asked {
    /// Reads an INVITE or UPDATE.
    pub fn read(request: &Message) -> Result<Self, Cause> {
        let expires = request.header(HeaderName::SessionExpires).map(SessionExpires::read).transpose()?;
        let supports = request.lists(HeaderName::Supported, TAG) || request.lists(HeaderName::Require, TAG);
        Ok(Self {
            interval: expires.map(|expires| expires.seconds),
            refresher: expires.and_then(|expires| expires.refresher),
            min_se: min_se(request)?.unwrap_or(INTERVAL_SECONDS_MIN),
            supports,
        })
    }
}

/// What a 2xx of ours says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Granted {
    /// Session-Expires.
    pub interval: u32,
    /// Who refreshes, seen from the request.
    pub refresher: Refresher,
    /// Whether the peer must know of it (Require).
    pub require: bool,
}

/// The interval asked for is below ours: 422, and our Min-SE.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooSmall;

/// RFC 4028 §9, as the side that answers. The interval is never longer than asked for, except where who asks knows no
/// session timers and could not try again.
pub fn grant(settings: &SessionTimers, asked: &Asked) -> Result<Granted, TooSmall> {
    let too_small = asked.interval.is_some_and(|interval| interval < settings.min_se);
    if too_small && asked.supports {
        return Err(TooSmall);
    }
    let floor = settings.min_se.max(asked.min_se.min(INTERVAL_SECONDS_MAX));
    let interval = asked.interval.unwrap_or(settings.expires).min(settings.expires).max(floor);
    // RFC 4028 §9, table 2.
    let refresher = match (asked.supports, asked.refresher, settings.refresher) {
        (false, _, _) | (true, None, Refreshes::Edge) => Refresher::Uas,
        (true, Some(asked), _) => asked,
        (true, None, Refreshes::Peer) => Refresher::Uac,
    };
    Ok(Granted { interval, refresher, require: asked.supports })
}

/// The session timer of one leg.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionTimer {
    /// Seconds: agreed, or the policy's where the peer knows none.
    interval: u32,
    /// The longest Min-SE told in this dialog (RFC 4028 §7.4).
    min_se: u32,
    role: Role,
    /// Whether both sides agreed on it.
    agreed: bool,
    /// Whether the peer knows that the session expires.
    expires: bool,
    update: Update,
    /// 422s since the last 2xx.
    raises: u8,
}

impl SessionTimer {
    /// Before anything was negotiated.
    #[must_use]
    pub fn new(settings: &SessionTimers) -> Self {
        Self {
            interval: settings.expires.max(settings.min_se),
            min_se: settings.min_se,
            role: Role::Edge,
            agreed: false,
            expires: false,
            update: Update::Closed,
            raises: 0,
        }
    }

    /// Who refreshes.
    #[must_use]
    pub const fn role(&self) -> Role {
        self.role
    }

    /// Our 2xx went out.
    pub fn granted(&mut self, granted: Granted) {
        self.interval = granted.interval;
        self.role = match granted.refresher {
            Refresher::Uas => Role::Edge,
            Refresher::Uac => Role::Peer,
        };
        self.agreed = true;
        self.expires = granted.require;
        self.raises = 0;
    }

    /// The interval that our next request asks for.
    const fn offered(&self) -> u32 {
        if self.interval > self.min_se { self.interval } else { self.min_se }
    }

    /// RFC 4028 §7.2: a 2xx to our INVITE or UPDATE. One that says nothing, or nothing readable, leaves the refreshes to
    /// us; an interval is held between the shortest there is and what we asked for. RFC 4028 §9: it may not be longer, so
    /// from a peer that makes it so and wants to refresh, we take the refreshes over.
    pub fn heard(&mut self, response: &Message, settings: &SessionTimers) {
        let said = response.header(HeaderName::SessionExpires).map(SessionExpires::read);
        self.raises = 0;
        match said {
            Some(Ok(SessionExpires { seconds, refresher })) => {
                (self.agreed, self.expires) = (true, true);
                let theirs = refresher == Some(Refresher::Uas) && seconds <= self.offered();
                self.role = if theirs { Role::Peer } else { Role::Edge };
                self.interval = seconds.min(self.offered()).max(INTERVAL_SECONDS_MIN);
            }
            Some(Err(_)) | None => {
                (self.agreed, self.expires) = (false, false);
                self.role = Role::Edge;
                self.interval = settings.expires.max(self.min_se);
            }
        }
    }

    /// RFC 4028 §7.3: a 422 names the Min-SE to try again with. False when it does not, or asks for more and more.
    pub fn raise(&mut self, response: &Message) -> bool {
        let Ok(Some(wanted)) = min_se(response) else { return false };
        let longer = wanted > self.offered() && wanted <= INTERVAL_SECONDS_MAX;
        if !longer || self.raises >= RAISES_MAX {
            return false;
        }
        self.raises += 1;
        self.min_se = wanted;
        true
    }

    /// Notes what a message of the peer says about UPDATE; one without Allow says nothing.
    pub fn note_allow(&mut self, message: &Message) {
        if !message.has(HeaderName::Allow) {
            return;
        }
        self.update = match (self.update, message.lists(HeaderName::Allow, "UPDATE")) {
            (Update::Refused, _) => Update::Refused,
            (Update::Closed | Update::Said, true) => Update::Said,
            (Update::Closed | Update::Said, false) => Update::Closed,
        };
    }

    /// An UPDATE of ours was answered: with 2xx, or refused.
    pub fn note_update(&mut self, taken: bool) {
        self.update = if taken { Update::Said } else { Update::Refused };
    }

    /// Whether our refresh is an UPDATE; else it is a re-INVITE.
    #[must_use]
    pub const fn updates(&self) -> bool {
        matches!(self.update, Update::Said)
    }

    /// When something is due, counted from the 2xx: RFC 4028 §10, our refresh at half the interval, or the end where
    /// the peer refreshes.
    #[must_use]
    pub fn due(&self) -> Duration {
        match self.role {
            Role::Edge => Duration::from_secs(u64::from(self.interval)) / 2,
            Role::Peer => self.end(),
        }
    }

    /// When the session is to end, counted from the 2xx, unless it was refreshed: shortly before it expires.
    #[must_use]
    pub fn end(&self) -> Duration {
        let margin = EXPIRY_MARGIN_SECONDS.min(self.interval / 3);
        Duration::from_secs(u64::from(self.interval - margin))
    }

    /// Whether the session ends at all unless it is refreshed: the peer knows session timers (RFC 4028 §7.2). Another
    /// one is asked whether it lives, and that it answers is enough.
    #[must_use]
    pub const fn expires(&self) -> bool {
        self.expires
    }

    /// Writes what our INVITE or UPDATE says. In a dialog the roles stay as they are (RFC 4028 §7.4).
    pub fn write_request(&self, writer: &mut Writer, settings: &SessionTimers) {
        let refresher = match (self.agreed, self.role, settings.refresher) {
            (true, Role::Edge, _) | (false, _, Refreshes::Edge) => Refresher::Uac,
            (true, Role::Peer, _) | (false, _, Refreshes::Peer) => Refresher::Uas,
        };
        writer.header(HeaderName::Supported, text(TAG.as_bytes()));
        session_expires(writer, self.offered(), refresher);
        if self.min_se > INTERVAL_SECONDS_MIN {
            writer.number(HeaderName::MinSe, u64::from(self.min_se));
        }
    }
}

/// Writes what our answer to an INVITE or UPDATE says: a 2xx grants, a 422 names our Min-SE.
pub fn write_answer(writer: &mut Writer, settings: &SessionTimers, request: &Message, status: u16) {
    if !is_negotiated_by(request.method()) {
        return;
    }
    if status == 422 {
        writer.number(HeaderName::MinSe, u64::from(settings.min_se));
    }
    if !(200..300).contains(&status) {
        return;
    }
    writer.header(HeaderName::Supported, text(TAG.as_bytes()));
    // What could not be granted was refused before.
    if let Some(granted) = Asked::read(request).ok().and_then(|asked| grant(settings, &asked).ok()) {
        if granted.require {
            writer.header(HeaderName::Require, text(TAG.as_bytes()));
        }
        session_expires(writer, granted.interval, granted.refresher);
    }
}

/// RFC 4028 §7: INVITE and UPDATE refresh a session, nothing else.
fn is_negotiated_by(method: &Method) -> bool {
    matches!(method, Method::Invite | Method::Update)
}

fn session_expires(writer: &mut Writer, seconds: u32, refresher: Refresher) {
    let who = match refresher {
        Refresher::Uac => const { Text::fixed(";refresher=uac") },
        Refresher::Uas => const { Text::fixed(";refresher=uas") },
    };
    writer.counted(HeaderName::SessionExpires, u64::from(seconds), &[who]);
}

/// Seconds of Min-SE, where there is one.
fn min_se(message: &Message) -> Result<Option<u32>, Cause> {
    let read = message.header(HeaderName::MinSe).map(SessionExpires::read).transpose()?;
    Ok(read.map(|read| read.seconds))
}

#[cfg(test)]
#[path = "session_timer_tests.rs"]
mod tests;
