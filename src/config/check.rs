//! What a policy means, in plain words: who may call whom, over what, at most how many and how long.
//!
//! Owns the words of `ringfence check`. Refuses to decide anything. Read first: DESIGN.md §1, law 2; §4.

mod caps;
mod peers;

use std::fmt;
use std::path::Path;

use serde_json::{Value, json};

use super::problem::{Errors, Problem};
use super::values::size_text;
use super::{Config, Source, cross, emergencies, load};
use crate::clock::time_text;
use crate::policy::peer::Advertised;
use crate::policy::route::{Pattern, Route};
use crate::policy::rules::Entry;
use crate::policy::rules::max_duration::DURATION_DEFAULT;
use crate::policy::{Direction, Names, Peer, PeerId, Policy, Site};
use crate::sinks::Sink;
use crate::sip::Transport;

/// Names, numbers or networks that one sentence lists; of more, the count is told.
const LISTED_MAX: usize = 8;

/// What a policy file means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The file, as it was named.
    pub file: String,
    /// Headings with their sentences.
    pub chapters: Vec<(&'static str, Vec<String>)>,
    /// Exceptions and what looks unmeant.
    pub warnings: Vec<Problem>,
}

/// Reads and checks a file, and says what it means.
pub fn check(path: &Path) -> Result<Report, Errors> {
    report(Source::read(path)?)
}

/// The same for a file that was read already.
pub fn report(source: Source) -> Result<Report, Errors> {
    let config = load(&source, &mut Names::default(), 1)?;
    Ok(Report { file: source.name, chapters: chapters(&config), warnings: config.warnings })
}

/// What a configuration means, as text.
#[must_use]
pub fn describe(config: &Config) -> String {
    told(&chapters(config))
}

impl Report {
    /// The same for machines.
    #[must_use]
    pub fn json(&self) -> Value {
        let chapters: serde_json::Map<String, Value> = self
            .chapters
            .iter()
            .map(|(heading, sentences)| ((*heading).to_owned(), json!(sentences)))
            .collect();
        json!({
            "file": self.file,
            "in_order": true,
            "means": chapters,
            "warnings": self.warnings.iter().map(Problem::json).collect::<Vec<_>>(),
        })
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} is in order. This is what it means.\n", super::problem::printable(&self.file))?;
        f.write_str(&told(&self.chapters))?;
        match self.warnings.len() {
            0 => write!(f, "\nNo exceptions, no warnings."),
            1 => write!(f, "\n1 warning:"),
            count => write!(f, "\n{count} warnings:"),
        }?;
        self.warnings.iter().try_for_each(|warning| write!(f, "\n{warning}"))
    }
}

fn told(chapters: &[(&'static str, Vec<String>)]) -> String {
    let chapter = |(heading, sentences): &(&str, Vec<String>)| {
        format!(
            "{heading}\n{}",
            sentences.iter().map(|sentence| format!("  {sentence}\n")).collect::<String>()
        )
    };
    chapters.iter().map(chapter).collect::<Vec<_>>().join("\n")
}

fn chapters(config: &Config) -> Vec<(&'static str, Vec<String>)> {
    let policy = &config.policy;
    let mut chapters = vec![
        ("Where it listens", listeners(policy)),
        ("Where media passes", super::media::sentences(policy.media.as_ref())),
        ("Who is known", peers::peers(config)),
        ("Who owns what", policy.sites.iter().map(|site| owned(policy, site)).collect()),
        ("Who may call whom", routes(policy)),
        ("What is asked of every request", policy.rules.screen.iter().map(ruled).collect()),
        ("What is asked of every call", stages(policy)),
        ("How much at most", caps::sentences(policy)),
        ("Strangers", strangers(policy)),
        ("Floods of calls", super::floods::sentences(policy)),
        ("Limits and times", limits(config)),
        ("Where it tells", outputs(config)),
    ];
    let help = emergencies::sentences(policy);
    // Where nobody's emergency calls are recognised a warning says so.
    if !help.is_empty() {
        let behind = chapters.iter().position(|(heading, _)| *heading == "Who may call whom");
        chapters.insert(behind.map_or(0, |at| at + 1), ("Where emergency calls go", help));
    }
    chapters
}

fn listeners(policy: &Policy) -> Vec<String> {
    let one = |listener: &crate::policy::Listener| {
        let transports = transports(listener.transports.iter());
        let told = &listener.advertised;
        let advertised = if *told == Advertised::from(listener.bind) {
            String::new()
        } else {
            format!(", told to peers as {}", told.sent_by())
        };
        format!("{}: {} ({transports}){advertised}", listener.name, listener.bind)
    };
    policy.listeners.iter().flatten().map(one).collect()
}

fn transports<'a>(transports: impl Iterator<Item = &'a Transport>) -> String {
    transports.map(|transport| transport.name()).collect::<Vec<_>>().join(", ")
}

/// Words in a sentence; of many, the first and how many more.
pub(super) fn several<'a>(words: impl ExactSizeIterator<Item = &'a str>, last: &str) -> String {
    let more = words.len().saturating_sub(LISTED_MAX);
    let mut words: Vec<String> = words.take(LISTED_MAX).map(str::to_owned).collect();
    if more > 0 {
        words.push(format!("{} more", grouped(more as u64)));
    }
    match words.split_last() {
        None => "nobody".to_owned(),
        Some((only, [])) => only.clone(),
        Some((end, rest)) => format!("{} {last} {end}", rest.join(", ")),
    }
}

