//! Orders to the running edge: suspended while a call is up, calls listed and cut, strangers banned; help is called all the while.

use std::net::UdpSocket;
use std::process::Output;

use serde_json::Value;

use super::rig::Net;
use super::rig::edge::Edge;
use super::{NUMBER, POLICY, call_up, header, receive_until, request, response, ringfence, said};

/// The office of the shell's cases, with a dial plan: 911 is known.
fn policy() -> String {
    let plan = "dial_plans:\n  us: { country_code: \"1\", idd: [\"011\"], national_prefix: \"1\", nsn_lengths: [10] }\n";
    let with_plan = "plain_media: allow, dial_plan: us }\n  trunk:";
    let policy = POLICY.replace("plain_media: allow }\n  trunk:", with_plan).replace("#policy", plan);
    let policy = policy.replace("dids: [\"+12125550100\"]", "dids: [\"+12125550100\", \"+12125550199\"]");
    assert!(policy.contains("dial_plan: us"), "{policy}");
    policy
}

/// Gives an order; its exit code and all that it said.
fn ordered(edge: &Edge, words: &[&str]) -> (Option<i32>, String) {
    let output = asked(edge, words);
    (output.status.code(), said(&output))
}

fn asked(edge: &Edge, words: &[&str]) -> Output {
    let socket = edge.folder().join("control.sock");
    let socket = socket.to_string_lossy();
    ringfence(&[words, &["--socket", &socket]].concat())
}

/// The answer for machines.
fn answer(edge: &Edge, words: &[&str]) -> Value {
    let output = asked(edge, &[words, &["--json"]].concat());
    serde_json::from_slice(&output.stdout).unwrap_or_else(|why| panic!("{why}: {}", said(&output)))
}

/// Ends a dialog in which BYE came.
fn bye(socket: &UdpSocket, to: &str) -> String {
    let bye = receive_until(socket, "BYE ");
    socket.send_to(response(&bye, "200 OK", "").as_bytes(), to).expect("loopback takes it");
    bye
}

/// Calls a number; the final answer.
fn refused(pbx: &UdpSocket, net: Net, number: &str, call: &str) -> String {
    let invite = request("INVITE", &net.pbx(), "UDP", call, "").replace(NUMBER, number);
    pbx.send_to(invite.as_bytes(), net.inside()).expect("loopback takes it");
    receive_until(pbx, "SIP/2.0 4")
}

/// Calls for help; it reaches the trunk.
fn help(pbx: &UdpSocket, trunk: &UdpSocket, net: Net, call: &str) {
    let invite = request("INVITE", &net.pbx(), "UDP", call, "").replace(NUMBER, "911");
    pbx.send_to(invite.as_bytes(), net.inside()).expect("loopback takes it");
    let came = receive_until(trunk, "INVITE ");
    assert!(came.starts_with("INVITE sip:911@"), "{came}");
    trunk.send_to(response(&came, "486 Busy Here", "").as_bytes(), net.outside()).expect("loopback takes it");
    receive_until(trunk, "ACK ");
}

