//! Floods of calls from a trunk, to one number or to all: seen, met step by step, and kept off everybody else.
//!
//! Owns the ladder of each number and of each trunk, who calls too often, who called once already, who is known, and whom somebody
//! who helps may be calling back. Each table has its bound. Refuses to read messages, and to know channels beyond the share that is
//! taken. Like a bucket it judges and counts at once, before rules are asked. Nothing here touches a call from inside.
//! Read first: spec/limits.md, "TDoS"; attack row F7; RFC 7090 (calls back of who helps).

mod baseline;
mod known;
mod level;
mod slots;
mod watched;

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

pub use known::Known;
pub use level::{CROWDED, CROWDED_OUT, Level};
pub use slots::{KEYS_MAX, Slots};
pub use watched::{Flooded, WATCHED_MAX};

use super::Alert;
use super::alert::Code;
use super::code;
use super::keyed::tail;
use super::peer::PeerId;
use super::route::Pattern;
use super::table::Rate;
use crate::clock::{Now, Tick};
use watched::Watched;

/// For so long after a call for help whoever helps may call back as they like.
pub const CALLBACK_FOR: Duration = Duration::from_secs(4 * 3_600);
/// Numbers, and sites, that called for help; the first to end makes room.
const HELPED_MAX: usize = 512;
/// Refused calls a second that get a record and a transaction each; the others are answered, counted and told as a sum.
const RECORDED_PER_SECOND: u32 = 10;
/// Between two alerts of one number, or one trunk.
const TOLD_EVERY: Duration = Duration::from_secs(900);
/// Seconds of Retry-After of a 503: the least, and how many more at random.
const AWAY_SECONDS: (u32, u32) = (60, 241);

/// How floods are met.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Calls a minute to one number that are no flood, whatever it is used to. Default 10.
    pub calls_per_minute: u32,
    /// The same over one trunk; `None` is as many, or two for each channel of its site where that is more.
    pub trunk_calls_per_minute: Option<u32>,
    /// How many times what it is used to is a flood. Default 4.
    pub times: u32,
    /// How long calls must come so fast. Default 30 s.
    pub sustained: Duration,
    /// Calls a minute of one caller while a flood is met. Default 3.
    pub caller_per_minute: u32,
    /// Hundredths of the channels that are for callers who are known. Default 30.
    pub reserved: u32,
    /// A caller who talked for so long is known. Default 30 s.
    pub known_after: Duration,
    /// For how long. Default 90 days.
    pub known_for: Duration,
    /// Who is not known is let in who calls again after. Default 20 s.
    pub again_after: Duration,
    /// And not later than. Default 5 min.
    pub again_within: Duration,
    /// How long the worst flood's calls may ring. Default 20 s.
    pub ring_max: Duration,
    /// How long it must be quiet for one step down. Default 5 min.
    pub quiet: Duration,
    /// Callers who are never held off.
    pub allow: Vec<Pattern>,
    /// Trunks that hear 503, and take the call elsewhere. Default none.
    pub failover: Vec<PeerId>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            calls_per_minute: 10,
            trunk_calls_per_minute: None,
            times: 4,
            sustained: Duration::from_secs(30),
            caller_per_minute: 3,
            reserved: 30,
            known_after: Duration::from_secs(30),
            known_for: Duration::from_secs(90 * 86_400),
            again_after: Duration::from_secs(20),
            again_within: Duration::from_secs(300),
            ring_max: Duration::from_secs(20),
            quiet: Duration::from_secs(300),
            allow: Vec::new(),
            failover: Vec::new(),
        }
    }
}

impl Settings {
    fn trunk_limit(&self, channels: u32) -> u32 {
        let more = channels.saturating_mul(2).max(self.calls_per_minute);
        self.trunk_calls_per_minute.unwrap_or(more)
    }
}

/// A call that comes over a trunk.
#[derive(Debug, Clone, Copy)]
pub struct Knock<'a> {
    /// The trunk.
    pub trunk: (PeerId, &'a str),
    /// Whose callers are known together: the site's name, or that of a trunk without one.
    pub circle: &'a str,
    /// Who calls, as it was read.
    pub caller: &'a str,
    /// The number called; empty stands for all that the site does not own.
    pub called: &'a str,
    /// Channels of the site.
    pub channels: u32,
    /// Hundredths of them, or of the trunk's own calls, that are taken.
    pub taken: u32,
    /// Whether it says that it is a call back of who helps (RFC 7090).
    pub calls_back: bool,
    /// Random bits.
    pub draw: u64,
}

