//! A login: what this edge shows one trunk that asks who it is, and which of the trunk's challenges it may be shown for.
//!
//! Owns the choice, as a function of the response alone. Refuses to know nonces that were used before, and who answered:
//! whether it was the trunk itself is known before anything here is asked. Read first: RFC 3261 §22.2, §22.3; RFC 8760.

use std::sync::Arc;

use super::alert::{Alert, shortened};
use super::code::{self, Code};
use crate::clock::Wall;
use crate::sip::digest::{Challenge, Ha1, Hash};
use crate::sip::{Flow, HeaderName, Message};

/// Challenges of one response that are looked at; more are not read.
pub const CHALLENGES_MAX: usize = 8;

/// What a proof usually adds to a request: it decides the transport before the challenge is known.
pub const PROOF_OCTETS_USUAL: usize = 400;

/// A trunk's login. The password itself is not kept: HA1 is worth as much for this realm, and nothing for another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    /// The user's name.
    pub user: Arc<str>,
    /// The one realm it is for.
    pub realm: Arc<str>,
    /// HA1 for each hash that may be used; never empty.
    pub keys: Vec<Ha1>,
    /// Whether a challenge without `qop` is answered, as RFC 2069 had it: by what neither a nonce of ours nor a count binds.
    pub without_qop: bool,
}

/// Who asks: the machine that answers (401) or a proxy before it (407). Each has a line of its own for the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asker {
    /// 401, WWW-Authenticate.
    Server,
    /// 407, Proxy-Authenticate.
    Proxy,
}

impl Asker {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Server, Self::Proxy];

    /// Where its challenge stands.
    #[must_use]
    pub const fn asks_in(self) -> HeaderName {
        match self {
            Self::Server => HeaderName::WwwAuthenticate,
            Self::Proxy => HeaderName::ProxyAuthenticate,
        }
    }

    /// Where the answer stands.
    #[must_use]
    pub const fn answered_in(self) -> HeaderName {
        match self {
            Self::Server => HeaderName::Authorization,
            Self::Proxy => HeaderName::ProxyAuthorization,
        }
    }
}

/// Why a challenge is not answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Unproven {
    /// The policy gives this peer no login.
    NoLogin,
    /// It has one, for another realm.
    OtherRealm,
    /// Its realm is ours, but the algorithms offered are none that the login may use.
    Unsound,
    /// Its realm is ours and its algorithm sound enough, but it offers no qop, and the login does not allow that.
    WithoutQop,
    /// No challenge in it can be read.
    Unreadable,
    /// The login was shown and refused.
    Refused,
    /// It was refused a short while ago, and is not shown again yet.
    Withheld,
    /// It asks after it has rung: the call would ring a second time.
    Rang,
}

impl Unproven {
    /// The alert.
    #[must_use]
    pub const fn code(self) -> Code {
        match self {
            Self::NoLogin | Self::OtherRealm | Self::Unreadable | Self::Rang => code::CHALLENGE_FROM_STRANGER,
            Self::Unsound | Self::WithoutQop | Self::Refused | Self::Withheld => code::BAD_CREDENTIALS,
        }
    }

