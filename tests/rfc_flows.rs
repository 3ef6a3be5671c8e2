//! The call flows of RFC 3665, 3515 and 3327 with the edge where their proxies stand: what the callers and callees of the
//! RFCs say is said to it, with the addresses of the site, and what it makes of each flow is a snapshot.
//!
//! Skips, and says so, where the corpus is absent. Messages between proxies are not played, and no challenge: a PBX is
//! known by its address.

#![allow(missing_docs, clippy::panic, clippy::unwrap_used, clippy::print_stderr, reason = "a test crate")]
#![allow(dead_code, reason = "the simulator's modules serve several test crates")]

#[path = "sim/mod.rs"]
mod sim;
#[path = "attacks/site.rs"]
mod site;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use sim::policy::EDGE_INSIDE;
use sim::text::{Sip, tag_of};
use sim::wire::SECOND;
use site::{PBX, SDP, Site, TRUNK};

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpus/flows")
}

/// The messages of a file: a YAML list of block texts, and nothing else of YAML.
fn messages(text: &str) -> Vec<Sip> {
    let mut blocks: Vec<Vec<&str>> = Vec::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        if line.starts_with("- |") {
            blocks.push(Vec::new());
        } else if let Some(block) = blocks.last_mut() {
            block.push(line.strip_prefix("  ").unwrap_or(line));
        }
    }
    blocks.iter().map(|block| message(block)).collect()
}

fn message(block: &[&str]) -> Sip {
    let head = block.iter().copied().take_while(|line| !line.is_empty());
    let head: Vec<&str> = head.filter(|line| !line.starts_with("Content-")).collect();
    // The address is the flow's own: one of them is about its change.
    let address = block.iter().find_map(|line| line.strip_prefix("c=IN IP4 "));
    let text = head.join("\r\n").replace("\r\n ", " ") + "\r\nContent-Length: 0\r\n\r\n";
    let mut read = Sip::read(text.as_bytes()).unwrap_or_else(|error| panic!("{error}: {text}"));
    read.headers.retain(|(name, _)| name != "Content-Length");
    // The proxies of the RFC; here is none but the edge.
    read.headers.retain(|(name, _)| !name.eq_ignore_ascii_case("Route"));
    if let Some(address) = address {
        read.sdp(&SDP.replace("192.168.77.7", address));
    }
    read
}

fn via_host(message: &Sip) -> String {
    let via = message.header("Via").unwrap_or_default();
    let sent_by = via.split_whitespace().nth(1).unwrap_or_default();
    sent_by.split([';', ':']).next().unwrap_or_default().to_owned()
}

fn vias(message: &Sip) -> usize {
    message.lines("Via").count()
}

/// Who says a message of a flow to the edge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Said {
    ByCaller,
    ByCallee,
    /// Between proxies, or a challenge.
    Elsewhere,
}

struct Play {
    site: Site,
    flow: Vec<Sip>,
    caller: String,
    /// What the caller asked first, as it was sent.
    invite: Option<Sip>,
    /// The last response of the edge with a tag to the caller.
    heard: Option<Sip>,
    /// Requests that crossed, by the address they went to and their method.
    crossed: BTreeMap<(String, String), Sip>,
    log: String,
}

impl Play {
    fn new(flow: Vec<Sip>) -> Self {
        let caller = via_host(&flow[0]);
        Self {
            site: Site::new(),
            flow,
            caller,
            invite: None,
            heard: None,
            crossed: BTreeMap::new(),
            log: String::new(),
        }
    }

    fn said(&self, message: &Sip) -> Said {
        let same = |other: &&Sip| other.cseq() == message.cseq() && other.call_id() == message.call_id();
        if message.status().is_none() {
            let challenged = self
                .flow
                .iter()
                .filter(same)
                .any(|other| matches!(other.status(), Some(401 | 407)) && vias(other) == 1);
            let challenged = challenged
                || self.flow.iter().any(|other| {
                    matches!(other.status(), Some(401 | 407))
                        && other.cseq().0 == message.cseq().0
                        && other.call_id() == message.call_id()
                        && message.method() == "ACK"
                });
            let proxy = via_host(message).starts_with("ss") || via_host(message).starts_with("alg");
            return match (challenged && message.method() != "REGISTER", vias(message), proxy) {
                (false, 1, false) if via_host(message) == self.caller => Said::ByCaller,
                (false, 1, false) => Said::ByCallee,
                _ => Said::Elsewhere,
            };
        }
        let asked = self.flow.iter().filter(same).filter(|other| other.status().is_none());
        let deepest = asked.clone().map(vias).max().unwrap_or(0);
        let by_caller = asked.clone().any(|request| self.said(request) == Said::ByCaller);
        match message.status() {
            Some(100 | 401 | 407) => Said::Elsewhere,
            Some(_) if vias(message) != deepest => Said::Elsewhere,
            Some(_) if by_caller => Said::ByCallee,
            Some(_) | None => Said::ByCaller,
        }
    }

    fn note(&mut self, line: &str) {
        self.log.push_str(line);
        self.log.push('\n');
    }

    fn tell(&mut self, from: &str, mut message: Sip) {
        if message.status().is_none() {
            let via = message.header("Via").unwrap_or_default();
            let via = via.replace("/TCP", "/UDP").replace("/TLS", "/UDP");
            message.set("Via", &format!("{via};rport"));
        }
        let who = if from == PBX { "caller" } else { "callee" };
        self.note(&format!("{who} says {}", label(&message)));
        let sent = self.site.send(from, &message);
        self.hear(&sent);
    }

