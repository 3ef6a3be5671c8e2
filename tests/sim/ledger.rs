//! The invariants, checked after every step.
//!
//! Owns what was seen so far and what follows from it. Refuses to know how the engine works inside.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

use ringfence::call::CallRecord;
use ringfence::engine::Gauges;

use super::agent::GIVE_UP;
use super::policy::{EDGE_INSIDE, EDGE_OUTSIDE, PEERS};
use super::text::{Sip, is_keep_alive, uri_of, user_of};
use super::wire::{MS, Micros, SECOND};

/// After the last new message the engine may live so much longer than 64*T1: timers I, K (T4) and one second of grace.
const MARGIN: Micros = 6 * SECOND;

/// What was seen, and what is wrong with it.
#[derive(Debug, Default)]
pub struct Ledger {
    /// First INVITEs that reached the edge from a known peer: Call-ID to (Max-Forwards, number).
    attempts: BTreeMap<String, (u8, String)>,
    /// The CSeq numbers of those INVITEs: each is an attempt of its own.
    numbers: BTreeMap<String, BTreeSet<u32>>,
    /// Numbers that a known peer has transferred a call to, with the REFER's Max-Forwards.
    referred: BTreeMap<String, u8>,
    /// Records of calls that a transfer made.
    followed: BTreeSet<u128>,
    /// Records written, by the A leg's Call-ID.
    records: BTreeMap<String, usize>,
    /// Who was made to seem to send a message of a dialog that is another's: address and Call-ID.
    forged: BTreeSet<(IpAddr, String)>,
    /// Callers who asked not to be shown: number, and the host that their From names.
    hidden: BTreeSet<(String, String)>,
    /// INVITEs of the attacker that were refused: address and branch. A CANCEL for one gets its 200 (RFC 3261 §9.2) and
    /// has done nothing.
    refused: BTreeSet<(IpAddr, String)>,
    /// Whether a peer may be anywhere: then a stranger may be asked who it is, and nothing else.
    pub roams: bool,
    /// Messages seen, without their repetitions.
    seen: BTreeSet<u64>,
    /// When the last message that was no repetition passed the edge.
    pub last_news: Micros,
    /// Since when every gauge is zero.
    pub empty_since: Option<Micros>,
    /// What is wrong, in words, first first.
    pub violations: Vec<String>,
}

impl Ledger {
    /// Notes a violation.
    pub fn violate(&mut self, at: Micros, text: impl Into<String>) {
        if self.violations.len() < 20 {
            self.violations.push(format!("at {} ms: {}", at / MS, text.into()));
        }
    }

    /// A message reached the edge from a peer.
    pub fn arrived(&mut self, at: Micros, bytes: &[u8]) {
        self.note_news(at, bytes);
        let Ok(message) = Sip::read(bytes) else { return };
        let hops = message.header("Max-Forwards").and_then(|value| value.parse().ok()).unwrap_or(70);
        if message.status().is_none() && message.method() == "REFER" {
            let number = message.header("Refer-To").map(|to| user_of(uri_of(to)).to_owned());
            self.referred.extend(number.map(|number| (number, hops)));
        }
        if message.status().is_none() && message.method() == "INVITE" && message.to_tag().is_none() {
            let number = user_of(message.uri()).to_owned();
            self.numbers.entry(message.call_id().to_owned()).or_default().insert(message.cseq().0);
            self.note_hidden(&message);
            self.attempts.entry(message.call_id().to_owned()).or_insert((hops, number));
        }
    }

    fn note_hidden(&mut self, invite: &Sip) {
        let asks = invite.header("Privacy").is_some_and(|privacy| {
            privacy.split(';').any(|word| matches!(word.trim(), "id" | "user" | "header"))
        });
        if let (true, Some(from)) = (asks, invite.header("From").map(uri_of)) {
            let host = from.rsplit('@').next().unwrap_or_default();
            self.hidden.insert((user_of(from).to_owned(), host.to_owned()));
        }
    }

    /// The attacker sent a message under `from`; the answer may hold what the message held.
    pub fn forged(&mut self, from: IpAddr, bytes: &[u8]) {
        if let Ok(message) = Sip::read(bytes) {
            self.forged.insert((from, message.call_id().to_owned()));
        }
    }

