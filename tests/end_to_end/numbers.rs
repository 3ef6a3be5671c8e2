//! Numbers as thieves and people in danger dial them, by sipp: what is refused never reaches the trunk, and who calls for help does.
//!
//! Owns the forms of one number and what each is answered. How numbers are read stands in `tests/numbers.rs`.

use std::process::Command;
use std::time::Duration;

use super::policy;
use super::rig::edge::{Edge, binary};
use super::rig::sipp::{Over, Run, Sipp};
use super::rig::{Net, ready};

/// How an office in the United States and one in Germany dial.
const US: &str = "us: { country_code: \"1\", region: US, idd: [\"011\", \"00\"], national_prefix: \"1\", national_prefix_optional: true, \
                  nsn_lengths: [10], no_prefix_lengths: [10], phone_contexts: [pbx.example] }";
const DE: &str = "de: { country_code: \"49\", region: DE, idd: [\"00\"], national_prefix: \"0\", nsn_lengths: [7, 8, 9, 10, 11] }";

/// Every destination is open but those that a rule names: what is refused here is refused by the rule of its row.
const OPEN: &str = "policy:\n  outbound:\n    - countries: { allow: [US, DE, LV] }\n    - blocklist: { numbers: [\"+37127913000\"] }\n";

struct Office {
    edge: Edge,
    net: Net,
    callee: Sipp,
    calls: usize,
}

impl Office {
    fn start(name: &str, net: Net, plan: &str, rules: &str) -> Self {
        let name_of_plan = plan.split(':').next().unwrap_or_default();
        let policy = policy(Over::Udp)
            .replace("#pbx", &format!("dial_plan: {name_of_plan}"))
            .replace("dids: [", "dids: [\"+12125550199\", ")
            .replace("#policy\n", &format!("dial_plans:\n  {plan}\n{rules}"));
        let edge = Edge::start(name, net, &policy);
        let callee =
            Run::callee("uas_refuses", &net.trunk(), 5090).status(486).start(edge.folder(), "callee");
        Self { edge, net, callee, calls: 0 }
    }

    /// Dials, and hears this status.
    fn dial(&mut self, uri: &str, status: u16) {
        self.calls += 1;
        let uri = uri.replace("EDGE", &self.net.edge());
        let caller = Run::caller("uac_dials", &self.net.pbx(), 5080, &self.net.inside(), "nobody");
        let caller = caller.calls(1).dials(&uri).status(status).with(&["-timeout", "10"]);
        let mut caller = caller.start(self.edge.folder(), &format!("caller-{}", self.calls));
        assert_eq!(
            caller.ended(Duration::from_secs(20)),
            0,
            "{uri} is not answered {status}:\n{}",
            caller.said()
        );
    }

    /// The numbers of the INVITEs that the trunk received, each once.
    fn reached(&self) -> Vec<String> {
        let lines = self.callee.received();
        let lines = lines.iter().filter_map(|message| message.lines().next()?.strip_prefix("INVITE sip:"));
        let mut numbers: Vec<String> =
            lines.filter_map(|line| Some(line.split_once(['@', ';'])?.0.to_owned())).collect();
        numbers.dedup();
        numbers
    }

    /// What the edge is ordered by hand.
    fn order(&self, words: &[&str]) {
        let socket = self.edge.folder().join("control.sock");
        let order = Command::new(binary()).args(words).arg("--socket").arg(socket).output();
        let output = order.expect("the binary under test starts");
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn b1_b3_b4_b7_b8_a_refused_number_is_refused_in_every_form_and_nothing_reaches_the_trunk() {
    if !ready() {
        return;
    }
    let rows: &[(&str, u16, u64)] = &[
        ("sip:+37127913000@EDGE", 403, 32203),
        ("sip:0037127913000@EDGE", 403, 32203),
        ("sip:01137127913000@EDGE", 403, 32203),
        ("sip:%2B37127913000@EDGE", 403, 32203),
        ("sip:%30%30371%32%3791%33000@EDGE", 403, 32203),
        ("sip:%252B37127913000@EDGE", 403, 39206),
        ("sip:+371-27-91-30-00@EDGE;user=phone", 403, 32203),
        ("tel:+371-27913000", 403, 32203),
        ("tel:+371-2(791)30.00", 403, 32203),
        ("tel:+371-27913000;phone-context=+1", 484, 32101),
        ("tel:0037127913000;phone-context=pbx.example", 403, 32203),
        ("tel:27913000;phone-context=+371", 403, 32203),
        ("tel:27913000;phone-context=elsewhere.example", 484, 32101),
        ("sip:18765550142@EDGE", 403, 32205),
        ("sip:+18765550142@EDGE", 403, 32205),
        ("sip:8765550142@EDGE", 403, 32205),
        ("sip:+19005550142@EDGE", 403, 32203),
        ("sip:9005550142@EDGE", 403, 32203),
        ("sip:+881612345678@EDGE", 403, 32205),
        ("sip:011881612345678@EDGE", 403, 32205),
        ("sip:91100371@EDGE", 484, 32101),
    ];
    let mut office = Office::start("numbers", Net(140), US, OPEN);
    for (uri, status, _) in rows {
        office.dial(uri, *status);
    }
    for ((uri, status, code), record) in rows.iter().zip(office.edge.records(rows.len())) {
        let seen = (record["status"].as_u64(), record["code"].as_u64());
        assert_eq!(seen, (Some(u64::from(*status)), Some(*code)), "{uri}: {record:#}");
    }
    assert_eq!(office.reached(), Vec::<String>::new());
    assert_eq!(office.callee.received(), Vec::<String>::new(), "a refused number has reached the trunk");
    // The rig would have seen it: a number that is open gets there.
    office.dial("sip:2125550142@EDGE", 486);
    assert_eq!(office.reached(), ["+12125550142"]);
}

#[test]
fn b12_help_is_reached_by_each_plans_numbers_whatever_is_closed() {
    if !ready() {
        return;
    }
    let closed = "policy:\n  outbound:\n    - blocklist: { prefixes: [\"+1*\", \"9*\", \"1*\"] }\n";
    for (name, net, plan, numbers) in
        [("help-us", Net(141), US, ["911", "112", "911"]), ("help-de", Net(142), DE, ["112", "110", "112"])]
    {
        let mut office = Office::start(name, net, plan, closed);
        office.dial("sip:+12125550142@EDGE", 403);
        let [first, second, third] = numbers;
        office.dial(&format!("sip:{first}@EDGE"), 486);
        office.order(&["suspend", "--site", "office"]);
        office.dial(&format!("sip:{second}@EDGE"), 486);
        office.dial(&format!("tel:{third};phone-context=pbx.example"), 486);
        assert_eq!(office.reached(), numbers);
        let records = office.edge.records(4);
        let helped = records.iter().filter(|record| record["number"]["kind"] == "emergency").count();
        assert_eq!(helped, 3, "{records:#?}");
    }
}
