//! Real user agents through the edge's own process: PJSUA and baresip, as PBX and as trunk, called and calling.
//!
//! Owns what the phones themselves and their own logs must show, beside the edge's records and gauges. Each pairing has its own
//! edge and plays every scene one after the other; pairings run side by side. Skips with a notice where a phone is missing.

#![allow(clippy::print_stderr, clippy::panic, reason = "a test says why it is skipped or fails")]

mod rig;

use std::time::Duration;

use rig::Net;
use rig::edge::Edge;
use rig::phone::{Kind, Message, Phone, Place, ready};
use serde_json::Value;

/// Timer D is 32 s over UDP, whatever T1 is: a refused call leaves its last transaction for so long.
const PATIENCE: Duration = Duration::from_secs(45);
const PBX_USER: &str = "+12125550100";
const TRUNK_USER: &str = "+12125550142";

const POLICY: &str = r#"
listeners:
  inside: { bind: "EDGE:5060", transports: [udp, tcp] }
  outside: { bind: "EDGE:5070", transports: [udp, tcp] }
peers:
  office-pbx:
    side: inside
    listener: inside
    sources: ["PBX"]
    targets: ["PBX:5080"]
    transports: [udp, tcp]
    plain_signalling: allow
    plain_media: allow
    allow: [info]
  trunk:
    side: outside
    listener: outside
    sources: ["TRUNK"]
    targets: ["TRUNK:5090"]
    transports: [udp, tcp]
    plain_signalling: allow
    plain_media: allow
    allow: [info]
sites:
  office: { peers: [office-pbx, trunk], dids: ["+12125550100"], channels: 10 }
routes:
  - { name: out, direction: outbound, from: [office-pbx], called: ["+*"], to: [trunk] }
  - { name: in, direction: inbound, from: [trunk], called: [did], to: [office-pbx] }
alerts: { file: "FOLDER/alerts.jsonl" }
records: { file: "FOLDER/records.jsonl" }
control: "FOLDER/control.sock"
"#;

/// Who calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum From {
    Pbx,
    Trunk,
}

/// Two phones with the edge between them.
struct Pairing {
    edge: Edge,
    caller: Phone,
    callee: Phone,
    net: Net,
    from: From,
    /// How many calls were made so far; each leaves one record.
    calls: usize,
}

impl Pairing {
    fn start(net: u8, pbx: Kind, trunk: Kind, from: From) -> Self {
        let net = Net(net);
        let name = format!("{pbx:?}-{trunk:?}-{from:?}-{}", net.edge()).to_lowercase();
        let edge = Edge::start(&name, net, POLICY);
        let place = |address: String, port, edge: String, user: &str| Place {
            address,
            port,
            edge,
            user: user.to_owned(),
        };
        let pbx = Phone::start(pbx, edge.folder(), "pbx", place(net.pbx(), 5080, net.inside(), PBX_USER));
        let trunk =
            Phone::start(trunk, edge.folder(), "trunk", place(net.trunk(), 5090, net.outside(), TRUNK_USER));
        let (caller, callee) = if from == From::Pbx { (pbx, trunk) } else { (trunk, pbx) };
        Self { edge, caller, callee, net, from, calls: 0 }
    }

    /// Who acts and who hears it.
    fn sides(&mut self, by_caller: bool) -> (&mut Phone, &mut Phone) {
        let (caller, callee) = (&mut self.caller, &mut self.callee);
        if by_caller { (caller, callee) } else { (callee, caller) }
    }

    fn dial(&mut self, extra: &str) {
        self.calls += 1;
        let number = self.callee.user().to_owned();
        self.caller.does(format!("dial {number} {extra}").trim());
    }

    /// A call that rings.
    fn ring(&mut self, extra: &str) {
        self.dial(extra);
        self.callee.tells("incoming");
        self.caller.tells_status("early", 180);
    }

    /// A call that is answered.
    fn talk(&mut self) {
        self.ring("");
        self.answer();
    }

    fn answer(&mut self) {
        let from = self.callee.mark();
        self.callee.does("answer 200");
        self.callee.tells("talking");
        self.caller.tells("talking");
        self.callee.hears("the ACK", from, |message| message.name() == "ACK");
    }

    /// One of them hangs up; both are told.
    fn hang_up(&mut self, by_caller: bool) -> Value {
        let (actor, hearer) = self.sides(by_caller);
        let from = hearer.mark();
        actor.does("hang_up");
        self.is_over(by_caller, from)
    }

