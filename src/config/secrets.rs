//! Secrets: where a password is read from, what makes one weak, and the making of a strong one.
//!
//! Owns the way from `password:` to a secret in memory. Refuses to know what is proven with it; nothing here prints one.
//! Read first: RFC 7616 §5.8; attack rows A4, A5.

use std::ffi::OsString;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use secrecy::{ExposeSecret as _, SecretString};
use zeroize::Zeroizing;

use super::Source;
use super::fields::Fields;
use super::problem::{Cause, quoted};
use super::table::PASSWORD;
use crate::policy::code;
use crate::sip::digest::{Ha1, Hash};

/// Characters of a password that a peer shows us, at least.
pub const PASSWORD_CHARACTERS_MIN: usize = 12;

/// Octets of a password at most.
pub const PASSWORD_OCTETS_MAX: usize = 512;

/// The command that makes a good one.
const CURE: &str = "make one with: ringfence secret new";

/// What machines are shipped with, and what guessers try first.
const DEFAULTS: [&str; 34] = [
    "000000000000",
    "111111111111",
    "123456789012",
    "1234567890123",
    "1234567890",
    "12345678",
    "123456",
    "12345",
    "1234",
    "abcdefghijkl",
    "admin",
    "administrator",
    "asterisk",
    "asteriskasterisk",
    "changeme",
    "changemechangeme",
    "cisco",
    "default",
    "elastix",
    "freepbx",
    "freepbxfreepbx",
    "freeswitch",
    "letmein",
    "letmeinletmein",
    "passw0rd",
    "password",
    "password1234",
    "passwordpassword",
    "qwertyuiop",
    "qwertyuiopas",
    "secret",
    "secretsecret",
    "test",
    "testtesttest",
];

/// Reads a secret's file; whoever may read it besides its owner is told.
pub fn read_file(path: &Path) -> io::Result<String> {
    let file = std::fs::File::open(path)?;
    let metadata = file.metadata()?;
    if metadata.is_dir() {
        return Err(io::Error::new(
            io::ErrorKind::IsADirectory,
            "it is a folder, and a password stands in a file",
        ));
    }
    if metadata.mode() & 0o077 != 0 {
        let text = format!("others may read it (mode {:04o})", metadata.mode() & 0o7777);
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, text));
    }
    if metadata.len() > PASSWORD_OCTETS_MAX as u64 + 2 {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "it is too long for a password"));
    }
    io::read_to_string(file)
}

/// An environment variable.
#[must_use]
pub fn read_environment(name: &str) -> Option<OsString> {
    std::env::var_os(name)
}

/// The password behind the key `password` of a section: from an environment variable or a file. `None` when it is left
/// out, and when it cannot be read, which is told.
pub fn password(fields: &Fields<'_>, source: &Source) -> Option<SecretString> {
    let node = fields.node("password")?;
    let path = fields.path_of("password");
    let section = Fields::open(fields.desk(), &PASSWORD, node, node.place, path)?;
    match (section.word("env"), section.word("file")) {
        (Some(word), None) => {
            section.checked("env", |text| from_environment(text, source)).filter(|_| !word.text.is_empty())
        }
        (None, Some(_)) => section.checked("file", |text| from_file(text, source)),
        (Some(_), Some(_)) | (None, None) => {
            let cause = Cause::new("a password stands in one place");
            fields.error("password", cause.cure("write { env: NAME } or { file: PATH }"));
            None
        }
    }
}

fn from_environment(name: &str, source: &Source) -> Result<SecretString, Cause> {
    let lettered = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if name.is_empty() || !name.chars().all(lettered) || name.starts_with(|c: char| c.is_ascii_digit()) {
        let cause = format!("{} is not the name of an environment variable", quoted(name));
        return Err(Cause::new(cause).cure("write its name alone, e.g. OFFICE_PASSWORD"));
    }
    let Some(value) = (source.environment)(name) else {
        let cause = format!("the environment variable {name} is not set");
        return Err(Cause::new(cause).cure("set it for the edge (and for check), or write { file: PATH }"));
    };
    let value = value.into_string().map_err(|_| Cause::new(format!("{name} is not UTF-8")))?;
    whole(value, name)
}

fn from_file(written: &str, source: &Source) -> Result<SecretString, Cause> {
    let path = source.folder.join(written);
    let name = path.display().to_string();
    match (source.open_secret)(&path) {
        Ok(text) => whole(text, &name),
        Err(error) => {
            let cause = Cause::new(format!("{} cannot be taken: {error}", quoted(&name)));
            Err(if error.kind() == io::ErrorKind::PermissionDenied {
                cause.cure(format!("chmod 600 {name}, and let it belong to the edge's user"))
            } else {
                cause.cure("a relative path begins at the policy file's folder")
            })
        }
    }
}

/// One line, without its end.
fn whole(text: String, name: &str) -> Result<SecretString, Cause> {
    let text = Zeroizing::new(text);
    let line = text.strip_suffix('\n').unwrap_or(&text);
    let line = line.strip_suffix('\r').unwrap_or(line);
    if line.is_empty() {
        return Err(Cause::new(format!("{name} holds nothing")).cure(CURE));
    }
    if line.len() > PASSWORD_OCTETS_MAX || line.chars().any(char::is_control) {
        let cause = format!("{name} holds no password: more than one line, or too long");
        return Err(Cause::new(cause).cure(CURE));
    }
    Ok(SecretString::from(line))
}

