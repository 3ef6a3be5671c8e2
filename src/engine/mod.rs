//! The pure whole: one input in, outputs out until `Wait`.
//!
//! Owns the tables (transactions, dialogs, calls, peers' health, timers) and the law of the loop.
//! Refuses to know sockets, files, YAML and where the clock is read.
//! Read first: RFC 3261 §8, §11, §16.3, §18.
//!
//! The way of a frame: `intake` (who sends, then the reader) -> `responses`, or `requests` -> in a dialog: `live`;
//! outside: `challenge` (who must prove a password), then `admission` (INVITE), `standalone` (MESSAGE), or an answer of our own -> `refuse`. What a call asks for in
//! return is carried out in `live`, and what it asks before it turns to a target is answered by `gate`; what is left of
//! it when it is over stands in `past`. `logins` shows a trunk that asks who we are, `registrations` ask it for its calls; `resolved` takes in where names lead;
//! `explained` is asked by nobody but `ringfence explain`, `replayed` by nobody but `ringfence replay`; `peers` and `probe` know which targets are up, `trouble` which fail their calls; `closing` ends it all. What
//! calls ask of the media relay, and what it tells of them, is in `watching`; what outlives the process is in `kept`;
//! what the owner orders is in `orders`, `suspending`, `cutting` and `banning`; `rejudging` asks a new policy about calls that live.

mod accounts;
mod addresses;
mod admission;
mod alike;
mod banning;
pub mod calls;
mod challenge;
mod checks;
mod closing;
pub mod counts;
mod cutting;
mod expected;
pub mod explained;
mod flooding;
mod forwarder;
mod fullness;
mod gate;
mod helped;
mod identified;
pub mod input;
mod intake;
mod kept;
mod learnt;
mod live;
mod logins;
mod media;
mod mismatched;
mod onward;
pub mod orders;
pub mod output;
mod past;
mod peers;
mod probe;
pub mod query;
mod redirected;
mod referred;
pub mod refuse;
mod registering;
mod registrations;
mod rejudging;
mod reload;
mod replayed;
mod requests;
mod resolved;
mod responses;
mod roaming;
pub mod slab;
mod standalone;
mod suspending;
pub mod timers;
pub mod transactions;
pub mod transferred;
mod trouble;
mod unregistered;
mod users;
mod watching;
mod witness;

use std::collections::VecDeque;
use std::sync::Arc;

use crate::call::visits::Visits;
use crate::call::{Effects, Failure, Random, Timer};
use crate::clock::{Now, Tick};
use crate::media::order::Fingerprint;
use crate::policy::guard::Guard;
use crate::policy::tdos::Floods;
use crate::policy::{Alert, Counters, Located, Policy, Sources};

use calls::{Calls, Dialogs};
use closing::Closing;
use counts::Counts;
use explained::Told;
use fullness::{Nearness, Shedding};
use gate::Traffic;
use kept::Keeping;
use live::Happened;
use logins::Logins;
use media::Media;
use past::Pasts;
use peers::Peers;
use registrations::Registrations;
use roaming::{ROAMERS_MAX, Roamers};
use standalone::Carried;
use timers::Wheel;
use transactions::{CallKey, Outcome, Transactions};
use watching::Watch;

pub use input::Input;
pub use orders::{CallState, Order, Ordered, SuspensionState, Whom};
pub use output::{Output, WaitReason};
pub use query::{BanState, Gauges, LockState, MediaState, NameState, Query, RegistrationState, Reply};

/// Settings of the engine: sizes of its tables, limits of the reader, timing.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Reader limits.
    pub limits: crate::sip::parse::Limits,
    /// T1, T2, T4.
    pub timing: crate::transaction::Timing,
    /// Calls.
    pub call: crate::call::Settings,
    /// Calls at once on the whole edge; more are refused 480 (10004). Default 20,000.
    pub calls_max: usize,
    /// Server transactions at once; above it new requests are answered 503 with Retry-After. Default 100,000.
    pub transactions_max: usize,
    /// Client transactions at once; above it a new call is refused 480 (10004), and BYE and CANCEL have a reserve. Default
    /// 100,000.
    pub client_transactions_max: usize,
}

/// A secret of this process for one purpose, 128 bits strong: it tells nothing of the one that it is derived from.
fn derived(secret: &[u8; 32], what: &[u8]) -> [u8; 32] {
    let digits = crate::sip::digest::Hash::Sha256.of(&[secret, what]);
    let mut derived = [0; 32];
    derived.iter_mut().zip(digits.as_bytes()).for_each(|(place, digit)| *place = *digit);
    derived
}

/// The same, of 64 bits.
fn seed_of(secret: &[u8; 32], what: &[u8]) -> u64 {
    let [a, b, c, d, e, f, g, h, ..] = derived(secret, what);
    u64::from_le_bytes([a, b, c, d, e, f, g, h])
}

