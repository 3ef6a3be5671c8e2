//! A lab's own authority, and certificates for the edge and for machines that meet it.
//!
//! Owns the files that `ringfence certs` writes. Refuses to write over what is there without being told, and to be what a
//! real site's peers trust: that is for an authority they know. Read first: RFC 5280 §4.2.1; RFC 5922 §4, §7.1.

use std::fmt::Write as _;
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write as _};
use std::net::IpAddr;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PKCS_RSA_SHA256, date_time_ymd,
};

use crate::clock::Wall;

/// Days that the authority lasts.
const CA_DAYS: i64 = 3_650;
/// What the lab's authority is called; the same each time, so that its key alone makes it again.
const CA_NAME: &str = "Ringfence lab authority";
/// The octets of a label of a host name (RFC 1035 §2.3.4).
const LABEL_BYTES_MAX: usize = 63;

/// What kind of key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyKind {
    /// ECDSA on P-256: small and fast.
    Ecdsa,
    /// RSA of 2048 bits: for machines that know no other.
    Rsa,
}

impl KeyKind {
    const fn name(self) -> &'static str {
        match self {
            Self::Ecdsa => "ECDSA",
            Self::Rsa => "RSA",
        }
    }

    fn make(self) -> Result<KeyPair, rcgen::Error> {
        KeyPair::generate_for(match self {
            Self::Ecdsa => &PKCS_ECDSA_P256_SHA256,
            Self::Rsa => &PKCS_RSA_SHA256,
        })
    }
}

/// What is to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// Where the files go.
    pub folder: PathBuf,
    /// The folder with the authority that signs, which must be there; else the authority stands in `folder`.
    pub authority: Option<PathBuf>,
    /// Host names and addresses that the certificates stand for.
    pub names: Vec<String>,
    /// The keys of all that is made.
    pub kind: KeyKind,
    /// Days that the server's and the client's certificate last.
    pub days: u16,
    /// Whether server and client are made anew where they are there. The authority never is.
    pub replace: bool,
}

/// Makes what is missing and says what it made, and what to write into the policy file. Fails with cause and cure, before
/// anything is written where it can.
pub fn make(order: &Order, now: Wall) -> Result<String, String> {
    let path = |name: &str| order.folder.join(name);
    let leaves = ["server.pem", "server.key", "client.pem", "client.key"].map(path);
    let there: Vec<String> =
        leaves.iter().filter(|path| path.exists()).map(|path| path.display().to_string()).collect();
    if !there.is_empty() && !order.replace {
        return Err(format!(
            "{} {} there already, and nothing was written; --replace makes server and client anew (the authority stays)",
            there.join(", "),
            if there.len() == 1 { "is" } else { "are" }
        ));
    }
    order.names.iter().try_for_each(|name| named(name))?;
    if let Some(missing) = order.authority.as_deref().filter(|folder| !folder.join("ca.key").exists()) {
        return Err(format!(
            "there is no ca.key in {}: name the folder where `ringfence certs` made the authority, or leave --ca out for a new one",
            missing.display()
        ));
    }
    folder(&order.folder)?;
    let until = |days| day(now, days).map(|(year, month, day)| format!("{year:04}-{month:02}-{day:02}"));
    let mut said = String::new();
    let authority = authority(order, now, &mut said)?;
    // A SIP machine is client and server with one certificate; the edge shows its own on both sides, too.
    let both = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    for (name, usages, whom) in [
        ("server", both, "for the edge, or for a machine that it calls"),
        ("client", vec![ExtendedKeyUsagePurpose::ClientAuth], "for a machine that must show who it is"),
    ] {
        let (pem, key) = leaf(order, now, &authority, name, usages).map_err(bug)?;
        write(&path(&format!("{name}.key")), &key)?;
        write(&path(&format!("{name}.pem")), &pem)?;
        // A write to a String cannot fail.
        let _ = writeln!(
            said,
            "{}, {name}.key ({}): {whom}; {}, until {}",
            path(&format!("{name}.pem")).display(),
            order.kind.name(),
            order.names.join(", "),
            until(i64::from(order.days))?
        );
    }
    said.push_str(&snippet(&order.folder, order.home()));
    Ok(said)
}

impl Order {
    /// Where the authority stands.
    fn home(&self) -> &Path {
        self.authority.as_deref().unwrap_or(&self.folder)
    }
}

