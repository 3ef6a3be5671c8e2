//! Trunks that ask who calls: Kamailio with a password of its own, and one beside it that asks for the same and must not
//! be told.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use rustix::process::Signal;

use super::rig::edge::Edge;
use super::rig::kamailio::{self, Kamailio};
use super::rig::sipp::{Over, Run};
use super::rig::wire::Lab;
use super::rig::{Net, folder, ready, wait_for};
use super::{NUMBER, PATIENCE, policy};

const PASSWORD: &str = "a long way to Tipperary";

/// A carrier that has a login, and a second one that has none.
fn two_carriers(net: Net, secret: &str) -> String {
    let second = format!(
        "  last:\n    {{ side: outside, listener: outside, sources: [\"{0}\"], targets: [\"{0}:5090\"], transports: [udp], \
         plain_signalling: allow, plain_media: allow }}\n",
        net.last()
    );
    let login = format!(
        "login: {{ user: office, password: {{ file: \"{secret}\" }}, realm: trunk.example }}\n    request_host: trunk.example"
    );
    policy(Over::Udp)
        .replace("#peers\n", &second)
        .replace("#trunk", &login)
        .replace("peers: [office-pbx, trunk]", "peers: [office-pbx, trunk, last]")
        .replace(
            "called: [\"+*\"], to: [trunk] }",
            "called: [\"+1*\"], to: [trunk] }\n  - { name: other, direction: outbound, from: [office-pbx], called: [\"+44*\"], to: [last] }",
        )
}

/// Every request but ACK and CANCEL must be proven at the trunk's own address, and goes on to a phone; at the other
/// address the same realm is asked for, and whatever is shown there is told.
fn routes(net: Net) -> String {
    format!(
        r#"loadmodule "auth.so"
loadmodule "xlog.so"
modparam("auth", "algorithm", "SHA-256")
request_route {{
  if (is_method("OPTIONS")) {{ sl_send_reply("200", "OK"); exit; }}
  if ($Ri == "{stranger}") {{
    if (is_method("ACK")) {{ exit; }}
    if (is_present_hf("Proxy-Authorization") || is_present_hf("Authorization")) {{ xlog("L_ERR", "LEARNED $rm\n"); }}
    xlog("L_ERR", "ASKED $rm\n");
    proxy_challenge("trunk.example", "1");
    exit;
  }}
  if (is_method("CANCEL")) {{ if (t_check_trans()) {{ t_relay(); }} exit; }}
  if (is_method("ACK")) {{ if (loose_route()) {{ t_relay(); }} else {{ t_check_trans(); }} exit; }}
  if (!pv_proxy_authenticate("trunk.example", "{PASSWORD}", "0")) {{ proxy_challenge("trunk.example", "1"); exit; }}
  xlog("L_ERR", "PROVEN $rm $au\n");
  consume_credentials();
  if (has_totag()) {{ if (loose_route()) {{ t_relay(); }} exit; }}
  record_route();
  $du = "sip:{phone}:5090";
  t_relay();
}}
"#,
        stranger = net.last(),
        phone = net.spare(),
    )
}

#[test]
fn kamailio_asks_for_a_login_and_a_stranger_beside_it_learns_nothing() {
    if !ready() || !kamailio::ready() {
        return;
    }
    let net = Net(68);
    let secret = folder("kamailio-asks-secret").join("trunk.secret");
    fs::write(&secret, PASSWORD).expect("the folder is writable");
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o600)).expect("it is ours");
    let edge = Edge::start("kamailio-asks", net, &two_carriers(net, &secret.display().to_string()));
    let addresses = [format!("{}:5090", net.trunk()), format!("{}:5090", net.last())];
    let kamailio = Kamailio::start(edge.folder(), &addresses, &routes(net));
    let mut callee = Run::callee("uas_basic", &net.spare(), 5090).calls(2).start(edge.folder(), "callee");
    let call = |number: &str, scenario: &str| {
        let caller = Run::caller(scenario, &net.pbx(), 5080, &net.inside(), number).calls(1).status(403);
        caller.with(&["-d", "200", "-timeout", "15"])
    };
    call(NUMBER, "uac_basic").start(edge.folder(), "first").succeeds(PATIENCE);
    // The second is proven ahead: its challenge is known.
    call(NUMBER, "uac_basic").start(edge.folder(), "second").succeeds(PATIENCE);
    callee.succeeds(PATIENCE);
    let proven = |method: &str| kamailio.said().matches(&format!("PROVEN {method} office")).count();
    wait_for("both calls to be proven to their end", PATIENCE, || {
        (proven("INVITE"), proven("BYE")) == (2, 2)
    });
    let mut refused = call("+442079460000", "uac_refused").start(edge.folder(), "refused");
    refused.succeeds(PATIENCE);
    super::hides(&refused, &["Proxy-Authenticate", "WWW-Authenticate", "trunk.example"]);
    let said = kamailio.said();
    assert!(said.contains("ASKED INVITE") && !said.contains("LEARNED"), "{said}");
    let alert = edge.alert(39204);
    assert_eq!(alert["peer"], "last", "{alert:#}");
    edge.settle(PATIENCE);
    let everything = format!("{}{said}", edge.said());
    assert!(!everything.contains(PASSWORD), "the password was printed");
}

