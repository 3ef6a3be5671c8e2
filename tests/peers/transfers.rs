//! A PBX transfers a call that came in, or sends it on: who called and whom it is handed to hear each other, and the PBX is out of it.

use std::time::Duration;

use super::media::{JUDGED, PURE, TONES};
use super::pairing::PATIENCE;
use super::tls::Certs;
use crate::rig::edge::Edge;
use crate::rig::phone::{Encryption, Kind, Phone, Place, Sound, ready};
use crate::rig::sipp::Over;
use crate::rig::tone::share;
use crate::rig::{Net, office};

/// What whoever is called in the end says.
const THIRD: u16 = 1_700;
/// Whom the PBX hands the call to, and a number that nobody may call.
const MOBILE: &str = "+13125550177";
const PREMIUM: &str = "+19005550177";

fn policy(certs: &Certs) -> String {
    let lab = certs.edge.0.display();
    let plain = "    media: { srtp: plain, networks: [\"ADDRESS\"] }";
    let mobile = "  mobile:\n    side: outside\n    listener: inside\n    sources: [\"SPARE\"]\n    targets: [\"SPARE:5090\"]\n    \
                  transports: [udp]\n    plain_signalling: allow\n    media: { srtp: plain, networks: [\"SPARE\"] }\n";
    office::policy("udp", &[
        ("#pbx", &format!("transfers: perform\n    redirects: perform\n{}", plain.replace("ADDRESS", "PBX"))),
        ("#trunk", &format!("tls: {{ ca: \"{lab}/ca.pem\" }}\n    media: {{ srtp: required, networks: [\"TRUNK\"] }}")),
        ("#peers\n", mobile),
        ("#policy", "policy: { outbound: [blocklist: { prefixes: [\"+1900\"] }] }"),
        (
            "#more\n",
            "media:\n  inside: { address: \"EDGE\", ports: 20000-20999 }\n  outside: { address: \"EDGE\", ports: 21000-21999 }\n",
        ),
        ("peers: [office-pbx, trunk]", "peers: [office-pbx, trunk, mobile]"),
        (
            "  - { name: out,",
            "  - { name: mobile, direction: outbound, from: [office-pbx], called: [\"+13125550177\"], to: [mobile] }\n  - { name: out,",
        ),
        (
            "bind: \"EDGE:5070\", transports: [udp, tcp]",
            &format!("bind: \"EDGE:5070\", certificate: {{ chain: \"{lab}/server.pem\", key: \"{lab}/server.key\" }}"),
        ),
    ])
    .replace("    plain_media: allow\n", "")
    .replacen("transports: [udp]\n    plain_signalling: allow\n    allow: [info]\n    tls", "transports: [tls]\n    allow: [info]\n    tls", 1)
}

/// Both hear each other at the end of what they heard.
fn hear_each_other(edge: &Edge, one: (&Phone, u16), other: (&Phone, u16)) {
    for ((phone, _), (_, tone)) in [(one, other), (other, one)] {
        let end = || {
            let heard = phone.heard();
            heard.get(heard.len().saturating_sub(JUDGED)..).unwrap_or_default().to_vec()
        };
        let whole = || end().len() == JUDGED && share(&end(), tone) > PURE;
        if !whole() {
            std::thread::sleep(Duration::from_millis(500));
        }
        assert!(
            whole(),
            "{:.3} of {tone} Hz in {} samples\n{}\n{}",
            share(&end(), tone),
            end().len(),
            phone.said(),
            edge.said()
        );
    }
}

/// The edge, the PBX, the caller on the trunk, and whom the call is handed to.
fn three(net: Net) -> (Edge, [Phone; 3]) {
    let certs = Certs::make(net);
    let edge = Edge::start(&format!("talk-{}", net.0), net, &policy(&certs));
    let phone = |name: &str, address: String, at: (u16, String), user: &str, over: Over, tone: u16| {
        let secure = over == Over::Tls;
        let tls = secure.then(|| certs.phone(&address, &format!("{name}.example.com"))).flatten();
        let encryption = if secure { Encryption::Srtp } else { Encryption::None };
        let (port, edge_at) = at;
        let sound = Some(Sound { tone, encryption });
        let place = Place { address, port, edge: edge_at, user: user.to_owned(), over, tls, sound };
        Phone::start(Kind::Pjsua, edge.folder(), name, place)
    };
    let pbx = phone("pbx", net.pbx(), (5080, net.inside()), "+12125550100", Over::Udp, TONES.0);
    let trunk = phone("trunk", net.trunk(), (5090, net.outside()), "+12125550142", Over::Tls, TONES.1);
    let mobile = phone("mobile", net.spare(), (5090, net.inside()), MOBILE, Over::Udp, THIRD);
    (edge, [pbx, trunk, mobile])
}

/// They speak, and both have heard the other.
fn speak(edge: &Edge, trunk: &mut Phone, mobile: &mut Phone) {
    std::thread::sleep(Duration::from_secs(3));
    trunk.does("hang_up");
    mobile.tells("over");
    for phone in [&mut *trunk, &mut *mobile] {
        phone.does("hush");
    }
    hear_each_other(edge, (trunk, TONES.1), (mobile, THIRD));
}

// Rows B10, C1: what may not be dialled may not be transferred to, and the call goes on; what may be is, with its speech.
#[test]
fn c1_a_pbx_hands_a_call_on_and_the_two_who_stay_hear_each_other() {
    if !ready() {
        return;
    }
    let net = Net(84);
    let (edge, [mut pbx, mut trunk, mut mobile]) = three(net);
    trunk.does("dial +12125550100");
    pbx.tells("incoming");
    pbx.does("answer 200");
    pbx.tells("talking");
    trunk.tells("talking");

    pbx.does(&format!("transfer sip:{PREMIUM}@{}", net.inside()));
    pbx.tells_status("transfer", 403);

    pbx.does(&format!("transfer sip:{MOBILE}@{}", net.inside()));
    mobile.tells("incoming");
    mobile.does("answer 200");
    mobile.tells("talking");
    while pbx.tells("transfer")["status"] != 200 {}
    pbx.tells("over");
    speak(&edge, &mut trunk, &mut mobile);
    // The call, what was refused in it, and what was made of it.
    let records = edge.records(3);
    let of = |status: u64| {
        records.iter().find(|record| record["status"] == status && record["follows"].is_string())
    };
    assert_eq!(of(403).map(|refused| &refused["to"]), Some(&PREMIUM.into()), "{records:#?}");
    assert!(of(200).is_some(), "{records:#?}");
    edge.settle(PATIENCE);
}

// Row C2: a 302 of the PBX to a premium number is refused; to one that may be called, it is called, and both speak.
#[test]
fn c2_a_pbx_sends_a_call_on_by_302_and_the_two_hear_each_other() {
    if !ready() {
        return;
    }
    let net = Net(85);
    let (edge, [mut pbx, mut trunk, mut mobile]) = three(net);
    trunk.does("dial +12125550100");
    pbx.tells("incoming");
    pbx.does(&format!("redirect sip:{PREMIUM}@{}", net.inside()));
    trunk.tells_status("over", 403);

    trunk.does("dial +12125550100");
    pbx.tells("incoming");
    pbx.does(&format!("redirect sip:{MOBILE}@{}", net.inside()));
    mobile.tells("incoming");
    mobile.does("answer 200");
    mobile.tells("talking");
    trunk.tells("talking");
    speak(&edge, &mut trunk, &mut mobile);
    assert_eq!(edge.records(2)[1]["forwarded_by"], "+12125550100");
    edge.settle(PATIENCE);
}