#[test]
fn b12_what_is_ordered_of_a_running_edge_is_done_and_help_is_called_all_the_while() {
    let net = Net(115);
    let edge = Edge::start("shell-orders", net, &policy());
    let (pbx, trunk, _) = call_up(net);

    // Who calls whom, in a table and for machines.
    let (code, page) = ordered(&edge, &["calls"]);
    assert_eq!(code, Some(0), "{page}");
    assert!(page.contains(NUMBER) && page.contains("office-pbx -> trunk"), "{page}");
    assert!(page.lines().all(|line| line.chars().count() <= 80), "{page}");
    let calls = answer(&edge, &["calls"]);
    assert_eq!((&calls["calls"]["all"], &calls["calls"]["calls"][0]["state"]), (&1.into(), &"up".into()));

    // No new calls; the one that is up goes on.
    let (code, told) = ordered(&edge, &["suspend", "--peer", "trunk", "--for", "2h", "--why", "a drill"]);
    assert_eq!(code, Some(0), "{told}");
    assert!(told.contains("suspended peer trunk until 20") && told.contains("no call was ended"), "{told}");
    assert_eq!(edge.alert(39801)["evidence"]["strength"], "new");
    let answered = refused(&pbx, net, NUMBER, "suspended");
    assert!(answered.starts_with("SIP/2.0 403"), "{answered}");
    assert!(header(&answered, "Warning").contains("32200 insufficient_permissions"), "{answered}");
    help(&pbx, &trunk, net, "help-1");
    let page = ordered(&edge, &["status"]).1;
    assert!(page.contains("peer trunk") && page.contains("a drill"), "{page}");

    // All that are up end, on both legs.
    let (code, told) = ordered(&edge, &["suspend", "--site", "office", "--strength", "all"]);
    assert_eq!(code, Some(0), "{told}");
    assert!(told.contains("1 call(s) were ended"), "{told}");
    for (socket, to) in [(&pbx, net.inside()), (&trunk, net.outside())] {
        assert!(header(&bye(socket, &to), "Reason").contains("suspended by order"));
    }
    assert_eq!(edge.alert(39803)["evidence"]["calls"], "1");
    // The one that was refused, the call for help, and this one.
    let records = edge.records(3);
    let cut = records.iter().find(|record| record["why"] == "suspended by order");
    assert!(cut.is_some(), "{records:?}");
    help(&pbx, &trunk, net, "help-2");

    // What is not there is told.
    let (code, told) = ordered(&edge, &["suspend", "--peer", "nobody"]);
    assert_eq!(code, Some(1), "{told}");
    assert!(told.contains("it knows: office-pbx, trunk"), "{told}");
    assert_eq!(ordered(&edge, &["suspend"]).0, Some(2), "what is suspended must be said");
    assert_eq!(ordered(&edge, &["suspend", "--peer", "trunk", "--for", "soon"]).0, Some(2));

    // All of it is taken back, and a call goes out again.
    let (code, told) = ordered(&edge, &["resume", "--all"]);
    assert_eq!((code, told.trim()), (Some(0), "resumed site office, peer trunk"));
    assert_eq!(ordered(&edge, &["resume", "--peer", "trunk"]).0, Some(1));
    let again = request("INVITE", &net.pbx(), "UDP", "again", "");
    pbx.send_to(again.as_bytes(), net.inside()).expect("loopback takes it");
    receive_until(&trunk, "INVITE ");

    // It is cut while it rings: its caller hears a refusal.
    let calls = answer(&edge, &["calls"]);
    let ids: Vec<&str> = calls["calls"]["calls"]
        .as_array()
        .map_or(Vec::new(), |calls| calls.iter().filter_map(|call| call["id"].as_str()).collect());
    assert_eq!(ids.len(), 1, "{calls}");
    assert_eq!(ordered(&edge, &["cut", "00000000ff"]).0, Some(1));
    let shown: String = ids[0].chars().take(8).collect();
    let (code, told) = ordered(&edge, &["cut", &shown]);
    assert_eq!((code, told.trim()), (Some(0), "ended 1 call(s) on both legs"));
    receive_until(&pbx, "SIP/2.0 403");

    // Strangers are banned, listed machines never.
    let (code, told) = ordered(&edge, &["ban", "203.0.113.0/24", "--for", "30m"]);
    assert_eq!(code, Some(0), "{told}");
    assert!(ordered(&edge, &["bans"]).1.contains("203.0.113.0/24"));
    let (code, told) = ordered(&edge, &["ban", &net.pbx()]);
    assert_eq!(code, Some(1), "{told}");
    assert!(told.contains("ringfence suspend --peer office-pbx"), "{told}");
    assert_eq!(ordered(&edge, &["ban", "somewhere"]).0, Some(1));
    assert_eq!(ordered(&edge, &["unban", "203.0.113.0/24"]).0, Some(0));
    assert_eq!(ordered(&edge, &["unban", "203.0.113.0/24"]).0, Some(1));
    let nobody = ringfence(&["calls", "--socket", "/nonexistent/control.sock"]);
    assert_eq!(nobody.status.code(), Some(4), "{}", said(&nobody));
}