/// A registrar that asks who registers, and calls whoever is registered.
fn registrar() -> String {
    format!(
        r#"loadmodule "auth.so"
loadmodule "xlog.so"
modparam("auth", "algorithm", "SHA-256")
modparam("registrar", "min_expires", 90)
modparam("registrar", "max_expires", 120)
request_route {{
  if (is_method("OPTIONS")) {{ sl_send_reply("200", "OK"); exit; }}
  if (is_method("REGISTER")) {{
    if (!pv_www_authenticate("trunk.example", "{PASSWORD}", "0")) {{ www_challenge("trunk.example", "1"); exit; }}
    xlog("L_ERR", "REGISTERED $au $ct by $proto expires $hdr(Expires)\n");
    save("location");
    exit;
  }}
  if (is_method("CANCEL")) {{ if (t_check_trans()) {{ t_relay(); }} exit; }}
  if (is_method("ACK")) {{ if (loose_route()) {{ t_relay(); }} else {{ t_check_trans(); }} exit; }}
  if (has_totag()) {{ if (loose_route()) {{ t_relay(); }} exit; }}
  record_route();
  # The called number stays in To; the Request-URI becomes the Contact that is registered.
  $ru = "sip:office@trunk.example";
  if (!lookup("location")) {{ xlog("L_ERR", "NOBODY\n"); sl_send_reply("404", "Nobody is registered"); exit; }}
  t_relay();
}}
"#
    )
}

#[test]
fn the_edge_registers_at_kamailio_is_called_by_it_and_gives_it_back() {
    if !ready() || !kamailio::ready() {
        return;
    }
    let net = Net(69);
    let secret = folder("kamailio-registers-secret").join("trunk.secret");
    fs::write(&secret, PASSWORD).expect("the folder is writable");
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o600)).expect("it is ours");
    let keys = format!(
        "login: {{ user: office, password: {{ file: \"{}\" }}, realm: trunk.example }}\n    request_host: trunk.example\n    \
         register: {{ expires: 1m }}\n    called_from: to",
        secret.display()
    );
    // The registrar runs first: the edge asks within a second of its start.
    let place = folder("kamailio-registers-carrier");
    let kamailio = Kamailio::start(&place, &[format!("{}:5090", net.trunk())], &registrar());
    let mut edge = Edge::start("kamailio-registers", net, &policy(Over::Udp).replace("#trunk", &keys));
    let state = || edge.status()["registrations"][0]["state"].clone();
    wait_for("the registration", PATIENCE, || state() == "registered");
    let shown = edge.status()["registrations"][0].clone();
    assert_eq!((&shown["user"], &shown["peer"]), (&"office".into(), &"trunk".into()), "{shown:#}");
    // One minute was asked for; a minute and a half is the least that this registrar holds.
    assert!(shown["left_s"].as_u64().is_some_and(|left| (80..=90).contains(&left)), "{shown:#}");
    let mut phone = Run::callee("uas_basic", &net.pbx(), 5080).calls(1).start(edge.folder(), "phone");
    let world =
        Run::caller("uac_basic", &net.spare(), 5090, &format!("{}:5090", net.trunk()), "+12125550100");
    let mut world = world.calls(1).with(&["-d", "200", "-timeout", "15"]).start(edge.folder(), "world");
    world.succeeds(PATIENCE);
    phone.succeeds(PATIENCE);
    edge.signal(Signal::TERM);
    assert!(edge.ended(PATIENCE).success(), "{}", edge.said());
    wait_for("the registration to be given back", PATIENCE, || kamailio.said().contains("expires 0"));
    let mut refused =
        Run::caller("uac_refused", &net.spare(), 5090, &format!("{}:5090", net.trunk()), "+12125550100")
            .calls(1)
            .status(404)
            .with(&["-timeout", "15"])
            .start(&place, "refused");
    refused.succeeds(PATIENCE);
    assert!(kamailio.said().contains("NOBODY"), "{}", kamailio.said());
    assert!(!edge.said().contains(PASSWORD), "the password was printed");
}

