//! The command that lifts a lock, as an admin may paste it.
//!
//! Owns its words. Refuses to write into it what a shell would obey: the user of a lock is whatever its sender claimed.
//! Read first: `lockout.rs`; attack row A4.

use std::net::IpAddr;

/// Characters of a user that stand in a command; a longer one is freed with its source.
const USER_CHARS_MAX: usize = 28;

/// Lifts exactly the lock of this user (none: whoever it says it is) from this source (none: from anywhere).
#[must_use]
pub fn command(user: Option<&str>, source: Option<IpAddr>) -> String {
    match (user.filter(|user| is_plain(user)), source) {
        (Some(user), Some(source)) => format!("ringfence unlock {user} --source {source}"),
        (Some(user), None) => format!("ringfence unlock {user}"),
        (None, Some(source)) => format!("ringfence unlock --source {source}"),
        // The alert and the status say who that is.
        (None, None) => "ringfence unlock USER".to_owned(),
    }
}

/// Nothing in it is more than a letter to a shell, and it is no option.
fn is_plain(user: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._+@-".contains(&byte);
    !user.is_empty() && user.len() <= USER_CHARS_MAX && !user.starts_with('-') && user.bytes().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a4_a_lock_is_lifted_by_a_command_that_no_sender_has_a_word_in() {
        let source = Some(IpAddr::from([203, 0, 113, 98]));
        let long = "a".repeat(USER_CHARS_MAX + 1);
        for (user, source, wanted) in [
            (Some("anna"), None, "ringfence unlock anna"),
            (Some("anna"), source, "ringfence unlock anna --source 203.0.113.98"),
            (Some("a;b"), None, "ringfence unlock USER"),
            (Some("+1312@pbx.example"), None, "ringfence unlock +1312@pbx.example"),
            (None, source, "ringfence unlock --source 203.0.113.98"),
            (Some("$(reboot)"), source, "ringfence unlock --source 203.0.113.98"),
            (Some("--socket"), source, "ringfence unlock --source 203.0.113.98"),
            (Some("a b"), None, "ringfence unlock USER"),
            (Some(""), None, "ringfence unlock USER"),
            (Some(&*long), None, "ringfence unlock USER"),
        ] {
            assert_eq!(command(user, source), wanted, "{user:?}");
        }
    }
}
