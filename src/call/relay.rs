//! Requests that cross from one leg to the other within a dialog, and their answers back: INFO, MESSAGE, PRACK, UPDATE.
//!
//! Owns what waits for the other leg's answer. Refuses to know whether a request may cross.
//! Read first: RFC 3261 §12.2; RFC 3311 §5; RFC 4320 §4.2; RFC 6086.

use super::answer::{Answer, Pending};
use super::core::{Core, Ending, RETRY_AFTER_BELOW};
use super::leg::{Carried, Outgoing, Status};
use super::offer::Offer;
use super::refer::is_quiet;
use super::{Branch, Context, Effect, Failure, LocalTag, ServerId, Side};
use crate::media::anchor::Refusal as Cause;
use crate::policy::peer::Methods;
use crate::sip::{Flow, HeaderName, Message, Method};

/// A request on its way.
#[derive(Debug)]
pub(super) struct Relay {
    pub from: Side,
    pub pending: Pending,
    /// Where it came from.
    flow: Flow,
    /// What it crosses as: an offer in a PRACK that acknowledges nothing of the callee's is an UPDATE on leg B.
    method: Method,
    branch: Branch,
    /// Our tag on leg A of the dialogs it runs in.
    pub tag: LocalTag,
    /// Whether it holds an offer, which its final answer settles.
    offer: bool,
}

/// Those of one call.
#[derive(Debug, Default)]
pub(super) struct Relays(Vec<Relay>);

/// Answers a request with a bare status, and with a random Retry-After where `pause` says so (RFC 3261 §14.2).
pub(super) fn decline(
    core: &Core,
    (side, server): (Side, ServerId),
    flow: &Flow,
    message: &Message,
    (status, pause): (u16, bool),
    context: &mut Context<'_>,
) {
    let retry_after = pause.then(|| context.random.below(RETRY_AFTER_BELOW));
    core.answer(side, server, message, flow.remote, &Answer { retry_after, ..Answer::bare(status) }, context);
}

/// To a request that this edge cannot carry: 500 with a pause where it has no room now, 513 where no datagram has. Its peer
/// never heard of it, so the call stands.
pub(super) fn not_sent(
    core: &mut Core,
    from: Side,
    pending: &Pending,
    failure: Failure,
    context: &mut Context<'_>,
) {
    let answer = if failure == Failure::Oversize {
        Answer::bare(513)
    } else {
        Answer { retry_after: Some(context.random.below(RETRY_AFTER_BELOW)), ..Answer::bare(500) }
    };
    core.answer(from, pending.server, &pending.message, pending.source, &answer, context);
}

/// Sends a request on a leg with what crosses of `message`, and lines of our own.
pub(super) fn send(
    core: &mut Core,
    side: Side,
    method: &Method,
    message: &Message,
    adds: &[(HeaderName, &[u8])],
    context: &mut Context<'_>,
) -> Branch {
    let branch = Branch(context.random.bits());
    let policy = std::sync::Arc::clone(&core.policy);
    let leg = core.leg_mut(side);
    let cseq = leg.next_cseq();
    if *method == Method::Invite {
        leg.late_offer = message.body().is_empty();
    }
    let outgoing = Outgoing { carried: Carried::Of(message), adds, ..Outgoing::bare(method, branch, cseq) };
    let (hop, bytes) = leg.request(&policy, context.settings, &outgoing);
    context.effects.push(Effect::Request { branch, side, invite: *method == Method::Invite, hop, bytes });
    branch
}

impl Relays {
    /// Bytes of the requests that wait.
    pub fn bytes(&self) -> usize {
        self.0.iter().map(|relay| relay.pending.message.bytes().len()).sum()
    }

    /// Whether there is no room for one more.
    pub fn is_full(&self, context: &Context<'_>) -> bool {
        self.0.len() >= context.settings.relays_max
    }

    /// Whether an UPDATE of this side is unanswered in the dialogs that the legs stand for.
    pub fn updates(&self, core: &Core, side: Side) -> bool {
        self.0.iter().any(|relay| {
            relay.from == side && relay.tag == core.a.local_tag && relay.method == Method::Update
        })
    }

