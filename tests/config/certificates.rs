//! Certificates that end while they are in force: the files that stand keep nothing else from changing, new ones are refused.

use std::fs;
use std::path::PathBuf;

use rcgen::{
    CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_RSA_SHA256, SignatureAlgorithm, date_time_ymd,
};
use ringfence::clock::Wall;
use ringfence::config::{Config, Source, load};
use ringfence::policy::Names;

const POLICY: &str = "
listeners: { lan: { bind: \"10.0.0.1:5061\", certificate: { chain: own.pem, key: own.key } } }
peers: { pbx: { side: inside, listener: lan, sources: [10.0.0.2], targets: [10.0.0.2], plain_media: allow, tls: { ca: ca.pem } } }
sites: { office: { peers: [pbx], channels: 10 } }
routes: [{ name: none, direction: internal, to: [pbx] }]
";

fn year(year: i64) -> Wall {
    Wall::from_micros((year - 1970) * 31_556_952 * 1_000_000)
}

/// A certificate for some years, and its key, under two names.
fn write(folder: &std::path::Path, name: &str, years: (i32, i32)) {
    signed(folder, name, years, &PKCS_ECDSA_P256_SHA256);
}

fn signed(folder: &std::path::Path, name: &str, years: (i32, i32), kind: &'static SignatureAlgorithm) {
    let key = KeyPair::generate_for(kind).unwrap();
    let mut params = CertificateParams::new(vec!["sbc.example.com".to_owned()]).unwrap();
    (params.not_before, params.not_after) = (date_time_ymd(years.0, 1, 1), date_time_ymd(years.1, 1, 1));
    fs::write(folder.join(format!("{name}.pem")), params.self_signed(&key).unwrap().pem()).unwrap();
    let file = folder.join(format!("{name}.key"));
    fs::write(&file, key.serialize_pem()).unwrap();
    fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
}

fn site(name: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("ended-{name}"));
    fs::create_dir_all(&folder).unwrap();
    write(&folder, "own", (2020, 2030));
    write(&folder, "ca", (2020, 2031));
    fs::write(folder.join("edge.yaml"), POLICY).unwrap();
    folder
}

/// Reads the policy in a year, with the files of `before` in force since another.
fn read(folder: &std::path::Path, at: i64, before: Option<(&Config, i64)>) -> Result<Config, String> {
    let source = Source::read(&folder.join("edge.yaml")).unwrap();
    let taken = before.iter().flat_map(|(config, since)| {
        config.tls.files.iter().map(|(path, held)| (path.clone(), held.clone(), year(*since)))
    });
    let source = Source { today: year(at), taken: taken.collect::<Vec<_>>().into(), ..source };
    load(&source, &mut Names::default(), 1).map_err(|errors| errors.to_string())
}

fn warned(config: &Config) -> Vec<String> {
    let lines = config.warnings.iter().map(|warning| warning.line());
    lines.filter(|line| line.contains("it has ended")).collect()
}

#[test]
fn f5_what_is_in_force_and_has_ended_stays_and_what_is_new_is_refused() {
    let folder = site("stays");
    let first = read(&folder, 2025, None).unwrap();
    assert!(warned(&first).is_empty());
    // Both have ended meanwhile: at a start they are refused, in force they stay, and it is told of each.
    let errors = read(&folder, 2035, None).map(|_| ()).unwrap_err();
    assert_eq!(errors.matches("it has expired").count(), 2, "{errors}");
    let stays = read(&folder, 2035, Some((&first, 2025))).unwrap();
    let told = warned(&stays);
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(
        told[0].contains("listeners.lan.certificate.chain") && told[1].contains("peers.pbx.tls.ca"),
        "{told:?}"
    );
    // Another file in the same place has to be good.
    write(&folder, "own", (2020, 2033));
    let errors = read(&folder, 2035, Some((&first, 2025))).map(|_| ()).unwrap_err();
    assert!(
        errors.contains("it has expired: it was good until 2033") && errors.contains("renew it"),
        "{errors}"
    );
    assert_eq!(errors.matches("it has expired").count(), 1, "{errors}");
    write(&folder, "own", (2034, 2040));
    let renewed = read(&folder, 2035, Some((&first, 2025))).unwrap();
    assert_eq!(warned(&renewed).len(), 1);
}

/// A domain is all that its profile wants of TLS, and it says in time what would fail in the handshake.
#[test]
fn a_twilio_trunk_over_tls_is_met_as_it_wants_and_told_of_a_key_that_it_does_not_take() {
    let folder = site("twilio");
    let trunk = |keys: &str| {
        format!(
            "  twilio: {{ side: outside, profile: twilio, listener: lan, request_host: office.pstn.twilio.com, \
             plain_media: allow{keys} }}\nsites: {{ office: {{ peers: [pbx, twilio], channels: 10 }} }}\n"
        )
    };
    let told = |keys: &str, kind| {
        signed(&folder, "own", (2020, 2030), kind);
        let text = POLICY
            .replace("peers: { pbx: {", "peers:\n  pbx: {")
            .replace("tls: { ca: ca.pem } } }", "tls: { ca: ca.pem } }");
        let (before, after) = text.split_once("sites: {").unwrap();
        let rest = after.split_once('\n').unwrap().1;
        fs::write(folder.join("edge.yaml"), format!("{before}{}{rest}", trunk(keys))).unwrap();
        let config = read(&folder, 2025, None).unwrap_or_else(|why| panic!("{keys}: {why}"));
        let proof = config
            .policy
            .peers
            .iter()
            .flatten()
            .find(|peer| &*peer.name == "twilio")
            .unwrap()
            .proof
            .clone()
            .unwrap();
        let warned = config.warnings.iter().any(|warning| warning.line().contains("RSA certificates alone"));
        (warned, proof.wildcard, proof.client_certificate, proof.authorities.to_string())
    };
    let system = || "system".to_owned();
    assert_eq!(told("", &PKCS_ECDSA_P256_SHA256), (true, true, false, system()));
    assert_eq!(told("", &PKCS_RSA_SHA256), (false, true, false, system()));
    assert_eq!(told(", tls: { wildcard: refuse }", &PKCS_RSA_SHA256), (false, false, false, system()));
    let own = ", tls: { ca: ca.pem, client_certificate: require }";
    assert_eq!(told(own, &PKCS_RSA_SHA256), (false, true, true, "ca.pem".to_owned()));
}