    /// The edge sent a message to `to`, which is peer `peer` of the site.
    pub fn sent(&mut self, at: Micros, to: SocketAddr, peer: Option<usize>, bytes: &[u8]) {
        self.note_news(at, bytes);
        let Some(peer) = peer else {
            if self.roams && is_bare_question(bytes) {
                return;
            }
            self.violate(at, format!("sent to {to}, which is no peer: {}", String::from_utf8_lossy(bytes)));
            return;
        };
        if is_keep_alive(bytes) {
            return;
        }
        let Ok(message) = Sip::read(bytes) else {
            self.violate(at, format!("unreadable: {}", String::from_utf8_lossy(bytes)));
            return;
        };
        let echo =
            message.status().is_some() && self.forged.contains(&(to.ip(), message.call_id().to_owned()));
        let invite = (to.ip(), message.branch().to_owned());
        let harmless = message.cseq().1 == "CANCEL" && self.refused.contains(&invite);
        if echo && message.cseq().1 == "INVITE" && message.status().is_some_and(|status| status >= 300) {
            self.refused.insert(invite);
        }
        if echo && !harmless && message.status().is_some_and(|status| (200..300).contains(&status)) {
            self.violate(at, format!("{to} had its way in a dialog that is another's: {}", message.method()));
        }
        if message.status().is_some_and(|status| matches!(status, 401 | 407)) {
            self.unproven(&message);
        }
        let shown = if echo { without_echo(&message) } else { bytes.to_vec() };
        for secret in secrets_from(peer) {
            if contains(&shown, secret.as_bytes()) {
                let text = String::from_utf8_lossy(bytes).into_owned();
                self.violate(at, format!("{secret:?} of another leg shown to {to}:\n{text}"));
            }
        }
        let own = to.to_string();
        for (caller, _) in self.hidden.clone().into_iter().filter(|(_, host)| *host != own) {
            if contains(&shown, caller.as_bytes()) {
                let text = String::from_utf8_lossy(bytes).into_owned();
                self.violate(at, format!("{caller}, who asked to be hidden, shown to {to}:\n{text}"));
            }
        }
        if message.status().is_none() && message.method() == "INVITE" && message.to_tag().is_none() {
            let number = user_of(message.uri());
            let hops: Option<u8> = message.header("Max-Forwards").and_then(|value| value.parse().ok());
            let came = self.attempts.values().find(|(_, known)| known == number).map(|(hops, _)| *hops);
            let came = came.or_else(|| self.referred.get(number).copied());
            if hops.is_none() || hops.map(|hops| hops + 1) != came {
                self.violate(at, format!("Max-Forwards {came:?} left as {hops:?}"));
            }
        }
    }

    /// The edge asked who calls: what has proven nothing is no attempt yet.
    fn unproven(&mut self, response: &Sip) {
        let (number, method) = response.cseq();
        let Some(numbers) = self.numbers.get_mut(response.call_id()).filter(|_| method == "INVITE") else {
            return;
        };
        numbers.remove(&number);
        if numbers.is_empty() {
            self.numbers.remove(response.call_id());
            self.attempts.remove(response.call_id());
        }
    }

    /// A record was written.
    pub fn recorded(&mut self, at: Micros, record: &CallRecord) {
        if record.follows.is_some() {
            // It was nobody's INVITE, and stands beside the record of the call that it came of.
            if !self.followed.insert(record.id) {
                self.violate(at, format!("two records {:x}", record.id));
            }
            return;
        }
        let call_id = record.legs.first().map(|leg| leg.call_id.clone()).unwrap_or_default();
        if !self.attempts.contains_key(&call_id) {
            self.violate(at, format!("a record for Call-ID {call_id:?}, which nobody sent"));
        }
        let count = self.records.entry(call_id.clone()).or_insert(0);
        *count += 1;
        if *count > self.numbers.get(&call_id).map_or(1, BTreeSet::len) {
            let count = *count;
            self.violate(at, format!("{count} records for Call-ID {call_id:?}"));
        }
    }

