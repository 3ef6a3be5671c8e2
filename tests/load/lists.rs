//! A blocklist of a million entries that is replaced under load: no call fails, none waits, and what the new one says holds.
//!
//! sipp is the PBX and the trunk. Beside it a socket of the PBX asks the edge every few milliseconds whether it lives: what
//! it waits longest is the longest pause.

use std::fmt::Write as _;
use std::net::UdpSocket;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::rig::edge::Edge;
use crate::rig::office::{self, SHORT_TIMERS};
use crate::rig::sipp::Run;
use crate::rig::{Net, folder, ready, wait_for};

const RATE: usize = 500;
const CALLS: usize = 6_000;
/// An edge with a million entries takes no more (VmRSS).
const RESIDENT_MAX: u64 = 100_000_000;

/// A million, or what the build without optimization reads in a moment.
fn entries() -> usize {
    if std::env::var_os("RINGFENCE_BIN").is_some() { 1_000_000 } else { 50_000 }
}

/// Puts a list in place by an atomic rename: so many numbers of Latvia, from one on.
fn list(folder: &Path, first: usize) {
    let mut text = String::from("number,reason\n");
    for number in first..first + entries() {
        writeln!(text, "+3712{number:07},reported").expect("a text takes what is written");
    }
    std::fs::write(folder.join("new"), text).expect("the folder is writable");
    std::fs::rename(folder.join("new"), folder.join("blocked.csv")).expect("a rename within one folder");
}

fn policy(folder: &Path) -> String {
    let open = "concurrent_calls: 5000\n    requests_per_second: 20000\n    requests_burst: 50000";
    let rule =
        format!("policy:\n  outbound:\n    - blocklist: {{ files: [\"{}/blocked.csv\"] }}", folder.display());
    office::policy(
        "udp",
        &[
            ("#pbx", open),
            ("#trunk", open),
            ("channels: 100", "channels: 5000"),
            ("#policy", &rule),
            ("#more", SHORT_TIMERS),
        ],
    )
}

/// Asks and waits; how long it took.
fn ask(socket: &UdpSocket, edge: &str, number: usize) -> Duration {
    let own = socket.local_addr().expect("it is bound");
    let text = format!(
        "OPTIONS sip:{edge} SIP/2.0\r\nVia: SIP/2.0/UDP {own};branch=z9hG4bKask{number}\r\nMax-Forwards: 70\r\n\
         From: <sip:pbx@{own}>;tag=a{number}\r\nTo: <sip:{edge}>\r\nCall-ID: ask{number}@{own}\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
    );
    let began = Instant::now();
    socket.send_to(text.as_bytes(), edge).expect("the loopback takes it");
    let mut answer = [0; 2_000];
    let heard = socket.recv(&mut answer);
    assert!(heard.is_ok(), "no answer within {:?}", began.elapsed());
    began.elapsed()
}

/// The status of the final answer to a call.
fn status(socket: &UdpSocket, edge: &str, called: &str) -> String {
    let own = socket.local_addr().expect("it is bound");
    let text = format!(
        "INVITE sip:{called}@{edge} SIP/2.0\r\nVia: SIP/2.0/UDP {own};branch=z9hG4bKcall{called}\r\nMax-Forwards: 70\r\n\
         From: <sip:201@{own}>;tag=c{called}\r\nTo: <sip:{called}@{edge}>\r\nCall-ID: {called}@{own}\r\nCSeq: 1 INVITE\r\n\
         Contact: <sip:201@{own}>\r\nContent-Length: 0\r\n\r\n"
    );
    socket.send_to(text.as_bytes(), edge).expect("the loopback takes it");
    loop {
        let mut answer = [0; 4_000];
        let length = socket.recv(&mut answer).expect("an answer");
        let answer = String::from_utf8_lossy(&answer[..length]).into_owned();
        let status = answer.split(' ').nth(1).unwrap_or_default().to_owned();
        if answer.contains("CSeq: 1 INVITE") && !status.starts_with('1') {
            return status;
        }
    }
}

fn socket(net: Net) -> UdpSocket {
    let socket = UdpSocket::bind((net.pbx(), 0)).expect("an address of this test");
    socket.set_read_timeout(Some(Duration::from_secs(3))).expect("a timeout");
    socket
}

#[test]
fn a_blocklist_of_a_million_entries_is_replaced_under_load_and_no_call_fails() {
    if !ready() {
        return;
    }
    let (net, files) = (Net(181), folder("load-lists-files"));
    list(&files, 0);
    let began = Instant::now();
    let edge = Edge::start("load-lists", net, &policy(&files));
    let (started, resident) = (began.elapsed(), edge.resident_bytes());
    eprintln!("{} entries: answers after {started:.1?}, resident {} kB", entries(), resident / 1000);
    assert!(resident < RESIDENT_MAX, "{resident} octets are resident");
    let caller = socket(net);
    assert_eq!(status(&caller, &net.inside(), "+37120000000"), "403");
    let trunk = Run::callee("builtin:uas", &net.trunk(), 5090).untraced().start(edge.folder(), "trunk");
    let pbx =
        Run::caller("builtin:uac", &net.pbx(), 5080, &net.inside(), "+12125550199").calls(CALLS).untraced();
    let rate = RATE.to_string();
    let mut pbx = pbx.with(&["-r", &rate, "-l", "5000"]).start(edge.folder(), "pbx");
    let over = AtomicBool::new(false);
    let longest = thread::scope(|scope| {
        let asking = scope.spawn(|| {
            let socket = socket(net);
            let mut longest = Duration::ZERO;
            for number in 0.. {
                if over.load(Ordering::Relaxed) {
                    break;
                }
                longest = longest.max(ask(&socket, &net.inside(), number));
                thread::sleep(Duration::from_millis(2));
            }
            longest
        });
        // Twice while calls come: to the list before it, and once more, so that a policy with a list is let go, too.
        for (round, first) in [1_000_000, 2_000_000].into_iter().enumerate() {
            thread::sleep(Duration::from_secs(2));
            list(&files, first);
            wait_for("the new list", Duration::from_secs(20), || edge.alerts(39002).len() > round);
        }
        let code = pbx.ended(Duration::from_secs(60));
        over.store(true, Ordering::Relaxed);
        assert_eq!(code, 0, "{}", pbx.said());
        asking.join().expect("every question was answered")
    });
    let counted = pbx.statistics();
    eprintln!("{counted:?}; the longest pause {longest:.1?}; resident {} kB", edge.resident_bytes() / 1000);
    assert_eq!((counted.failed, counted.unexpected, counted.out_of_call), (0, 0, 0), "{}", pbx.said());
    assert_eq!(counted.successful, CALLS as u64, "{}", pbx.said());
    assert_eq!(trunk.statistics().failed, 0, "{}", trunk.said());
    // Half a second is a retransmission: nobody may have to ask twice.
    assert!(longest < Duration::from_millis(500), "the edge was silent for {longest:?}");
    assert_eq!(status(&caller, &net.inside(), "+37122000000"), "403");
    let lists = edge.alerts(39002);
    assert!(lists.iter().all(|alert| alert["evidence"]["lists"].is_string()), "{lists:#?}");
    edge.settle(Duration::from_secs(20));
}