/// `20,000`.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && digits.len().saturating_sub(index).checked_rem(3) == Some(0) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

fn names<'a>(policy: &'a Policy, ids: impl Iterator<Item = &'a PeerId>) -> Vec<&'a str> {
    ids.filter_map(|id| policy.peer(*id)).map(|peer| &*peer.name).collect()
}

fn owned(policy: &Policy, site: &Site) -> String {
    let peers = names(policy, site.peers.iter());
    let numbers = match site.dids.as_slice() {
        [] => "no numbers".to_owned(),
        dids => several(dids.iter().map(|did| &**did), "and"),
    };
    let kept = if policy.keeps_a_channel(site.id) {
        ", one of them, and one of each trunk's, kept for emergency calls"
    } else {
        ""
    };
    format!(
        "{}: {}; {numbers}; at most {} calls at once over its trunks{kept}",
        site.name,
        several(peers.into_iter(), "and"),
        grouped(site.channels.into())
    )
}

fn routes(policy: &Policy) -> Vec<String> {
    let mut out: Vec<String> = policy.routes.iter().map(|route| routed(policy, route)).collect();
    out.push("Every other call is refused.".to_owned());
    out.push("This holds for what passes here: a PBX must own no other way out.".to_owned());
    out
}

fn routed(policy: &Policy, route: &Route) -> String {
    let direction = route.direction.map_or("any direction", cross::word);
    let from = if route.from.is_empty() {
        let begins = |peer: &&Peer| cross::begins_at(route, peer);
        policy.peers.iter().flatten().map(|peer| &**peer).filter(begins).map(|peer| &*peer.name).collect()
    } else {
        names(policy, route.from.iter())
    };
    let callers = match route.caller.as_slice() {
        [] => String::new(),
        patterns => format!(", as caller {},", patterns_text(patterns)),
    };
    let called = match route.called.as_slice() {
        [] => "any number".to_owned(),
        patterns => patterns_text(patterns),
    };
    format!(
        "{} [{direction}]: {}{callers} may call {called} at {}",
        route.path,
        several(from.into_iter(), "or"),
        targets(policy, route)
    )
}

fn patterns_text(patterns: &[Pattern]) -> String {
    let words: Vec<String> = patterns
        .iter()
        .map(|pattern| match pattern {
            Pattern::Exact(number) => number.to_string(),
            Pattern::Prefix(prefix) => format!("{prefix}..."),
            Pattern::List(numbers) => several(numbers.iter().map(|number| &**number), "or"),
            Pattern::SiteDid => "the target's own numbers".to_owned(),
            Pattern::Any => "anything".to_owned(),
        })
        .collect();
    several(words.iter().map(String::as_str), "or")
}

fn targets(policy: &Policy, route: &Route) -> String {
    let mut groups: Vec<(u16, Vec<String>)> = Vec::new();
    let alone = |priority: u16| route.to.iter().filter(|target| target.priority == priority).count() == 1;
    let mut targets: Vec<_> = route.to.iter().collect();
    targets.sort_by_key(|target| target.priority);
    for target in targets {
        let name = policy.peer(target.peer).map_or("", |peer| &*peer.name);
        let share = if alone(target.priority) {
            name.to_owned()
        } else {
            format!("{name} (weight {})", target.weight)
        };
        match groups.last_mut().filter(|(priority, _)| *priority == target.priority) {
            Some((_, group)) => group.push(share),
            None => groups.push((target.priority, vec![share])),
        }
    }
    groups.into_iter().map(|(_, group)| group.join(" and ")).collect::<Vec<_>>().join(", else ")
}

fn ruled(entry: &Entry) -> String {
    format!("{}: {}", entry.path, entry.describe())
}