    /// A request crosses, or is told to come again where too many wait.
    pub fn cross(
        &mut self,
        core: &mut Core,
        (from, server): (Side, ServerId),
        flow: &Flow,
        message: &Message,
        adds: &[(HeaderName, &[u8])],
        context: &mut Context<'_>,
    ) {
        if self.is_full(context) {
            return decline(core, (from, server), flow, message, (500, true), context);
        }
        self.start(core, (from, server), flow, message, (message.method(), adds), false, context);
    }

    /// The same with an offer in it. `Err`: it cannot be taken, and nothing was done.
    pub fn cross_offer(
        &mut self,
        core: &mut Core,
        (from, server): (Side, ServerId),
        flow: &Flow,
        message: &Message,
        adds: &[(HeaderName, &[u8])],
        context: &mut Context<'_>,
    ) -> Result<(), Cause> {
        if self.is_full(context) {
            decline(core, (from, server), flow, message, (500, true), context);
            return Ok(());
        }
        self.offer(core, (from, server), flow, message, (message.method(), adds), context)
    }

    /// A PRACK whose response was not reliable at the callee: the offer in it crosses as an UPDATE, whose answer comes back
    /// in the 200 to the PRACK.
    pub fn cross_as_update(
        &mut self,
        core: &mut Core,
        from: (Side, ServerId),
        flow: &Flow,
        message: &Message,
        context: &mut Context<'_>,
    ) -> Result<(), Cause> {
        // RFC 3311 §5.2: one UPDATE of a side at a time.
        if self.is_full(context) || self.updates(core, from.0) {
            decline(core, from, flow, message, (500, true), context);
            return Ok(());
        }
        self.offer(core, from, flow, message, (&Method::Update, &[]), context)
    }

    fn offer(
        &mut self,
        core: &mut Core,
        (from, server): (Side, ServerId),
        flow: &Flow,
        message: &Message,
        means: (&Method, &[(HeaderName, &[u8])]),
        context: &mut Context<'_>,
    ) -> Result<(), Cause> {
        let crossed = core.cross_offer(from, message, context)?;
        let message = crossed.as_ref().unwrap_or(message);
        core.leg_mut(from).offer = Offer::Received;
        core.leg_mut(from.other()).offer = Offer::Sent;
        self.start(core, (from, server), flow, message, means, true, context);
        Ok(())
    }