    /// One of them has hung up, after the other's log had `from` messages.
    fn is_over(&mut self, by_caller: bool, from: usize) -> Value {
        let (actor, hearer) = self.sides(by_caller);
        hearer.hears("the BYE", from, |message| message.name() == "BYE");
        hearer.tells("over");
        actor.hears("the answer to its BYE", 0, |message| message.name() == "200 BYE");
        let record = self.record(200);
        assert_eq!(record["ended_by"], if by_caller { "caller" } else { "callee" }, "{record:#}");
        record
    }

    /// The record of the call that is over.
    fn record(&self, status: u64) -> Value {
        let record = self.edge.records(self.calls).pop().expect("a call leaves a record");
        assert_eq!(record["status"], status, "{record:#}");
        let direction = if self.from == From::Pbx { "outbound" } else { "inbound" };
        assert_eq!(record["direction"], direction, "{record:#}");
        record
    }

    /// No head of a message that one side received names the other (SDP crosses as it is).
    fn hides(&self) {
        let (pbx, trunk) =
            if self.from == From::Pbx { (&self.caller, &self.callee) } else { (&self.callee, &self.caller) };
        for (phone, words) in
            [(pbx, [self.net.trunk(), self.net.outside()]), (trunk, [self.net.pbx(), self.net.inside()])]
        {
            for message in phone.messages().iter().filter(|message| message.received) {
                let head = message.text.split("\n\n").next().unwrap_or_default();
                for word in words.iter().chain([&"baresip".to_owned(), &"pjsua".to_owned()]) {
                    assert!(!head.contains(word), "{word} has crossed:\n{head}");
                }
            }
        }
    }
}

/// What two phones do, from a call that begins to one that is over.
type Scene = fn(&mut Pairing);

/// A re-INVITE of one side: the other hears the offer as it was made, and the first one its answer.
fn reinvites(pairing: &mut Pairing, by_caller: bool, command: &str, offered: &str, answered: &str) {
    let (actor, hearer) = pairing.sides(by_caller);
    let (at_actor, at_hearer) = (actor.mark(), hearer.mark());
    actor.does(command);
    let wanted = |name: &'static str, line: &str| {
        let line = line.to_owned();
        move |message: &Message| message.name() == name && message.text.contains(&line)
    };
    hearer.hears(command, at_hearer, wanted("INVITE", offered));
    actor.hears(command, at_actor, wanted("200 INVITE", answered));
    hearer.hears(command, at_hearer, |message| message.name() == "ACK");
}

/// Hold and resume.
fn holds(pairing: &mut Pairing, by_caller: bool) {
    reinvites(pairing, by_caller, "hold", "\na=sendonly\n", "\na=recvonly\n");
    reinvites(pairing, by_caller, "resume", "\na=sendrecv\n", "\na=sendrecv\n");
}

/// Another codec, and back.
fn changes_codec(pairing: &mut Pairing, by_caller: bool) {
    if pairing.sides(by_caller).0.kind() == Kind::Pjsua {
        reinvites(pairing, by_caller, "reinvite PCMA", "RTP/AVP 8 ", "RTP/AVP 8 ");
        reinvites(pairing, by_caller, "reinvite PCMU,PCMA", "RTP/AVP 0 8 ", "RTP/AVP 0 ");
    }
}

/// Digits as INFO: baresip sends its own as RTP.
fn sends_digits(pairing: &mut Pairing, by_caller: bool) {
    let (actor, hearer) = pairing.sides(by_caller);
    if actor.kind() == Kind::Pjsua {
        actor.does("info 5");
        let heard = hearer.tells("digit");
        assert_eq!(heard["digit"], "5", "{heard}");
    }
}

/// Everything that two phones do in a call.
fn a_long_call(pairing: &mut Pairing) {
    pairing.talk();
    for by_caller in [true, false] {
        holds(pairing, by_caller);
        changes_codec(pairing, by_caller);
        sends_digits(pairing, by_caller);
    }
    pairing.hang_up(true);
}

/// A transfer is refused on the leg it came from, and the edge lets the call live.
fn a_transfer_is_refused(pairing: &mut Pairing) {
    for by_caller in [true, false] {
        pairing.talk();
        let (actor, hearer) = pairing.sides(by_caller);
        let from = hearer.mark();
        actor.does("transfer sip:+12125550177@pbx.example");
        actor.tells_status("transfer", 403);
        match actor.kind() {
            Kind::Pjsua => {
                sends_digits(pairing, by_caller);
                holds(pairing, !by_caller);
                pairing.hang_up(true);
            }
            // baresip hangs up by itself when its transfer is refused.
            Kind::Baresip => {
                pairing.is_over(by_caller, from);
            }
        }
        let hearer = pairing.sides(by_caller).1;
        let crossed = hearer.messages().into_iter().skip(from).find(|message| message.name() == "REFER");
        assert_eq!(crossed, None, "a REFER has crossed");
    }
}