/// Places a queue keeps when it is empty.
const IDLE_QUEUE: usize = 1_024;

/// The engine. Never blocks, never panics on input, allocates nothing for a dropped frame.
#[derive(Debug)]
pub struct Engine {
    settings: Settings,
    policy: Arc<Policy>,
    /// Policies that were replaced while calls admitted by them live on.
    retired: Vec<Arc<Policy>>,
    random: Random,
    /// Keys the To tags of answers given outside any transaction.
    tag_seed: u64,
    transactions: Transactions,
    calls: Calls,
    pasts: Pasts,
    dialogs: Dialogs,
    alike: alike::Alike,
    expected: expected::Expected,
    deadlines: Wheel<(CallKey, Timer)>,
    counters: Counters,
    sources: Sources,
    /// Where the names of peers lead; shared with whoever judges a request.
    located: Arc<Located>,
    /// Who must show a password, and who guesses at one.
    guard: Guard,
    /// Flows of peers that may come from anywhere.
    roamers: Roamers,
    peers: Peers,
    logins: Logins,
    registrations: Registrations,
    traffic: Traffic,
    carried: Carried,
    floods: Floods,
    keeping: Keeping,
    closing: Closing,
    /// When a suspension is looked at next.
    suspensions_due: Option<Tick>,
    counts: Counts,
    /// Which events met which phases of calls.
    visits: Visits,
    media: Media,
    watch: Watch,
    /// What a request was judged by, for `explain`; `None` in an edge that runs.
    told: Option<Box<Told>>,
    /// Panics that a test planted in calls that are yet to be born.
    #[cfg(test)]
    planted: u8,
    servers_near: Nearness,
    clients_near: Nearness,
    calls_near: Nearness,
    shedding: Shedding,
    outputs: VecDeque<Output>,
    /// What the transactions said during this input; drained before anything else happens.
    outcomes: Vec<Outcome>,
    /// What a call asked for; kept for its capacity.
    effects: Effects,
    /// What effects made happen; carried out in turn, never from within one another.
    happened: VecDeque<Happened>,
}

impl Engine {
    /// An engine under a policy.
    #[must_use]
    pub fn new(now: Now, settings: Settings, policy: Arc<Policy>, mut random: Random) -> Self {
        let seed = [random.bits(), random.bits()];
        let transactions = Transactions::new(
            settings.timing,
            seed,
            settings.transactions_max,
            settings.client_transactions_max,
        );
        let mut secret = [0; 32];
        secret.chunks_exact_mut(8).for_each(|part| part.copy_from_slice(&random.bits().to_le_bytes()));
        let mut sources = Sources::new(&policy.sources, secret);
        sources.follow(&policy);
        let mut counters = Counters::new(seed_of(&secret, b"counters"));
        counters.follow(&policy);
        let mut located = Located::new();
        located.follow(now.tick, &policy);
        let peers = Peers::new(now.tick, &policy, &located, &mut random);
        let mut guard = Guard::new([&b"nonces"[..], b"locks", b"nobody"].map(|what| derived(&secret, what)));
        guard.follow(&policy);
        let logins = Logins::new(&policy);
        let registrations = Registrations::new(now.tick, &policy, &mut random);
        let media = Media::new(policy.media.as_ref());
        let watch = Watch::new(policy.media.as_ref());
        Self {
            tag_seed: random.bits(),
            settings,
            policy,
            retired: Vec::new(),
            random,
            transactions,
            calls: Calls::default(),
            pasts: Pasts::default(),
            dialogs: Dialogs::default(),
            alike: alike::Alike::default(),
            expected: expected::Expected::default(),
            deadlines: Wheel::new(),
            counters,
            sources,
            located: Arc::new(located),
            guard,
            roamers: Roamers::new(ROAMERS_MAX),
            peers,
            logins,
            registrations,
            traffic: Traffic::default(),
            carried: Carried::default(),
            floods: Floods::new(seed_of(&secret, b"floods")),
            keeping: Keeping::default(),
            closing: Closing::Serving,
            suspensions_due: None,
            counts: Counts::default(),
            visits: Visits::default(),
            media,
            watch,
            told: None,
            #[cfg(test)]
            planted: 0,
            servers_near: Nearness::default(),
            clients_near: Nearness::default(),
            calls_near: Nearness::default(),
            shedding: Shedding::default(),
            outputs: VecDeque::new(),
            outcomes: Vec::new(),
            effects: Effects::new(),
            happened: VecDeque::new(),
        }
    }

    /// What the certificate of our media relay hashes to: from now on calls may shake hands.
    pub fn prove_media_by(&mut self, fingerprint: Fingerprint) {
        self.media.prove_by(fingerprint);
    }

