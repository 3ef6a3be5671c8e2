//! What outsiders found full, told folded: the table of connections, the share of it that guests have, and how many of their
//! frames are read.
//!
//! Owns the counts that no alert has told yet, and the sentences. Refuses to know the tables. Read first: DESIGN.md §1,
//! law 9; attack row F1.

use std::time::Duration;

use super::super::alert::Alert;
use super::super::table::Medium;
use super::super::{Policy, code};
use super::GUESTS_PER_SECOND_MAX;
use crate::clock::{Now, Tick, Wall};
use crate::sip::ListenerId;

/// The first is told after, with all that came until then.
const FIRST_DELAY: Duration = Duration::from_secs(1);

/// What was full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Full {
    /// The table of connections: whoever connected was turned away, listed or not.
    Connections,
    /// The share of it that unlisted machines have until they prove who they are.
    Guests,
    /// The budget of frames that are read of them, at one listener over one kind of transport.
    Frames(ListenerId, Medium),
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
        let place = self.0.iter().position(|known| known.what == what).unwrap_or_else(|| {
            self.0.push(Untold { what, count: 0, first: now.wall, tell_at: now.tick });
            self.0.len() - 1
        });
        let Some(untold) = self.0.get_mut(place) else { return };
        if untold.count == 0 {
            untold.first = now.wall;
            untold.tell_at = untold.tell_at.max(now.tick.after(FIRST_DELAY));
        }
        untold.count = untold.count.saturating_add(1);
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
    let (code, evidence, text) = match untold.what {
        Full::Connections => (
            code::TABLE_NEAR_LIMIT,
            ("table", "connections".to_owned()),
            format!(
                "As many connections are open as `streams.connections` lets: {count} more were turned away, whoever they \
                 came from. Raise it if this load is meant; else look in the log and with `ss -tn` who holds them."
            ),
        ),
        Full::Guests => (
            code::TABLE_NEAR_LIMIT,
            ("table", "guests".to_owned()),
            format!(
                "As many connections are open as `streams.guests` lets of machines that no peer lists and that have proven \
                 nothing yet: {count} more were turned away. Peers, and roaming ones that have proven a password or \
                 certificate, have their places apart. Raise it only if so many phones connect at once; else somebody \
                 holds them (`ss -tn` shows who), each for `streams.guest_timeout` at most."
            ),
        ),
        Full::Frames(listener, medium) => {
            let name = policy.listener(listener).map_or("?", |listener| &listener.name).to_owned();
            let (over, whence) = match medium {
                Medium::Datagrams => ("UDP", "their addresses may be forged"),
                Medium::Streams => ("TCP and TLS", "`ss -tn` shows from where"),
            };
            let text = format!(
                "Machines that no peer lists sent {count} message(s) more over {over} to listener {name} than the \
                 {GUESTS_PER_SECOND_MAX} a second that are read there before a password is proven: they were dropped \
                 unread, and no connection was closed for it. Somebody floods it; {whence}. Peers, who has proven a \
                 password, other listeners and other kinds of transport are counted apart."
            );
            (code::CALL_RATE_EXCEEDED, ("listener", name), text)
        }
    };
    let mut alert = Alert::new(code, untold.first, text);
    alert.count = count;
    alert.evidence.push(evidence);
    Box::new(alert)
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
}
