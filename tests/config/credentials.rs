//! What a peer must show, as it is written: where passwords stand, which are refused, and what is said of them.

use std::ffi::OsString;
use std::io;

use ringfence::config::{Source, check, load};
use ringfence::policy::Names;

/// A peer with these keys under a site with a domain.
fn policy(keys: &str) -> String {
    format!(
        "listeners:\n  lan: {{ bind: \"10.0.0.1:5060\" }}\npeers:\n  pbx:\n    side: inside\n    listener: lan\n    \
         sources: [10.0.0.2]\n    plain_signalling: allow\n    plain_media: allow\n{keys}sites:\n  \
         office: {{ peers: [pbx], channels: 10, domains: [edge.example] }}\nroutes:\n  \
         - {{ name: none, direction: internal, to: [pbx] }}\n"
    )
    .replace("    sources: [10.0.0.2]\n", "    sources: [10.0.0.2]\n    targets: [\"10.0.0.2:5060\"]\n")
}

fn source(keys: &str) -> Source {
    let environment = |name: &str| match name {
        "GOOD" => Some(OsString::from("correct horse battery")),
        "SHORT" => Some(OsString::from("elevenchars")),
        "USER" => Some(OsString::from("office-pbx-main")),
        "EMPTY" => Some(OsString::new()),
        _ => None,
    };
    let open_secret = |path: &std::path::Path| match path.to_str() {
        Some("good.secret") => Ok("correct horse battery\n".to_owned()),
        Some("open.secret") => {
            Err(io::Error::new(io::ErrorKind::PermissionDenied, "others may read it (mode 0644)"))
        }
        Some(_) | None => Err(io::Error::new(io::ErrorKind::NotFound, "no such file")),
    };
    Source { environment, open_secret, ..Source::of_text("edge.yaml", &policy(keys)) }
}

fn errors(keys: &str) -> String {
    match load(&source(keys), &mut Names::default(), 1) {
        Ok(_) => panic!("taken: {keys}"),
        Err(errors) => errors.to_string(),
    }
}

const USER: &str = "    credentials:\n      - user: office-pbx-main\n";

#[test]
fn a_password_comes_from_the_environment_a_file_or_as_its_hashes() {
    let sha = "b0b1f1b5a6dbd6a1a5c2fbbc4f20a6ee41d2e8f2bdc4d8f0b7a3d7a2b2c0c1d2";
    let hashes = format!("        ha1: {{ sha_256: {sha}, sha_512_256: {sha} }}\n");
    for secret in ["        password: { env: GOOD }\n", "        password: { file: good.secret }\n", &hashes]
    {
        let config = load(&source(&format!("{USER}{secret}")), &mut Names::default(), 1);
        let config = config.unwrap_or_else(|errors| panic!("{errors}"));
        let demand = config.policy.peers.iter().flatten().next().unwrap().demand.clone().unwrap();
        assert_eq!((&*demand.realm, demand.credentials.len()), ("edge.example", 1));
        assert!(demand.credentials[0].may_call_as("office-pbx-main"));
        assert!(!demand.credentials[0].may_call_as("+12125550100"));
        let told = check::describe(&config);
        assert!(
            told.contains("it shows a password before it calls (401 by SHA-256 or SHA-512-256, realm edge.example): office-pbx-main"),
            "{told}"
        );
        let shown = format!("{demand:?} {config:?} {told}");
        assert!(!shown.contains("horse") && !shown.contains(sha), "a secret was printed");
    }
}