    /// The same in a few words, behind "it".
    #[must_use]
    pub const fn brief(self) -> &'static str {
        match self {
            Self::NoLogin => "asks for a login, and the policy gives it none",
            Self::OtherRealm => "asks for a login for another realm",
            Self::Unsound => "asks for a login by algorithms that are not allowed",
            Self::WithoutQop => "asks for a login without qop, as RFC 2069 had it, and that is not allowed",
            Self::Unreadable => "asks for a login in words that cannot be read",
            Self::Refused => "refuses our login",
            Self::Withheld => "refused our login a short while ago, and it is not shown again yet",
            Self::Rang => "asks for a login after it has rung",
        }
    }

    /// What an admin is told, behind the peer's name.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::NoLogin => {
                "asks for a login, and the policy gives it none; nothing was shown to it. If it is meant to ask, give it `login`."
            }
            Self::OtherRealm => {
                "asks for a login for another realm than `login.realm`; nothing was shown to it. If it is meant to ask so, set `login.realm` to the realm it names."
            }
            Self::Unsound => {
                "asks for a login by algorithms that `login.algorithms` does not allow; nothing was shown to it. If it knows no better, write `algorithms: [md5]` under its `login`."
            }
            Self::WithoutQop => {
                "asks for a login without qop, as RFC 2069 had it: such an answer holds nothing of ours, and whoever overhears it or forges the question guesses the password faster. Nothing was shown to it. If it knows no better, write `without_qop: allow` under its `login`."
            }
            Self::Unreadable => "asks for a login in words that cannot be read; nothing was shown to it.",
            Self::Refused => {
                "refuses our login (bad login). Check `login.user`, the password and `login.realm`; some carriers lock a user after a few wrong tries, so it is shown again only after 30 s, doubling to five minutes, for a call, after five minutes for a probe, or as soon as a reload changes `login`."
            }
            Self::Withheld => {
                "refused our login a short while ago (bad login), and it is not shown again yet, for some carriers lock a user after a few wrong tries. Check `login.user`, the password and `login.realm`; a reload that changes `login` ends the pause."
            }
            Self::Rang => {
                "asks for a login after it has rung; nothing was shown to it, for the call would ring a second time. It asks too late: ask whoever runs it."
            }
        }
    }
}

impl Login {
    /// HA1 for a hash, where it may be used.
    #[must_use]
    pub fn key(&self, hash: Hash) -> Option<&Ha1> {
        self.keys.iter().find(|key| key.hash() == hash)
    }

    /// The challenges of a 401 or 407 to answer: at most one for each asker (RFC 3261 §22.3: a forked request may bring
    /// both in one response).
    pub fn choose(&self, response: &Message) -> Result<Vec<(Asker, Challenge<'static>)>, Unproven> {
        let mut chosen = Vec::new();
        let (mut read, mut ours, mut bare) = (false, false, false);
        for asker in Asker::ALL {
            let lines = response.lines(asker.asks_in()).take(CHALLENGES_MAX);
            let challenges: Vec<_> = lines.filter_map(|line| Challenge::read(line).ok().flatten()).collect();
            read |= !challenges.is_empty();
            ours |= challenges.iter().any(|challenge| *challenge.realm == *self.realm.as_bytes());
            let may = |hash| self.key(hash).is_some();
            // RFC 7616 §3.4: qop must be there; RFC 2069's challenge is answered where nothing better stands beside it, and
            // where the policy says so.
            let (with, without): (Vec<_>, Vec<_>) =
                challenges.into_iter().partition(|challenge| challenge.qop.is_some());
            let realm = self.realm.as_bytes();
            let best = Challenge::choose(with, realm, may).or_else(|| {
                let old = Challenge::choose(without, realm, may);
                bare |= old.is_some();
                old.filter(|_| self.without_qop)
            });
            chosen.extend(best.map(|best| (asker, best.into_owned())));
        }
        match (chosen.is_empty(), ours, read) {
            (false, ..) => Ok(chosen),
            (true, true, _) if bare => Err(Unproven::WithoutQop),
            (true, true, _) => Err(Unproven::Unsound),
            (true, false, true) => Err(Unproven::OtherRealm),
            (true, false, false) => Err(Unproven::Unreadable),
        }
    }
}

impl Unproven {
    /// The alert of a challenge that was not answered: who asked, and for which realm.
    #[must_use]
    pub fn alert(self, at: Wall, peer: Option<&Arc<str>>, flow: &Flow, response: &Message) -> Alert {
        let who = peer.map_or("a peer", |name| name);
        let mut alert = Alert::new(self.code(), at, format!("{who} at {} {}", flow.remote, self.text()));
        alert.peer = peer.cloned();
        alert.source = Some(flow.remote);
        alert.transport = Some(flow.transport);
        if let Some(realm) = realm(response) {
            alert.evidence.push(("realm", realm));
        }
        alert
    }
}

/// The realm that a challenge names, shortened and printable.
fn realm(response: &Message) -> Option<String> {
    let lines = Asker::ALL.into_iter().flat_map(|asker| response.lines(asker.asks_in()).take(1));
    let challenge = lines.filter_map(|line| Challenge::read(line).ok().flatten()).next()?;
    Some(shortened(&challenge.realm.escape_ascii().to_string()))
}
