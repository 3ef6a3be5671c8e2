//! A trunk that calls whoever is registered there: what it grants, and what a strict registrar objects to.
//!
//! Owns the binding of the edge. Read first: RFC 3261 §10.2, §10.3.

use super::Agent;
use super::guard::Guard;
use crate::sim::text::{Sip, tag_of};
use crate::sim::wire::{Micros, SECOND};

/// How it answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Registrar {
    /// Seconds that it grants at most.
    pub grants: u64,
    /// It wants at least so many.
    pub least: u64,
    /// It refuses with this.
    pub refuses: Option<u16>,
    /// How it asks who registers.
    pub guard: Option<Guard>,
}

impl Registrar {
    /// One that grants a minute to everybody.
    pub const USUAL: Self = Self { grants: 60, least: 0, refuses: None, guard: None };
}

/// What must be held when a flow is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bound {
    /// The edge.
    Held,
    /// Nothing, for it was given back.
    GivenBack,
    /// Nothing, and nothing ever was.
    Never,
}

/// For so long a REGISTER of the edge may be on its way: what ended in that time was being renewed.
const RENEWAL_LOST: Micros = 35 * SECOND;

/// What it holds of the edge.
#[derive(Debug, Default)]
pub struct Binding {
    /// Contact, and until when.
    held: Option<(String, Micros)>,
    /// Call-ID and number of the last REGISTER that it took.
    last: Option<(String, u32)>,
}

impl Agent {
    /// What is wrong with what is held here now; on a wire that loses, what is lost on it is nobody's fault.
    pub fn binding_fault(&self, now: Micros, wanted: Bound, calm: bool, alerted: bool) -> Option<String> {
        let until = self.binding.held.as_ref().map(|(_, until)| *until);
        let fits = match wanted {
            Bound::Held if calm => until.is_some_and(|until| until > now),
            Bound::Held => alerted || until.is_some_and(|until| until + RENEWAL_LOST > now),
            // A farewell may be lost; but nothing is renewed after it.
            Bound::GivenBack if calm => self.binding.last.is_some() && until.is_none(),
            Bound::GivenBack => until.is_none_or(|until| until <= now),
            Bound::Never => self.binding.last.is_none() && until.is_none(),
        };
        (!fits).then(|| format!("{}: {wanted:?} was wanted at {now}, held until {until:?}", self.name))
    }

    pub(super) fn receive_register(&mut self, key: &str, request: &Sip) {
        let Some(registrar) = self.registrar else { return self.respond(key, 405, None) };
        if let Some(text) = self.register_objection(request) {
            self.complain(&text);
        }
        if let Some(status) = registrar.refuses {
            return self.respond(key, status, None);
        }
        let expires: u64 = request.header("Expires").and_then(|value| value.parse().ok()).unwrap_or(3_600);
        let tag = format!("{}binds", self.mark());
        if expires > 0 && expires < registrar.least {
            let least = vec![("Min-Expires", registrar.least.to_string())];
            self.respond_with(key, 423, None, &tag, &least);
            return;
        }
        self.binding.last = Some((request.call_id().to_owned(), request.cseq().0));
        let contact = request.contact().unwrap_or_default().to_owned();
        let granted = expires.min(registrar.grants.max(registrar.least));
        if granted == 0 {
            self.binding.held = None;
            return self.respond(key, 200, None);
        }
        let line = format!("<{contact}>;expires={granted}");
        self.binding.held = Some((contact, self.now + granted * SECOND));
        self.respond_with(key, 200, None, &tag, &[("Contact", line)]);
    }

    fn register_objection(&self, request: &Sip) -> Option<String> {
        if request.uri().contains('@') {
            return Some(format!("REGISTER for {}", request.uri()));
        }
        if request.contact().is_none() || request.header("Expires").is_none() {
            return Some("REGISTER without Contact or Expires".to_owned());
        }
        if request.header("To").is_some_and(|to| tag_of(to).is_some()) {
            return Some("REGISTER with a To tag".to_owned());
        }
        match &self.binding.last {
            Some((call_id, _)) if call_id != request.call_id() => {
                Some("REGISTER under another Call-ID than before".to_owned())
            }
            Some((_, number)) if *number >= request.cseq().0 => {
                Some(format!("REGISTER {} after {number}", request.cseq().0))
            }
            Some(_) | None => None,
        }
    }
}