    #[allow(
        clippy::too_many_arguments,
        reason = "each is a different word, and a call of it reads as a sentence"
    )]
    fn start(
        &mut self,
        core: &mut Core,
        (from, server): (Side, ServerId),
        flow: &Flow,
        message: &Message,
        (method, adds): (&Method, &[(HeaderName, &[u8])]),
        offer: bool,
        context: &mut Context<'_>,
    ) {
        let branch = send(core, from.other(), method, message, adds, context);
        let pending = Pending { server, message: message.clone(), source: flow.remote };
        self.0.push(Relay {
            from,
            pending,
            flow: *flow,
            method: method.clone(),
            branch,
            tag: core.a.local_tag,
            offer,
        });
    }

    /// One that was sent by its own words.
    pub fn enter(
        &mut self,
        core: &Core,
        (from, server): (Side, ServerId),
        flow: &Flow,
        message: &Message,
        branch: Branch,
    ) {
        let pending = Pending { server, message: message.clone(), source: flow.remote };
        let (method, tag) = (message.method().clone(), core.a.local_tag);
        self.0.push(Relay { from, pending, flow: *flow, method, branch, tag, offer: false });
    }

    /// Whether one with this method is unanswered.
    pub fn has_any(&self, method: &Method) -> bool {
        self.0.iter().any(|relay| relay.method == *method)
    }

    /// The one that this branch is of.
    pub fn take(&mut self, branch: Branch) -> Option<Relay> {
        let at = self.0.iter().position(|relay| relay.branch == branch)?;
        Some(self.0.swap_remove(at))
    }

    /// Refuses the one of this branch whose offer was answered with a body that holds no answer: the two sides would talk
    /// by different words, so the call is over. Whether it was so.
    pub fn misses(
        &mut self,
        core: &mut Core,
        branch: Branch,
        response: &Message,
        context: &mut Context<'_>,
    ) -> bool {
        let offers = self.0.iter().any(|relay| relay.branch == branch && relay.offer);
        if !offers || !core.misses_answer(response) {
            return false;
        }
        if let Some(relay) = self.take(branch) {
            relay.failed(core, Failure::Transport, context);
        }
        true
    }

    /// One that was taken and has gone again.
    pub fn put_back(&mut self, relay: Relay) {
        self.0.push(relay);
    }

    /// Whether this branch is of one.
    pub fn has(&self, branch: Branch) -> bool {
        self.0.iter().any(|relay| relay.branch == branch)
    }

    /// One of them goes again under another branch; false when this branch is of none.
    pub fn renews(&mut self, old: Branch, new: Branch) -> bool {
        let relay = self.0.iter_mut().find(|relay| relay.branch == old);
        relay.map(|relay| relay.branch = new).is_some()
    }

    /// Our tag on leg A of the dialogs that one of them runs in.
    pub fn tag(&self, branch: Branch) -> Option<LocalTag> {
        self.0.iter().find(|relay| relay.branch == branch).map(|relay| relay.tag)
    }

    /// Takes out those of the dialogs that lost to the ones the legs stand for, and answers them.
    pub fn lose(&mut self, core: &mut Core, context: &mut Context<'_>) {
        let winner = core.a.local_tag;
        self.drop_those(|relay| relay.tag != winner, core, context);
    }

    /// The same for the early dialog that a BYE of the caller named.
    pub fn lose_ended(&mut self, core: &mut Core, bye: &Message, context: &mut Context<'_>) {
        let ended = bye.to_tag().and_then(LocalTag::read);
        self.drop_those(|relay| Some(relay.tag) == ended, core, context);
    }

    fn drop_those(&mut self, lost: impl Fn(&Relay) -> bool, core: &mut Core, context: &mut Context<'_>) {
        for Relay { from, pending, offer, .. } in self.0.extract_if(.., |relay| lost(relay)) {
            if offer {
                core.media_withdrawn(context);
            }
            core.answer(from, pending.server, &pending.message, pending.source, &Answer::bare(481), context);
        }
    }

    /// Those that are left when the call ends.
    pub fn into_pending(self) -> impl Iterator<Item = (Side, Pending)> {
        self.0.into_iter().map(|relay| (relay.from, relay.pending))
    }
}

impl Relay {
    /// RFC 4028 §7.4: the interval is the answering leg's own affair; an UPDATE that it found too short goes again with a
    /// longer one, and its sender never hears of it. False when it does not. The legs must stand for its dialogs.
    pub fn goes_again(
        &mut self,
        core: &mut Core,
        status: u16,
        message: &Message,
        context: &mut Context<'_>,
    ) -> bool {
        let to = self.from.other();
        let too_short = status == 422 && self.method == Method::Update;
        if !too_short || !core.leg_mut(to).timer.raise(message) {
            return false;
        }
        self.branch = send(core, to, &Method::Update, &self.pending.message, &[], context);
        true
    }

