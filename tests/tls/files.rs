//! Certificate files with a fault: told by `check` and at a start, each at its place with cause and cure; nothing is served.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use rcgen::{CertificateParams, KeyPair, date_time_ymd};

use crate::rig::edge::binary;
use crate::rig::folder;
use crate::rig::wire::Lab;

/// Its third line names the chain, its fourth the key, its sixth the authority.
const POLICY: &str = "listeners:
  lan: { bind: \"127.77.87.1:5061\", certificate: {
      chain: CHAIN,
      key: KEY } }
peers: { pbx: { side: inside, listener: lan, sources: [127.77.87.2], targets: [127.77.87.2], plain_media: allow, tls: {
      ca: AUTHORITY } } }
sites: { office: { peers: [pbx], channels: 10 } }
routes: [{ name: none, direction: internal, to: [pbx] }]
alerts: discard
records: discard
";

/// Exit code and everything printed.
fn ringfence(command: &str, file: &Path) -> (Option<i32>, String) {
    let output =
        Command::new(binary()).arg(command).arg(file).output().expect("the binary under test starts");
    let said = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8_lossy(&said).into_owned())
}

fn write(file: &Path, text: &str, mode: u32) {
    fs::write(file, text).expect("the folder is writable");
    fs::set_permissions(file, fs::Permissions::from_mode(mode)).expect("it is ours");
}

fn half(text: &str) -> &str {
    text.get(..text.len() / 2).expect("PEM is ASCII")
}

/// A certificate for some years under `name`, and its key.
fn dated(folder: &Path, name: &str, years: (i32, i32)) {
    let key = KeyPair::generate().expect("a key");
    let mut params = CertificateParams::new(vec!["sbc.example.com".to_owned()]).expect("a name");
    (params.not_before, params.not_after) = (date_time_ymd(years.0, 1, 1), date_time_ymd(years.1, 1, 1));
    let text = params.self_signed(&key).expect("it signs itself").pem();
    write(&folder.join(format!("{name}.pem")), &text, 0o644);
    write(&folder.join(format!("{name}.key")), &key.serialize_pem(), 0o600);
}

#[test]
fn f5_a_fault_in_a_certificate_file_is_told_by_check_and_stops_a_start() {
    let place = folder("tls-files");
    let lab = Lab::make(&place.join("lab"), &["sbc.example.com"]);
    let of_lab = |name: &str| fs::read_to_string(lab.0.join(name)).expect("the lab's files are text");
    let (chain, key) = (of_lab("server.pem"), of_lab("server.key"));
    write(&place.join("good.pem"), &chain, 0o644);
    write(&place.join("good.key"), &key, 0o600);
    write(&place.join("ca.pem"), &of_lab("ca.pem"), 0o644);
    write(&place.join("other.key"), &of_lab("client.key"), 0o600);
    write(&place.join("open.key"), &key, 0o644);
    write(&place.join("cut.pem"), half(&chain), 0o644);
    write(&place.join("cut.key"), half(&key), 0o600);
    write(&place.join("empty.pem"), "", 0o644);
    dated(&place, "old", (2020, 2021));
    dated(&place, "early", (2089, 2090));
    let (good_at, key_at, ca_at) = ("edge.yaml:3:", "edge.yaml:4:", "edge.yaml:6:");
    let table: [(&str, [&str; 3], &str, &str); 12] = [
        ("no chain", ["none.pem", "good.key", "ca.pem"], good_at, "cannot be read: No such file"),
        ("no key", ["good.pem", "none.key", "ca.pem"], key_at, "cannot be read: No such file"),
        ("no authority", ["good.pem", "good.key", "none.pem"], ca_at, "cannot be read: No such file"),
        ("another's key", ["good.pem", "other.key", "ca.pem"], key_at, "does not belong to the certificate"),
        ("expired", ["old.pem", "old.key", "ca.pem"], good_at, "it was good until 2021-01-01"),
        ("not yet", ["early.pem", "early.key", "ca.pem"], good_at, "not valid before 2089-01-01"),
        ("expired authority", ["good.pem", "good.key", "old.pem"], ca_at, "it was good until 2021-01-01"),
        (
            "world-readable",
            ["good.pem", "open.key", "ca.pem"],
            key_at,
            "every user of this machine may read this key",
        ),
        ("a broken chain", ["cut.pem", "good.key", "ca.pem"], good_at, "it is cut short"),
        ("a broken key", ["good.pem", "cut.key", "ca.pem"], key_at, "no private key in PEM stands here"),
        (
            "swapped",
            ["good.key", "good.pem", "ca.pem"],
            good_at,
            "a private key stands here, and no certificate",
        ),
        (
            "an empty authority",
            ["good.pem", "good.key", "empty.pem"],
            ca_at,
            "no certificate in PEM stands here",
        ),
    ];
    let file = place.join("edge.yaml");
    let secret = key.lines().nth(1).expect("a key has lines").to_owned();
    let with = |[chain, key, ca]: [&str; 3]| {
        let text = POLICY.replace("CHAIN", chain).replace("KEY", key).replace("AUTHORITY", ca);
        fs::write(&file, text).expect("the folder is writable");
    };
    for (fault, files, at, cause) in table {
        with(files);
        for command in ["check", "run"] {
            let (code, said) = ringfence(command, &file);
            assert_eq!(code, Some(1), "{fault}, {command}: {said}");
            let line = said.lines().find(|line| line.contains(at));
            assert!(
                line.is_some_and(|line| line.contains(cause)),
                "{fault}, {command}: {at} {cause}\n{said}"
            );
            assert!(!said.contains(&secret), "{fault}, {command}: a key was printed");
        }
    }
    with(["good.pem", "good.key", "ca.pem"]);
    let (code, said) = ringfence("check", &file);
    assert_eq!(code, Some(0), "{said}");
}
