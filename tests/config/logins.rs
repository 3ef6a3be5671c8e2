//! What is shown to a trunk that asks, as it is written: which realm it is for, and where nothing says so.

use std::ffi::OsString;

use ringfence::config::{Config, Source, load};
use ringfence::policy::{Names, Peer};

/// A trunk with these keys, and a PBX that calls by it.
fn read(trunk: &str) -> Result<Config, String> {
    let text = format!(
        "listeners:\n  lan: {{ bind: \"10.0.0.1:5060\" }}\npeers:\n  \
         pbx: {{ side: inside, listener: lan, sources: [10.0.0.2], targets: [10.0.0.2], plain_signalling: allow, plain_media: allow }}\n  \
         trunk:\n    side: outside\n    listener: lan\n    plain_signalling: allow\n    plain_media: allow\n    {}\n\
         sites:\n  office: {{ peers: [pbx, trunk], channels: 10 }}\n\
         routes:\n  - {{ name: out, direction: outbound, called: [\"+1*\"], to: [trunk] }}\n",
        trunk.replace("; ", "\n    ")
    );
    let environment = |name: &str| match name {
        "GOOD" => Some(OsString::from("correct horse battery")),
        "WEAK" => Some(OsString::from("elevenchars")),
        _ => None,
    };
    let source = Source { environment, ..Source::of_text("edge.yaml", &text) };
    load(&source, &mut Names::default(), 1).map_err(|errors| errors.to_string())
}

fn trunk(config: &Config) -> &Peer {
    config.policy.peers.iter().flatten().find(|peer| &*peer.name == "trunk").unwrap()
}

const LOGIN: &str = "login: { user: office, password: { env: GOOD } }";
const PLAIN: &str = "sources: [192.0.2.1]; targets: [\"192.0.2.1:5060\"]";

/// A8: the realm is what is written, else the one name by which the trunk is called, and never guessed.
#[test]
fn a8_a_login_is_for_the_realm_that_is_written_or_the_name_that_is_called() {
    let named = "sources: [192.0.2.1]; targets: [Sip.Carrier.example]";
    for (keys, realm) in [
        (format!("{PLAIN}; request_host: Sip.carrier.example:5080; {LOGIN}"), Some("sip.carrier.example")),
        (format!("{named}; {LOGIN}"), Some("sip.carrier.example")),
        (format!("{named}; request_host: other.example; {LOGIN}"), Some("other.example")),
        (format!("{named}; {}", LOGIN.replace("} }", "}, realm: Their Realm }")), Some("Their Realm")),
        (format!("{PLAIN}; {LOGIN}"), None),
        (format!("{PLAIN}; request_host: 192.0.2.1; {LOGIN}"), None),
        (format!("sources: [192.0.2.1]; targets: [a.example, b.example]; {LOGIN}"), None),
        (format!("profile: twilio; request_host: office.pstn.twilio.com; {LOGIN}"), Some("sip.twilio.com")),
        (format!("profile: twilio; targets: [office.pstn.twilio.com]; {LOGIN}"), Some("sip.twilio.com")),
    ] {
        match (read(&keys), realm) {
            (Ok(config), Some(realm)) => {
                let login = trunk(&config).login.as_ref().unwrap();
                assert_eq!((&*login.realm, &*login.user), (realm, "office"), "{keys}");
                assert!(!format!("{config:?}").contains("horse"), "{keys}: the password was printed");
            }
            (Err(errors), None) => {
                assert!(errors.contains("a login needs the realm it is for"), "{keys}: {errors}");
            }
            (Ok(_), None) => panic!("taken: {keys}"),
            (Err(errors), Some(_)) => panic!("{keys}: {errors}"),
        }
    }
}

/// A domain and a login are all that Twilio's profile wants, and a domain in one of two places it does want.
#[test]
fn a_twilio_trunk_is_a_domain_and_a_login() {
    let config = read(&format!("profile: twilio; request_host: office.pstn.twilio.com; {LOGIN}")).unwrap();
    let targets: Vec<String> = trunk(&config).domains().map(ToString::to_string).collect();
    assert_eq!(targets, ["office.pstn.twilio.com"]);
    for keys in ["profile: twilio", "profile: twilio; targets: [\"54.172.60.0:5060\"]"] {
        let errors = read(&format!("{keys}; {LOGIN}")).map(|_| ()).unwrap_err();
        assert!(errors.contains("twilio needs request_host beside it"), "{keys}: {errors}");
    }
}

