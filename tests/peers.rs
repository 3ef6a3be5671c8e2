//! Real user agents through the edge's own process: PJSUA and baresip, as PBX and as trunk, called and calling.
//!
//! Each pairing has its own edge and plays every scene one after the other; pairings run side by side. Skips with a notice where
//! a phone is missing. What baresip 1.0 cannot do (100rel, UPDATE, session timers) the edge does on its own leg beside it.

#![allow(clippy::print_stderr, clippy::panic, reason = "a test says why it is skipped or fails")]

mod rig;

#[path = "peers/calls.rs"]
mod calls;
#[path = "peers/extensions.rs"]
mod extensions;
#[path = "peers/media.rs"]
mod media;
#[path = "peers/pairing.rs"]
mod pairing;
#[path = "peers/timers.rs"]
mod timers;
#[path = "peers/tls.rs"]
mod tls;
#[path = "peers/transfers.rs"]
mod transfers;

use pairing::{From, Pairing, Scene, policy};
use rig::phone::{Kind, ready};
use rig::sipp::Over;

/// Every scene.
const SCENES: [(&str, Scene); 12] = [
    ("a long call", calls::a_long_call),
    ("a transfer is refused", calls::a_transfer_is_refused),
    ("the callee hangs up", calls::the_callee_hangs_up),
    ("the caller gives up", calls::the_caller_gives_up),
    ("the callee is busy", calls::the_callee_is_busy),
    ("media comes early", calls::media_comes_early),
    ("the offer comes late", calls::the_offer_comes_late),
    ("the caller requires reliable ringing", extensions::the_caller_requires_reliable_ringing),
    ("the callee requires reliable ringing", extensions::the_callee_requires_reliable_ringing),
    ("a codec changes by UPDATE", extensions::a_codec_changes_by_update),
    ("early media changes", extensions::early_media_changes),
    ("the caller locks the codec", extensions::the_caller_locks_the_codec),
];

fn plays(net: u8, pbx: Kind, trunk: Kind, from: From, over: Over) {
    if !ready() {
        return;
    }
    let pairing = Pairing::start(net, pbx, trunk, from, over, &policy());
    plays_in(pairing, &SCENES, &format!("{pbx:?} -> {trunk:?} from {from:?}"));
}

/// Scenes, one after the other; then nothing is left and nothing of one side is known on the other.
fn plays_in(mut pairing: Pairing, scenes: &[(&str, Scene)], who: &str) {
    for (name, scene) in scenes {
        eprintln!("{who}: {name}");
        scene(&mut pairing);
    }
    pairing.hides();
    pairing.edge.settle(pairing::PATIENCE);
    assert_eq!(pairing.edge.records(pairing.calls).len(), pairing.calls);
}

#[test]
fn pjsua_calls_baresip_as_its_trunk() {
    plays(60, Kind::Pjsua, Kind::Baresip, From::Pbx, Over::Udp);
}

#[test]
fn pjsua_is_called_by_baresip_as_its_trunk() {
    plays(61, Kind::Pjsua, Kind::Baresip, From::Trunk, Over::Udp);
}

#[test]
fn baresip_calls_pjsua_as_its_trunk() {
    plays(62, Kind::Baresip, Kind::Pjsua, From::Pbx, Over::Udp);
}

#[test]
fn baresip_is_called_by_pjsua_as_its_trunk() {
    plays(63, Kind::Baresip, Kind::Pjsua, From::Trunk, Over::Udp);
}

#[test]
fn pjsua_calls_pjsua() {
    plays(64, Kind::Pjsua, Kind::Pjsua, From::Pbx, Over::Udp);
}

#[test]
fn pjsua_is_called_by_pjsua() {
    plays(65, Kind::Pjsua, Kind::Pjsua, From::Trunk, Over::Udp);
}

#[test]
fn pjsua_calls_pjsua_over_tcp() {
    plays(66, Kind::Pjsua, Kind::Pjsua, From::Pbx, Over::Tcp);
}
