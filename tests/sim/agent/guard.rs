//! An endpoint that asks who calls: its challenges, and what it makes of the proofs it is shown.
//!
//! Owns nonces and what a strict server objects to: a proof that proves nothing, a count used twice, an ACK that shows
//! less than its INVITE, and any proof shown to who must not see one. Read first: RFC 3261 §22; RFC 7616 §3.

use std::collections::BTreeSet;

use ringfence::sip::digest::{Authorization, Ha1, Hash, User};

use super::Agent;
use crate::sim::text::{Sip, user_of};

/// The user that every guard knows.
pub const USER: &str = "ringfence";
/// Its password.
pub const PASSWORD: &str = "a long way to Tipperary";
/// The realm that its login is for.
pub const REALM: &str = "trunk.example";

/// How an endpoint asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Guard {
    /// 401 or 407.
    pub status: u16,
    /// Realm and hash of each challenge, in the order of their lines.
    pub offers: &'static [(&'static str, Hash)],
    /// The methods asked about; empty for all.
    pub methods: &'static [&'static str],
    /// How often one nonce may be used.
    pub uses: u32,
    /// Whether any proof is good enough.
    pub accepts: bool,
    /// Whether this endpoint may be shown a proof at all.
    pub may_see: bool,
    /// Whether each 2xx names the next nonce.
    pub next: bool,
    /// Whether it has one nonce alone, and asks about every call anew.
    pub repeats: bool,
}

impl Guard {
    /// One challenge for the login's realm.
    pub const USUAL: Self = Self {
        status: 407,
        offers: &[(REALM, Hash::Sha256)],
        methods: &[],
        uses: u32::MAX,
        accepts: true,
        may_see: true,
        next: false,
        repeats: false,
    };

    const fn shown_in(self) -> &'static str {
        if self.status == 401 { "Authorization" } else { "Proxy-Authorization" }
    }
}

/// A nonce that was given.
#[derive(Debug, Clone)]
pub struct Nonce {
    text: String,
    left: u32,
    counts: BTreeSet<u32>,
}

/// What a request shows.
enum Shown {
    Nothing,
    Proof,
    /// A proof under a nonce that was used up.
    Stale,
    Wrong(String),
}

impl Agent {
    /// The guard that a request meets.
    fn guard(&self, request: &Sip) -> Option<Guard> {
        if request.method() == "REGISTER" {
            return self.registrar?.guard;
        }
        let plan = match request.to_tag() {
            Some(_) => self
                .dialogs
                .iter()
                .find(|dialog| dialog.is_named(request.call_id(), request.to_tag(), request.calling_tag()))
                .map(|dialog| &dialog.plan),
            None => {
                let called = user_of(request.uri());
                self.expected.iter().find(|(number, ..)| number == called).map(|(.., plan)| plan)
            }
        };
        plan?.guard.filter(|guard| guard.methods.is_empty() || guard.methods.contains(&request.method()))
    }

    /// Asks who calls, unless the request tells it; true when it was answered so.
    pub(super) fn challenges(&mut self, key: &str, request: &Sip) -> bool {
        let seen = ["Authorization", "Proxy-Authorization"].iter().any(|name| request.header(name).is_some());
        let Some(guard) = self.guard(request) else { return false };
        if seen && !guard.may_see {
            self.complain("a proof was shown to who must not see one");
        }
        let stale = match self.shown(guard, request) {
            Shown::Proof if guard.repeats && self.asked.insert(request.call_id().to_owned()) => false,
            Shown::Proof => return false,
            Shown::Nothing => {
                self.asked.insert(request.call_id().to_owned());
                false
            }
            Shown::Stale => true,
            Shown::Wrong(why) => {
                if guard.accepts {
                    self.complain(&format!("a proof that proves nothing: {why}"));
                }
                false
            }
        };
        let nonce = self.nonce(guard);
        let name = if guard.status == 401 { "WWW-Authenticate" } else { "Proxy-Authenticate" };
        let line = |(realm, hash): &(&str, Hash)| {
            let stale = if stale { ", stale=true" } else { "" };
            let value = format!(
                "Digest realm=\"{realm}\", nonce=\"{nonce}\", opaque=\"o\\\"p\", algorithm={}, qop=\"auth\"{stale}",
                hash.token()
            );
            (name, value)
        };
        let lines: Vec<(&str, String)> = guard.offers.iter().map(line).collect();
        let tag = format!("{}asks", self.mark());
        let tag = request.to_tag().map_or(tag, str::to_owned);
        self.respond_with(key, guard.status, None, &tag, &lines);
        true
    }

    fn nonce(&mut self, guard: Guard) -> String {
        if let Some(only) = self.nonces.last().filter(|_| guard.repeats) {
            return only.text.clone();
        }
        let text = self.token();
        self.nonces.push(Nonce { text: text.clone(), left: guard.uses, counts: BTreeSet::new() });
        text
    }

    /// The nonce that a 2xx names for the next request.
    pub(super) fn next_nonce(&mut self, request: &Sip, status: u16) -> Option<(&'static str, String)> {
        let guard = self.guard(request).filter(|guard| guard.next && (200..300).contains(&status))?;
        Some(("Authentication-Info", format!("nextnonce=\"{}\", qop=auth", self.nonce(guard))))
    }

    fn shown(&mut self, guard: Guard, request: &Sip) -> Shown {
        let lines: Vec<&str> = request.lines(guard.shown_in()).collect();
        let line = match lines.as_slice() {
            [] => return Shown::Nothing,
            [line] => *line,
            _ => return Shown::Wrong("two of them".to_owned()),
        };
        let Ok(Some(shown)) = Authorization::read(line.as_bytes()) else {
            return Shown::Wrong(format!("unreadable: {line}"));
        };
        let strongest = guard.offers.iter().filter(|(realm, _)| *realm == REALM).map(|(_, hash)| *hash);
        let sound = strongest.clone().any(Hash::is_sound);
        let same = |text: &[u8], wanted: &str| text == wanted.as_bytes();
        let named = matches!(&shown.user, User::Named(user) if same(user, USER));
        if !named || !same(&shown.realm, REALM) || !same(&shown.uri, request.uri()) {
            return Shown::Wrong(format!("user, realm or uri: {line}"));
        }
        if sound && !shown.algorithm.hash.is_sound() {
            return Shown::Wrong("MD5, though better was offered".to_owned());
        }
        let ha1 = Ha1::new(shown.algorithm.hash, USER.as_bytes(), REALM.as_bytes(), PASSWORD.as_bytes());
        if !guard.accepts || !shown.is_proven_by(&ha1, request.method().as_bytes(), &request.body) {
            return Shown::Wrong("the response".to_owned());
        }
        let Some(nonce) = self.nonces.iter_mut().find(|nonce| same(&shown.nonce, &nonce.text)) else {
            return Shown::Wrong("a nonce that was never given".to_owned());
        };
        if nonce.left == 0 {
            return Shown::Stale;
        }
        nonce.left -= 1;
        let count = shown.counted.map_or(0, |counted| counted.count);
        if nonce.counts.insert(count) { Shown::Proof } else { Shown::Wrong(format!("count {count} again")) }
    }

    /// RFC 3261 §22.1: the ACK of a 2xx shows what its INVITE showed.
    pub(super) fn compare_proofs(&mut self, ack: &Sip, invite: &Sip) {
        for name in ["Authorization", "Proxy-Authorization"] {
            if ack.header(name) != invite.header(name) {
                self.complain(&format!("ACK with another {name} than its INVITE's"));
            }
        }
    }
}
