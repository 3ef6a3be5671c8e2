//! An explanation for a person: how the number was read, where it would go, who was asked, and what came of it.
//!
//! Owns the words and the lines. Whatever came from outside is shown with its signs made harmless. Refuses to decide anything.
//! Read first: `verdict.rs`.

use bytes::Bytes;
use serde_json::{Value, json};

use super::{Explanation, Verdict};
use crate::config::places::Found;
use crate::policy::number::Known;
use crate::policy::peer::PeerSide;
use crate::policy::verdict::{Said, Saw, Step};
use crate::policy::{Alert, Direction};
use crate::sip::parse::{Limits, parse};
use crate::sip::write::reason_phrase;
use crate::sip::{HeaderName, Hop};

/// Columns of what a line begins with.
const LABEL: usize = 12;
/// Columns below which lines are not broken.
const WIDTH_MIN: usize = 40;
/// Hebrew is the first script that is written from right to left; it would turn the line around.
const RIGHT_TO_LEFT: char = '\u{590}';

/// What is said of caps.
const CAPS: &str = "No call is up here: every cap is shown with 0 of its limit in force, nobody is locked out, and every \
                    target is up. The running edge counts what it carries, and suspensions of the running edge are not asked.";
/// What is said of an emergency.
const EMERGENCY: &str = "An emergency: no rule, cap, pace, hour or budget may refuse it. Each target is tried until one answers, \
                         whatever the one before says.";

/// Lines under way.
struct Page {
    out: String,
    width: usize,
    colours: bool,
}

/// How a word stands out on a terminal.
#[derive(Clone, Copy)]
enum Ink {
    Bold,
    Good,
    Bad,
}

/// Draws it.
pub fn draw(explanation: &Explanation, width: usize, colours: bool) -> String {
    let mut page = Page { out: String::new(), width, colours };
    asks(&mut page, explanation);
    if explanation.peer.is_some() {
        number(&mut page, explanation);
        targets(&mut page, explanation);
        rules(&mut page, explanation);
    }
    verdict(&mut page, explanation);
    page.out.truncate(page.out.trim_end().len());
    page.out
}

fn asks(page: &mut Page, one: &Explanation) {
    page.heading(&shown(&one.request.asks));
    match &one.peer {
        Some(peer) => {
            let side = match peer.side {
                PeerSide::Inside => "inside",
                PeerSide::Outside => "outside",
            };
            page.line(
                "from",
                &format!("{} ({side}), {} over {}", peer.name, one.flow.remote, one.flow.transport),
            );
        }
        None => page.line("from", &format!("{} over {}", one.flow.remote, one.flow.transport)),
    }
    if let Some(caller) = &one.request.caller {
        page.line("caller", &shown(caller));
    }
    if let Some(user) = &one.user {
        page.line("credential", &format!("{}, its password taken as shown", shown(user)));
    }
    let meant = one.meant.as_ref().map_or_else(String::new, |meant| format!(" ({meant})"));
    page.line("at", &[one.now.wall.rfc3339(), meant].concat());
    page.line("policy", &shown(one.places.file()));
    for note in &one.request.notes {
        page.line("note", &shown(note));
    }
}

fn number(page: &mut Page, one: &Explanation) {
    page.heading("How the number was read");
    let Some(peer) = &one.peer else { return };
    let Some(dialling) = &peer.dialling else {
        let text = format!("taken as it stands: no dial plan reads it (peers.{}.dial_plan)", peer.name);
        return page.line("plan", &text);
    };
    page.line("plan", &format!("{} ({})", dialling.name, one.place_text(&dialling.path)));
    let told = one.found.told.as_deref();
    match told.and_then(|told| told.number.as_ref()) {
        Some(known) => read(page, known),
        None => {
            let why = told.and_then(|told| told.refusal.as_ref()).map_or("nothing was read", |why| &why.text);
            page.line("read as", &shown(why));
        }
    }
}

fn read(page: &mut Page, known: &Known) {
    let reading = &known.reading;
    let taken: Vec<&str> = reading.way.taken_off().collect();
    if !taken.is_empty() {
        page.line("taken off", &taken.join(", "));
    }
    page.line("read as", &format!("{}: {}", shown(&reading.number.to_string()), reading.way.read_as.text()));
    if let Some((region, country)) = known.region() {
        page.line("country", &format!("{country} ({region})"));
    }
    if let Some(risk) = known.risk() {
        if let Some(kind) = risk.kind {
            page.line("type", kind.name());
        }
        let why = match (known.risk_prefix(), risk.reason) {
            (Some(digits), Some(reason)) => format!(" for +{digits}: {reason}"),
            (Some(digits), None) => format!(" for +{digits}"),
            (None, _) => String::new(),
        };
        page.line("risk", &format!("{}{}", risk.tier.name(), shown(&why)));
    }
    match reading.privacy.name() {
        "unset" => {}
        asked => page.line("caller id", &format!("{asked}: a prefix asks for it")),
    }
    if reading.parameters_dropped {
        page.line("parameters", "dropped: they go no further");
    }
}