/// The office, whose trunk is met over TLS alone and must show the name of a carrier, whoever calls whom.
fn trunk_over_tls(lab: &Lab, keys: &str) -> String {
    let lab = lab.0.display();
    let (listener, peer) =
        ("  outside: { bind: \"EDGE:5070\", transports: [udp, tcp] }", "    targets: [\"TRUNK:5090\"]\n");
    let clear = "    transports: [udp]\n    plain_signalling: allow\n";
    let policy = policy(Over::Udp);
    let (before, after) = policy.split_once(peer).expect("the office has a trunk");
    let after = after.strip_prefix(clear).expect("it is met in the clear");
    let proof = format!(
        "    targets: [\"TRUNK:5091\"]\n    tls: {{ ca: \"{lab}/ca.pem\", names: [trunk.example] }}\n"
    );
    let certificate = format!("certificate: {{ chain: \"{lab}/server.pem\", key: \"{lab}/server.key\" }}");
    format!("{before}{proof}{after}")
        .replace(listener, &format!("  outside: {{ bind: \"EDGE:5071\", {certificate} }}"))
        .replace("#trunk", keys)
}

#[test]
fn the_edge_registers_over_tls_and_is_called_over_tls_by_who_has_proven_itself() {
    if !ready() || !kamailio::ready() || !kamailio::speaks_tls() {
        return;
    }
    let net = Net(70);
    let place = folder("kamailio-tls-carrier");
    let secret = place.join("trunk.secret");
    fs::write(&secret, PASSWORD).expect("the folder is writable");
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o600)).expect("it is ours");
    let lab = Lab::make(&place.join("lab"), &[&net.edge(), &net.trunk(), "trunk.example"]);
    let keys = format!(
        "login: {{ user: office, password: {{ file: \"{}\" }}, realm: trunk.example }}\n    request_host: trunk.example\n    \
         register: {{ expires: 2m }}\n    called_from: to",
        secret.display()
    );
    let kamailio = Kamailio::start_tls(&place, &net.trunk(), (5090, 5091), &lab, &registrar());
    let mut edge = Edge::start("kamailio-tls", net, &trunk_over_tls(&lab, &keys));
    let state = || edge.status()["registrations"][0]["state"].clone();
    wait_for("the registration", PATIENCE, || state() == "registered");
    let contact = format!("{}:5071;transport=tls", net.edge());
    let said = kamailio.said();
    assert!(said.contains("by tls expires 120") && said.contains(&contact), "{said}");
    let mut phone = Run::callee("uas_basic", &net.pbx(), 5080).calls(1).start(edge.folder(), "phone");
    let carrier = format!("{}:5090", net.trunk());
    let world = Run::caller("uac_basic", &net.spare(), 5090, &carrier, "+12125550100").calls(1);
    let mut world = world.with(&["-d", "200", "-timeout", "15"]).start(edge.folder(), "world");
    world.succeeds(PATIENCE);
    phone.succeeds(PATIENCE);
    let record = &edge.records(1)[0];
    let over: Vec<&str> = record["legs"]
        .as_array()
        .expect("a record has legs")
        .iter()
        .filter_map(|leg| leg["transport"].as_str())
        .collect();
    assert_eq!(over, ["tls", "udp"], "{record:#}");
    // Both have called: the edge to register, the carrier to bring the call.
    assert_eq!(edge.number("/tls/handshakes"), 2, "{}", edge.status()["tls"]);
    edge.signal(Signal::TERM);
    assert!(edge.ended(PATIENCE).success(), "{}", edge.said());
    wait_for("the registration to be given back", PATIENCE, || kamailio.said().contains("by tls expires 0"));
    assert!(!edge.said().contains(PASSWORD), "the password was printed");
}
