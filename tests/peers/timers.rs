//! Calls that last longer than their session: each leg is refreshed by itself, whatever its phone knows of RFC 4028.

use std::time::{Duration, Instant};

use super::calls::holds;
use super::pairing::{From, PATIENCE, Pairing, policy};
use crate::rig::phone::{Kind, Message, Phone, ready};
use crate::rig::sipp::Over;
use crate::rig::wait_for;

/// The shortest that RFC 4028 §4 has everybody take; refreshed at half of it.
const SESSION: Duration = Duration::from_secs(90);
const REFRESHES: usize = 3;
/// Three refreshes, and a little.
const LONGEST: Duration = Duration::from_secs(150);

/// The refreshes that crossed one leg and were taken, as the phone's log has them: (made by the phone, made by the edge).
fn refreshes(phone: &Phone, from: usize) -> (usize, usize) {
    let messages: Vec<Message> = phone.messages().into_iter().skip(from).collect();
    let count = |names: [&str; 2], received: bool| {
        let fits =
            |message: &&Message| message.received == received && names.contains(&message.name().as_str());
        messages.iter().filter(fits).count()
    };
    let made = |by_edge: bool| {
        let asked = count(["INVITE", "UPDATE"], by_edge);
        asked.min(count(["200 INVITE", "200 UPDATE"], !by_edge))
    };
    (made(false), made(true))
}

/// Who keeps session timers, and how: `none`, `offered`, `required`; baresip knows none.
struct Timers {
    caller: &'static str,
    callee: &'static str,
    /// Who refreshes a leg whose phone knows timers: `edge` or `peer`.
    refresher: &'static str,
}

/// How the phones refresh.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum By {
    /// By UPDATE, where they know it.
    Whatever,
    /// The edge takes no UPDATE.
    Reinvite,
}

impl Timers {
    fn of(&self, by_caller: bool) -> &'static str {
        if by_caller { self.caller } else { self.callee }
    }

    /// Whether the phone itself is the one that refreshes.
    fn is_kept_by(&self, phone: &Phone, by_caller: bool) -> bool {
        phone.kind() == Kind::Pjsua && self.of(by_caller) != "none" && self.refresher == "peer"
    }
}

fn lasts(net: u8, pbx: Kind, trunk: Kind, from: From, timers: &Timers) {
    lasts_by(By::Whatever, net, pbx, trunk, from, timers);
}

fn lasts_by(by: By, net: u8, pbx: Kind, trunk: Kind, from: From, timers: &Timers) {
    if !ready() {
        return;
    }
    let mut timer =
        format!("    session_timer: {{ session_expires: 90s, refresher: {} }}\n", timers.refresher);
    if by == By::Reinvite {
        timer.push_str("    extensions: [none]\n");
    }
    let policy = policy().replace("    allow: [info]\n", &format!("    allow: [info]\n{timer}"));
    let mut pairing = Pairing::start(net, pbx, trunk, from, Over::Udp, &policy);
    for by_caller in [true, false] {
        let phone = pairing.sides(by_caller).0;
        if phone.kind() == Kind::Pjsua {
            phone.does(&format!("account_is timer={} expires={}", timers.of(by_caller), SESSION.as_secs()));
        }
    }
    pairing.talk();
    let began = Instant::now();
    let marks = (pairing.caller.mark(), pairing.callee.mark());
    let enough = |pairing: &Pairing| {
        let phones = [(&pairing.caller, marks.0, true), (&pairing.callee, marks.1, false)];
        phones.into_iter().all(|(phone, mark, by_caller)| {
            let (own, ours) = refreshes(phone, mark);
            let made = if timers.is_kept_by(phone, by_caller) { own } else { ours };
            made >= REFRESHES
        })
    };
    while !enough(&pairing) {
        let (caller, callee) = (refreshes(&pairing.caller, marks.0), refreshes(&pairing.callee, marks.1));
        assert!(
            began.elapsed() < LONGEST,
            "refreshes (by phone, by edge): caller {caller:?}, callee {callee:?}\n{}\n{}",
            pairing.caller.said(),
            pairing.callee.said()
        );
        std::thread::sleep(Duration::from_secs(1));
    }
    assert!(began.elapsed() > SESSION, "they came too fast: {:?}", began.elapsed());
    if by == By::Reinvite {
        for (phone, mark) in [(&pairing.caller, marks.0), (&pairing.callee, marks.1)] {
            let refused =
                phone.messages().into_iter().skip(mark).any(|message| message.name() == "491 INVITE");
            assert!(!refused, "{}", phone.said());
        }
    }
    holds(&mut pairing, true);
    holds(&mut pairing, false);
    let record = pairing.hang_up(true);
    let talked = Duration::from_millis(record["talk_ms"].as_u64().expect("a record says how long"));
    assert!(talked > SESSION, "{record:#}");
    pairing.hides();
    pairing.edge.settle(PATIENCE);
}