/// What becomes of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Nothing here holds it off.
    Pass,
    /// It is refused.
    Refuse(Held),
}

/// How it is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// 39401, or 39404 where who is not known must call again.
    pub code: Code,
    /// The status, where the code's own does not stand.
    pub status: Option<u16>,
    /// Seconds.
    pub retry_after: Option<u32>,
    /// Why.
    pub why: &'static str,
    /// Whether it gets a record; the others are a sum.
    pub recorded: bool,
}

/// All that is remembered.
#[derive(Debug)]
pub struct Floods {
    seed: u64,
    watched: Watched,
    /// When a caller of a flood may call next, by its pace.
    paced: Slots,
    /// When who is not known called first.
    first: Slots,
    /// Who is known.
    pub known: Known,
    helped: Vec<(u64, Tick)>,
    recorded: u64,
    refused: u64,
}

const fn micros(now: Now) -> u64 {
    now.tick.micros()
}

impl Floods {
    /// Nobody has called yet. `seed` is secret to the process.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            watched: Watched::default(),
            paced: Slots::default(),
            first: Slots::default(),
            known: Known::default(),
            helped: Vec::new(),
            recorded: 0,
            refused: 0,
        }
    }

    fn key(&self, what: &str, of: impl Hash) -> u64 {
        let mut hasher = DefaultHasher::new();
        (self.seed, what, of).hash(&mut hasher);
        hasher.finish()
    }

    /// The key of a caller who may be known to a circle, under a seed that outlives the process; `None` where it is no number.
    #[must_use]
    pub fn caller_key(seed: u64, circle: &str, caller: &str) -> Option<u64> {
        let mut hasher = DefaultHasher::new();
        (seed, "known caller", circle, tail(caller)?).hash(&mut hasher);
        Some(hasher.finish())
    }

    /// Judges a call and counts it. `known` is the key of its caller. What is to be told goes to `alerts`.
    pub fn knock(
        &mut self,
        settings: &Settings,
        now: Now,
        (knock, known): (&Knock<'_>, Option<u64>),
        alerts: &mut impl Extend<Box<Alert>>,
    ) -> Answer {
        let (trunk, name) = knock.trunk;
        let (did, line) = (self.key("number", (trunk.0, knock.called)), self.key("trunk", trunk.0));
        let limit = (settings.calls_per_minute, knock.taken);
        let (mut level, fast) = self.watched.count(settings, now, (did, (name, knock.called)), limit);
        let mut key = did;
        // What is a flood of one number says nothing about the others.
        if !fast {
            let limit = (settings.trunk_limit(knock.channels), knock.taken);
            let (whole, _) = self.watched.count(settings, now, (line, (name, "")), limit);
            if whole.rank() > level.rank() {
                (level, key) = (whole, line);
            }
        }
        if level.rank() == 0 || self.is_free(settings, now.tick, knock) {
            return Answer::Pass;
        }
        let is_known = || known.is_some_and(|known| self.known.knows(now.wall, known, settings.known_for));
        let held = match level {
            Level::Watch { .. } => None,
            Level::Pace { .. } => self.pace(settings, now, key, knock.caller),
            Level::Reserve { .. } | Level::Shut { .. } if is_known() => {
                self.pace(settings, now, key, knock.caller)
            }
            Level::Reserve { .. } => {
                let paced = self.pace(settings, now, key, knock.caller);
                paced.or_else(|| self.again(settings, now, key, knock))
            }
            Level::Shut { .. } => {
                Some((code::DID_FLOOD, Some(486), None, "only callers who are known are let in"))
            }
        };
        let Some((code, status, retry_after, why)) = held else {
            self.watched.tell(now, key, None, TOLD_EVERY, alerts);
            return Answer::Pass;
        };
        self.refused = self.refused.saturating_add(1);
        self.watched.tell(now, key, Some(code), TOLD_EVERY, alerts);
        let away = settings.failover.contains(&trunk);
        let (least, more) = AWAY_SECONDS;
        let jitter = u32::try_from(knock.draw % u64::from(more)).unwrap_or(0);
        Answer::Refuse(Held {
            code,
            status: if away { Some(503) } else { status },
            retry_after: if away { Some(least.saturating_add(jitter)) } else { retry_after },
            why,
            recorded: self.records(now.tick),
        })
    }

    /// Whether a call is one that nothing holds off.
    fn is_free(&self, settings: &Settings, now: Tick, knock: &Knock<'_>) -> bool {
        let listed = || settings.allow.iter().any(|pattern| pattern.fits(knock.caller));
        let helped = |key: u64| self.helped.iter().any(|(known, until)| *known == key && now < *until);
        // Anybody can write that it helps: it counts where somebody there has called for help.
        let calls_back = || knock.calls_back && helped(self.helped_key(knock.circle, ""));
        listed()
            || calls_back()
            || !knock.called.is_empty() && helped(self.helped_key(knock.circle, knock.called))
    }

    /// RFC 7090 §1: the site's number that is shown to whoever helps is called back.
    fn helped_key(&self, circle: &str, number: &str) -> u64 {
        self.key("helped", (circle, tail(number).unwrap_or(number)))
    }

    /// Somebody of a circle calls for help, and shows one of these numbers.
    pub fn helps(&mut self, now: Tick, circle: &str, numbers: &[&str]) {
        for number in numbers.iter().chain(&[""]) {
            let key = self.helped_key(circle, number);
            self.helped.retain(|(known, until)| *known != key && now < *until);
            if self.helped.len() >= HELPED_MAX {
                self.helped.remove(0);
            }
            self.helped.push((key, now.after(CALLBACK_FOR)));
        }
    }

    /// Holds a caller to its pace.
    fn pace(&mut self, settings: &Settings, now: Now, key: u64, caller: &str) -> Option<Refused> {
        let minute = Duration::from_secs(60);
        let rate = Rate::new(settings.caller_per_minute, minute, settings.caller_per_minute);
        let key = self.key("pace", (key, caller));
        match rate.next(self.paced.find(key).unwrap_or(0), now.tick) {
            Some(next) => {
                self.paced.put(key, next);
                None
            }
            None => {
                let seconds = 60 / settings.caller_per_minute.max(1);
                Some((code::DID_FLOOD, None, Some(seconds.max(1)), "its caller calls too often"))
            }
        }
    }

    /// Who is not known is let in at the second try, while channels are left that are not reserved.
    fn again(&mut self, settings: &Settings, now: Now, key: u64, knock: &Knock<'_>) -> Option<Refused> {
        if knock.taken >= 100_u32.saturating_sub(settings.reserved) {
            let why = "the channels that are left are for callers who are known";
            return Some((code::DID_FLOOD, Some(486), None, why));
        }
        let key = self.key("first", (key, knock.caller));
        let since =
            self.first.find(key).map(|first| Duration::from_micros(micros(now).saturating_sub(first)));
        match since {
            Some(since) if since >= settings.again_after && since <= settings.again_within => None,
            Some(since) if since < settings.again_after => Some(greylisted(settings)),
            Some(_) | None => {
                self.first.put(key, micros(now));
                Some(greylisted(settings))
            }
        }
    }

    /// Whether a refused call gets its record.
    fn records(&mut self, now: Tick) -> bool {
        let rate = Rate::new(RECORDED_PER_SECOND, Duration::from_secs(1), RECORDED_PER_SECOND);
        let next = rate.next(self.recorded, now);
        self.recorded = next.unwrap_or(self.recorded);
        next.is_some()
    }

    /// How long calls of a trunk to a number may ring, where a flood says so.
    #[must_use]
    pub fn ring_max(&self, settings: &Settings, now: Tick, trunk: PeerId, called: &str) -> Option<Duration> {
        let keys = [self.key("number", (trunk.0, called)), self.key("trunk", trunk.0)];
        let worst = keys.into_iter().map(|key| self.watched.level(settings, now, key).rank()).max();
        (worst == Some(3)).then_some(settings.ring_max)
    }

    /// The floods that are met now, the worst first.
    #[must_use]
    pub fn met(&self, settings: &Settings, now: Tick, most: usize) -> Vec<Flooded> {
        self.watched.met(settings, now, most)
    }

    /// Calls that were refused here.
    #[must_use]
    pub const fn refused(&self) -> u64 {
        self.refused
    }

    /// Octets that the tables hold at most for what was seen so far.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.paced.bytes() + self.first.bytes() + self.known.bytes() + self.watched.bytes()
    }
}

/// Code, status, Retry-After, and why.
type Refused = (Code, Option<u16>, Option<u32>, &'static str);

fn greylisted(settings: &Settings) -> Refused {
    let seconds = u32::try_from(settings.again_after.as_secs()).unwrap_or(u32::MAX);
    (code::GREYLISTED, None, Some(seconds), "its caller is not known, and is let in at the second call")
}

#[cfg(test)]
#[path = "../tdos_tests.rs"]
mod tests;
