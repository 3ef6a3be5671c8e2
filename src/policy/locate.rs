//! From a name to addresses: what is asked of DNS, which of its answers count, and in which order they are tried.
//!
//! Owns RFC 3263 §4 as a pure function of the answers known so far, and the order among equals for one call. Refuses to
//! know who asks and how long an answer keeps. Read first: RFC 3263 §4; RFC 2782; RFC 3403 §4; DESIGN.md law 2.

use std::collections::HashMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};

use smallvec::SmallVec;

use super::peer::{Domain, Transports};
use crate::sip::Transport;

/// NAPTR or SRV records of one name that are looked at; more are left.
pub const RECORDS_MAX: usize = 32;
/// Addresses of one host that are looked at; more are left.
pub const ADDRESSES_MAX: usize = 16;
/// Addresses that one name leads to; more are left.
pub const FOUND_MAX: usize = 32;

/// What is sought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sought<'a> {
    /// The name, as the policy writes it.
    pub host: &'a str,
    /// The port, where the policy names one: then only addresses are asked (RFC 3263 §4.2).
    pub port: Option<u16>,
    /// The transports that the peer may be reached by, the preferred one first.
    pub transports: &'a [Transport],
    /// Whether its listener speaks IPv6; else IPv4.
    pub ipv6: bool,
}

/// Which records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// RFC 3403.
    Naptr,
    /// RFC 2782.
    Srv,
    /// IPv4 addresses.
    A,
    /// IPv6 addresses.
    Aaaa,
}

/// One question to DNS; the name in lower case, without the last dot.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Question {
    /// Of whom.
    pub name: Box<str>,
    /// What.
    pub kind: Kind,
}

impl fmt::Display for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            Kind::Naptr => "NAPTR",
            Kind::Srv => "SRV",
            Kind::A => "A",
            Kind::Aaaa => "AAAA",
        };
        write!(f, "{kind} {}", self.name)
    }
}

/// A NAPTR record (RFC 3403 §4.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Naptr {
    /// Lower is processed first.
    pub order: u16,
    /// Among equal orders, lower is preferred.
    pub preference: u16,
    /// `s` leads to SRV records.
    pub flags: Box<str>,
    /// `SIP+D2U`, `SIP+D2T`, `SIPS+D2T`.
    pub service: Box<str>,
    /// Whether a rewriting stands in it; RFC 3263 knows none.
    pub has_regexp: bool,
    /// The name whose SRV records are meant.
    pub replacement: Box<str>,
}

/// An SRV record (RFC 2782).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Srv {
    /// Lower is tried first.
    pub priority: u16,
    /// Share among equals.
    pub weight: u16,
    /// The port.
    pub port: u16,
    /// The host; empty (the root) says that the service is not there at all.
    pub target: Box<str>,
}

/// An answer of DNS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// To `Kind::Naptr`.
    Naptr(Vec<Naptr>),
    /// To `Kind::Srv`.
    Srv(Vec<Srv>),
    /// To `Kind::A` and `Kind::Aaaa`.
    Addresses(Vec<IpAddr>),
    /// There is no such name, or no record of this kind.
    Nothing,
}

/// The answers so far.
pub type Answers = HashMap<Question, Answer>;

/// One address that a name leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Where.
    pub address: SocketAddr,
    /// How, the preferred transport first.
    pub transports: Transports,
    /// Lower is tried first.
    pub rank: u16,
    /// Its record's share among those of the same rank.
    pub weight: u16,
    /// Which record: the addresses of one host share its weight.
    pub record: u16,
}

/// What is to be done next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// These must be answered first.
    Ask(Vec<Question>),
    /// Where the name leads: never empty, by rank.
    Found(Vec<Found>),
    /// It leads nowhere, and why.
    Nothing(&'static str),
}

/// A host that is to be asked for its addresses.
struct Lead {
    host: Box<str>,
    port: u16,
    transport: Transport,
    rank: u16,
    weight: u16,
    record: u16,
}

impl Question {
    fn new(name: &str, kind: Kind) -> Self {
        Self { name: name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase().into_boxed_str(), kind }
    }
}

