//! One request judged as this edge judges it, and what it was judged by: what `ringfence explain` asks for.
//!
//! Owns the way from a request to its trail, its answer and everywhere it would go; every step is the one that a running edge
//! takes. Refuses to judge anything itself, and to know how it is told. Read first: `intake.rs`; DESIGN.md §1, law 5.
//!
//! Each target is found by what follows when the one before cannot be reached, so an engine that was asked has a call that
//! failed everywhere behind it: ask another engine, or none that carries calls.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;

use super::admission::Judged;
use super::intake::Arrived;
use super::refuse::Wrong;
use super::{Engine, Input, Output};
use crate::call::CallRecord;
use crate::clock::Now;
use crate::media::order::{News, Order};
use crate::policy::credential::Credential;
use crate::policy::number::Known;
use crate::policy::{Alert, Direction, PeerId, Refusal, Trail};
use crate::sip::{Flow, Hop, Message};

/// Places that one request is followed to; past it no further target is named.
pub const WAYS_MAX: usize = 64;

/// A request that is asked about.
#[derive(Debug)]
pub struct Asked<'a> {
    /// Where it is said to come from.
    pub flow: Flow,
    /// Whose it is.
    pub from: PeerId,
    /// What it is said to have proven.
    pub proven: Option<Arc<Credential>>,
    /// The request.
    pub message: &'a Message,
}

/// What a request was judged by.
#[derive(Debug, Default)]
pub struct Told {
    /// Where it runs.
    pub direction: Option<Direction>,
    /// Every rule asked, in order.
    pub trail: Trail,
    /// The rule that refuses it, where that is none of the trail's.
    pub rule: Option<Arc<str>>,
    /// How the number called was read.
    pub number: Option<Known>,
    /// Why it is refused.
    pub refusal: Option<Refusal>,
}

/// All that came of a request.
#[derive(Debug, Default)]
pub struct Explained {
    /// What it was judged by; nothing where it was answered before any rule was asked.
    pub told: Option<Box<Told>>,
    /// The final answer to it; `None` where it goes on, or hears nothing.
    pub answer: Option<Bytes>,
    /// Every place it goes to in turn, with the request that leaves.
    pub ways: Vec<(Hop, Bytes)>,
    /// What it raised.
    pub alerts: Vec<Alert>,
    /// Its record: of a refusal the real one, else that of a call that could be placed nowhere.
    pub record: Option<Box<CallRecord>>,
}

impl Engine {
    /// Judges a request as if it came now, and follows it to every place it would go to.
    pub fn explain(&mut self, now: Now, asked: &Asked<'_>) -> Explained {
        let mut explained = Explained::default();
        let (policy, located) = (Arc::clone(&self.policy), Arc::clone(&self.located));
        let Some(peer) = policy.peer(asked.from) else { return explained };
        self.told = Some(Box::default());
        let arrived = Arrived {
            flow: asked.flow,
            peer,
            policy: &policy,
            in_force: true,
            located: &located,
            message: asked.message,
            proven: asked.proven.as_ref(),
        };
        self.request(now, &arrived);
        self.settle(now);
        explained.told = self.told.take();
        let mut open = self.follow_up(now, &mut explained, true);
        while let Some(hop) = open.pop_front() {
            self.handle(now, Input::Unsendable { hop });
            open.extend(self.follow_up(now, &mut explained, false));
        }
        explained
    }

    /// The same for octets that cannot be read: what they are answered.
    pub fn explain_unreadable(&mut self, now: Now, flow: Flow, octets: &[u8]) -> Explained {
        let mut explained = Explained::default();
        self.handle(now, Input::Frame { flow, frame: octets.into() });
        self.follow_up(now, &mut explained, true);
        explained
    }

    /// Drains what an input brought about; the hops of requests that left.
    fn follow_up(&mut self, now: Now, explained: &mut Explained, first: bool) -> VecDeque<Hop> {
        let mut left = VecDeque::new();
        let mut closed = Vec::new();
        loop {
            match self.poll_output() {
                Output::Send { bytes, .. } if bytes.starts_with(b"SIP/2.0 ") => {
                    let is_final = !bytes.starts_with(b"SIP/2.0 1");
                    if first && is_final {
                        explained.answer = Some(bytes);
                    }
                }
                Output::Send { hop, bytes } => {
                    let opens = bytes.starts_with(b"INVITE ") || bytes.starts_with(b"MESSAGE ");
                    if opens && explained.ways.len() < WAYS_MAX {
                        left.push_back(hop);
                        explained.ways.push((hop, bytes));
                    }
                }
                Output::Alert(alert) if first => explained.alerts.push(*alert),
                Output::Record(record) => explained.record = Some(record),
                Output::Media(Order::Close { media }) => closed.push(media),
                Output::Wait { .. } => match closed.pop() {
                    // Nobody has counted anything: the record need not wait for it.
                    Some(media) => {
                        let streams = Vec::new();
                        self.handle(now, Input::Media(News::Report { media, streams }));
                    }
                    None => return left,
                },
                Output::Alert(_)
                | Output::Media(Order::Open { .. } | Order::Set { .. } | Order::Shut { .. })
                | Output::Close { .. }
                | Output::Proven { .. }
                | Output::Reply { .. }
                | Output::Keep(_)
                | Output::Drained { .. } => {}
            }
        }
    }

    /// Leaves out what was said so far.
    pub fn forget_outputs(&mut self) {
        self.flush();
        self.outputs.clear();
    }

    /// Keeps what a request was judged by for whoever asked; nobody does in an edge that runs.
    pub(super) fn note(&mut self, judged: &Judged, wrong: Option<&Wrong>) {
        if let Some(told) = &mut self.told {
            **told = Told {
                direction: judged.direction,
                trail: judged.trail.clone(),
                rule: judged.rule.clone(),
                number: judged.number.clone(),
                refusal: wrong.map(|wrong| wrong.refusal.clone()),
            };
        }
    }
}