    /// Its final answer crosses back. The legs must stand for its dialogs. `Err`: it answers an offer by what cannot be taken.
    pub fn answered(
        self,
        core: &mut Core,
        status: u16,
        flow: &Flow,
        message: &Message,
        context: &mut Context<'_>,
    ) -> Result<(), Ending> {
        let Self { from, pending, flow: came_by, method, offer, .. } = self;
        let crossed = if offer {
            core.agree();
            core.settle_offer((from, &pending), status, message, context)?
        } else {
            // What answers nothing says nothing.
            (core.is_anchored() && !message.body().is_empty()).then(|| message.without_body())
        };
        let came = message;
        let message = crossed.as_ref().unwrap_or(message);
        if status < 300 && *pending.message.method() == Method::Update {
            // RFC 3311 §5.2: UPDATE refreshes the remote target of who is asked too, once it is accepted.
            let policy = std::sync::Arc::clone(&core.policy);
            core.leg_mut(from).refresh(&pending.message, &came_by, &policy);
        }
        if status < 300 && method == Method::Update {
            // RFC 3311 §5.1: a 2xx to UPDATE refreshes the remote target.
            let policy = std::sync::Arc::clone(&core.policy);
            core.leg_mut(from.other()).refresh(came, flow, &policy);
            if core.a.status == Status::Up {
                if *pending.message.method() == Method::Update {
                    core.session_answered(from, &pending.message, context);
                }
                core.session_heard(from.other(), message, context);
            }
        }
        // Of an INFO's body nothing is negotiated.
        let negotiates = matches!(pending.message.method(), Method::Update | Method::Prack | Method::Invite);
        if status < 300 && negotiates {
            core.keep_sdp(from, message);
            core.keep_sdp(from.other(), &pending.message);
        }
        let quiet = [(HeaderName::ReferSub, &b"false"[..])];
        let adds = if method == Method::Refer && is_quiet(came) { &quiet[..] } else { &[] };
        let answer = Answer { carried: Some(message), adds, ..Answer::bare(crossing_status(status)) };
        core.answer(from, pending.server, &pending.message, pending.source, &answer, context);
        Ok(())
    }

    /// Nobody answered it.
    pub fn failed(self, core: &mut Core, failure: Failure, context: &mut Context<'_>) {
        let Self { from, pending, offer, .. } = self;
        if offer {
            core.agree();
            core.media_withdrawn(context);
        }
        // RFC 4320 §4.2: never 408 for a non-INVITE; when the time is over the transaction drops this anyway.
        // And never 504: the PBX would take its trunk for down, when one peer was silent once.
        let status = match failure {
            Failure::Timeout | Failure::Transport => 500,
            Failure::Full | Failure::Oversize => return not_sent(core, from, &pending, failure, context),
        };
        core.answer(from, pending.server, &pending.message, pending.source, &Answer::bare(status), context);
    }

    /// Whether it is a transfer.
    pub fn refers(&self) -> bool {
        self.method == Method::Refer
    }

    /// Whether a final status, or silence, says that the peer has lost the dialog (RFC 3261 §12.2.1.2). A PRACK that is
    /// refused says so of its response alone (RFC 3262 §3).
    pub fn ends_dialog(&self, status: u16) -> bool {
        match self.method {
            Method::Update => matches!(status, 481 | 408),
            Method::Info => status == 481,
            Method::Invite
            | Method::Ack
            | Method::Bye
            | Method::Cancel
            | Method::Options
            | Method::Register
            | Method::Prack
            | Method::Message
            | Method::Refer
            | Method::Subscribe
            | Method::Notify
            | Method::Publish
            | Method::Other(_) => false,
        }
    }
}

impl Core {
    /// What was offered is answered or refused: both legs are where they were before.
    pub fn agree(&mut self) {
        self.a.offer = Offer::Agreed;
        self.b.offer = Offer::Agreed;
    }

    /// Whether a method that `allow` opens is open to both peers: INFO (RFC 6086) or MESSAGE (RFC 3428).
    pub fn carries(&self, method: &Method) -> bool {
        let open =
            |methods: &Methods| if *method == Method::Message { methods.message } else { methods.info };
        open(&self.a.peer.methods) && open(&self.b.peer.methods)
    }

    /// Whether a request may be sent on a leg: its dialog exists.
    pub fn reaches(&self, side: Side) -> bool {
        match side {
            // RFC 3261 §12.1.1: an INVITE that was answered at all has made a dialog with its sender.
            Side::A => true,
            Side::B => self.b.status == Status::Up || !self.b.remote_tag.is_empty(),
        }
    }
}

/// A final status as it crosses within a dialog: a challenge or a redirect of one leg means nothing on the other.
pub(super) const fn crossing_status(status: u16) -> u16 {
    match status {
        // A session interval is one leg's own affair; and RFC 3261 §16.7: 503 is about whoever was asked, but who hears it
        // takes it for the state of who says it. So it is with 408, which RFC 4320 §4.2 forbids for all but INVITE besides.
        // 504 tells a PBX the same of its trunk.
        408 | 422 | 503 | 504 => 500,
        300..=399 | 401 | 407 => 403,
        _ => status,
    }
}