    fn hear(&mut self, sent: &site::Sent) {
        for (to, bytes) in sent {
            let message = Sip::read(bytes).unwrap_or_else(|error| panic!("{error}"));
            let to = to.to_string();
            let who = if to == PBX { "caller" } else { "callee" };
            let other = if to == PBX { "biloxi" } else { "atlanta" };
            let text = String::from_utf8_lossy(bytes).into_owned();
            let names = ["client.", "ss1.", "ss2.", "agent"]
                .iter()
                .any(|host| text.contains(&format!("{host}{other}")));
            assert!(!names || who == "caller" && message.status().is_some(), "to {who}: {text}");
            self.note(&format!("    {who} hears {}", label(&message)));
            if message.status().is_none() {
                self.crossed.insert((to, message.method().to_owned()), message);
            } else if to == PBX && message.to_tag().is_some() {
                self.heard = Some(message);
            }
        }
    }

    fn step(&mut self, message: &Sip) {
        match (self.said(message), message.status()) {
            (Said::Elsewhere, _) => {}
            (Said::ByCaller, None) => self.caller_asks(message),
            (Said::ByCallee, None) => self.callee_asks(message),
            (said, Some(status)) => {
                let from = if said == Said::ByCaller { PBX } else { TRUNK };
                let asked = self.crossed.get(&(from.to_owned(), message.cseq().1.to_owned())).cloned();
                let Some(asked) = asked else {
                    return self.note(&format!("(nobody was asked: {})", label(message)));
                };
                let mut answer = Sip::response(&asked, status, "As in the flow", "theirs");
                if let Some(contact) = message.header("Contact") {
                    answer.add("Contact", contact);
                }
                if message.has_sdp() {
                    answer.sdp(&String::from_utf8_lossy(&message.body));
                }
                self.tell(from, answer);
            }
        }
    }

    fn caller_asks(&mut self, message: &Sip) {
        let mut request = message.clone();
        let within = message.to_tag().is_some();
        let uri = match (message.method(), &self.invite, &self.heard) {
            ("INVITE", ..) if !within => format!("sip:+12125550100@{EDGE_INSIDE}"),
            ("CANCEL", Some(invite), _) => invite.uri().to_owned(),
            (_, _, Some(heard)) if within => {
                heard.contact().map_or_else(|| format!("sip:+12125550100@{EDGE_INSIDE}"), str::to_owned)
            }
            _ => message.uri().to_owned(),
        };
        request.start = Sip::request(message.method(), &uri).start;
        if let (true, Some(heard)) = (within, &self.heard) {
            let to = heard.header("To").unwrap_or_default().to_owned();
            request.set("To", &to);
        }
        if message.method() == "INVITE" && !within {
            self.invite = Some(request.clone());
        }
        self.tell(PBX, request);
    }

    fn callee_asks(&mut self, message: &Sip) {
        let mut request = message.clone();
        if let Some(invite) = self.crossed.get(&(TRUNK.to_owned(), "INVITE".to_owned())) {
            let theirs = invite.header("From").unwrap_or_default().to_owned();
            let ours = format!("{};tag=theirs", invite.header("To").unwrap_or_default());
            request.start = Sip::request(message.method(), invite.contact().unwrap_or_default()).start;
            request.set("From", &ours);
            request.set("To", &theirs);
            let call_id = invite.call_id().to_owned();
            request.set("Call-ID", &call_id);
        }
        self.tell(TRUNK, request);
    }

    fn end(mut self) -> String {
        let sent = self.site.pass(40 * SECOND);
        self.hear(&sent);
        let alerts: Vec<u32> = self.site.alerts.iter().map(|alert| alert.code.number).collect();
        let records: Vec<String> = self
            .site
            .records
            .iter()
            .map(|record| format!("{:?} {}", record.disposition, record.status))
            .collect();
        self.note(&format!("alerts {alerts:?}\nrecords {records:?}"));
        if self.site.gauges().calls > 0 {
            // The flow ends in mid-call; nobody says anything more.
            self.note("the call is up");
            self.site.pass(5 * 3_600 * SECOND);
        }
        self.site.must_become_empty();
        self.log
    }
}

fn label(message: &Sip) -> String {
    let body = if message.body.is_empty() { "" } else { " [body]" };
    let tagged = message.header("To").and_then(tag_of).is_some();
    match message.status() {
        Some(status) => format!("{status} {}{body}", message.cseq().1),
        None => format!("{}{}{body}", message.method(), if tagged { " (within)" } else { "" }),
    }
}

#[test]
fn every_flow_of_the_rfcs_is_played() {
    let mut played = 0;
    for rfc in ["rfc3665", "rfc3515", "rfc3327"] {
        let Ok(files) = fs::read_dir(corpus().join(rfc)) else {
            eprintln!("skipped: {} is absent", corpus().join(rfc).display());
            continue;
        };
        let mut files: Vec<PathBuf> = files.map(|file| file.unwrap().path()).collect();
        files.sort();
        for file in files {
            let flow = messages(&fs::read_to_string(&file).unwrap());
            let mut play = Play::new(flow.clone());
            for message in &flow {
                play.step(message);
            }
            let name = file.file_stem().unwrap().to_string_lossy().replace(['.', '-'], "_");
            let log = play.end();
            insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
                insta::assert_snapshot!(format!("{rfc}_{name}"), log);
            });
            played += 1;
        }
    }
    assert!(played == 0 || played == 20, "{played} flows");
}
