//! A trunk behind DNS that is spoken to over TLS alone: what DNS offers in the clear is nobody.

use std::io::ErrorKind;
use std::net::{TcpListener, UdpSocket};

use crate::rig::edge::Edge;
use crate::rig::names::NameServer;
use crate::rig::wire::{Lab, Wire};
use crate::rig::{Net, folder, wait_for};
use crate::{PATIENCE, invite, policy, talk, uri};
use rustls::version::TLS13;

/// What a forger may add to a zone: services in the clear, which come first, at an address of its own.
fn in_the_clear(net: Net) -> String {
    format!(
        "sip.example.com 1 NAPTR 1 1 SIP+D2U _sip._udp.sip.example.com
         sip.example.com 1 NAPTR 2 1 SIP+D2T _sip._tcp.sip.example.com
         _sip._udp.sip.example.com 1 SRV 0 1 5090 trap.example.com
         _sip._tcp.sip.example.com 1 SRV 0 1 5090 trap.example.com
         trap.example.com 1 A {}\n",
        net.spare()
    )
}

#[test]
fn f5_dns_that_offers_the_clear_leads_a_tls_trunk_nowhere_else() {
    let net = Net(86);
    let server = NameServer::start(&net.names());
    let encrypted = format!(
        "_sips._tcp.sip.example.com 1 SRV 0 1 5091 one.example.com\none.example.com 1 A {}",
        net.trunk()
    );
    server.zone(&format!("{}{encrypted}", in_the_clear(net)));
    // Whoever is led astray is heard here.
    let datagrams = UdpSocket::bind((net.spare(), 5090)).expect("a test's own address is free");
    datagrams.set_nonblocking(true).expect("a socket option");
    let streams = TcpListener::bind((net.spare(), 5090)).expect("a test's own address is free");
    streams.set_nonblocking(true).expect("a socket option");
    let listener = TcpListener::bind((net.trunk(), 5091)).expect("the trunk's port is free");
    let certs = folder("tls-names-certs");
    let lab = Lab::make(&certs.join("lab"), &[&net.edge(), "sip.example.com", "pbx.example.com"]);
    let text = policy(&certs, Some("tls: { ca: \"LAB/ca.pem\", client_certificate: none }"))
        .replace("targets: [\"TRUNK:5091\"]", "targets: [\"sip.example.com\"]");
    assert!(text.contains("sip.example.com"), "the trunk is a name");
    let dns = "dns: { servers: [\"NAMES\"], timeout: 400ms, ttl_min: 1s, retry: 1s, stale_max: 1s }\n";
    let edge = Edge::start("tls-names", net, &format!("{text}{dns}"));
    let state = || edge.status()["names"][0].clone();
    let one = format!("{}:5091", net.trunk());
    wait_for("the name to lead to its TLS", PATIENCE, || {
        state()["state"] == "fresh" && state()["addresses"] == serde_json::json!([one])
    });
    let config = lab.client(Some(&lab), &[&TLS13]);
    let pbx =
        || Wire::connect(&net.pbx(), &format!("{}:5061", net.edge()), &config).expect("the PBX gets in");
    let server_side = lab.server();
    let incoming =
        talk(&mut pbx(), &mut || Box::new(Wire::accept(&listener, &server_side).expect("the edge calls")));
    assert!(incoming.starts_with("INVITE sip:+12125550142@sip.example.com"), "{incoming}");
    // Nothing encrypted is left: the name leads nowhere, and nothing of a call is said to anybody.
    server.zone(&in_the_clear(net));
    wait_for("the name to lead nowhere", PATIENCE, || state()["state"] == "nowhere");
    let mut wire = pbx();
    let text = invite(&wire, &uri(&wire), "nowhere");
    wire.say(&text);
    wire.expect("SIP/2.0 480 ");
    edge.alert(32011);
    edge.alert(32010);
    let astray = datagrams.recv(&mut [0; 2048]).map_err(|error| error.kind());
    assert_eq!(astray, Err(ErrorKind::WouldBlock), "nothing went out by UDP");
    let astray = streams.accept().map(|_| ()).map_err(|error| error.kind());
    assert_eq!(astray, Err(ErrorKind::WouldBlock), "nobody was called by TCP");
}
