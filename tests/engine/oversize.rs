//! What no datagram carries: it fails alone.

use ringfence::sip::Transport;

use super::edge::{Edge, PBX, TRUNK, at, from};
use super::targets::{call, invite, invites, over};
use super::texts::{answer, tag};

#[test]
fn a_request_that_no_datagram_carries_fails_alone() {
    let mut edge = Edge::under(over(&[Transport::Udp]));
    let live = call(&mut edge, 1);
    let up = edge.hear(from(TRUNK), &answer(&invites(&live, TRUNK)[0], 200, "callee", TRUNK));
    assert!(up.statuses(PBX).contains(&200));
    edge.hear(
        from(PBX),
        &invite(1)
            .with(|r| (r.method, r.to_tag) = ("ACK".into(), tag(up.to(PBX).last().unwrap().to_tag())))
            .text(),
    );
    let pending = call(&mut edge, 2);
    let mut by_tcp = from(PBX);
    by_tcp.transport = Transport::Tcp;
    let filled = |nth: u32, bytes: usize| {
        let request = invite(nth);
        let fill = bytes - request.text().len();
        request
            .with(|r| r.body += &format!("a={}\r\n", "x".repeat(fill - 10)))
            .text()
            .replacen("/UDP ", "/TCP ", 1)
    };
    let seen = edge.hear(by_tcp, &filled(3, 65_500));
    assert!(seen.to(TRUNK).is_empty(), "what the system would refuse is not given to it");
    assert_eq!((seen.statuses(PBX), seen.codes()), (vec![513], vec![39102]));
    assert_eq!((seen.records.len(), edge.count("client_oversize")), (1, 2), "the spare was asked too");
    // The call that waits goes on, the live one lives, and the target takes the next.
    let rung = edge.hear(from(TRUNK), &answer(&invites(&pending, TRUNK)[0], 180, "other", TRUNK));
    assert_eq!(rung.statuses(PBX), [180]);
    assert_eq!(edge.status().0.calls, 2);
    assert_eq!(invites(&call(&mut edge, 4), TRUNK).len(), 1);
    // The largest that a datagram carries leaves.
    let seen = edge.hear(by_tcp, &filled(5, 65_000));
    assert!(
        matches!(seen.sent.last(), Some((hop, bytes)) if hop.remote == at(TRUNK) && bytes.len() <= 65_507)
    );
}
