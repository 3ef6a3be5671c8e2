//! A7, A8: a trunk's challenge whose qop is missing, or was taken out on the way.

use crate::sim::policy::{Shape, yaml};
use crate::sim::text::Sip;
use crate::site::{PBX, Site, TRUNK, invite, request_to, response_to, shown};

const LOGIN: &str = "user: ringfence, password: { env: TRUNK_PASSWORD }, realm: trunk.example";
const ALLOWED: &str =
    "user: ringfence, password: { env: TRUNK_PASSWORD }, realm: trunk.example, without_qop: allow";

/// Challenges of one 401, with or without qop, by these algorithms.
fn challenge(request: &Sip, offers: &[(&str, bool)]) -> Sip {
    let mut asks = Sip::response(request, 401, "Who are you", "asks");
    for (n, (algorithm, qop)) in offers.iter().enumerate() {
        let qop = if *qop { ", qop=\"auth\"" } else { "" };
        let value = format!("Digest realm=\"trunk.example\", nonce=\"n{n}\", algorithm={algorithm}{qop}");
        asks.add("WWW-Authenticate", &value);
    }
    asks
}

/// What the trunk is shown in answer to its challenge; `Err` is what the caller hears.
fn shown_to_it(login: &'static str, offers: &[(&str, bool)]) -> (Site, Result<String, Sip>) {
    let mut site = Site::of(&yaml(&Shape { login, login_of: "trunk", ..Shape::default() }));
    let sent = site.send(PBX, &invite("a", "+12125550100"));
    let leg = request_to(&sent, TRUNK, "INVITE").unwrap();
    let sent = site.send(TRUNK, &challenge(&leg, offers));
    let again = request_to(&sent, TRUNK, "INVITE");
    let shown_to_it = match again.as_ref().and_then(|again| again.header("Authorization")) {
        Some(proof) => Ok(proof.to_owned()),
        None => Err(response_to(&sent, PBX, 403).unwrap_or_else(|| panic!("{}", shown(&sent)))),
    };
    (site, shown_to_it)
}

#[test]
fn a7_a_challenge_without_qop_is_answered_where_the_policy_says_so_alone() {
    let (site, refused) = shown_to_it(LOGIN, &[("SHA-256", false)]);
    let why = refused.unwrap_err();
    let why = why.header("Warning").unwrap_or_default();
    assert!(why.contains("without qop"), "{why}");
    let told: Vec<_> = site.alerts.iter().filter(|alert| alert.code.number == 32202).collect();
    assert!(told.len() == 1 && told[0].text.contains("without_qop: allow"), "{:?}", site.alerts);

    let (_, proof) = shown_to_it(ALLOWED, &[("SHA-256", false)]);
    let proof = proof.unwrap();
    assert!(proof.contains("nonce=\"n0\"") && !proof.contains("qop") && !proof.contains("cnonce"), "{proof}");
}

#[test]
fn a7_what_has_qop_is_answered_before_what_has_none() {
    for login in [LOGIN, ALLOWED] {
        let (_, proof) = shown_to_it(login, &[("SHA-512-256", false), ("SHA-256", true)]);
        let proof = proof.unwrap();
        assert!(proof.contains("nonce=\"n1\"") && proof.contains("qop=auth"), "{proof}");
    }
    // An algorithm that is not allowed is told as that, whatever it says of qop.
    let (site, refused) = shown_to_it(ALLOWED, &[("MD5", false)]);
    assert!(refused.is_err());
    assert!(site.alerts.iter().any(|alert| alert.text.contains("login.algorithms")), "{:?}", site.alerts);
}
