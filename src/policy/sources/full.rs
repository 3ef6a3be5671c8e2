//! What outsiders found full, told folded: the table of connections, the share of it that guests have, and how many of their
//! frames are read.
//!
//! Owns the counts that no alert has told yet, and the sentences. Refuses to know the tables. Read first: DESIGN.md §1,
//! law 9; attack row F1.

use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use super::super::alert::Alert;
use super::super::table::{Key, Medium};
use super::super::{PeerId, Policy, code};
use super::GUESTS_PER_SECOND_MAX;
use crate::clock::{Now, Tick, Wall};
use crate::sip::ListenerId;

/// The first is told after, with all that came until then.
const FIRST_DELAY: Duration = Duration::from_secs(1);

/// Sources that are told of by their addresses within one `repeat`.
const SOURCES_MAX: usize = 16;

/// What was full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Full {
    /// The table of connections: whoever connected was turned away, listed or not.
    Connections,
    /// The share of it that unlisted machines have until they prove who they are.
    Guests,
    /// What one source has of either (an IPv6 /64); none stands for the sources that are too many to name.
    Source(Option<IpAddr>),
    /// A datagram of a peer that has proven nothing: no answer is as short as it.
    Answer(PeerId),
    /// The budget of frames that are read of them, at one listener over one kind of transport.
    Frames(ListenerId, Medium),
    /// What is read of the datagrams of one such machine, at one listener. All of them are told together, by the first.
    Datagrams(ListenerId, IpAddr),
    /// What is read of one message of such a machine on a stream: the stream was closed. Told in the same way.
    Message(ListenerId, IpAddr),
}