    /// One input. Drain `poll_output` afterwards until it says `Wait`.
    pub fn handle(&mut self, now: Now, input: Input<'_>) {
        self.counters.ledger.tell(now);
        match input {
            Input::Recall(rows) => self.recall(now, rows),
            Input::Frame { flow, frame } => self.frame(now, flow, frame),
            Input::Broken { flow, malformed } => self.broken(now, &flow, &malformed),
            Input::NoRoom { full } => self.sources.full(now, full),
            Input::StrangerConnection { flow, why } => self.stranger(now, &flow, why),
            Input::Opened { flow, party } => self.opened(now, &flow, party),
            Input::Closed { connection } => {
                // RFC 3261 §18.4: nothing else is lost with a connection; what waits on it has its own timers.
                self.roamers.closed(connection);
            }
            Input::Unsendable { hop } => {
                self.counts.unsendable += 1;
                self.transactions.unsendable(&hop, &mut self.outcomes);
            }
            Input::Media(news) => self.media_news(now, news),
            Input::Wake => self.wake(now),
            Input::Resolved { party, resolution } => self.resolved(now, party, resolution),
            Input::Reload(policy) => self.reload(now, policy),
            Input::Drain { patience } => self.drain(now, patience),
            Input::Stop => self.stop(now),
            Input::Query { id, query } => self.answer(now, id, &query),
        }
        self.settle(now);
        self.keep(now);
    }

    /// The next effect; `Wait` is always the last one and says when to come back without input.
    pub fn poll_output(&mut self) -> Output {
        if let Some(output) = self.outputs.pop_front() {
            return output;
        }
        // What a burst made the queues grow by is given back.
        if self.outputs.capacity() > IDLE_QUEUE {
            self.outputs.shrink_to(IDLE_QUEUE);
        }
        if self.outcomes.capacity() > IDLE_QUEUE {
            self.outcomes.shrink_to(IDLE_QUEUE);
        }
        if self.happened.capacity() > IDLE_QUEUE {
            self.happened.shrink_to(IDLE_QUEUE);
        }
        self.wait()
    }

    fn wake(&mut self, now: Now) {
        self.transactions.expire(now.tick, &mut self.outcomes);
        self.settle(now);
        while let Some((key, timer)) = self.deadlines.expire(now.tick) {
            self.deadline(now, key, timer);
            self.settle(now);
        }
        self.probe(now);
        self.register(now);
        self.settle(now);
        if self.sources.due().is_some_and(|due| due <= now.tick) {
            let mut alerts = Vec::new();
            self.sources.drain_alerts(&self.policy, now, &mut alerts);
            self.outputs.extend(alerts.into_iter().map(Output::Alert));
        }
        self.records_due(now.tick);
        self.suspensions_time(now);
        self.closing_time(now);
    }

    /// Carries out what followed from what was done, until nothing follows any more.
    fn settle(&mut self, now: Now) {
        loop {
            self.flush();
            let Some(happened) = self.happened.pop_front() else { break };
            self.follow(now, happened);
        }
        self.closing_done();
    }

    /// Outcomes of the transactions become outputs, or wait for their turn as happenings.
    fn flush(&mut self) {
        for outcome in self.outcomes.drain(..) {
            match outcome {
                Outcome::Send { hop, bytes } => self.outputs.push_back(Output::Send { hop, bytes }),
                Outcome::ClientFailed { branch, owner, failure } => {
                    self.counts.client_table_full += u64::from(failure == Failure::Full);
                    self.counts.client_oversize += u64::from(failure == Failure::Oversize);
                    self.happened.push_back(Happened::Failed { branch, owner, failure });
                }
                Outcome::ClientEnded { branch, owner } => {
                    self.happened.push_back(Happened::Gone { branch, owner });
                }
                // A server transaction's end changes nothing: whoever answered it is done with it.
                Outcome::ServerEnded { .. } => {}
            }
        }
    }

    fn alert(&mut self, alert: Box<Alert>) {
        self.outputs.push_back(Output::Alert(alert));
    }

    fn wait(&self) -> Output {
        let deadlines = [
            (self.transactions.next_deadline(), WaitReason::Transaction),
            (self.deadlines.next_deadline(), WaitReason::Call),
            (self.next_probe(), WaitReason::Probe),
            (self.registrations.due(), WaitReason::Registration),
            (self.sources.due(), WaitReason::Sources),
            (self.watch.due(), WaitReason::Record),
            (self.keeping.due(), WaitReason::Keep),
            (self.next_suspension(), WaitReason::Suspension),
            (self.closing.deadline(), WaitReason::Drain),
        ];
        let nearest = deadlines.into_iter().filter_map(|(at, reason)| at.map(|at: Tick| (at, reason)));
        match nearest.min_by_key(|(at, _)| *at) {
            Some((at, reason)) => Output::Wait { until: Some(at), reason },
            None => Output::Wait { until: None, reason: WaitReason::Idle },
        }
    }
}