fn stages(policy: &Policy) -> Vec<String> {
    let mut out = Vec::new();
    for (direction, rules) in [
        (Direction::Outbound, &policy.rules.outbound),
        (Direction::Inbound, &policy.rules.inbound),
        (Direction::Internal, &policy.rules.internal),
    ] {
        let routed = policy.routes.iter().any(|route| route.direction == Some(direction));
        let bounded = rules.iter().any(|entry| entry.rule.name() == "max_duration");
        out.extend(rules.iter().map(ruled));
        if routed && !bounded {
            out.push(format!(
                "{} calls end after {} at most (default)",
                cross::word(direction),
                time_text(DURATION_DEFAULT)
            ));
        }
    }
    out
}

fn strangers(policy: &Policy) -> Vec<String> {
    let settings = &policy.sources;
    vec![
        "Whoever is not listed hears nothing.".to_owned(),
        format!(
            "After {} packets within {} a stranger is banned for {}, each time twice as long, at most {}; {} bans at once.",
            grouped(settings.ban_after.into()),
            time_text(settings.ban_window),
            time_text(settings.ban_first),
            time_text(settings.ban_max),
            grouped(settings.bans_max as u64)
        ),
        "A ban that datagrams earned holds for datagrams alone, for their source can be forged; one that a stream earned holds for both."
            .to_owned(),
    ]
}

fn limits(config: &Config) -> Vec<String> {
    let (engine, net) = (&config.engine, &config.net);
    let mut out = vec![
        format!(
            "at most {} calls, {} transactions and {} client transactions at once",
            grouped(engine.calls_max as u64),
            grouped(engine.transactions_max as u64),
            grouped(engine.client_transactions_max as u64)
        ),
        format!(
            "a message of at most {}, {} header lines, {} hops",
            size_text(engine.limits.message_bytes_max as u64),
            engine.limits.header_lines_max,
            engine.limits.vias_max
        ),
        format!(
            "at most {} TCP connections, {} from one address; closed after {} without a byte",
            grouped(net.connections_max as u64),
            grouped(net.connections_per_source_max as u64),
            time_text(net.idle_timeout)
        ),
    ];
    if config.policy.peers.iter().flatten().any(|peer| peer.roaming) {
        out.push(format!(
            "of them {} at most, {} from one address, of machines that no peer lists; closed unless proven within {}, and at a \
             message of more than {}",
            grouped(net.guests_max as u64),
            grouped(net.guests_per_source_max as u64),
            time_text(net.guest_timeout),
            size_text(net.guest_message_bytes_max as u64)
        ));
    }
    out.push(format!(
        "T1 {}, T2 {}, T4 {}; a stop waits {} for live calls",
        time_text(engine.timing.t1),
        time_text(engine.timing.t2),
        time_text(engine.timing.t4),
        time_text(config.drain)
    ));
    out.extend(resolving(config));
    if config.policy.on_reload == crate::policy::OnReload::Rejudge {
        out.push("a reload ends live calls that the new policy forbids, emergency calls never".to_owned());
    }
    out
}

/// How names are resolved, where there are any.
fn resolving(config: &Config) -> Option<String> {
    let mut peers = config.policy.peers.iter().flatten();
    peers.find(|peer| peer.domains().next().is_some())?;
    let dns = &config.dns;
    let servers: Vec<String> = dns.servers.iter().map(ToString::to_string).collect();
    let who = match servers.len() {
        0 => "the system's name servers".to_owned(),
        _ => several(servers.iter().map(String::as_str), "and"),
    };
    Some(format!(
        "names are asked of {who}, each question for {} at most; an answer holds for {} to {}, and {} longer while DNS is silent",
        time_text(dns.timeout),
        time_text(dns.ttl_min),
        time_text(dns.ttl_max),
        time_text(dns.stale_max)
    ))
}

/// What it means that no store is named.
const NO_STORE: &str = "NONE: bans and locks end with the process, and a crash leaves its calls open";

fn outputs(config: &Config) -> Vec<String> {
    let sink = |sink: &Sink| match sink {
        Sink::Stdout => "standard output".to_owned(),
        Sink::File { path, rotate_bytes, keep } => {
            format!("{} (begun anew at {}, {keep} old ones kept)", path.display(), size_text(*rotate_bytes))
        }
        Sink::Discard => "NOWHERE".to_owned(),
    };
    let control = config.admin.socket.as_ref().map_or("none".to_owned(), |path| path.display().to_string());
    vec![
        format!("alerts: {}", sink(&config.sinks.alerts)),
        format!("call records: {}", sink(&config.sinks.records)),
        format!("log: {}", config.sinks.log),
        format!(
            "store: {}",
            config.sinks.store.as_ref().map_or(NO_STORE.to_owned(), |path| path.display().to_string())
        ),
        format!("control socket: {control}"),
    ]
}
