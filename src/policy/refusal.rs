//! What a refusal looks like to the peer that is refused.
//!
//! Owns classes, presets, and the Reason and Warning values for inside peers. Refuses to know how a response is
//! written. Read first: RFC 3261 §20.43, §21; RFC 3326; RFC 6432.

use std::borrow::Cow;

use super::alert::{Code, shortened};
use super::peer::PeerSide;
use super::verdict::Trail;

/// Characters of `Refusal::text` that go into Warning and Reason.
const HEADER_TEXT_CHARS_MAX: usize = 200;

/// The classes that a peer's `refusal:` maps to statuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RefusalClass {
    /// A destination, caller or list says no: default 403.
    Blocked,
    /// A cap is reached: default 480 with Retry-After.
    Capped,
    /// A number or body cannot be read: default by code (484, 416, 404, 488).
    Unreadable,
    /// Signalling or media in the clear: default 403 or 488.
    Unencrypted,
    /// Suspended: default 403.
    Suspended,
    /// Not a policy refusal (malformed, loops, hops, unknown dialog): the RFC's status stands, no preset touches it.
    Protocol,
    /// No target is left: default 480, or 500 by preset, never 503 towards a listed peer.
    NoTarget,
}

impl RefusalClass {
    /// Whether a refusal of this class may be answered so. A policy refusal is never silence, a 5xx or a 408, which
    /// make a PBX dial out another way, and never a challenge; a call without a target may also be 500.
    #[must_use]
    pub const fn allows(self, status: u16) -> bool {
        match self {
            Self::Protocol => status >= 300 && status <= 699,
            Self::NoTarget => status == 500 || is_refusal(status),
            Self::Blocked | Self::Capped | Self::Unreadable | Self::Unencrypted | Self::Suspended => {
                is_refusal(status)
            }
        }
    }

    /// The name in the YAML; `Protocol` has none.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Blocked => "blocked",
            Self::Capped => "capped",
            Self::Unreadable => "unreadable",
            Self::Unencrypted => "unencrypted",
            Self::Suspended => "suspended",
            Self::Protocol => "protocol",
            Self::NoTarget => "no_target",
        }
    }
}

const fn is_refusal(status: u16) -> bool {
    let class = status >= 400 && status <= 499 || status >= 600 && status <= 699;
    class && status != 401 && status != 407 && status != 408
}

/// A peer's statuses; `None` keeps the default of the code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Presets {
    /// For `Blocked`.
    pub blocked: Option<u16>,
    /// For `Capped`.
    pub capped: Option<u16>,
    /// For `Unreadable`.
    pub unreadable: Option<u16>,
    /// For `Unencrypted`.
    pub unencrypted: Option<u16>,
    /// For `Suspended`.
    pub suspended: Option<u16>,
    /// For `NoTarget`.
    pub no_target: Option<u16>,
}

/// The names of the shipped presets.
pub const PRESET_NAMES: [&str; 5] = ["generic", "asterisk", "freepbx", "freeswitch", "3cx"];

impl Presets {
    /// The codes' own statuses: right for a PBX whose dial plan has no second way out, and for trunks.
    pub const GENERIC: Self = Self {
        blocked: None,
        capped: None,
        unreadable: None,
        unencrypted: None,
        suspended: None,
        no_target: None,
    };

    /// One status for every refusal.
    const fn all(status: u16) -> Self {
        Self {
            blocked: Some(status),
            capped: Some(status),
            unreadable: Some(status),
            unencrypted: Some(status),
            suspended: Some(status),
            no_target: Some(status),
        }
    }