/// What makes a password too weak to be shown to us by the machine of `user` (39004).
pub fn strong(user: &str, password: &SecretString) -> Result<(), Cause> {
    let secret = password.expose_secret();
    let why = if secret.eq_ignore_ascii_case(user) {
        "the password is the user's name"
    } else if DEFAULTS.iter().any(|default| secret.eq_ignore_ascii_case(default)) {
        "the password is one that machines are shipped with"
    } else if secret.chars().count() < PASSWORD_CHARACTERS_MIN {
        "the password has less than 12 characters"
    } else if secret.chars().collect::<std::collections::BTreeSet<_>>().len() < 5 {
        "the password has less than 5 different characters"
    } else {
        return Ok(());
    };
    Err(weak(why))
}

/// The same of a password of which only a hash is known: what is guessed first is guessed here too.
pub fn strong_hash(user: &str, realm: &str, key: &Ha1) -> Result<(), Cause> {
    let is = |guess: &str| Ha1::new(key.hash(), user.as_bytes(), realm.as_bytes(), guess.as_bytes()) == *key;
    let lower = user.to_ascii_lowercase();
    if is("") || is(user) || is(&lower) {
        return Err(weak("the password behind this hash is the user's name, or nothing"));
    }
    if DEFAULTS.into_iter().any(is) {
        return Err(weak("the password behind this hash is one that machines are shipped with"));
    }
    Ok(())
}

fn weak(why: &str) -> Cause {
    Cause::new(format!("{why} ({})", code::WEAK_SECRET.number)).cure(CURE)
}

/// The letters of a password of ours: none that looks like another, none that a shell or a PBX's file takes for its own.
const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";

/// A password from random octets: 5 bits of each.
#[must_use]
pub fn new(random: &[u8; 26]) -> SecretString {
    let letter = |octet: &u8| char::from(LETTERS.get(usize::from(octet & 31)).copied().unwrap_or(b'a'));
    SecretString::from(random.iter().map(letter).collect::<String>())
}

/// The lines to paste under `ha1:`.
#[must_use]
pub fn hashes(user: &str, realm: &str, password: &SecretString) -> Vec<(&'static str, Zeroizing<String>)> {
    let line = |(name, hash): (&'static str, Hash)| {
        let secret = password.expose_secret().as_bytes();
        let key = Ha1::new(hash, user.as_bytes(), realm.as_bytes(), secret);
        (name, Zeroizing::new(String::from_utf8_lossy(key.expose()).into_owned()))
    };
    HASH_KEYS.into_iter().map(line).collect()
}

/// The keys of `ha1:`.
pub const HASH_KEYS: [(&str, Hash); 3] =
    [("sha_256", Hash::Sha256), ("sha_512_256", Hash::Sha512T256), ("md5", Hash::Md5)];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weak_passwords_are_refused_and_made_ones_are_not() {
        for (password, weak) in [
            ("office-pbx-1", true),
            ("OFFICE-PBX-1", true),
            ("elevenchars", true),
            ("twelve chars", false),
            ("passwordpassword", true),
            ("PasswordPassword", true),
            ("abababababababab", true),
            ("aaaabbbbccccdddde", false),
            ("\u{e4}\u{f6}\u{fc}\u{df}\u{e9}\u{e8}\u{ea}\u{eb}\u{ec}\u{ed}\u{ee}", true),
        ] {
            let refused = strong("office-pbx-1", &SecretString::from(password));
            assert_eq!(refused.is_err(), weak, "{password}");
            if let Err(cause) = refused {
                assert!(cause.text.ends_with("(39004)") && cause.cure.as_deref() == Some(CURE));
            }
        }
        let mut random = [0; 26];
        random.iter_mut().zip(0..).for_each(|(place, octet)| *place = octet * 9);
        let made = new(&random);
        assert_eq!(made.expose_secret().len(), 26);
        assert!(strong("office", &made).is_ok());
    }

    #[test]
    fn a_hash_hides_no_default() {
        let key = |password: &str| Ha1::new(Hash::Sha256, b"office", b"r", password.as_bytes());
        for weak in ["", "office", "password", "1234", "secretsecret"] {
            assert!(strong_hash("office", "r", &key(weak)).is_err(), "{weak}");
        }
        assert!(strong_hash("office", "r", &key("twelve chars")).is_ok());
        assert!(strong_hash("Office", "r", &Ha1::new(Hash::Md5, b"Office", b"r", b"office")).is_err());
    }

    #[test]
    fn a_folder_is_told_as_one_whatever_its_mode() {
        let told = read_file(Path::new(env!("CARGO_MANIFEST_DIR"))).unwrap_err();
        assert!(told.to_string().contains("it is a folder"), "{told}");
    }

    #[test]
    fn a_password_is_one_line() {
        let read = |text: &str| whole(text.to_owned(), "X").map(|secret| secret.expose_secret().to_owned());
        assert_eq!(read("abc\n").as_deref(), Ok("abc"));
        assert_eq!(read("abc\r\n").as_deref(), Ok("abc"));
        assert_eq!(read(" a b ").as_deref(), Ok(" a b "));
        for bad in ["", "\n", "a\nb", "a\n\n", "a\tb"] {
            assert!(read(bad).is_err(), "{bad:?}");
        }
        for (octets, fits) in
            [(PASSWORD_OCTETS_MAX - 1, true), (PASSWORD_OCTETS_MAX, true), (PASSWORD_OCTETS_MAX + 1, false)]
        {
            assert_eq!(read(&"x".repeat(octets)).is_ok(), fits, "{octets}");
        }
    }

    #[test]
    fn a_file_that_others_may_read_is_refused() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        std::fs::write(&path, "a long password\n").unwrap();
        for (mode, taken) in [(0o600, true), (0o400, true), (0o640, false), (0o604, false)] {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(read_file(&path).is_ok(), taken, "{mode:o}");
        }
    }
}
