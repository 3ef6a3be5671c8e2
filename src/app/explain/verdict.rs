//! What was decided, who decided it, and what would change that.
//!
//! Owns the step from an engine's outputs to one verdict. Refuses to know how it is drawn. Read first: `../explain.rs`.

use super::Explanation;
use crate::config::places::Found;
use crate::policy::verdict::{Said, Saw, Step};
use crate::policy::{Alert, Peer, RefusalClass};
use crate::sip::parse::{Limits, parse};
use crate::sip::{HeaderName, Message};

/// What would happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It goes on.
    Admitted,
    /// It is answered with this status.
    Refused(u16),
    /// It hears nothing.
    Silence,
}

impl Verdict {
    /// In one word.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Admitted => "admitted",
            Self::Refused(_) => "refused",
            Self::Silence => "silence",
        }
    }
}

/// What decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decided {
    /// The rule's path, as trails and alerts write it.
    pub rule: Option<String>,
    /// Where that stands in the file, or what stands around it.
    pub found: Option<Found>,
    /// The key that changes it; `None` where none does.
    pub cure: Option<String>,
}

impl Explanation {
    /// What would happen.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        let status = self.answer().and_then(|answer| answer.status());
        match (self.found.ways.is_empty(), status) {
            (_, Some(status)) => Verdict::Refused(status),
            (false, None) => Verdict::Admitted,
            (true, None) => Verdict::Silence,
        }
    }

    /// The answer it hears, where it hears one.
    pub(super) fn answer(&self) -> Option<Message> {
        parse(self.found.answer.clone()?, &Limits::default()).ok()
    }

    /// Every rule asked.
    pub(super) fn trail(&self) -> &[Step] {
        self.found.told.as_ref().map(|told| told.trail.as_slice()).unwrap_or_default()
    }

    /// A header of the answer.
    pub(super) fn header(answer: &Message, name: HeaderName) -> Option<String> {
        answer.header(name).map(|value| String::from_utf8_lossy(value).into_owned())
    }

    /// The alert of what decided; others were raised besides.
    pub(super) fn alert(&self) -> Option<&Alert> {
        let refusal = self.found.told.as_ref().and_then(|told| told.refusal.as_ref());
        let alerts = &self.found.alerts;
        let own = refusal.and_then(|refusal| alerts.iter().find(|alert| alert.code == refusal.code));
        own.or_else(|| alerts.first())
    }

    /// What decided: the rule that refused, or the route that let it go on.
    pub(super) fn decided(&self) -> Decided {
        let rule = match self.verdict() {
            Verdict::Admitted => self.trail().iter().rfind(|step| step.said == Said::Match),
            Verdict::Refused(_) | Verdict::Silence => {
                self.trail().iter().rfind(|step| step.said == Said::Refuse)
            }
        };
        let told = self.found.told.as_ref().and_then(|told| told.rule.as_deref());
        let alerted = || self.alert().and_then(|alert| alert.rule.as_deref());
        let path = rule.map(|step| &*step.rule).or(told).or_else(alerted);
        let Some(path) = path else { return Decided { rule: None, found: None, cure: None } };
        let entry = rule.and_then(|step| self.entry(step));
        let found = entry.unwrap_or_else(|| self.places.find(path));
        let cure = self.peer.as_deref().and_then(|peer| self.cure(path, peer));
        Decided { rule: Some(path.to_owned()), found: Some(found), cure }
    }

    /// The entry of a list that a rule saw.
    fn entry(&self, step: &Step) -> Option<Found> {
        match &step.saw {
            Saw::Text(text) if step.rule.ends_with(".blocklist") => {
                self.places.entry(&step.rule, &["prefixes", "numbers"], text)
            }
            Saw::Nothing | Saw::Count { .. } | Saw::Word(_) | Saw::Text(_) => None,
        }
    }

    /// The key that changes what a rule does that the file does not hold.
    fn cure(&self, path: &str, peer: &Peer) -> Option<String> {
        let name = &peer.name;
        let last = path.rsplit('.').next().unwrap_or_default();
        let site = peer.site.and_then(|site| self.policy.site(site)).map_or("NAME", |site| &*site.name);
        Some(match path {
            "policy.screen.methods" => format!("peers.{name}.allow"),
            "policy.screen.secure_transport" => format!("peers.{name}.plain_signalling"),
            "policy.screen.hop_limit" => "policy.screen, with an entry hop_limit".to_owned(),
            "policy.screen.foreign_host" => format!("sites.{site}.domains"),
            "policy.screen.loops" | "policy.screen.replaces" => return None,
            _ if path.starts_with("policy.") && !path.contains('[') => {
                let stage = path.strip_suffix(last).unwrap_or(path).trim_end_matches('.');
                format!("{stage}, with an entry {last}")
            }
            _ => path.split(" (").next().unwrap_or(path).to_owned(),
        })
    }

    /// The key that made the status another than the usual one.
    pub(super) fn preset(&self) -> Option<Found> {
        let refusal = self.found.told.as_ref()?.refusal.as_ref()?;
        let peer = self.peer.as_ref()?;
        let preset = peer.refusal.status(refusal.class).filter(|status| *status == refusal.status)?;
        let is_usual = refusal.class == RefusalClass::Protocol || refusal.code.status == Some(preset);
        (!is_usual).then(|| self.places.find(&format!("peers.{}.refusal", peer.name)))
    }
}