impl Sought<'_> {
    /// The transports that names may lead to: after an encrypted one never one in the clear, for whoever answers for a name
    /// must not be able to take the encryption away.
    fn transports(&self) -> Transports {
        let mut encrypted = false;
        let open = |transport: &&Transport| {
            encrypted |= transport.is_encrypted();
            !encrypted || transport.is_encrypted()
        };
        self.transports.iter().filter(open).copied().collect()
    }

    /// What must be asked next, or where the name leads. Ends after three turns at most: NAPTR, SRV, addresses.
    #[must_use]
    pub fn step(&self, answers: &Answers) -> Step {
        let transports = self.transports();
        if let Some(port) = self.port {
            return self.addresses(&self.itself(&transports, |_| port), answers);
        }
        let naptr = Question::new(self.host, Kind::Naptr);
        let Some(answer) = answers.get(&naptr) else { return Step::Ask(vec![naptr]) };
        let mut services = match answer {
            Answer::Naptr(records) => chosen(records, &transports),
            Answer::Srv(_) | Answer::Addresses(_) | Answer::Nothing => Vec::new(),
        };
        if services.is_empty() {
            // RFC 3263 §4.1: without NAPTR, SRV is asked for each transport.
            let service = |transport: &Transport| (*transport, service_name(*transport, self.host));
            services = transports.iter().map(service).collect();
        }
        let unasked: Vec<Question> = services
            .iter()
            .map(|(_, question)| question)
            .filter(|q| !answers.contains_key(q))
            .cloned()
            .collect();
        if !unasked.is_empty() {
            return Step::Ask(unasked);
        }
        let (leads, closed) = serving(&services, answers);
        if !leads.is_empty() {
            return self.addresses(&leads, answers);
        }
        // RFC 3263 §4.2: no SRV either; the name is a host's own. RFC 2782: a service that is told not to be there is not.
        let left: Transports =
            transports.iter().filter(|transport| !closed.contains(transport)).copied().collect();
        if left.is_empty() {
            return Step::Nothing("its SRV records say that the service is not there");
        }
        self.addresses(&self.itself(&left, default_port), answers)
    }

    /// The host itself by each transport.
    fn itself(&self, transports: &[Transport], port: impl Fn(Transport) -> u16) -> Vec<Lead> {
        let lead = |(rank, transport): (u16, &Transport)| Lead {
            host: self.host.into(),
            port: port(*transport),
            transport: *transport,
            rank,
            weight: 0,
            record: rank,
        };
        (0..).zip(transports).map(lead).collect()
    }

    fn addresses(&self, leads: &[Lead], answers: &Answers) -> Step {
        let kind = if self.ipv6 { Kind::Aaaa } else { Kind::A };
        let mut unasked = Vec::new();
        let mut found: Vec<Found> = Vec::new();
        for lead in leads {
            let question = Question::new(&lead.host, kind);
            match answers.get(&question) {
                None if unasked.contains(&question) => {}
                None => unasked.push(question),
                Some(Answer::Addresses(addresses)) => lead.add(addresses, self.ipv6, &mut found),
                Some(Answer::Naptr(_) | Answer::Srv(_) | Answer::Nothing) => {}
            }
        }
        if !unasked.is_empty() {
            return Step::Ask(unasked);
        }
        found.truncate(FOUND_MAX);
        if found.is_empty() { Step::Nothing("no address stands behind it") } else { Step::Found(found) }
    }
}

impl Lead {
    fn add(&self, addresses: &[IpAddr], ipv6: bool, found: &mut Vec<Found>) {
        // Servers turn the order round with every answer; sorted, the same set is the same list.
        let mut addresses: Vec<IpAddr> =
            addresses.iter().filter(|address| address.is_ipv6() == ipv6).copied().collect();
        addresses.sort_unstable();
        addresses.dedup();
        for ip in addresses.into_iter().take(ADDRESSES_MAX) {
            let address = SocketAddr::new(ip, self.port);
            match found.iter_mut().find(|found| found.address == address) {
                // One place by two transports is one target: a call that cannot reach it by the first tries the other.
                Some(known) if known.transports.contains(&self.transport) => {}
                Some(known) => known.transports.push(self.transport),
                None => found.push(Found {
                    address,
                    transports: std::iter::once(self.transport).collect(),
                    rank: self.rank,
                    weight: self.weight,
                    record: self.record,
                }),
            }
        }
    }
}

impl Domain {
    /// What DNS is asked of it that is worth asking by hand.
    #[must_use]
    pub fn first_question(&self, transports: &[Transport]) -> Question {
        match (self.port, transports.first()) {
            (None, Some(transport)) => service_name(*transport, &self.host),
            (Some(_), _) | (None, None) => Question::new(&self.host, Kind::A),
        }
    }
}

/// The services of NAPTR records that the peer may be reached by, preferred ones first.
fn chosen(records: &[Naptr], transports: &[Transport]) -> Vec<(Transport, Question)> {
    let mut fit: Vec<(&Naptr, Transport)> = records
        .iter()
        .take(RECORDS_MAX)
        .filter(|record| record.flags.eq_ignore_ascii_case("s") && !record.has_regexp)
        .filter(|record| !record.replacement.is_empty())
        .filter_map(|record| service(&record.service).map(|transport| (record, transport)))
        .filter(|(_, transport)| transports.contains(transport))
        .collect();
    fit.sort_by_key(|(record, _)| (record.order, record.preference));
    // RFC 3403 §4.1: once a record of one order fits, those of higher orders are not looked at.
    let first = fit.first().map(|(record, _)| record.order);
    fit.retain(|(record, _)| Some(record.order) == first);
    let mut services = Vec::new();
    let mut encrypted = false;
    for (record, transport) in fit {
        // After an encrypted one never one in the clear, whatever preference a domain writes.
        if encrypted && !transport.is_encrypted() {
            continue;
        }
        encrypted |= transport.is_encrypted();
        let service = (transport, Question::new(&record.replacement, Kind::Srv));
        if !services.contains(&service) {
            services.push(service);
        }
    }
    services
}