    /// A shipped preset by its name in the YAML.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "generic" => Some(Self::GENERIC),
            // Evidence: chan_pjsip turns 486 into Q.850 cause 17, and Dial() then sets DIALSTATUS to BUSY. 403 becomes
            // cause 21, 480 cause 19, 488 cause 58, and Dial() sums up causes it does not know as CHANUNAVAIL or
            // NOANSWER, the words on which dial plans commonly try their next line. BUSY is the one they stop on.
            "asterisk" => Some(Self::all(486)),
            // Evidence: the outbound route of FreePBX walks its trunk sequence on CHANUNAVAIL and CONGESTION and gives up
            // on BUSY; users report the same for 603 (community.freepbx.org, topic 12527), which depends on the version.
            "freepbx" => Some(Self::all(486)),
            // Evidence: sofia maps 403 to CALL_REJECTED, 480 to NO_USER_RESPONSE, 486 to USER_BUSY. A bridge whose targets
            // are separated by `|` goes on for every cause, so no status stops it; a dial plan with `continue_on_fail`
            // names its causes, and USER_BUSY stands in most of those lists while CALL_REJECTED seldom does.
            "freeswitch" => Some(Self::all(403)),
            // Evidence: 3CX lists the answers on which it takes the next route of an outbound rule: 400 to 485 with 403,
            // 404, 480 and 484 among them, 487, all 5xx, 603, 604, 606. It stops on 486 and 600. 486 leaves the called
            // number's other devices alone.
            "3cx" => Some(Self::all(486)),
            _ => None,
        }
    }

    /// The status that replaces the default of a class.
    #[must_use]
    pub const fn status(&self, class: RefusalClass) -> Option<u16> {
        match class {
            RefusalClass::Blocked => self.blocked,
            RefusalClass::Capped => self.capped,
            RefusalClass::Unreadable => self.unreadable,
            RefusalClass::Unencrypted => self.unencrypted,
            RefusalClass::Suspended => self.suspended,
            RefusalClass::NoTarget => self.no_target,
            RefusalClass::Protocol => None,
        }
    }
}

/// One refusal: what is answered and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The alert's number and name.
    pub code: Code,
    /// Its class.
    pub class: RefusalClass,
    /// The status sent, presets applied.
    pub status: u16,
    /// Seconds for Retry-After.
    pub retry_after: Option<u32>,
    /// One sentence for an inside peer's Warning and Reason; never sent to a trunk or a stranger.
    pub text: String,
    /// What was asked for, where that is not what the request itself calls: the number of a transfer or a redirect.
    pub asked: Option<Box<Asked>>,
}

/// A number that was asked for, and what was said to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// As it was read, or as it stands where nothing was read; bounded.
    pub called: Box<str>,
    /// Every rule asked.
    pub trail: Trail,
}

impl Refusal {
    /// A refusal with the code's class and the status of the peer's presets. A preset that would make a PBX route around
    /// the refusal is not obeyed.
    #[must_use]
    pub fn new(code: Code, presets: &Presets, text: String) -> Self {
        let class = code.class;
        let preset = presets.status(class).filter(|status| class.allows(*status));
        let status = preset.or(code.status).unwrap_or(403);
        Self { code, class, status, retry_after: None, text, asked: None }
    }

    /// The same refusal with the status that the RFC asks for in this case; it leaves the reach of presets.
    #[must_use]
    pub fn by_protocol(mut self, status: u16) -> Self {
        self.class = RefusalClass::Protocol;
        self.status = status;
        self
    }

    /// The same refusal of a number that a transfer or a redirect asks for.
    #[must_use]
    pub fn about(mut self, called: &str, trail: Trail) -> Self {
        self.asked = Some(Box::new(Asked { called: shortened(called).into(), trail }));
        self
    }

    /// The same refusal with a Retry-After of so many seconds.
    #[must_use]
    pub fn retry_after(mut self, seconds: u32) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    /// The value of a Reason header (RFC 6432) for the peer that is answered: only an inside peer is told, and only of
    /// a policy refusal. Clean of CR, LF and NUL.
    #[must_use]
    pub fn reason(&self, to: PeerSide) -> Option<String> {
        if to == PeerSide::Outside || self.class == RefusalClass::Protocol {
            return None;
        }
        // Q.850 cause 21, call rejected, for every class: 34 or 42 would read as congestion and send the call elsewhere.
        let text = quoted(&self.text);
        Some(["Q.850;cause=21;text=\"", self.code.name, " ", &text, "\""].concat())
    }

