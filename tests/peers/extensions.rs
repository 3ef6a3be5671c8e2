//! What only PJSUA knows: reliable provisional responses and UPDATE, also where the phone beside it knows neither.

use super::pairing::{PATIENCE, Pairing};
use crate::rig::phone::{Kind, Message, Phone};

fn named(name: &'static str) -> impl Fn(&Message) -> bool {
    move |message| message.name() == name
}

/// PJSUA's settings for the calls to come; another phone has none.
fn set(phone: &mut Phone, settings: &str) {
    if phone.kind() == Kind::Pjsua {
        phone.does(&format!("account_is {settings}"));
    }
}

/// The caller hears ringing that it must acknowledge, and the edge takes the acknowledgement (RFC 3262 §3, §4).
fn acknowledges(pairing: &mut Pairing) {
    let from = pairing.began(true);
    let ringing = pairing.caller.hears("reliable ringing", from, |message| {
        message.name() == "180 INVITE" && message.header("Require").contains("100rel")
    });
    assert!(ringing.header("RSeq").parse::<u32>().is_ok(), "{ringing:?}");
    pairing.caller.hears("the answer to its PRACK", from, named("200 PRACK"));
}

/// The callee's own ringing is acknowledged.
fn is_acknowledged(pairing: &mut Pairing) {
    let from = pairing.began(false);
    let acknowledged = pairing.callee.hears("the PRACK", from, named("PRACK"));
    assert!(acknowledged.header("RAck").ends_with(" INVITE"), "{acknowledged:?}");
}

pub fn the_caller_requires_reliable_ringing(pairing: &mut Pairing) {
    if pairing.caller.kind() != Kind::Pjsua {
        return;
    }
    for callee in ["none", "offered", "required"] {
        set(&mut pairing.caller, "prack=required");
        set(&mut pairing.callee, &format!("prack={callee}"));
        pairing.ring("");
        acknowledges(pairing);
        if pairing.callee.kind() == Kind::Pjsua && callee == "required" {
            is_acknowledged(pairing);
        }
        pairing.answer();
        pairing.hang_up(true);
    }
    for phone in [&mut pairing.caller, &mut pairing.callee] {
        set(phone, "prack=none");
    }
}

pub fn the_callee_requires_reliable_ringing(pairing: &mut Pairing) {
    if pairing.callee.kind() != Kind::Pjsua {
        return;
    }
    set(&mut pairing.callee, "prack=required");
    for status in ["180", "183"] {
        pairing.ring("");
        is_acknowledged(pairing);
        if status == "183" {
            pairing.callee.does("answer 183");
            let from = pairing.began(true);
            let early = pairing.caller.hears("early media", from, named("183 INVITE"));
            assert!(early.has("m=audio"), "{early:?}");
        }
        pairing.answer();
        pairing.hang_up(false);
    }
    // Given up while a reliable response is open or just acknowledged.
    pairing.ring("");
    let from = pairing.began(true);
    pairing.caller.does("hang_up");
    pairing.callee.tells("over");
    pairing.caller.hears("487", from, named("487 INVITE"));
    pairing.record(487);
    set(&mut pairing.callee, "prack=none");
}

/// An UPDATE crosses as one where the other phone knows it, else as a re-INVITE.
pub fn a_codec_changes_by_update(pairing: &mut Pairing) {
    pairing.talk();
    for by_caller in [true, false] {
        let (actor, hearer) = pairing.sides(by_caller);
        if actor.kind() != Kind::Pjsua {
            continue;
        }
        let arrives = if hearer.kind() == Kind::Pjsua { "UPDATE" } else { "INVITE" };
        for (codecs, line) in [("PCMA", "RTP/AVP 8 "), ("PCMU,PCMA", "RTP/AVP 0 ")] {
            let (at_actor, at_hearer) = (actor.mark(), hearer.mark());
            actor.does(&format!("update {codecs}"));
            let carries = |name, message: &Message| message.name() == name && message.text.contains(line);
            hearer.hears("the change", at_hearer, |message| carries(arrives, message));
            actor.hears("the answer to its UPDATE", at_actor, |message| carries("200 UPDATE", message));
        }
    }
    pairing.hang_up(true);
}

/// PJSUA takes one codec of an answer that has two by an offer of its own, which follows the ACK at once.
pub fn the_caller_locks_the_codec(pairing: &mut Pairing) {
    if pairing.caller.kind() != Kind::Pjsua || pairing.callee.kind() != Kind::Baresip {
        return;
    }
    set(&mut pairing.caller, "lock=yes");
    pairing.talk();
    let from = pairing.began(true);
    let answer = pairing.caller.hears("the answer to its own offer", from, |message| {
        let one = message.text.lines().any(|line| line.starts_with("m=audio") && !line.contains(" 0 8 "));
        message.start().starts_with("SIP/2.0 200") && one
    });
    assert!(["200 UPDATE", "200 INVITE"].contains(&answer.name().as_str()), "{answer:?}");
    super::calls::holds(pairing, false);
    super::calls::holds(pairing, true);
    pairing.hang_up(true);
    set(&mut pairing.caller, "lock=no");
}

/// Media that came early and reliably changes by UPDATE before anybody has answered.
pub fn early_media_changes(pairing: &mut Pairing) {
    if pairing.caller.kind() != Kind::Pjsua || pairing.callee.kind() != Kind::Pjsua {
        return;
    }
    set(&mut pairing.caller, "prack=required");
    set(&mut pairing.callee, "prack=required");
    pairing.ring("");
    pairing.callee.does("answer 183");
    let (at_caller, at_callee) = (pairing.began(true), pairing.began(false));
    pairing.caller.hears("early media", at_caller, |message| {
        message.name() == "183 INVITE" && message.has("m=audio") && message.has("RSeq")
    });
    // Only an acknowledged answer lets a new offer be made (RFC 3311 §5.1).
    let acknowledged = || {
        pairing
            .caller
            .messages()
            .iter()
            .skip(at_caller)
            .filter(|message| message.name() == "200 PRACK")
            .count()
    };
    crate::rig::wait_for("both PRACKs to be answered", PATIENCE, || acknowledged() == 2);
    pairing.caller.does("update PCMA");
    pairing.callee.hears("the change", at_callee, |message| {
        message.name() == "UPDATE" && message.text.contains("RTP/AVP 8 ")
    });
    pairing.caller.hears("the answer to its UPDATE", at_caller, |message| {
        message.name() == "200 UPDATE" && message.text.contains("RTP/AVP 8 ")
    });
    pairing.answer();
    pairing.caller.does("codecs PCMU,PCMA");
    pairing.hang_up(true);
    set(&mut pairing.caller, "prack=none");
    set(&mut pairing.callee, "prack=none");
}
