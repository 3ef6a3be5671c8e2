//! A list of numbers that is replaced while the edge runs: taken by itself where it is whole, told and left where it is not.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use super::explain::{busy, final_status};
use super::rig::edge::Edge;
use super::rig::{Net, folder};
use super::{POLICY, request, udp};

const FIRST: &str = "+13125550142";
const SECOND: &str = "+13125550143";
/// Longest time in which a file that was put in place is read; far more than a busy machine needs.
const READ_WITHIN: Duration = Duration::from_secs(20);

/// Puts a list in place by an atomic rename.
fn list(folder: &Path, text: &str) {
    fs::write(folder.join("new"), text).expect("the folder is writable");
    fs::rename(folder.join("new"), folder.join("blocked.csv")).expect("a rename within one folder");
}

#[test]
fn a_list_is_taken_while_the_edge_runs_and_one_with_a_bad_line_leaves_the_old_one_in_force() {
    let net = Net(232);
    let place = folder("shell-lists-files");
    list(&place, &format!("number,reason\n{FIRST},reported\n"));
    let file = place.join("blocked.csv").display().to_string();
    let rule = format!("policy:\n  outbound:\n    - blocklist: {{ files: [\"{file}\"] }}\n");
    let edge = Edge::start("shell-lists", net, &POLICY.replace("#policy", &rule));
    let (phone, _trunk) = (udp(&net.pbx(), 5080), busy(udp(&net.trunk(), 5090)));
    let mut calls = 0;
    let mut asks = |number: &str| {
        calls += 1;
        let call = format!("lists-{calls}");
        let text = request("INVITE", &net.pbx(), "UDP", &call, "");
        let text = text.replace(&format!("sip:{}@", super::NUMBER), &format!("sip:{number}@"));
        phone.send_to(text.as_bytes(), net.inside()).expect("the edge is there");
        final_status(&phone, &call)
    };
    assert_eq!((asks(FIRST), asks(SECOND)), (403, 486), "the list of the start");

    list(&place, &format!("number,reason\n{SECOND},reported\n+1312555x,a slip\n"));
    let refused = edge.alert(39001);
    let told = refused.to_string();
    assert!(told.contains("blocked.csv:3") && told.contains("+1312555x"), "{told}");
    assert_eq!((asks(FIRST), asks(SECOND)), (403, 486), "the list of the start stays whole");

    list(&place, &format!("number,reason\n{SECOND},reported\n"));
    let began = Instant::now();
    while asks(SECOND) != 403 {
        assert!(began.elapsed() < READ_WITHIN, "the new list was not taken: {}", edge.said());
        std::thread::sleep(Duration::from_millis(100));
    }
    assert_eq!(asks(FIRST), 486, "what the new list does not name may be called");
}