fn targets(page: &mut Page, one: &Explanation) {
    page.heading("Where it would go");
    let told = one.found.told.as_deref();
    if let Some(direction) = told.and_then(|told| told.direction) {
        page.line("direction", self::direction(direction));
    }
    if let Some(route) = one.trail().iter().rfind(|step| step.said == Said::Match) {
        page.line("route", &format!("{} ({})", shown(&route.rule), one.place_text(&route.rule)));
    }
    for (nth, way) in one.found.ways.iter().enumerate() {
        let aim = aim(one, way);
        page.line(
            &format!("target {}", nth + 1),
            &format!("{} at {} over {}: {}", aim.peer, aim.place, aim.over, aim.asks),
        );
    }
    if one.found.ways.is_empty() {
        page.line("target", "none");
    }
    if is_emergency(one) && !one.found.ways.is_empty() {
        page.line("emergency", EMERGENCY);
    }
}

fn is_emergency(one: &Explanation) -> bool {
    let known = one.found.told.as_deref().and_then(|told| told.number.as_ref());
    let inside = one.peer.as_ref().is_some_and(|peer| peer.side == PeerSide::Inside);
    inside && known.is_some_and(|known| known.reading.number.is_emergency())
}

fn rules(page: &mut Page, one: &Explanation) {
    page.heading("Who was asked, in order (line:column of the policy; - where a default stands)");
    for step in one.trail() {
        let found = one.places.find(&step.rule);
        let place = found.place.filter(|_| found.written);
        let place = place.map_or_else(|| "-".to_owned(), |at| format!("{}:{}", at.line, at.column));
        let ink = match step.said {
            Said::Refuse => Some(Ink::Bad),
            Said::Observe => Some(Ink::Bold),
            Said::Pass | Said::Match | Said::Skip => None,
        };
        page.row(step.said.name(), ink, &format!("{place:<7} {}{}", shown(&step.rule), saw(step)));
    }
    if one.trail().is_empty() {
        page.line("nobody", "it came to its end before any rule");
    }
}

fn saw(step: &Step) -> String {
    match &step.saw {
        Saw::Nothing => String::new(),
        Saw::Count { limit, .. } if step.rule.ends_with(".max_duration") => format!(" (at most {limit} s)"),
        Saw::Count { value, limit } => {
            let cap = step.rule.ends_with(".concurrent_calls") || step.rule.ends_with(".channels");
            format!(" ({value} of {limit}{})", if cap { " in force" } else { "" })
        }
        Saw::Word(word) => format!(" ({word})"),
        Saw::Text(text) => format!(" ({})", shown(text)),
    }
}

fn verdict(page: &mut Page, one: &Explanation) {
    page.heading("Verdict");
    match one.verdict() {
        Verdict::Admitted => page.row("ADMITTED", Some(Ink::Good), "it goes on"),
        Verdict::Refused(status) => {
            let phrase = reason_phrase(status);
            page.row("REFUSED", Some(Ink::Bad), &format!("{status} {phrase}"));
        }
        Verdict::Silence => page.row("SILENCE", Some(Ink::Bad), &silence(one)),
    }
    decided(page, one);
    if let Some(answer) = one.answer() {
        for (label, name) in [
            ("Warning", HeaderName::Warning),
            ("Reason", HeaderName::Reason),
            ("Retry-After", HeaderName::RetryAfter),
        ] {
            if let Some(value) = Explanation::header(&answer, name) {
                page.line(label, &shown(&value));
            }
        }
    }
    if let Some(found) = one.preset() {
        page.line("status by", &one.found_text(&found));
    }
    let first = one.alert();
    let others =
        one.found.alerts.iter().filter(|alert| first.is_none_or(|first| !std::ptr::eq(first, *alert)));
    for alert in first.into_iter().chain(others) {
        page.line("alert", &alert_text(alert));
    }
    if one.peer.is_some() {
        page.blank();
        page.wrapped(0, CAPS);
    }
}

fn decided(page: &mut Page, one: &Explanation) {
    let decided = one.decided();
    let (Some(rule), Some(found)) = (&decided.rule, &decided.found) else {
        if one.peer.is_some() && one.verdict() != Verdict::Admitted {
            page.line("decided by", "what holds of every request; no key changes it");
        }
        return;
    };
    if found.written {
        return page.line("decided by", &one.found_text(found));
    }
    let told = match &decided.cure {
        Some(key) => format!("{}: built-in default; {} changes it", shown(rule), shown(key)),
        None => format!("{}: built in; no key changes it", shown(rule)),
    };
    page.line("decided by", &told);
}