fn the_callee_hangs_up(pairing: &mut Pairing) {
    pairing.talk();
    pairing.hang_up(false);
}

fn the_caller_gives_up(pairing: &mut Pairing) {
    pairing.ring("");
    let from = pairing.callee.mark();
    pairing.caller.does("hang_up");
    pairing.callee.hears("the CANCEL", from, |message| message.name() == "CANCEL");
    pairing.callee.tells("over");
    pairing.caller.hears("487", 0, |message| message.name() == "487 INVITE");
    pairing.record(487);
}

fn the_callee_is_busy(pairing: &mut Pairing) {
    pairing.ring("");
    let busy = if pairing.callee.kind() == Kind::Pjsua { "answer 486" } else { "hang_up" };
    pairing.callee.does(busy);
    pairing.caller.tells_status("over", 486);
    pairing.record(486);
}

fn media_comes_early(pairing: &mut Pairing) {
    let baresip = pairing.callee.kind() == Kind::Baresip;
    if baresip {
        pairing.callee.does("answermode early");
    }
    let from = pairing.caller.mark();
    pairing.dial("");
    if !baresip {
        pairing.callee.tells("incoming");
        pairing.callee.does("answer 183");
    }
    pairing
        .caller
        .hears("early media", from, |message| message.name() == "183 INVITE" && message.has("m=audio"));
    pairing.answer();
    if baresip {
        pairing.callee.does("answermode manual");
    }
    pairing.hang_up(true);
}

fn the_offer_comes_late(pairing: &mut Pairing) {
    if pairing.caller.kind() == Kind::Pjsua {
        let from = pairing.callee.mark();
        pairing.ring("late");
        let invite = pairing.callee.hears("the INVITE", from, |message| message.name() == "INVITE");
        assert!(!invite.has("m="), "{invite:?}");
        pairing.answer();
        let ack = pairing.callee.hears("the ACK", from, |message| message.name() == "ACK");
        assert!(ack.has("m=audio"), "{ack:?}");
        pairing.hang_up(true);
    }
}

/// Every scene, one after the other; then nothing is left and nothing of one side is known on the other.
fn plays(net: u8, pbx: Kind, trunk: Kind, from: From) {
    if !ready() {
        return;
    }
    let mut pairing = Pairing::start(net, pbx, trunk, from);
    let scenes: [(&str, Scene); 7] = [
        ("a long call", a_long_call),
        ("a transfer is refused", a_transfer_is_refused),
        ("the callee hangs up", the_callee_hangs_up),
        ("the caller gives up", the_caller_gives_up),
        ("the callee is busy", the_callee_is_busy),
        ("media comes early", media_comes_early),
        ("the offer comes late", the_offer_comes_late),
    ];
    for (name, scene) in scenes {
        eprintln!("{pbx:?} -> {trunk:?} from {from:?}: {name}");
        scene(&mut pairing);
    }
    pairing.hides();
    pairing.edge.settle(PATIENCE);
    assert_eq!(pairing.edge.records(pairing.calls).len(), pairing.calls);
}

#[test]
fn pjsua_calls_baresip_as_its_trunk() {
    plays(60, Kind::Pjsua, Kind::Baresip, From::Pbx);
}

#[test]
fn pjsua_is_called_by_baresip_as_its_trunk() {
    plays(61, Kind::Pjsua, Kind::Baresip, From::Trunk);
}

#[test]
fn baresip_calls_pjsua_as_its_trunk() {
    plays(62, Kind::Baresip, Kind::Pjsua, From::Pbx);
}

#[test]
fn baresip_is_called_by_pjsua_as_its_trunk() {
    plays(63, Kind::Baresip, Kind::Pjsua, From::Trunk);
}

#[test]
fn pjsua_calls_pjsua() {
    plays(64, Kind::Pjsua, Kind::Pjsua, From::Pbx);
}

#[test]
fn pjsua_is_called_by_pjsua() {
    plays(65, Kind::Pjsua, Kind::Pjsua, From::Trunk);
}