#[test]
fn a_weak_password_of_a_carrier_is_told_and_taken() {
    let keys = format!("{PLAIN}; request_host: sip.carrier.example; {}", LOGIN.replace("GOOD", "WEAK"));
    let config = read(&keys).unwrap();
    let told: Vec<String> = config.warnings.iter().map(|warning| warning.line()).collect();
    assert!(told.iter().any(|line| line.contains("ask the carrier for a better one")), "{told:?}");
    assert!(!told.concat().contains("elevenchars"), "the password was printed");
}

/// A registration is somebody's, somewhere, at a trunk.
#[test]
fn a_registration_that_nobody_could_take_is_told() {
    let register =
        |keys: &str| format!("{PLAIN}; request_host: sip.carrier.example; {LOGIN}; register: {{ {keys} }}");
    for (keys, user) in
        [("", "office"), ("user: \"+12125550100\"", "+12125550100"), ("expires: 5m", "office")]
    {
        let config = read(&register(keys)).unwrap_or_else(|errors| panic!("{errors}"));
        assert_eq!(&*trunk(&config).register.as_ref().unwrap().user, user);
        let told = ringfence::config::check::describe(&config);
        assert!(told.contains(&format!("this edge is registered there as \"{user}\"")), "{told}");
    }
    let aside = LOGIN.replace("user: office", "user: office@carrier.example");
    let host = "request_host: sip.carrier.example";
    for (keys, cause) in [
        (register("user: \"a b\""), "cannot stand as the user of a SIP address"),
        (register("expires: 30s"), "expires"),
        (register("expires: 2d"), "expires"),
        (register("refresh: 1m"), "refresh"),
        (format!("{PLAIN}; {host}; register: {{}}"), "a registration needs a user"),
        (format!("{PLAIN}; {host}; {aside}; register: {{}}"), "a registration needs a user"),
        (
            format!("sources: [192.0.2.1]; {host}; {LOGIN}; register: {{}}"),
            "there is no target to be registered at",
        ),
    ] {
        let errors = read(&keys).map(|_| ()).unwrap_err();
        assert!(errors.contains(cause), "{keys}: {errors}");
    }
}

/// What is taken and may well be meant otherwise is told with its cure, and nothing else is.
#[test]
fn a_registration_whose_calls_would_fail_or_come_from_anywhere_is_told() {
    let named = "sources: [192.0.2.1]; targets: [sip.carrier.example]";
    let placed = format!("{PLAIN}; request_host: sip.carrier.example");
    let (number, dns, twilio) =
        ("so each asks for \"office\"", "who may take the registration", "Twilio's trunks take no REGISTER");
    let all = [number, dns, twilio];
    for (keys, wanted) in [
        (format!("{placed}; {LOGIN}; register: {{}}"), vec![number]),
        (format!("{placed}; {LOGIN}; register: {{}}; called_from: to"), vec![]),
        (format!("{placed}; {LOGIN}; register: {{ user: \"+12125550100\" }}"), vec![]),
        (format!("{placed}; {LOGIN}"), vec![]),
        (format!("{named}; {LOGIN}; register: {{}}; called_from: to"), vec![dns]),
        (format!("{named}; {LOGIN}; called_from: to"), vec![]),
        (
            format!(
                "profile: twilio; request_host: office.pstn.twilio.com; targets: [\"54.172.60.0:5060\"]; {LOGIN}; register: {{}}; called_from: to"
            ),
            vec![twilio],
        ),
    ] {
        let config = read(&keys).unwrap_or_else(|errors| panic!("{keys}: {errors}"));
        let told: String = config.warnings.iter().map(|warning| warning.line()).collect();
        let heard: Vec<&str> = all.into_iter().filter(|cause| told.contains(cause)).collect();
        assert_eq!(heard, wanted, "{keys}: {told}");
    }
}
