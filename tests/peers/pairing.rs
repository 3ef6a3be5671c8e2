//! Two phones with the edge between them: a call that rings, is answered, is hung up, and what the edge wrote of it.

use std::time::Duration;

use serde_json::Value;

use crate::rig::Net;
use crate::rig::edge::Edge;
use crate::rig::office;
use crate::rig::phone::{Kind, Phone, Place, Tls};
use crate::rig::sipp::Over;

/// Timer D is 32 s over UDP, whatever T1 is: a refused call leaves its last transaction for so long.
pub const PATIENCE: Duration = Duration::from_secs(45);
const PBX_USER: &str = "+12125550100";
const TRUNK_USER: &str = "+12125550142";

/// The office, whose timers are those of the field: phones keep to them.
pub fn policy() -> String {
    office::policy("TRANSPORT", &[])
}

/// Who calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum From {
    Pbx,
    Trunk,
}

/// Two phones with the edge between them.
pub struct Pairing {
    pub edge: Edge,
    pub caller: Phone,
    pub callee: Phone,
    net: Net,
    from: From,
    /// How many calls were made so far; each leaves one record.
    pub calls: usize,
    /// How many messages the logs of caller and callee had when the call began.
    began: (usize, usize),
}

impl Pairing {
    pub fn start(net: u8, pbx: Kind, trunk: Kind, from: From, over: Over, policy: &str) -> Self {
        Self::start_as(net, (pbx, None), (trunk, None), from, over, policy)
    }

    /// Two phones, and how each makes itself known over TLS.
    pub fn start_as(
        net: u8,
        (pbx, pbx_tls): (Kind, Option<Tls>),
        (trunk, trunk_tls): (Kind, Option<Tls>),
        from: From,
        over: Over,
        policy: &str,
    ) -> Self {
        let net = Net(net);
        let name = format!("{pbx:?}-{trunk:?}-{from:?}-{}", net.edge()).to_lowercase();
        let edge = Edge::start(&name, net, &policy.replace("TRANSPORT", over.name()));
        let place = |address: String, port, edge: String, user: &str, tls| Place {
            address,
            port,
            edge,
            user: user.to_owned(),
            over,
            tls,
            sound: None,
        };
        let at_pbx = place(net.pbx(), 5080, net.inside(), PBX_USER, pbx_tls);
        let pbx = Phone::start(pbx, edge.folder(), "pbx", at_pbx);
        let at_trunk = place(net.trunk(), 5090, net.outside(), TRUNK_USER, trunk_tls);
        let trunk = Phone::start(trunk, edge.folder(), "trunk", at_trunk);
        let (caller, callee) = if from == From::Pbx { (pbx, trunk) } else { (trunk, pbx) };
        Self { edge, caller, callee, net, from, calls: 0, began: (0, 0) }
    }

    /// Who acts and who hears it.
    pub fn sides(&mut self, by_caller: bool) -> (&mut Phone, &mut Phone) {
        let (caller, callee) = (&mut self.caller, &mut self.callee);
        if by_caller { (caller, callee) } else { (callee, caller) }
    }

    /// How many messages the log of one of them had when the call began.
    pub fn began(&self, by_caller: bool) -> usize {
        if by_caller { self.began.0 } else { self.began.1 }
    }

    /// The caller dials the callee; `extra` is for the caller's `dial`.
    pub fn dial(&mut self, extra: &str) {
        self.calls += 1;
        self.began = (self.caller.mark(), self.callee.mark());
        let number = self.callee.user().to_owned();
        self.caller.does(format!("dial {number} {extra}").trim());
    }

    /// A call that rings.
    pub fn ring(&mut self, extra: &str) {
        self.dial(extra);
        self.callee.tells("incoming");
        self.caller.tells_status("early", 180);
    }

    /// A call that is answered.
    pub fn talk(&mut self) {
        self.ring("");
        self.answer();
    }

    /// The callee answers.
    pub fn answer(&mut self) {
        self.callee.does("answer 200");
        self.callee.tells("talking");
        self.caller.tells("talking");
        let from = self.began(false);
        self.callee.hears("the ACK", from, |message| message.name() == "ACK");
    }

    /// One of them hangs up; both are told.
    pub fn hang_up(&mut self, by_caller: bool) -> Value {
        self.sides(by_caller).0.does("hang_up");
        self.is_over(by_caller)
    }

    /// One of them has hung up; both are told.
    pub fn is_over(&mut self, by_caller: bool) -> Value {
        let (at_actor, at_hearer) = (self.began(by_caller), self.began(!by_caller));
        let (actor, hearer) = self.sides(by_caller);
        hearer.hears("the BYE", at_hearer, |message| message.name() == "BYE");
        hearer.tells("over");
        actor.hears("the answer to its BYE", at_actor, |message| message.name() == "200 BYE");
        let record = self.record(200);
        assert_eq!(record["ended_by"], if by_caller { "caller" } else { "callee" }, "{record:#}");
        record
    }

    /// The record of the call that is over.
    pub fn record(&self, status: u64) -> Value {
        let record = self.edge.records(self.calls).pop().expect("a call leaves a record");
        assert_eq!(record["status"], status, "{record:#}");
        let direction = if self.from == From::Pbx { "outbound" } else { "inbound" };
        assert_eq!(record["direction"], direction, "{record:#}");
        record
    }

    /// No head of a message that one side received names the other (SDP crosses as it is).
    pub fn hides(&self) {
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
pub type Scene = fn(&mut Pairing);