fn snippet(folder: &Path, home: &Path) -> String {
    let path = |name: &str| {
        let folder = if name == "ca.pem" { home } else { folder };
        let folder = fs::canonicalize(folder).unwrap_or_else(|_| folder.to_owned());
        folder.join(name).display().to_string()
    };
    format!(
        "\nIn the policy file:\n  listeners:\n    NAME:\n      bind: \"ADDRESS:5061\"\n      certificate: {{ chain: \"{}\", key: \"{}\" }}\n  \
         peers:\n    NAME:\n      tls: {{ ca: \"{}\" }}\n",
        path("server.pem"),
        path("server.key"),
        path("ca.pem"),
    )
}

/// The authority of its folder, made where there is none.
fn authority(order: &Order, now: Wall, said: &mut String) -> Result<Issuer<'static, KeyPair>, String> {
    let (pem, key) = (order.home().join("ca.pem"), order.home().join("ca.key"));
    let mut params = CertificateParams::default();
    params.distinguished_name = common_name(CA_NAME);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let pair = match (pem.exists(), key.exists()) {
        (true, true) => {
            let text = fs::read_to_string(&key)
                .map_err(|error| format!("{} cannot be read: {error}", key.display()))?;
            let _ = writeln!(said, "{} stays as it is", pem.display());
            KeyPair::from_pem(&text).map_err(|error| {
                format!("{} is no key: {error}; remove both ca files to make a new authority", key.display())
            })?
        }
        (false, false) => {
            let pair = order.kind.make().map_err(bug)?;
            dated(&mut params, now, CA_DAYS)?;
            let certificate = params.self_signed(&pair).map_err(bug)?;
            write(&key, &pair.serialize_pem())?;
            write(&pem, &certificate.pem())?;
            let _ = writeln!(
                said,
                "{}, ca.key ({}): the lab's authority; whoever must trust this lab gets ca.pem, and ca.key stays here",
                pem.display(),
                order.kind.name()
            );
            pair
        }
        (true, false) | (false, true) => {
            return Err(format!(
                "of {} and {} only one is there; put the other back, or remove it to make a new authority",
                pem.display(),
                key.display()
            ));
        }
    };
    Ok(Issuer::new(params, pair))
}

fn leaf(
    order: &Order,
    now: Wall,
    authority: &Issuer<'_, KeyPair>,
    name: &str,
    usages: Vec<ExtendedKeyUsagePurpose>,
) -> Result<(String, String), Box<dyn std::error::Error>> {
    let pair = order.kind.make()?;
    let mut params = CertificateParams::new(order.names.clone())?;
    params.distinguished_name = common_name(&format!("Ringfence lab {name}"));
    params.use_authority_key_identifier_extension = true;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = usages;
    dated(&mut params, now, i64::from(order.days))?;
    let certificate = params.signed_by(&pair, authority)?;
    Ok((certificate.pem(), pair.serialize_pem()))
}

fn common_name(text: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, text);
    name
}

/// From yesterday on, for a machine whose clock is a little behind.
fn dated(params: &mut CertificateParams, now: Wall, days: i64) -> Result<(), String> {
    let (from, until) = (day(now, -1)?, day(now, days)?);
    params.not_before = date_time_ymd(from.0, from.1, from.2);
    params.not_after = date_time_ymd(until.0, until.1, until.2);
    Ok(())
}

/// The day (UTC) so many days from now: year, month, day.
fn day(now: Wall, days: i64) -> Result<(i32, u8, u8), String> {
    let unreadable = |_| "the clock of this machine shows no date that a certificate can hold".to_owned();
    let at = jiff::Timestamp::from_microsecond(now.micros()).map_err(unreadable)?;
    let date = jiff::tz::Offset::UTC.to_datetime(at).date();
    let date = date.checked_add(jiff::Span::new().days(days)).map_err(unreadable)?;
    Ok((i32::from(date.year()), date.month().unsigned_abs(), date.day().unsigned_abs()))
}

/// Whether a certificate can stand for it.
fn named(name: &str) -> Result<(), String> {
    if name.parse::<IpAddr>().is_ok() {
        return Ok(());
    }
    let letters = |label: &str| label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    let label = |label: &str| {
        !label.is_empty()
            && label.len() <= LABEL_BYTES_MAX
            && letters(label)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let rest = name.strip_prefix("*.").unwrap_or(name);
    if name.len() <= 253 && rest.split('.').all(label) {
        return Ok(());
    }
    Err(format!(
        "{name:?} is neither a host name nor an address; write sip.example.com or 192.0.2.1, without a port"
    ))
}

fn folder(path: &Path) -> Result<(), String> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(|error| format!("the folder {} cannot be made: {error}", path.display()))
}