#[test]
fn a4_weak_and_missing_secrets_are_all_told_at_once_and_never_shown() {
    let told = errors(
        "    credentials:\n\
         \x20     - { user: a, password: { env: SHORT } }\n\
         \x20     - { user: office-pbx-main, password: { env: USER } }\n\
         \x20     - { user: c, password: { env: NOT_SET } }\n\
         \x20     - { user: d, password: { file: open.secret } }\n\
         \x20     - { user: e, password: { file: gone.secret } }\n\
         \x20     - { user: f, password: hunter2hunter2 }\n\
         \x20     - { user: g, ha1: { sha_256: c0ffee } }\n\
         \x20     - { user: h }\n\
         \x20     - { user: i, password: { env: EMPTY } }\n\
         \x20     - { user: j, password: { env: GOOD, file: good.secret } }\n\
         \x20     - { user: 'k\"', password: { env: GOOD } }\n\
         \x20     - { user: l, password: { env: GOOD }, from: [did] }\n\
         \x20     - { user: l, password: { env: GOOD } }\n",
    );
    assert!(!told.contains("hunter2") && !told.contains("c0ffee") && !told.contains("elevenchars"), "{told}");
    insta::assert_snapshot!("secrets", told);
}

#[test]
fn algorithms_are_sound_first_and_keys_that_say_nothing_are_told() {
    let told = errors(&format!("{USER}        password: {{ env: GOOD }}\n    algorithms: [md5, sha-256]\n"));
    assert!(told.contains("md5 stands before a sound algorithm"), "{told}");
    let hash = "0".repeat(64);
    let told = errors(&format!("{USER}        ha1: {{ sha_256: \"{hash}\" }}\n"));
    assert!(told.contains("whose hash is missing here: \"sha_512_256\""), "{told}");
    for key in ["realm: x", "algorithms: [md5]", "challenge: proxy", "digest_uri: host"] {
        let told = errors(&format!("    {key}\n"));
        assert!(told.contains("says how credentials are asked for, and there are none"), "{key}: {told}");
    }
    let warned = |more: &str| {
        let keys = format!("{USER}        password: {{ env: GOOD }}\n{more}");
        let config =
            load(&source(&keys), &mut Names::default(), 1).unwrap_or_else(|errors| panic!("{errors}"));
        config.warnings.iter().map(|warning| warning.line()).collect::<Vec<_>>().join("\n")
    };
    assert!(warned("    algorithms: [md5]\n").contains("MD5 is broken"));
    assert!(warned("    digest_uri: host\n").contains("may be used for another number"));
    assert!(!warned("").contains("MD5"));
}

#[test]
fn a_reload_that_asks_for_less_is_told() {
    let mut names = Names::default();
    let mut load =
        |keys: &str| load(&source(keys), &mut names, 1).unwrap_or_else(|errors| panic!("{errors}"));
    let strict = load(&format!("{USER}        password: {{ env: GOOD }}\n"));
    let lax = load(&format!(
        "{USER}        password: {{ env: GOOD }}\n        from: [any]\n      - user: other\n        password: {{ env: GOOD }}\n    \
         algorithms: [sha-256, md5]\n    digest_uri: host\n"
    ));
    let none = load("");
    let weaker = |old, new| ringfence::config::changes(old, new).weaker;
    assert_eq!(
        weaker(&strict, &lax),
        [
            "peer pbx may prove its password by MD5",
            "peer pbx may prove its password without naming the number it calls",
            "credential office-pbx-main of peer pbx may call as somebody else",
            "peer pbx has another credential: other",
        ]
    );
    assert_eq!(weaker(&strict, &none), ["peer pbx shows no password any more"]);
    assert!(weaker(&none, &strict).is_empty() && weaker(&lax, &strict).is_empty());
}

const TRUNK: &str = "  trunk:\n    { side: outside, listener: wan, sources: [10.0.0.9], targets: [\"10.0.0.9:5061\"], plain_media: allow }\n";