    /// The gauges after a step.
    pub fn gauges(&mut self, at: Micros, gauges: &Gauges) {
        let open = self.attempts.len().saturating_sub(self.records.len());
        let reserved: u64 = gauges.reserved.iter().map(|(_, count)| u64::from(*count)).sum();
        if gauges.calls == 0 && reserved > 0 {
            self.violate(at, format!("no call, and reserved: {:?}", gauges.reserved));
        }
        if gauges.calls == 0 && gauges.drawn_on > 0 {
            self.violate(at, format!("no call, and {} accounts are drawn on", gauges.drawn_on));
        }
        // A channel stays taken until the far side's leg has ended, which may be later than the record.
        for (holder, count) in &gauges.reserved {
            // A call that a transfer made may have both of its legs with one peer.
            let most = if self.referred.is_empty() { gauges.calls } else { 2 * gauges.calls };
            if *count as usize > most {
                self.violate(at, format!("{} calls, and {count} reserved for {holder}", gauges.calls));
            }
        }
        if gauges.calls < open {
            self.violate(at, format!("{open} attempts without a record, and only {} calls", gauges.calls));
        }
        if is_empty(gauges) {
            self.empty_since.get_or_insert(at);
        } else {
            self.empty_since = None;
        }
    }

    /// Everything is over: what must hold at the end.
    pub fn close(&mut self, at: Micros, gauges: &Gauges) {
        let missing: Vec<String> =
            self.attempts.keys().filter(|call_id| !self.records.contains_key(*call_id)).cloned().collect();
        for call_id in missing {
            self.violate(at, format!("no record for Call-ID {call_id:?}"));
        }
        match self.empty_since {
            None => self.violate(at, format!("never empty: {gauges:?}")),
            Some(since) if since > self.last_news + GIVE_UP + MARGIN => {
                let text =
                    format!("last news at {} ms, empty only at {} ms", self.last_news / MS, since / MS);
                self.violate(at, text);
            }
            Some(_) => {}
        }
    }

    fn note_news(&mut self, at: Micros, bytes: &[u8]) {
        let mut hash = 0xcbf2_9ce4_8422_2325_u64;
        for byte in bytes {
            hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
        if self.seen.insert(hash) {
            self.last_news = at;
        }
    }
}

/// Whether nothing at all is left in the engine.
pub fn is_empty(gauges: &Gauges) -> bool {
    let Gauges {
        calls,
        dialogs,
        server_transactions,
        client_transactions,
        timers,
        reserved,
        watched,
        drawn_on,
    } = gauges;
    *calls == 0
        && *dialogs == 0
        && *server_transactions == 0
        && *client_transactions == 0
        && *timers == 0
        && *watched == 0
        && reserved.is_empty()
        && *drawn_on == 0
}

/// What peer number `peer` must never see: every other peer's marks and addresses, and the edge's other face.
fn secrets_from(peer: usize) -> Vec<String> {
    let inside = PEERS.get(peer).is_some_and(|(_, _, inside)| *inside);
    let mut secrets = vec![if inside { EDGE_OUTSIDE } else { EDGE_INSIDE }.to_owned()];
    for (index, (name, address, _)) in PEERS.iter().enumerate() {
        if index != peer {
            secrets.push(format!("mark-{name}-"));
            secrets.push((*address).to_owned());
        }
    }
    secrets
}

/// A challenge that holds nothing of any peer but what its own request held.
fn is_bare_question(bytes: &[u8]) -> bool {
    // What a forger broke comes back broken.
    let Ok(message) = Sip::read(String::from_utf8_lossy(bytes).as_bytes()) else { return false };
    let shown = without_echo(&message);
    let names = |(name, at, _): &(&str, &str, bool)| {
        contains(&shown, format!("mark-{name}-").as_bytes()) || contains(&shown, at.as_bytes())
    };
    message.status().is_some_and(|status| matches!(status, 401 | 407)) && !PEERS.iter().any(names)
}

/// A response without what every response gives back of its request (RFC 3261 §8.2.6.2).
fn without_echo(response: &Sip) -> Vec<u8> {
    let mut bare = response.clone();
    bare.headers.retain(|(name, _)| !matches!(name.as_str(), "Via" | "From" | "To" | "Call-ID" | "CSeq"));
    bare.write()
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    memchr::memmem::find(haystack, needle).is_some()
}
