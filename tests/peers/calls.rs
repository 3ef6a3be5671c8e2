//! What every phone does in a call: hold, resume, another codec, digits, a transfer in vain, giving up, hanging up.

use super::pairing::Pairing;
use crate::rig::phone::{Kind, Message};

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
pub fn holds(pairing: &mut Pairing, by_caller: bool) {
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
pub fn a_long_call(pairing: &mut Pairing) {
    pairing.talk();
    for by_caller in [true, false] {
        holds(pairing, by_caller);
        changes_codec(pairing, by_caller);
        sends_digits(pairing, by_caller);
    }
    pairing.hang_up(true);
}

/// A transfer is refused on the leg it came from, and the edge lets the call live.
pub fn a_transfer_is_refused(pairing: &mut Pairing) {
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
                pairing.is_over(by_caller);
            }
        }
        let hearer = pairing.sides(by_caller).1;
        let crossed = hearer.messages().into_iter().skip(from).find(|message| message.name() == "REFER");
        assert_eq!(crossed, None, "a REFER has crossed");
    }
}

pub fn the_callee_hangs_up(pairing: &mut Pairing) {
    pairing.talk();
    pairing.hang_up(false);
}

pub fn the_caller_gives_up(pairing: &mut Pairing) {
    pairing.ring("");
    let (at_caller, at_callee) = (pairing.began(true), pairing.began(false));
    pairing.caller.does("hang_up");
    pairing.callee.hears("the CANCEL", at_callee, |message| message.name() == "CANCEL");
    pairing.callee.tells("over");
    pairing.caller.hears("487", at_caller, |message| message.name() == "487 INVITE");
    pairing.record(487);
}

pub fn the_callee_is_busy(pairing: &mut Pairing) {
    pairing.ring("");
    let busy = if pairing.callee.kind() == Kind::Pjsua { "answer 486" } else { "hang_up" };
    pairing.callee.does(busy);
    pairing.caller.tells_status("over", 486);
    pairing.record(486);
}

pub fn media_comes_early(pairing: &mut Pairing) {
    let baresip = pairing.callee.kind() == Kind::Baresip;
    if baresip {
        pairing.callee.does("answermode early");
    }
    pairing.dial("");
    let from = pairing.began(true);
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

/// A re-INVITE without an offer: the other side makes one, and the ACK brings the answer.
fn asks_for_an_offer(pairing: &mut Pairing, by_caller: bool) {
    let (actor, hearer) = pairing.sides(by_caller);
    if actor.kind() != Kind::Pjsua {
        return;
    }
    let (at_actor, at_hearer) = (actor.mark(), hearer.mark());
    actor.does("ask_for_an_offer");
    let invite = hearer.hears("the re-INVITE", at_hearer, |message| message.name() == "INVITE");
    assert!(!invite.has("m="), "{invite:?}");
    let offer = actor.hears("the offer", at_actor, |message| message.name() == "200 INVITE");
    assert!(offer.has("m=audio"), "{offer:?}");
    let answer = hearer.hears("the ACK", at_hearer, |message| message.name() == "ACK");
    assert!(answer.has("m=audio"), "{answer:?}");
}

pub fn the_offer_comes_late(pairing: &mut Pairing) {
    if pairing.caller.kind() == Kind::Pjsua {
        pairing.ring("late");
        let from = pairing.began(false);
        let invite = pairing.callee.hears("the INVITE", from, |message| message.name() == "INVITE");
        assert!(!invite.has("m="), "{invite:?}");
        pairing.answer();
        let ack = pairing.callee.hears("the ACK", from, |message| message.name() == "ACK");
        assert!(ack.has("m=audio"), "{ack:?}");
    } else {
        pairing.talk();
    }
    for by_caller in [true, false] {
        asks_for_an_offer(pairing, by_caller);
        holds(pairing, !by_caller);
    }
    pairing.hang_up(true);
}
