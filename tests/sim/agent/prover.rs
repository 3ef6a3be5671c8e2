//! An endpoint that proves who it is when the edge asks.
//!
//! Owns its nonce, the counts it has used, and what an edge that asks must not do: ask twice about a good proof without
//! saying that the nonce is stale. Read first: RFC 3261 §22.1, §22.2; RFC 7616 §3.4, §3.5.

use ringfence::sip::digest::{Answer, Challenge, Ha1};

use super::guard::PASSWORD;
use super::{Agent, Stage};
use crate::sim::text::Sip;

/// As whom it proves itself.
pub const CALLER: &str = "office-main";

/// How a caller proves itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Prover {
    /// Whether it knows the password.
    pub knows: bool,
    /// Whether each later request shows a proof before it is asked.
    pub ahead: bool,
    /// How often it tries a request again.
    pub tries: u8,
}

impl Prover {
    /// It knows the password, and shows a proof with every request once it was asked.
    pub const USUAL: Self = Self { knows: true, ahead: true, tries: 2 };
}

/// What it was asked, and how often it has answered that.
#[derive(Debug, Clone, Default)]
pub struct Proof {
    challenge: Option<(&'static str, Challenge<'static>)>,
    count: u32,
    /// Requests that were sent again, by method and how often.
    again: u8,
}

impl Agent {
    /// Sends a request that was challenged once more, with a proof; false where it gives up, or never proves anything.
    pub(super) fn prove(&mut self, key: &str, index: usize, status: u16, response: &Sip) -> bool {
        let line = match status {
            401 => "WWW-Authenticate",
            407 => "Proxy-Authenticate",
            _ => return false,
        };
        let Some(dialog) = self.dialogs.get_mut(index) else { return false };
        let Some(prover) = dialog.plan.proves else { return false };
        if dialog.cancelled || dialog.proof.again >= prover.tries {
            return false;
        }
        let best = response.lines(line).filter_map(|line| Challenge::read(line.as_bytes()).ok().flatten());
        let Some(challenge) = best.max_by_key(|one| one.algorithm.hash.is_sound()) else {
            self.complain(&format!("{status} without a challenge that can be answered"));
            return false;
        };
        let challenge = challenge.into_owned();
        let Some((request, to)) = self.sent(key) else { return false };
        let showed = request.header("Authorization").or_else(|| request.header("Proxy-Authorization"));
        if showed.is_some() && prover.knows && !challenge.stale {
            self.complain(&format!("a good proof was answered {status}, and not as stale"));
        }
        let name = if status == 401 { "Authorization" } else { "Proxy-Authorization" };
        let Some(dialog) = self.dialogs.get_mut(index) else { return false };
        dialog.proof = Proof { challenge: Some((name, challenge)), count: 0, again: dialog.proof.again + 1 };
        dialog.cseq += 1;
        let number = dialog.cseq;
        let mut request = request;
        let method = request.method().to_owned();
        request.headers.retain(|(name, _)| !matches!(name.as_str(), "Authorization" | "Proxy-Authorization"));
        request.set("CSeq", &format!("{number} {method}"));
        let branch = format!("z9hG4bK-{}", self.token());
        let via = format!("SIP/2.0/{} {};branch={branch};rport", self.transport.via_token(), self.address);
        request.set("Via", &via);
        self.show_proof(index, &mut request);
        let new = format!("{branch} {method}");
        self.start_client(new.clone(), index, request, to);
        let Some(dialog) = self.dialogs.get_mut(index) else { return true };
        dialog.diary.push(format!("{method} proven"));
        if dialog.inviting.as_deref() == Some(key) || method == "INVITE" {
            dialog.inviting = Some(new.clone());
        }
        if dialog.first_invite == key {
            dialog.finals.clear();
            dialog.stage = Stage::Begun;
            dialog.first_invite = new;
        }
        true
    }

    /// A request of a dialog whose edge has asked before shows a proof at once.
    pub(super) fn prove_ahead(&mut self, index: usize, request: &mut Sip) {
        let ahead =
            self.dialogs.get(index).and_then(|dialog| dialog.plan.proves).is_some_and(|how| how.ahead);
        if ahead && request.method() != "CANCEL" {
            self.show_proof(index, request);
        }
        if let Some(dialog) = self.dialogs.get_mut(index) {
            dialog.proof.again = 0;
        }
    }

    fn show_proof(&mut self, index: usize, request: &mut Sip) {
        let cnonce = self.token();
        let Some(dialog) = self.dialogs.get_mut(index) else { return };
        let knows = dialog.plan.proves.is_some_and(|how| how.knows);
        let proof = &mut dialog.proof;
        let Some((name, challenge)) = &proof.challenge else { return };
        proof.count += 1;
        let password = if knows { PASSWORD } else { "wrong and wrong again" };
        let ha1 =
            Ha1::new(challenge.algorithm.hash, CALLER.as_bytes(), &challenge.realm, password.as_bytes());
        let answer = challenge.answer(&Answer {
            user: CALLER,
            ha1: &ha1,
            method: request.method().as_bytes(),
            uri: request.uri().as_bytes(),
            cnonce: cnonce.as_bytes(),
            count: proof.count,
            body: &request.body,
        });
        let value = answer.and_then(|value| String::from_utf8(value).ok()).unwrap_or_default();
        request.add(name, &value);
    }
}