    /// The value of a Warning header for the peer that is answered: only an inside peer is told. Clean of CR, LF, NUL.
    #[must_use]
    pub fn warning(&self, to: PeerSide) -> Option<String> {
        match to {
            PeerSide::Outside => None,
            PeerSide::Inside => {
                let text = quoted(&self.text);
                let number = self.code.number.to_string();
                Some(["399 ringfence \"", &number, " ", self.code.name, " ", &text, "\""].concat())
            }
        }
    }
}

/// The inside of a quoted-string (RFC 3261 §25.1): quotes and backslashes escaped, controls left out, length bounded.
fn quoted(text: &str) -> Cow<'_, str> {
    let plain = |byte: &u8| matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\\');
    if text.len() <= HEADER_TEXT_CHARS_MAX && text.as_bytes().iter().all(plain) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    for character in text.chars().filter(|character| !character.is_control()).take(HEADER_TEXT_CHARS_MAX) {
        if matches!(character, '"' | '\\') {
            out.push('\\');
        }
        out.push(character);
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::super::code;
    use super::*;

    #[test]
    fn presets_fit_the_status_to_the_pbx_but_never_one_it_routes_around() {
        let table = [
            ("generic", code::NUMBER_BLOCKED, 403),
            ("generic", code::CONCURRENCY_EXCEEDED, 480),
            ("generic", code::NO_TARGET_AVAILABLE, 480),
            ("3cx", code::NUMBER_BLOCKED, 486),
            ("3cx", code::NO_ROUTE, 486),
            ("3cx", code::TOO_MANY_HOPS, 483),
            ("freepbx", code::CONCURRENCY_EXCEEDED, 486),
            ("asterisk", code::SECURE_TRANSPORT_REQUIRED, 486),
            ("freeswitch", code::CONCURRENCY_EXCEEDED, 403),
        ];
        for (preset, code, status) in table {
            let presets = Presets::named(preset).unwrap();
            assert_eq!(Refusal::new(code, &presets, String::new()).status, status, "{preset} {}", code.name);
        }
        for name in PRESET_NAMES {
            assert!(Presets::named(name).is_some(), "{name}");
        }
        for bad in [100, 200, 302, 401, 407, 408, 503, 504, 700] {
            let presets = Presets { blocked: Some(bad), no_target: Some(bad), ..Presets::GENERIC };
            assert_eq!(Refusal::new(code::NUMBER_BLOCKED, &presets, String::new()).status, 403, "{bad}");
            assert_eq!(Refusal::new(code::NO_TARGET_AVAILABLE, &presets, String::new()).status, 480, "{bad}");
        }
        let presets = Presets { no_target: Some(500), ..Presets::GENERIC };
        assert_eq!(Refusal::new(code::NO_TARGET_AVAILABLE, &presets, String::new()).status, 500);
    }

    #[test]
    fn only_an_inside_peer_reads_why() {
        let refusal =
            Refusal::new(code::NUMBER_BLOCKED, &Presets::GENERIC, "+371\r\n\"x\\ is blocked".to_owned());
        let warning = refusal.warning(PeerSide::Inside).unwrap();
        assert_eq!(warning, "399 ringfence \"32203 number_blocked +371\\\"x\\\\ is blocked\"");
        let reason = refusal.reason(PeerSide::Inside).unwrap();
        assert_eq!(reason, "Q.850;cause=21;text=\"number_blocked +371\\\"x\\\\ is blocked\"");
        assert_eq!(refusal.warning(PeerSide::Outside), None);
        assert_eq!(refusal.reason(PeerSide::Outside), None);
        let hops = Refusal::new(code::TOO_MANY_HOPS, &Presets::GENERIC, String::new());
        assert_eq!(hops.reason(PeerSide::Inside), None);
    }
}
