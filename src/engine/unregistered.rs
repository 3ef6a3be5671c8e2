//! What a registrar says of how long it holds us, and why it does not.
//!
//! Owns the reading of a 2xx to REGISTER and the words of each cause with its cure. Refuses to know what follows from it
//! (`registering`). Read first: RFC 3261 §10.2.4, §10.3 step 8, §19.1.4.

use std::fmt;

use crate::policy::Unproven;
use crate::sip::headers::delta_seconds;
use crate::sip::uri::Uri;
use crate::sip::{HeaderName, Message, NameAddr};

/// Why a registration is not held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// The trunk's name leads nowhere yet.
    NoTarget,
    /// No answer.
    Silence,
    /// It could not be reached, or nothing was sent.
    Unreachable,
    /// It answered so, for a reason of its own.
    Unable(u16),
    /// It refused so.
    Refused(u16),
    /// It asked who we are, and was not satisfied.
    Login(Unproven),
    /// It wants a life longer than a day.
    WantsLonger(u32),
    /// It wants a longer life, and says not how long.
    Unsaid,
    /// It wants a longer life, and got what it wants.
    NeverEnough,
    /// It took the REGISTER and holds nothing.
    NotGranted,
    /// It holds us for so few seconds that no renewal comes in time.
    Brief(u64),
    /// It took the REGISTER and holds others alone.
    Others,
}

impl Why {
    /// What helps.
    #[must_use]
    pub const fn cure(self) -> &'static str {
        match self {
            Self::NoTarget => "Look its name up with `dig`, and at `dns` of the policy.",
            Self::Silence | Self::Unreachable => "Check that it runs, `targets`, and what stands between.",
            Self::Unable(_) => {
                "It cannot serve now, whoever asks: it is asked again; ask the trunk if that lasts."
            }
            Self::Refused(_) => {
                "Ask the trunk what it has of this edge: `register.user`, `request_host` and `login` must be as it says."
            }
            Self::Login(_) => "Check `login`; it is asked again every five minutes.",
            Self::WantsLonger(_) => {
                "No longer life than a day is asked for: the trunk must take a day or less."
            }
            Self::Unsaid => "Set `register.expires` to what it wants.",
            Self::NeverEnough => "Ask the trunk which life it takes, and set `register.expires` to that.",
            Self::NotGranted => "Ask the trunk whether `register.user` may register, and for how long.",
            Self::Brief(_) => "Ask the trunk for a minute at least.",
            Self::Others => {
                "Ask the trunk how many may register as `register.user`, and see in `listeners` that `advertise` is the address it sees."
            }
        }
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoTarget => f.write_str("its name leads nowhere"),
            Self::Silence => f.write_str("it does not answer"),
            Self::Unreachable => f.write_str("it cannot be reached"),
            Self::Unable(status) | Self::Refused(status) => write!(f, "it answered {status}"),
            Self::Login(why) => write!(f, "it {}", why.brief()),
            Self::WantsLonger(least) => write!(f, "it wants {least} s, longer than a day (423)"),
            Self::Unsaid => f.write_str("it wants a longer life and says not how long (423)"),
            Self::NeverEnough => f.write_str("it wants a longer life than it was given as it wanted (423)"),
            Self::NotGranted => f.write_str("it took the request and granted no time"),
            Self::Brief(seconds) => write!(f, "it grants {seconds} s, too brief to be renewed in time"),
            Self::Others => f.write_str("it took the request and lists the Contacts of others alone"),
        }
    }
}

/// What a 2xx grants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Granted {
    /// So many seconds.
    Seconds(u32),
    /// None.
    Nothing,
    /// It lists others, and not us.
    Others,
}

/// For how long a 2xx says that our Contact is held (RFC 3261 §10.2.4): of all that it lists, ours counts.
#[must_use]
pub fn granted(message: &Message, contact: &str, asked: u32) -> Granted {
    let all = || message.header(HeaderName::Expires).and_then(delta_seconds).unwrap_or(asked);
    let ours = Uri::read(contact.as_bytes()).ok();
    let (mut exact, mut rewritten, mut any) = (None, None, false);
    for value in message.values(HeaderName::Contact) {
        any = true;
        let Ok(entry) = NameAddr::read(value) else { continue };
        let (Ok(uri), Some(ours)) = (Uri::read(entry.raw_uri), &ours) else { continue };
        let seconds = entry.param("expires").and_then(delta_seconds).unwrap_or_else(all);
        let least = |before: Option<u32>| Some(before.map_or(seconds, |before| before.min(seconds)));
        if ours.same_place(&uri) {
            exact = least(exact);
        } else if ours.same_user(&uri) {
            // A registrar that writes our address anew, as it sees it, leaves us the user.
            rewritten = least(rewritten);
        }
    }
    match exact.or(rewritten) {
        Some(0) => Granted::Nothing,
        Some(seconds) => Granted::Seconds(seconds),
        // RFC 3261 §10.3 step 8: it lists all that it holds.
        None if any => Granted::Others,
        None if all() == 0 => Granted::Nothing,
        None => Granted::Seconds(all()),
    }
}