/// Puts a file in place whole, readable for its owner alone: whoever reads it meanwhile sees the old one or the new one.
fn write(path: &Path, text: &str) -> Result<(), String> {
    let fresh = path.with_extension("new");
    let put = || -> io::Result<()> {
        match fs::remove_file(&fresh) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&fresh)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&fresh, path)
    };
    put().map_err(|error| format!("{} cannot be written: {error}", path.display()))
}

fn bug(error: impl std::fmt::Display) -> String {
    format!("the certificate cannot be made: {error}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    const NOW: Wall = Wall::from_micros(1_790_000_000_000_000);

    fn order(folder: &Path, kind: KeyKind) -> Order {
        let names = ["sip.example.com", "192.0.2.1", "::1"].map(str::to_owned).to_vec();
        Order { folder: folder.join("certs"), authority: None, names, kind, days: 397, replace: false }
    }

    fn read(order: &Order, name: &str) -> String {
        fs::read_to_string(order.folder.join(name)).unwrap()
    }

    #[test]
    fn a_lab_gets_six_files_that_nobody_else_can_read() {
        for kind in [KeyKind::Ecdsa, KeyKind::Rsa] {
            let folder = tempfile::tempdir().unwrap();
            let order = order(folder.path(), kind);
            let said = make(&order, NOW).unwrap();
            assert!(
                said.contains(kind.name()) && said.contains("certificate: {") && said.contains("2027-"),
                "{said}"
            );
            for name in ["ca.pem", "ca.key", "server.pem", "server.key", "client.pem", "client.key"] {
                let mode = fs::metadata(order.folder.join(name)).unwrap().permissions().mode();
                assert_eq!(mode & 0o777, 0o600, "{name}");
            }
            assert_eq!(fs::read_dir(&order.folder).unwrap().count(), 6, "nothing else is left behind");
        }
    }

    #[test]
    fn nothing_is_written_over_without_a_word_and_the_authority_stays() {
        let folder = tempfile::tempdir().unwrap();
        let mut order = order(folder.path(), KeyKind::Ecdsa);
        make(&order, NOW).unwrap();
        let (ca, server) = (read(&order, "ca.pem"), read(&order, "server.pem"));
        let refused = make(&order, NOW).unwrap_err();
        assert!(refused.contains("server.key") && refused.contains("--replace"), "{refused}");
        assert_eq!(read(&order, "server.pem"), server);
        order.replace = true;
        assert!(make(&order, NOW).unwrap().contains("stays as it is"));
        assert_eq!(read(&order, "ca.pem"), ca);
        assert_ne!(read(&order, "server.pem"), server);
        fs::remove_file(order.folder.join("ca.key")).unwrap();
        assert!(make(&order, NOW).unwrap_err().contains("only one is there"));
    }

    #[test]
    fn another_machine_gets_its_own_files_of_the_same_authority() {
        let folder = tempfile::tempdir().unwrap();
        let edge = order(folder.path(), KeyKind::Rsa);
        let ca = Some(edge.folder.clone());
        let pbx = Order {
            folder: folder.path().join("pbx"),
            authority: ca,
            ..order(folder.path(), KeyKind::Ecdsa)
        };
        assert!(make(&pbx, NOW).unwrap_err().contains("no ca.key"));
        assert!(!pbx.folder.exists(), "nothing is written before");
        make(&edge, NOW).unwrap();
        let ca = read(&edge, "ca.pem");
        let said = make(&pbx, NOW).unwrap();
        assert!(said.contains("certs/ca.pem stays") && said.contains("certs/ca.pem\" }"), "{said}");
        assert_eq!((read(&edge, "ca.pem"), fs::read_dir(&pbx.folder).unwrap().count()), (ca, 4));
        assert_ne!(read(&edge, "server.key"), read(&pbx, "server.key"));
    }

    #[test]
    fn a_name_that_no_certificate_can_hold_is_refused_before_anything_is_written() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["sip.example.com:5061", "", "a..b", "-a.example", "under_score", "192.0.2.1/24", "*"] {
            let order = Order { names: vec![name.to_owned()], ..order(folder.path(), KeyKind::Ecdsa) };
            assert!(make(&order, NOW).unwrap_err().contains("neither a host name"), "{name}");
            assert!(!order.folder.exists());
        }
        let wild = Order { names: vec!["*.example.com".to_owned()], ..order(folder.path(), KeyKind::Ecdsa) };
        assert!(make(&wild, NOW).is_ok());
    }
}
