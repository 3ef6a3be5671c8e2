//! A login that a trunk refused: when it may be shown again.
//!
//! Owns the pause, for carriers lock a user after a few wrong tries, and a probe alone would be a dozen a minute. Refuses to
//! know challenges. Read first: RFC 3261 §22.2 (a client must not try again with what was just refused).

use std::sync::Arc;
use std::time::Duration;

use crate::call::Branch;
use crate::clock::Tick;
use crate::policy::{Login, PeerId};

/// The pause before a call may try again; it doubles with each refusal, up to `PAUSE_MAX`. Without any try a password that was
/// put right at the carrier would be found by nobody.
const PAUSE_FIRST: Duration = Duration::from_secs(30);

/// The longest pause of a call, and the pause of every probe: nobody waits for a probe.
const PAUSE_MAX: Duration = Duration::from_secs(300);

/// What a login would be shown for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// A call, or a MESSAGE: somebody waits for it.
    Call,
    /// A probe.
    Probe,
    /// What may always try: a BYE, for a call that is left up costs money, and a registration, which has a pause of its own.
    Must,
}

/// One login that was refused last.
#[derive(Debug)]
struct Refused {
    peer: PeerId,
    login: Arc<Login>,
    /// How often in a row.
    times: u32,
    /// When it was shown or refused last.
    at: Tick,
    /// The request that shows it once more.
    trial: Option<Branch>,
}

/// The logins that were refused last: one for each peer at most.
#[derive(Debug, Default)]
pub(super) struct Refusals(Vec<Refused>);

impl Refusals {
    /// It was shown and refused.
    pub fn note(&mut self, now: Tick, peer: PeerId, login: &Arc<Login>) {
        match self.0.iter_mut().find(|one| one.peer == peer) {
            Some(one) => {
                one.times = one.times.saturating_add(1);
                (one.at, one.trial) = (now, None);
            }
            None => self.0.push(Refused { peer, login: Arc::clone(login), times: 1, at: now, trial: None }),
        }
    }

    /// Whether it may be shown to a peer that asks; the next one waits then as long again.
    pub fn may_show(&mut self, now: Tick, peer: PeerId, purpose: Purpose) -> bool {
        let Some(one) = self.0.iter_mut().find(|one| one.peer == peer) else { return true };
        let doubled = 1_u32.checked_shl(one.times.saturating_sub(1)).unwrap_or(u32::MAX);
        let pause = match purpose {
            Purpose::Call => PAUSE_FIRST.saturating_mul(doubled).min(PAUSE_MAX),
            Purpose::Probe => PAUSE_MAX,
            Purpose::Must => return true,
        };
        let may = one.at.after(pause) <= now;
        if may {
            one.at = now;
        }
        may
    }

    /// Whether this peer refused it last: then nothing is shown before it asks.
    pub fn hold(&self, peer: PeerId) -> bool {
        self.0.iter().any(|one| one.peer == peer)
    }

    /// This request shows it.
    pub fn shown(&mut self, peer: PeerId, branch: Branch) {
        if let Some(one) = self.0.iter_mut().find(|one| one.peer == peer) {
            one.trial = Some(branch);
        }
    }

    /// A response: one that is about what was asked, and not about who asks, says that the login is good by now.
    pub fn answered(&mut self, branch: Branch, status: u16) {
        // 403 is how some refuse a login, and 408 and 5xx may come from before whoever would ask.
        if status > 100 && !matches!(status, 401 | 403 | 407 | 408 | 500..=599) {
            self.0.retain(|one| one.trial != Some(branch));
        }
    }

    /// A new policy: what was said of a login that changed is forgotten.
    pub fn retain(&mut self, stands: impl Fn(PeerId, &Arc<Login>) -> bool) {
        self.0.retain(|one| stands(one.peer, &one.login));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sip::digest::{Ha1, Hash};

    const PEER: PeerId = PeerId(1);

    fn at(seconds: u64) -> Tick {
        Tick::from_micros(seconds * 1_000_000)
    }

    fn login(password: &[u8]) -> Arc<Login> {
        let keys = vec![Ha1::new(Hash::Sha256, b"u", b"r", password)];
        Arc::new(Login { user: "u".into(), realm: "r".into(), keys, without_qop: false })
    }

    /// Each row: when, for what, whether it may be shown; where it may, it is refused at once.
    fn played(rows: &[(u64, Purpose, bool)]) {
        let (mut refusals, login) = (Refusals::default(), login(b"wrong"));
        for (seconds, purpose, may) in rows {
            assert_eq!(refusals.may_show(at(*seconds), PEER, *purpose), *may, "{seconds} s {purpose:?}");
            if *may {
                refusals.note(at(*seconds), PEER, &login);
            }
        }
    }

    #[test]
    fn calls_try_again_after_pauses_that_double_and_probes_after_the_longest() {
        use Purpose::{Call, Must, Probe};
        played(&[(1, Call, true), (30, Call, false), (31, Call, true), (90, Call, false), (91, Call, true)]);
        played(&[(1, Call, true), (31, Call, true), (91, Call, true), (211, Call, true), (450, Call, false)]);
        played(&[(1, Call, true), (31, Call, true), (91, Call, true), (211, Call, true), (451, Call, true)]);
        played(&[(1, Probe, true), (6, Probe, false), (300, Probe, false), (301, Probe, true)]);
        // A try of the one is a try for the other.
        played(&[(1, Probe, true), (31, Call, true), (301, Probe, false), (331, Probe, true)]);
        played(&[(1, Probe, true), (2, Must, true), (3, Must, true), (4, Call, false)]);
    }

    #[test]
    fn a_try_under_way_is_the_only_one_and_ends_the_pauses_when_it_is_served() {
        let (mut refusals, login) = (Refusals::default(), login(b"wrong"));
        for (status, ends) in
            [(100, false), (401, false), (403, false), (503, false), (180, true), (404, true)]
        {
            refusals.note(at(0), PEER, &login);
            assert!(refusals.may_show(at(1_000), PEER, Purpose::Call));
            assert!(!refusals.may_show(at(1_001), PEER, Purpose::Call), "one at a time");
            refusals.shown(PEER, Branch(7));
            refusals.answered(Branch(8), 200);
            assert!(refusals.hold(PEER), "another request says nothing");
            refusals.answered(Branch(7), status);
            assert_eq!(refusals.hold(PEER), !ends, "{status}");
        }
    }

    #[test]
    fn another_login_or_another_peer_is_another_matter() {
        let mut refusals = Refusals::default();
        refusals.note(at(0), PEER, &login(b"wrong"));
        assert!(refusals.may_show(at(0), PeerId(2), Purpose::Probe));
        refusals.retain(|_, known| *known == login(b"wrong"));
        assert!(refusals.hold(PEER));
        refusals.retain(|_, known| *known == login(b"right"));
        assert!(!refusals.hold(PEER));
    }
}
