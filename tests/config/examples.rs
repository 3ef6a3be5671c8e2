//! The sites to copy: what stands in them besides their policy, for whoever copies them.

use std::path::Path;
use std::sync::OnceLock;

use rcgen::{KeyPair, PKCS_RSA_SHA256};
use ringfence::net::tls::Held;

/// Certificates and keys as whoever copies an example has them: one RSA certificate of its own, whatever the file is
/// called.
pub fn own_certificate(path: &Path) -> std::io::Result<Held> {
    static OWN: OnceLock<(String, String)> = OnceLock::new();
    let (chain, key) = OWN.get_or_init(|| {
        let key = KeyPair::generate_for(&PKCS_RSA_SHA256).unwrap();
        let params = rcgen::CertificateParams::new(vec!["sbc.example.com".to_owned()]).unwrap();
        (params.self_signed(&key).unwrap().pem(), key.serialize_pem())
    });
    let text = if path.extension().is_some_and(|end| end == "key") { key } else { chain };
    Ok(Held { bytes: text.clone().into_bytes(), mode: 0o600 })
}

/// Replaces what follows `until ` up to the bracket.
pub fn without_date(text: &str) -> String {
    match text.split_once("only observed until ") {
        Some((before, after)) => {
            let rest = after.split_once(')').map_or("", |(_, rest)| rest);
            format!("{before}only observed until [a date]){rest}")
        }
        None => text.to_owned(),
    }
}

fn text(name: &str) -> String {
    std::fs::read_to_string(format!("config/examples/{name}.yaml")).unwrap()
}

/// What the other machine is told: the lines before the policy begins.
fn told(name: &str) -> String {
    let text = text(name);
    text.lines().take_while(|line| line.starts_with('#')).collect::<Vec<_>>().join("\n")
}

/// DESIGN.md law 3: no site that is copied may silence an emergency call.
#[test]
fn every_pbx_that_is_told_what_to_dial_is_told_of_emergency_numbers() {
    // What each dials them by, as they are: the words before the number and behind it.
    for (name, patterns) in [
        (
            "asterisk",
            &[
                "exten => 911,1,Dial(PJSIP/${EXTEN}@own-line)",
                "exten => 911,n,Dial(PJSIP/${EXTEN}@ringfence)",
                "exten => 112,1,Dial(PJSIP/${EXTEN}@own-line)",
                "exten => 112,n,Dial(PJSIP/${EXTEN}@ringfence)",
            ][..],
        ),
        ("freepbx", &["Dial patterns: 911 and 112 as match pattern, prepend and prefix empty"]),
        ("3cx", &["Calls to numbers starting with: 911, 112", "nothing prepended"]),
        ("freeswitch", &["^(911|112)$", "sofia/gateway/own-line/$1|sofia/gateway/ringfence/$1"]),
    ] {
        let told = told(name);
        for pattern in patterns {
            assert!(told.contains(pattern), "{name} does not say: {pattern}");
        }
        assert!(
            told.contains("which works when this edge and its carriers do not"),
            "{name} does not say why"
        );
        assert!(text(name).contains("    dial_plan: us\n"), "{name} has no plan that knows them");
        assert!(
            text(name).contains("    emergency: { \"112\": \"911\" }"),
            "{name} sends 112 where nobody knows it"
        );
        // An extension without a number of its own dials them, too.
        assert!(text(name).contains("    default_caller: "), "{name} refuses callers without a number");
        assert!(text(name).contains("called: [\"911\", \"112\"]"), "{name} has no route for them");
    }
    assert!(told("twilio").contains("Emergency\n# numbers are dialled as asterisk.yaml says"));
}