#[test]
fn a_caller_keeps_a_timer_and_its_callee_knows_none() {
    let timers = Timers { caller: "required", callee: "none", refresher: "peer" };
    lasts(70, Kind::Pjsua, Kind::Baresip, From::Pbx, &timers);
}

#[test]
fn a_callee_keeps_a_timer_and_its_caller_knows_none() {
    let timers = Timers { caller: "none", callee: "required", refresher: "peer" };
    lasts(71, Kind::Baresip, Kind::Pjsua, From::Pbx, &timers);
}

#[test]
fn both_keep_a_timer_and_the_edge_refreshes() {
    let timers = Timers { caller: "required", callee: "offered", refresher: "edge" };
    lasts(72, Kind::Pjsua, Kind::Pjsua, From::Pbx, &timers);
}

#[test]
fn both_keep_a_timer_and_refresh() {
    let timers = Timers { caller: "offered", callee: "required", refresher: "peer" };
    lasts(73, Kind::Pjsua, Kind::Pjsua, From::Trunk, &timers);
}

/// PJSUA does not ask again after 491: two that refresh at the same time must not meet each other.
#[test]
fn both_refresh_by_reinvite_in_step() {
    let timers = Timers { caller: "required", callee: "required", refresher: "peer" };
    lasts_by(By::Reinvite, 79, Kind::Pjsua, Kind::Pjsua, From::Pbx, &timers);
}

#[test]
fn a_trunk_keeps_a_timer_and_the_pbx_that_it_calls_does_not() {
    let timers = Timers { caller: "offered", callee: "none", refresher: "edge" };
    lasts(74, Kind::Pjsua, Kind::Pjsua, From::Trunk, &timers);
}

#[test]
fn a_trunk_that_knows_no_timer_calls_a_pbx_that_keeps_one() {
    let timers = Timers { caller: "none", callee: "offered", refresher: "edge" };
    lasts(75, Kind::Pjsua, Kind::Baresip, From::Trunk, &timers);
}

/// Who kept no timer learns of it by the edge's BYE, long before anybody's own patience ends.
#[test]
fn a_phone_that_lost_power_ends_its_call() {
    if !ready() {
        return;
    }
    let timer = "    allow: [info]\n    session_timer: { session_expires: 90s }\n";
    let policy = policy().replace("    allow: [info]\n", timer);
    let mut pairing = Pairing::start(77, Kind::Baresip, Kind::Pjsua, From::Pbx, Over::Udp, &policy);
    pairing.talk();
    pairing.callee.loses_power();
    let began = Instant::now();
    let is_over =
        |phone: &Phone| phone.messages().iter().any(|message| message.received && message.name() == "BYE");
    wait_for("the call to end", SESSION, || is_over(&pairing.caller));
    assert!(began.elapsed() >= SESSION / 2, "nobody knows before the refresh is due: {:?}", began.elapsed());
    pairing.caller.tells("over");
    let record = pairing.record(200);
    assert_eq!((&record["ended_by"], &record["code"]), (&"edge".into(), &39109.into()), "{record:#}");
    pairing.edge.alert(39109);
    pairing.edge.settle(PATIENCE);
}