impl Full {
    /// Whether both are told by one alert.
    fn goes_with(self, other: Self) -> bool {
        match (self, other) {
            (Self::Datagrams(here, _), Self::Datagrams(there, _))
            | (Self::Message(here, _), Self::Message(there, _)) => here == there,
            (one, other) => one == other,
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct Untold {
    what: Full,
    count: u64,
    first: Wall,
    tell_at: Tick,
}

/// What was full and is not told yet; one entry for each thing that can be.
#[derive(Debug, Default)]
pub(super) struct Fulls(Vec<Untold>);

impl Fulls {
    /// Something found no room.
    pub(super) fn note(&mut self, now: Now, what: Full) {
        let what = self.named(now.tick, what);
        let place = self.0.iter().position(|known| known.what.goes_with(what)).unwrap_or_else(|| {
            self.0.push(Untold { what, count: 0, first: now.wall, tell_at: now.tick });
            self.0.len() - 1
        });
        let Some(untold) = self.0.get_mut(place) else { return };
        if untold.count == 0 {
            (untold.what, untold.first) = (what, now.wall);
            untold.tell_at = untold.tell_at.max(now.tick.after(FIRST_DELAY));
        }
        untold.count = untold.count.saturating_add(1);
    }

    /// A source by its own name, while there is room for one.
    fn named(&mut self, now: Tick, what: Full) -> Full {
        let Full::Source(Some(ip)) = what else { return what };
        let what = Full::Source(Some(Key::of(ip).address()));
        if self.0.iter().any(|known| known.what == what) {
            return what;
        }
        let is_source = |known: &Untold| matches!(known.what, Full::Source(Some(_)));
        self.0.retain(|known| !is_source(known) || known.count > 0 || now < known.tell_at);
        let room = self.0.iter().filter(|known| is_source(known)).count() < SOURCES_MAX;
        if room { what } else { Full::Source(None) }
    }

    /// When `drain` has something to say.
    pub(super) fn due(&self) -> Option<Tick> {
        self.0.iter().filter(|untold| untold.count > 0).map(|untold| untold.tell_at).min()
    }

    /// Tells what is due; the same again after `repeat` at the earliest, with all that came meanwhile.
    pub(super) fn drain(
        &mut self,
        policy: &Policy,
        repeat: Duration,
        now: Now,
        alerts: &mut impl Extend<Box<Alert>>,
    ) {
        for untold in self.0.iter_mut().filter(|untold| untold.count > 0 && untold.tell_at <= now.tick) {
            alerts.extend([alert(policy, untold)]);
            untold.count = 0;
            untold.tell_at = now.tick.after(repeat);
        }
    }
}

fn alert(policy: &Policy, untold: &Untold) -> Box<Alert> {
    let count = untold.count;
    let (code, about, evidence, text): Told = match untold.what {
        Full::Connections => (
            code::TABLE_NEAR_LIMIT,
            "connections".into(),
            ("table", "connections".to_owned()),
            format!(
                "As many connections are open as `streams.connections` lets: {count} more were turned away, whoever they \
                 came from. Raise it if this load is meant; else look in the log and with `ss -tn` who holds them."
            ),
        ),
        Full::Guests => (
            code::TABLE_NEAR_LIMIT,
            "guests".into(),
            ("table", "guests".to_owned()),
            format!(
                "As many connections are open as `streams.guests` lets of machines that no peer lists and that have proven \
                 nothing yet: {count} times a newcomer was turned away, or let in and the oldest silent connection of the \
                 address that held most was closed for it. Peers, and roaming ones that have proven a password or \
                 certificate, have their places apart. Raise it only if so many phones connect at once; else somebody \
                 holds them (`ss -tn` shows who), each for `streams.guest_timeout` at most."
            ),
        ),
        Full::Source(source) => {
            let who = source.map_or_else(|| "More sources than are named".to_owned(), |ip| ip.to_string());
            let text = format!(
                "{who} opened {count} connection(s) more than `streams.connections_per_source` (where no peer lists it: \
                 `streams.guests_per_source`) lets one source have; they were turned away. Raise it if many phones share that \
                 address (a NAT); else look there for what opens them and closes none (`ss -tn` shows them)."
            );
            (code::TABLE_NEAR_LIMIT, "source".into(), ("table", "connections of one source".to_owned()), text)
        }
        Full::Answer(peer) => {
            let name = policy.peer(peer).map_or("a peer", |peer| &peer.name);
            let text = format!(
                "From addresses of {name} came {count} request(s) over UDP that are shorter than any answer to them, and got \
                 none: whoever forged that address would make a flood of longer ones. Let {name} speak TCP or TLS, or send \
                 longer requests (one more header, such as User-Agent, will do)."
            );
            (code::AMPLIFICATION_REFUSED, "answer".into(), ("withheld", "answer".to_owned()), text)
        }
        Full::Frames(listener, medium) => unread(policy, listener, |name| of_all(name, medium, count)),
        Full::Datagrams(listener, source) => unread(policy, listener, |name| of_one(name, source, count)),
        Full::Message(listener, source) => too_long(policy, listener, source, count),
    };
    let mut alert = Alert::new(code, untold.first, text);
    alert.count = count;
    alert.about = Some(about);
    match untold.what {
        Full::Source(source) => alert.source = source.map(|ip| SocketAddr::new(ip, 0)),
        Full::Answer(peer) => alert.peer = policy.peer(peer).map(|peer| Arc::clone(&peer.name)),
        Full::Datagrams(_, ip) | Full::Message(_, ip) => alert.source = Some(SocketAddr::new(ip, 0)),
        Full::Connections | Full::Guests | Full::Frames(..) => {}
    }
    alert.evidence.push(evidence);
    Box::new(alert)
}

/// An alert's code, what it is about, its evidence and its text.
type Told = (code::Code, Cow<'static, str>, (&'static str, String), String);

/// Frames of guests were dropped unread at a listener: over what, in short, and in words.
fn unread(policy: &Policy, listener: ListenerId, words: impl Fn(&str) -> (&'static str, String)) -> Told {
    let name = policy.listener(listener).map_or("?", |listener| &listener.name);
    let (over, text) = words(name);
    (code::CALL_RATE_EXCEEDED, format!("{over} {name}").into(), ("listener", name.to_owned()), text)
}

/// A guest's message on a stream was longer than is read of one.
fn too_long(policy: &Policy, listener: ListenerId, source: IpAddr, count: u64) -> Told {
    let name = policy.listener(listener).map_or("?", |listener| &listener.name);
    let text = format!(
        "{source}, or more machines that no peer lists, sent {count} message(s) over TCP or TLS to listener {name} that are \
         longer than `streams.guest_message_bytes` (or than `limits`) before a password was proven: each such connection was \
         closed unanswered. Raise it if a phone of yours sends so much; else somebody fills the memory."
    );
    (code::OVERSIZE, format!("guests {name}").into(), ("listener", name.to_owned()), text)
}

/// They were more than are read of all of them.
fn of_all(name: &str, medium: Medium, count: u64) -> (&'static str, String) {
    let (over, end, whence) = match medium {
        Medium::Datagrams => ("UDP", "", "their addresses may be forged"),
        Medium::Streams => (
            "TCP and TLS",
            ", and their connections closed, so that they try again",
            "`ss -tn` shows from where",
        ),
    };
    let text = format!(
        "Machines that no peer lists sent {count} message(s) more over {over} to listener {name} than the \
         {GUESTS_PER_SECOND_MAX} a second that are read there before a password is proven: they were dropped unread{end}. \
         Somebody floods it; {whence}. Peers, who has proven a password, other listeners and other kinds of transport are \
         counted apart."
    );
    (over, text)
}

/// They were more datagrams than are read of one address.
fn of_one(name: &str, source: IpAddr, count: u64) -> (&'static str, String) {
    let text = format!(
        "{source}, or more machines that no peer lists, sent {count} message(s) more over UDP to listener {name} than are \
         read there of one address before a password is proven: they were dropped unread, and nobody was banned, for the \
         address may be forged. Who has proven a password there, TCP and TLS are counted apart."
    );
    ("UDP of one address", text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Now {
        let micros = seconds * 1_000_000;
        Now { tick: Tick::from_micros(micros), wall: Wall::from_micros(i64::try_from(micros).unwrap()) }
    }

    #[test]
    fn what_is_full_is_told_once_with_its_number_and_again_with_what_came_since() {
        let policy = crate::policy::fixture::policy();
        let mut fulls = Fulls::default();
        let repeat = Duration::from_secs(900);
        let told = |fulls: &mut Fulls, now: Now| {
            let mut alerts: Vec<Box<Alert>> = Vec::new();
            fulls.drain(&policy, repeat, now, &mut alerts);
            alerts.iter().map(|alert| (alert.count, alert.evidence[0].1.clone())).collect::<Vec<_>>()
        };
        assert_eq!(fulls.due(), None);
        (0..3).for_each(|_| fulls.note(at(10), Full::Guests));
        assert_eq!(fulls.due(), Some(at(11).tick));
        assert_eq!(told(&mut fulls, at(10)), []);
        fulls.note(at(11), Full::Connections);
        assert_eq!(told(&mut fulls, at(11)), [(3, "guests".to_owned())]);
        assert_eq!(told(&mut fulls, at(12)), [(1, "connections".to_owned())]);
        assert_eq!(fulls.due(), None, "nothing waits");
        (0..5_000).for_each(|n| fulls.note(at(20 + n / 10), Full::Guests));
        assert_eq!(fulls.due(), Some(at(911).tick), "a flood that goes on is one alert each time");
        assert_eq!(told(&mut fulls, at(910)), []);
        assert_eq!(told(&mut fulls, at(911)), [(5_000, "guests".to_owned())], "and no number is lost");
    }

    #[test]
    fn f1_sources_over_their_share_are_told_by_name_and_those_too_many_to_name_as_one() {
        let policy = crate::policy::fixture::policy();
        let mut fulls = Fulls::default();
        let source = |n: u8| Full::Source(Some(IpAddr::from([203, 0, 113, n])));
        (0..2).for_each(|_| (0..20).for_each(|n| fulls.note(at(10), source(n))));
        let mut alerts: Vec<Box<Alert>> = Vec::new();
        fulls.drain(&policy, Duration::from_secs(900), at(11), &mut alerts);
        let told: Vec<(u64, Option<IpAddr>)> =
            alerts.iter().map(|alert| (alert.count, alert.source.map(|source| source.ip()))).collect();
        assert_eq!(told.len(), SOURCES_MAX + 1);
        assert_eq!(told[0], (2, Some(IpAddr::from([203, 0, 113, 0]))));
        assert_eq!(told[SOURCES_MAX], (8, None), "four more, twice each");
        assert!(alerts.iter().all(|alert| alert.text.contains("streams.connections_per_source")));
        fulls.note(at(1_000), source(200));
        assert!(fulls.0.len() <= 2, "those that went quiet are forgotten: {fulls:?}");
        let v6 = |text: &str| Full::Source(Some(text.parse().unwrap()));
        fulls.note(at(1_000), v6("2001:db8::1"));
        fulls.note(at(1_000), v6("2001:db8::2"));
        assert_eq!(fulls.0.last().unwrap().count, 2, "one /64");
    }

    #[test]
    fn what_is_full_in_different_ways_is_never_one_alert() {
        let policy = crate::policy::fixture::policy();
        let mut fulls = Fulls::default();
        let all = [
            Full::Connections,
            Full::Guests,
            Full::Source(None),
            Full::Answer(PeerId(0)),
            Full::Frames(ListenerId(0), Medium::Datagrams),
            Full::Frames(ListenerId(0), Medium::Streams),
            Full::Frames(ListenerId(1), Medium::Streams),
            Full::Datagrams(ListenerId(0), IpAddr::from([192, 0, 2, 1])),
            Full::Message(ListenerId(0), IpAddr::from([192, 0, 2, 1])),
            Full::Message(ListenerId(1), IpAddr::from([192, 0, 2, 1])),
        ];
        all.into_iter().for_each(|full| fulls.note(at(10), full));
        let mut alerts: Vec<Box<Alert>> = Vec::new();
        fulls.drain(&policy, Duration::from_secs(900), at(11), &mut alerts);
        let mut about: Vec<_> = alerts.iter().map(|alert| alert.about.clone().unwrap()).collect();
        about.sort();
        about.dedup();
        assert_eq!(about.len(), all.len(), "{about:?}");
    }
}
