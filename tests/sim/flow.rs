//! What a flow is: who calls whom, what each endpoint means to do, and how it must end.
//!
//! Owns the words of a flow and the builder the flows are written with. Refuses to know how a flow is played.

use super::agent::plan::{Plan, Rule};
use super::agent::registrar::{Bound, Registrar};
use super::policy::Shape;
use super::wire::{Micros, SECOND};

/// What the world does to the edge at a fixed time, besides messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deed {
    /// The same policy again, under the next generation.
    Reload,
    /// A policy without `pbx2` and `trunk2`.
    ReloadWithoutSecond,
    /// The same policy without `register`.
    ReloadUnregistered,
    /// No new calls; live ones have so many milliseconds.
    Drain(u64),
    Stop,
    /// Every stream of the edge breaks.
    BreakStreams,
    /// This peer's address refuses every packet from now on.
    Unreach(&'static str),
    /// Nothing goes to this peer or comes from it, and nobody says so.
    Cut(&'static str),
    /// What was cut is whole again.
    Mend(&'static str),
}

/// Which way the call runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    Outbound,
    Inbound,
    /// The seed decides; in a ladder it is outbound.
    Either,
}

/// A flow.
#[derive(Debug, Clone)]
pub struct Flow {
    pub name: &'static str,
    pub shape: Shape,
    pub way: Way,
    /// Whether it needs the edge for itself.
    pub alone: bool,
    /// How many such calls begin.
    pub calls: usize,
    /// How far apart.
    pub apart: Micros,
    /// The called number, without the flow's own last digits; empty takes the usual one of the direction.
    pub number: &'static str,
    pub caller: Plan,
    pub callee: Plan,
    /// The second target's part.
    pub second: Plan,
    /// The part of whoever a transfer of it leads to, at a number of its own.
    pub third: Option<Plan>,
    pub deeds: Vec<(Micros, Deed)>,
    /// How the trunks answer REGISTER.
    pub registrars: [Option<Registrar>; 2],
    /// What they must hold in the end.
    pub bound: [Bound; 2],
    /// A peer whose address refuses every packet (ICMP, or a refused connection).
    pub unreachable: Option<&'static str>,
    /// Final statuses the caller may hear; the first is the one a calm wire gives. Empty: none is heard.
    pub finals: Vec<u16>,
    /// Alert codes that must be raised on a calm wire.
    pub alerts: Vec<u32>,
    /// Complaints of endpoints that belong to the flow.
    pub tolerated: Vec<&'static str>,
    /// Lines that must stand in a dialog's diary on a calm wire.
    pub diary: Vec<&'static str>,
}

impl Flow {
    /// A flow of one call whose caller hears one of `finals`.
    pub fn new(name: &'static str, finals: &[u16]) -> Self {
        Self {
            name,
            shape: Shape::default(),
            way: Way::Either,
            alone: false,
            calls: 1,
            apart: SECOND,
            number: "",
            caller: Plan::of(&[]),
            callee: Plan::of(&[]),
            second: Plan::of(&[]),
            third: None,
            deeds: Vec::new(),
            registrars: [None; 2],
            bound: [Bound::Never; 2],
            unreachable: None,
            finals: finals.to_vec(),
            alerts: Vec::new(),
            tolerated: Vec::new(),
            diary: Vec::new(),
        }
    }

    /// The caller's rules.
    pub fn caller(mut self, rules: &[Rule]) -> Self {
        self.caller = Plan::of(rules);
        self
    }

    /// The callee's rules.
    pub fn callee(mut self, rules: &[Rule]) -> Self {
        self.callee = Plan::of(rules);
        self
    }

    /// The second target's rules.
    pub fn second(mut self, rules: &[Rule]) -> Self {
        self.second = Plan::of(rules);
        self
    }

    /// Changes anything else.
    pub fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    /// Plays by itself, under a policy of its own.
    pub fn alone(mut self, change: impl FnOnce(&mut Shape)) -> Self {
        self.alone = true;
        change(&mut self.shape);
        self
    }

    /// The same flow over streams.
    pub fn over_tcp(mut self, name: &'static str) -> Self {
        self.name = name;
        self.alone(|shape| shape.transport = "tcp")
    }
}