/// RFC 3263 §4.1: `D2U` is UDP and `D2T` is TCP; `SIPS` is TLS over TCP.
fn service(text: &str) -> Option<Transport> {
    let services = [("SIPS+D2T", Transport::Tls), ("SIP+D2T", Transport::Tcp), ("SIP+D2U", Transport::Udp)];
    services.into_iter().find(|(name, _)| name.eq_ignore_ascii_case(text)).map(|(_, transport)| transport)
}

fn service_name(transport: Transport, host: &str) -> Question {
    let service = match transport {
        Transport::Tls => "_sips._tcp",
        Transport::Tcp => "_sip._tcp",
        Transport::Udp => "_sip._udp",
    };
    Question::new(&format!("{service}.{host}"), Kind::Srv)
}

/// RFC 3261 §19.1.2: the default port.
const fn default_port(transport: Transport) -> u16 {
    match transport {
        Transport::Udp | Transport::Tcp => 5060,
        Transport::Tls => 5061,
    }
}

/// The hosts that SRV records name, by service and priority, and the transports of services that are told not to be there.
fn serving(services: &[(Transport, Question)], answers: &Answers) -> (Vec<Lead>, Transports) {
    let (mut leads, mut closed) = (Vec::new(), Transports::new());
    let (mut rank, mut number) = (0_u16, 0_u16);
    for (transport, question) in services {
        let Some(Answer::Srv(records)) = answers.get(question) else { continue };
        let mut records: Vec<&Srv> = records.iter().take(RECORDS_MAX).collect();
        if records.iter().all(|record| record.target.is_empty()) && !records.is_empty() {
            closed.push(*transport);
        }
        records.retain(|record| !record.target.is_empty() && record.port != 0);
        records.sort_by_key(|record| (record.priority, std::cmp::Reverse(record.weight)));
        let mut before = None;
        for record in records {
            if before.is_some_and(|before| before != record.priority) {
                rank += 1;
            }
            before = Some(record.priority);
            leads.push(Lead {
                host: record.target.clone(),
                port: record.port,
                transport: *transport,
                rank,
                weight: record.weight,
                record: number,
            });
            number += 1;
        }
        rank += u16::from(before.is_some());
    }
    (leads, closed)
}

/// The order for one call: by rank, then shared out by weight among the records of a rank, and evenly among the addresses
/// of one record. `draw` is the call's own random number.
#[must_use]
pub fn ordered(found: &[Found], draw: u64) -> SmallVec<[&Found; 4]> {
    let mut ordered = SmallVec::new();
    let mut draw = draw;
    for same_rank in found.chunk_by(|one, other| one.rank == other.rank) {
        let mut records: SmallVec<[&[Found]; 4]> =
            same_rank.chunk_by(|one, other| one.record == other.record).collect();
        while !records.is_empty() {
            let addresses = records.remove(picked(&records, turn(&mut draw)));
            let first =
                usize::try_from(turn(&mut draw)).unwrap_or(0).checked_rem(addresses.len()).unwrap_or(0);
            let (before, after) = addresses.split_at_checked(first).unwrap_or((&[], addresses));
            ordered.extend(after.iter().chain(before));
        }
    }
    ordered
}

/// RFC 2782: records of weight 0 stand first, a number between 0 and the sum of weights is drawn, and the first record
/// whose running sum reaches it is taken. Where all weights are 0, each has the same chance.
fn picked(records: &[&[Found]], draw: u64) -> usize {
    let weight = |record: &&[Found]| record.first().map_or(0, |found| u64::from(found.weight));
    let sum: u64 = records.iter().map(weight).sum();
    let count = records.len() as u64;
    if sum == 0 {
        return usize::try_from(draw.checked_rem(count).unwrap_or(0)).unwrap_or(0);
    }
    let point = draw % (sum + 1);
    let zeros = records.iter().position(|record| weight(record) == 0);
    let mut running = 0;
    let reached = records.iter().position(|record| {
        running += weight(record);
        weight(record) > 0 && running >= point
    });
    if point == 0 { zeros.or(reached).unwrap_or(0) } else { reached.unwrap_or(0) }
}

/// The next slice of a draw.
fn turn(draw: &mut u64) -> u64 {
    *draw = draw.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    *draw >> 24
}

#[cfg(test)]
#[path = "locate_tests.rs"]
mod tests;
