//! Phones over TLS, each known by its certificate beside its address; and what becomes of those who may not.

use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use super::calls::holds;
use super::pairing::{From, Pairing};
use super::{SCENES, plays_in};
use crate::rig::phone::{Kind, Phone, Place, Tls, ready};
use crate::rig::sipp::Over;
use crate::rig::wire::Lab;
use crate::rig::{Net, folder};

/// What the edge and its phones show, of one authority.
pub struct Certs {
    net: Net,
    place: PathBuf,
    pub edge: Lab,
}

impl Certs {
    pub fn make(net: Net) -> Self {
        let place = folder(&format!("phones-tls-{}", net.0));
        let edge = Lab::make(&place.join("edge"), &[&net.edge()]);
        Self { net, place, edge }
    }

    /// A phone's own, under the edge's authority.
    pub fn phone(&self, address: &str, name: &str) -> Option<Tls> {
        let certs = self.place.join(name);
        fs::create_dir_all(&certs).expect("the folder is writable");
        for file in ["ca.pem", "ca.key"] {
            fs::copy(self.edge.0.join(file), certs.join(file)).expect("files of ours");
        }
        let lab = Lab::make(&certs, &[address, name]);
        assert_eq!(lab.chain("ca"), self.edge.chain("ca"), "one authority for all");
        Some(Tls { certs, version: "1.2" })
    }

    /// The office over TLS: both peers must show a certificate, and the PBX one with its own name.
    fn policy(&self) -> String {
        let lab = self.edge.0.display();
        let listener = format!("certificate: {{ chain: \"{lab}/server.pem\", key: \"{lab}/server.key\" }}");
        let proof = format!("tls: {{ ca: \"{lab}/ca.pem\" }}");
        let named = format!("tls: {{ ca: \"{lab}/ca.pem\", names: [pbx.example.com] }}");
        let spare = "  spare-pbx:\n    { side: inside, listener: inside, sources: [\"SPARE\"], plain_media: allow, TLS }\n";
        super::policy()
            .replace("transports: [udp, tcp]", &listener)
            .replacen("plain_signalling: allow", &named, 1)
            .replacen("plain_signalling: allow", &proof, 1)
            .replace("#peers\n", &spare.replace("TLS", &proof))
            .replace("peers: [office-pbx, trunk]", "peers: [office-pbx, spare-pbx, trunk]")
            .replace("from: [office-pbx]", "from: [office-pbx, spare-pbx]")
            // baresip connects from whatever address the system picks.
            .replace("sources: [\"PBX\"]", "sources: [\"PBX\", 127.0.0.1]")
            .replace("sources: [\"TRUNK\"]", "sources: [\"TRUNK\", 127.0.0.1]")
    }

    fn pairing(&self, pbx: Kind, trunk: Kind, from: From) -> Pairing {
        let net = self.net;
        let pbx = (pbx, self.phone(&net.pbx(), "pbx.example.com"));
        let trunk = (trunk, self.phone(&net.trunk(), "trunk.example.com"));
        Pairing::start_as(net.0, pbx, trunk, from, Over::Tls, &self.policy())
    }
}

fn plays(net: u8, pbx: Kind, trunk: Kind, from: From) {
    if !ready() {
        return;
    }
    let pairing = Certs::make(Net(net)).pairing(pbx, trunk, from);
    // In the last one PJSUA makes offers of its own, which a script that holds at the same time meets sooner or later.
    let scenes = &SCENES[..SCENES.len() - 1];
    plays_in(pairing, scenes, &format!("{pbx:?} -> {trunk:?} from {from:?} over TLS"));
}

#[test]
fn pjsua_calls_baresip_over_tls() {
    plays(90, Kind::Pjsua, Kind::Baresip, From::Pbx);
}

#[test]
fn pjsua_is_called_by_baresip_over_tls() {
    plays(91, Kind::Pjsua, Kind::Baresip, From::Trunk);
}

#[test]
fn baresip_calls_pjsua_over_tls() {
    plays(92, Kind::Baresip, Kind::Pjsua, From::Pbx);
}

/// A phone at the address of the spare PBX calls in vain, and the alert says why.
fn is_refused(pairing: &Pairing, net: Net, name: &str, over: Over, tls: Option<Tls>, code: u64) -> Value {
    let place = Place {
        address: net.spare(),
        port: 5080,
        edge: net.inside(),
        user: "+12125550101".to_owned(),
        over,
        tls,
        sound: None,
    };
    let mut phone = Phone::start(Kind::Pjsua, pairing.edge.folder(), name, place);
    // PJSUA may know at once, or hear of it as the end of its call.
    if phone.tries("dial +12125550142").is_ok() {
        let over = phone.tells("over");
        assert!(over["status"].as_u64().is_some_and(|status| status >= 400), "{name}: {over}");
    }
    let heard = phone.messages().into_iter().find(|message| message.received);
    assert_eq!(heard, None, "{name}: not a byte of SIP is answered");
    let alert = pairing.edge.alert(code);
    assert_eq!(alert["peer"], "spare-pbx", "{name}: {alert:#}");
    alert
}

#[test]
fn f5_a_phone_that_may_not_is_refused_and_a_call_beside_it_lives() {
    if !ready() {
        return;
    }
    let net = Net(93);
    let certs = Certs::make(net);
    let mut pairing = certs.pairing(Kind::Pjsua, Kind::Baresip, From::Pbx);
    pairing.talk();
    let strange = Lab::make(&certs.place.join("strange"), &[&net.spare(), "spare.example.com"]);
    // It trusts the edge, and is trusted by nobody.
    fs::copy(certs.edge.0.join("ca.pem"), strange.0.join("ca.pem")).expect("files of ours");
    let wrong = Some(Tls { certs: strange.0, version: "1.2" });
    let alert = is_refused(&pairing, net, "wrong-authority", Over::Tls, wrong, 32202);
    assert!(alert.to_string().contains("nobody of its `ca`"), "{alert:#}");
    holds(&mut pairing, true);
    let own = certs.phone(&net.spare(), "spare.example.com").expect("it is made");
    let old = Some(Tls { version: "1.1", ..own.clone() });
    is_refused(&pairing, net, "old-version", Over::Tls, old, 32222);
    holds(&mut pairing, false);
    is_refused(&pairing, net, "in-the-clear", Over::Tcp, None, 32209);
    holds(&mut pairing, true);
    assert_eq!(pairing.edge.number("/gauges/calls"), 1, "the call has lived through all of it");
    pairing.hang_up(true);
    pairing.edge.settle(super::pairing::PATIENCE);
}
