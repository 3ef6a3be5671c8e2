//! A crash in the middle of a call: at the next start the trunk hears a BYE, the record is written, and a ban stands.

use std::time::Duration;

use rustix::process::Signal;

use super::rig::edge::Edge;
use super::rig::{Net, folder, wait_for};
use super::{POLICY, call_up, header, receive_until, response, udp};

const PATIENCE: Duration = Duration::from_secs(20);

/// Sources that are banned now.
fn banned(edge: &Edge) -> u64 {
    edge.number("/banned")
}

#[test]
fn f6_after_a_crash_the_call_is_ended_and_the_ban_stands() {
    let net = Net(248);
    let place = folder("shell-crash-store");
    let store = place.join("ringfence.db");
    let lasting = POLICY.replace(
        "#policy",
        &format!("store: {{ file: \"{}\" }}\nstrangers: {{ ban_after: 3 }}", store.display()),
    );
    let mut edge = Edge::start("shell-crash-before", net, &lasting);
    let (pbx, trunk, invite) = call_up(net);
    let stranger = udp(&net.stranger(), 5080);
    for _ in 0..10 {
        stranger.send_to(b"OPTIONS sip:a SIP/2.0\r\n\r\n", net.inside()).expect("the edge is there");
    }
    wait_for("a ban", PATIENCE, || banned(&edge) == 1);
    // What is collected once a second is written within another one; nothing tells from outside when it is on the disk.
    let bytes = || std::fs::metadata(place.join("ringfence.db-wal")).map_or(0, |file| file.len());
    wait_for("rows on the disk", PATIENCE, || bytes() > 0);
    std::thread::sleep(Duration::from_secs(4));
    edge.signal(Signal::KILL);
    edge.ended(PATIENCE);
    drop(edge);

    let edge = Edge::start("shell-crash-after", net, &lasting);
    let bye = receive_until(&trunk, "BYE ");
    assert_eq!(header(&bye, "Call-ID"), header(&invite, "Call-ID"));
    trunk.send_to(response(&bye, "200 OK", "").as_bytes(), net.outside()).expect("the edge is there");
    let bye = receive_until(&pbx, "BYE ");
    pbx.send_to(response(&bye, "200 OK", "").as_bytes(), net.inside()).expect("the edge is there");
    wait_for("the call to be over", PATIENCE, || edge.number("/gauges/calls") == 0);
    assert_eq!(banned(&edge), 1, "the ban stands");
    assert_eq!(edge.alert(39903)["evidence"]["ended"], "1");
    let record = edge.records(1).remove(0);
    assert_eq!(record["why"], "left open by a crash, ended at the next start");
}
