//! Header names and the typed views of their values, parsed on demand.
//!
//! Owns the views, one file for each family. Refuses to know whole messages. Read first: RFC 3261 §20, §25.

mod auth;
mod content;
mod dialog;
mod identity;
mod name;
mod name_addr;
mod reason;
mod session;
mod via;

use super::error::Cause;
use super::grammar::{self, TOKEN};
use super::message::Method;

pub use auth::{Auth, AuthParams, AuthValue};
pub use content::{ContentDisposition, ContentType, is_plain_encoding};
pub use dialog::{DialogName, ReferTo};
pub use identity::{Contact, Identity, Privacy, asserted};
pub use name::HeaderName;
pub(crate) use name::{SINGLE_ALWAYS, SINGLE_IN_REQUEST};
pub use name_addr::NameAddr;
pub(crate) use name_addr::Tag;
pub use reason::{Diversion, HistoryInfo, Reason};
pub use session::{RAck, Refresher, SessionExpires, delta_seconds, retry_after, rseq};
pub use via::{MAGIC_COOKIE, Via};

/// CSeq (RFC 3261 §20.16).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CSeq<'a> {
    /// Below 2^31.
    pub number: u32,
    /// Its method.
    pub method: &'a Method,
}

impl CSeq<'_> {
    /// Splits a value into its number, below 2^31, and its method as written.
    pub fn read(value: &[u8]) -> Result<(u32, &[u8]), Cause> {
        let value = grammar::trim(value);
        let end = value.iter().position(|byte| !byte.is_ascii_digit()).ok_or(Cause::CSeq)?;
        let (digits, rest) = value.split_at_checked(end).ok_or(Cause::CSeq)?;
        let method = grammar::trim_start(rest);
        if method.len() == rest.len() || !grammar::all(TOKEN, method) {
            return Err(Cause::CSeq);
        }
        // RFC 3261 §8.1.1.5: less than 2**31.
        match grammar::decimal(digits) {
            Some(number) if number < 1 << 31 => Ok((number, method)),
            Some(_) | None => Err(Cause::CSeq),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cseq_is_a_number_below_two_to_the_31_and_a_token() {
        for (value, want) in [
            ("8 INVITE", Some((8, "INVITE"))),
            ("0009\r\n  INVITE", Some((9, "INVITE"))),
            ("0 ACK", Some((0, "ACK"))),
            ("2147483647 BYE", Some((2_147_483_647, "BYE"))),
            ("2147483648 BYE", None),
            ("36893488147419103232 REGISTER", None),
            ("8INVITE", None),
            ("8", None),
            ("-8 INVITE", None),
            ("8 INV ITE", None),
            ("8 IN\"VITE", None),
            ("INVITE", None),
            ("", None),
        ] {
            let read = CSeq::read(value.as_bytes()).ok();
            assert_eq!(read, want.map(|(number, method)| (number, method.as_bytes())), "{value}");
        }
    }
}