/// Peers that roam at one listener with TLS, with these keys each.
fn roaming(first: &str, second: Option<&str>) -> Result<ringfence::config::Config, String> {
    let peer = |name: &str, keys: &str| {
        format!(
            "  {name}:\n    {{ side: inside, listener: wan, sources: any, plain_media: allow, {keys} }}\n"
        )
    };
    let peers = [Some(peer("pbx", first)), second.map(|keys| peer("other", keys))];
    let names = if second.is_some() { "pbx, other, trunk" } else { "pbx, trunk" };
    let text = format!(
        "listeners:\n  wan: {{ bind: \"10.0.0.1:5061\", certificate: {{ chain: server.pem, key: server.key }} }}\npeers:\n{}sites:\n  \
         office: {{ peers: [{names}], channels: 10, domains: [edge.example] }}\nroutes:\n  \
         - {{ name: out, direction: outbound, to: [trunk] }}\n",
        peers.into_iter().flatten().collect::<String>() + TRUNK
    );
    let folder = tempfile::tempdir().unwrap();
    let order = ringfence::admin::certs::Order {
        folder: folder.path().to_owned(),
        names: vec!["edge.example".to_owned()],
        authority: None,
        kind: ringfence::admin::certs::KeyKind::Ecdsa,
        days: 30,
        replace: false,
    };
    ringfence::admin::certs::make(&order, ringfence::clock::Clock::start().now().wall).unwrap();
    let file = folder.path().join("edge.yaml");
    std::fs::write(&file, text).unwrap();
    let Source { environment, .. } = source("");
    let source = Source { environment, ..Source::read(&file).unwrap_or_else(|why| panic!("{why}")) };
    load(&source, &mut Names::default(), 1).map_err(|errors| errors.to_string())
}

#[test]
fn who_roams_is_known_by_a_certificate_a_password_or_both_and_by_nothing_that_another_has() {
    const BY_PASSWORD: &str = "credentials: [{ user: office-pbx-main, password: { env: GOOD } }]";
    const ANOTHER: &str = "credentials: [{ user: second-pbx, password: { env: GOOD } }]";
    const BY_CERTIFICATE: &str = "tls: { ca: ca.pem }";
    let both = format!("{BY_PASSWORD}, {BY_CERTIFICATE}");
    let taken = [
        (BY_PASSWORD, None, "known by its password alone"),
        (BY_CERTIFICATE, None, "known by its certificate alone"),
        (&both, None, "known by its certificate and its password"),
        (BY_PASSWORD, Some(ANOTHER.to_owned()), "known by its password alone"),
        (&both, Some(format!("{ANOTHER}, {BY_CERTIFICATE}")), "known by its certificate and its password"),
    ];
    for (first, second, words) in taken {
        let config = roaming(first, second.as_deref()).unwrap_or_else(|why| panic!("{first}: {why}"));
        let told = check::describe(&config);
        assert!(told.contains(words), "{words}: {told}");
        let alone = told.contains("it shows no certificate; its password says who it is");
        assert_eq!(alone, words.contains("password alone"), "{words}: {told}");
    }
    let named = format!("{ANOTHER}, tls: {{ ca: ca.pem, names: [x.example] }}");
    let own =
        format!("{ANOTHER}, tls: {{ ca: ca.pem, certificate: {{ chain: client.pem, key: client.key }} }}");
    let refused = [
        ("keep_alive: 25s", None, "it has no credentials, and shows no certificate"),
        ("tls: { ca: ca.pem, client_certificate: none }", None, "shows no certificate"),
        (BY_CERTIFICATE, Some(BY_CERTIFICATE.to_owned()), "nothing tells it from \"pbx\""),
        (BY_CERTIFICATE, Some(ANOTHER.to_owned()), "nothing tells it from \"pbx\""),
        (&both, Some(ANOTHER.to_owned()), "met over TLS otherwise than \"pbx\""),
        (&both, Some(named), "met over TLS otherwise than \"pbx\""),
        (&both, Some(own), "met over TLS otherwise than \"pbx\""),
    ];
    for (first, second, words) in refused {
        let why =
            roaming(first, second.as_deref()).err().unwrap_or_else(|| panic!("taken: {first} {second:?}"));
        assert!(why.contains(words), "{words}: {why}");
    }
}
