//! `ringfence secret`: makes a strong password, or the hashes that stand for one in a policy file.
//!
//! Owns the terminal while a password is typed. Refuses to know what makes a password weak (`config::secrets`).
//! Read first: RFC 7616 §3.4.2, §5.8.

use std::fs::{File, Permissions};
use std::io::{self, BufRead as _, IsTerminal as _, Read as _, Write as _};

use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt as _;

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use secrecy::{ExposeSecret as _, SecretString};
use zeroize::Zeroizing;

use crate::config::secrets::{self, PASSWORD_OCTETS_MAX};

/// A strong password: 130 random bits.
pub fn new() -> Result<String, String> {
    let mut random = Zeroizing::new([0; 26]);
    getrandom::fill(random.as_mut()).map_err(|error| format!("no randomness: {error}"))?;
    Ok(secrets::new(&random).expose_secret().to_owned())
}

/// The lines to paste into a credential, for a password that is typed without echo, or read from standard input.
pub fn hash(user: &str, realm: &str) -> Result<String, String> {
    let password = read()?;
    if let Err(cause) = secrets::strong(user, &password) {
        let cure = cause.cure.map(|cure| format!("; {cure}")).unwrap_or_default();
        return Err(format!("{}{cure}", cause.text));
    }
    let mut text = String::from("ha1:");
    for (key, digits) in secrets::hashes(user, realm, &password) {
        // MD5 is offered to no peer that does not ask for it, and its hash is the one that is guessed fastest.
        let shy = if key == "md5" { "# " } else { "" };
        text.push_str(&format!("\n  {shy}{key}: {}", *digits));
    }
    Ok(text)
}

/// Closes a file that others could read; true when there was something to do.
pub fn keep_private(output: &impl AsFd) -> io::Result<bool> {
    let file = File::from(output.as_fd().try_clone_to_owned()?);
    let metadata = file.metadata()?;
    let open = metadata.is_file() && metadata.permissions().mode() & 0o077 != 0;
    if open {
        file.set_permissions(Permissions::from_mode(0o600))?;
    }
    Ok(open)
}

fn read() -> Result<SecretString, String> {
    let input = io::stdin();
    if !input.is_terminal() {
        return line(&mut input.lock());
    }
    let mut typed = Vec::with_capacity(2);
    for prompt in ["Password: ", "Again: "] {
        let hidden =
            Hidden::new().map_err(|error| format!("the terminal cannot hide a password: {error}"))?;
        let _told = write!(io::stderr().lock(), "{prompt}");
        let read = line(&mut input.lock());
        drop(hidden);
        let _ended = writeln!(io::stderr().lock());
        typed.push(read?);
    }
    let Some((again, first)) = typed.pop().zip(typed.pop()) else {
        return Err("nothing was typed".to_owned());
    };
    if first.expose_secret() == again.expose_secret() {
        Ok(first)
    } else {
        Err("the two are not the same".to_owned())
    }
}

/// One line of text.
fn line(input: &mut impl io::BufRead) -> Result<SecretString, String> {
    let mut text = Zeroizing::new(String::with_capacity(PASSWORD_OCTETS_MAX + 2));
    let most = PASSWORD_OCTETS_MAX as u64 + 2;
    input.take(most).read_line(&mut text).map_err(|error| format!("no password can be read: {error}"))?;
    let line = text.strip_suffix('\n').unwrap_or(&text);
    let line = line.strip_suffix('\r').unwrap_or(line);
    if line.is_empty() {
        return Err("no password was given".to_owned());
    }
    if line.len() > PASSWORD_OCTETS_MAX || line.chars().any(char::is_control) {
        return Err("this is no password: too long, or with control characters".to_owned());
    }
    Ok(SecretString::from(line))
}

/// The terminal without echo, until it is dropped. Signals wait so long too: an interrupt would leave the echo off; it comes
/// as a character that no password has.
struct Hidden(Termios);

impl Hidden {
    fn new() -> io::Result<Self> {
        let before = tcgetattr(io::stdin())?;
        let mut without = before.clone();
        without.local_modes.remove(LocalModes::ECHO | LocalModes::ISIG);
        tcsetattr(io::stdin(), OptionalActions::Flush, &without)?;
        Ok(Self(before))
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        let _restored = tcsetattr(io::stdin(), OptionalActions::Flush, &self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_made_password_is_strong_and_never_the_same() {
        let [one, other] = [new().unwrap(), new().unwrap()];
        assert_ne!(one, other);
        assert!(secrets::strong("office", &SecretString::from(one)).is_ok());
    }

    #[test]
    fn a_file_that_the_shell_made_for_everybody_is_closed_to_others() {
        let folder = tempfile::tempdir().unwrap();
        let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        for (before, after, told) in
            [(0o644, 0o600, true), (0o640, 0o600, true), (0o600, 0o600, false), (0o400, 0o400, false)]
        {
            let path = folder.path().join(format!("{before:o}"));
            let file = File::create(&path).unwrap();
            file.set_permissions(Permissions::from_mode(before)).unwrap();
            assert_eq!(keep_private(&file).unwrap(), told);
            assert_eq!(mode(&path), after);
        }
        let (reader, writer) = io::pipe().unwrap();
        assert!(!keep_private(&writer).unwrap(), "a pipe is left as it is");
        drop(reader);
    }

    #[test]
    fn one_line_is_read_and_nothing_that_is_no_password() {
        let read = |text: &str| line(&mut text.as_bytes()).map(|read| read.expose_secret().to_owned());
        assert_eq!(read("correct horse\nmore").as_deref(), Ok("correct horse"));
        assert_eq!(read("correct horse").as_deref(), Ok("correct horse"));
        for bad in ["", "\n", "a\u{3}\n", &"x".repeat(PASSWORD_OCTETS_MAX + 1)] {
            assert!(read(bad).is_err(), "{bad:?}");
        }
    }
}