fn silence(one: &Explanation) -> String {
    let listener = one.policy.listener(one.flow.listener).map_or("", |listener| &*listener.name);
    match &one.peer {
        Some(_) => "nothing is answered".to_owned(),
        None if one.guest => format!(
            "no peer lists {}; at listener {listener} it may be asked for a password first, and hears nothing else: ask again \
             with --from-peer",
            one.flow.remote.ip()
        ),
        None => format!(
            "no peer lists {}: nothing is answered, and the packet is counted towards a ban (32201, source_not_in_acl). Add it to \
             `sources` of its peer if it is one",
            one.flow.remote.ip()
        ),
    }
}

fn alert_text(alert: &Alert) -> String {
    let code = alert.code;
    format!("{} {} ({}): {}", code.number, code.name, code.level.name(), shown(&alert.text))
}

/// Where a call runs, in one word.
pub const fn direction(direction: Direction) -> &'static str {
    match direction {
        Direction::Outbound => "outbound",
        Direction::Inbound => "inbound",
        Direction::Internal => "internal",
        Direction::Transit => "transit",
    }
}

/// One place that it would go to.
pub struct Aim {
    /// The peer.
    pub peer: String,
    /// Its address, or the name that DNS is asked for.
    pub place: String,
    /// The transport.
    pub over: &'static str,
    /// The request line that leaves: the number in the form that the peer wants.
    pub asks: String,
    /// From as it leaves.
    pub from: Option<String>,
}

impl Aim {
    /// For programs.
    pub fn json(&self) -> Value {
        json!({ "peer": self.peer, "address": self.place, "transport": self.over, "request": self.asks, "from": self.from })
    }
}

/// Reads a place off the request that leaves for it.
pub fn aim(one: &Explanation, (hop, bytes): &(Hop, Bytes)) -> Aim {
    let party = one.policy.party(hop.party);
    let name = party.and_then(|(_, domain)| domain).map(ToString::to_string);
    let message = parse(bytes.clone(), &Limits::default()).ok();
    let line = bytes.split(|octet| *octet == b'\r').next().unwrap_or_default();
    let line = String::from_utf8_lossy(line);
    Aim {
        peer: party.map_or_else(|| "?".to_owned(), |(peer, _)| peer.name.to_string()),
        place: name.unwrap_or_else(|| hop.remote.to_string()),
        over: hop.transport.name(),
        asks: shown(line.strip_suffix(" SIP/2.0").unwrap_or(&line)),
        from: message.map(|message| shown(&String::from_utf8_lossy(message.from().raw_uri))),
    }
}

impl Explanation {
    /// `FILE:LINE:COLUMN PATH`, or that a default stands there.
    fn place_text(&self, path: &str) -> String {
        let found = self.places.find(path);
        match found.place.filter(|_| found.written) {
            Some(at) => self.places.told(at),
            None => "built-in default".to_owned(),
        }
    }

    fn found_text(&self, found: &Found) -> String {
        let place = found.place.map(|place| self.places.told(place)).unwrap_or_default();
        format!("{place} {}", shown(&found.path))
    }
}

impl Page {
    fn heading(&mut self, text: &str) {
        if !self.out.is_empty() {
            self.blank();
        }
        let text = self.inked(text, Some(Ink::Bold));
        self.out.push_str(&text);
        self.blank();
    }

    fn blank(&mut self) {
        self.out.push('\n');
    }

    fn line(&mut self, label: &str, text: &str) {
        self.row(label, None, text);
    }

    fn row(&mut self, label: &str, ink: Option<Ink>, text: &str) {
        let room = LABEL.saturating_sub(label.chars().count()).max(1);
        let label = self.inked(label, ink);
        self.out.push_str(&format!("  {label}{}", " ".repeat(room)));
        self.wrapped(LABEL + 2, text);
    }

    /// Words broken at the width; what a line goes on with stands under its beginning.
    fn wrapped(&mut self, indent: usize, text: &str) {
        let mut column = indent;
        for (nth, word) in text.split(' ').enumerate() {
            let length = word.chars().count();
            if nth > 0 && self.width >= WIDTH_MIN && column + 1 + length > self.width {
                self.out.push('\n');
                self.out.push_str(&" ".repeat(indent));
                column = indent;
            } else if nth > 0 {
                self.out.push(' ');
                column += 1;
            }
            self.out.push_str(word);
            column += length;
        }
        self.blank();
    }

    fn inked(&self, text: &str, ink: Option<Ink>) -> String {
        let Some(ink) = ink.filter(|_| self.colours) else { return text.to_owned() };
        let code = match ink {
            Ink::Bold => "1",
            Ink::Good => "1;32",
            Ink::Bad => "1;31",
        };
        format!("\u{1b}[{code}m{text}\u{1b}[0m")
    }
}

/// Whether a terminal shows a sign as it is and nothing more: it obeys none, and none turns the line around.
pub fn is_harmless(letter: char) -> bool {
    letter == ' ' || letter.is_ascii_graphic() || letter.is_alphanumeric() && letter < RIGHT_TO_LEFT
}

/// Text from outside as a terminal may show it.
fn shown(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut out, letter| {
        if is_harmless(letter) {
            out.push(letter);
        } else {
            out.extend(letter.escape_default());
        }
        out
    })
}
