//! Names to addresses, on the thread beside the loop: asked of DNS, asked again before an answer runs out, kept while DNS
//! is silent.
//!
//! Owns when a name is asked and how long an answer stands. Refuses to know which records count (`policy/locate`) and what
//! becomes of the addresses (`policy/located`). Read first: RFC 3263 §4; RFC 2308 (negative answers); RFC 8767 (stale ones).

mod ask;
mod standing;

use std::collections::HashMap;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, Semaphore};
use tokio::task::{AbortHandle, JoinSet};

use crate::clock::Clock;
use crate::policy::locate::{Answer, Answers, Kind, Sought, Step};
use crate::policy::located::{Resolution, domains};
use crate::policy::{Policy, Transports};
use crate::sip::PartyId;

use ask::Asker;
use standing::{Hosts, Outcome, Standing};

/// Questions under way at once, of all names together; the others wait.
const QUESTIONS_MAX: usize = 16;

/// Turns of asking for one name: NAPTR, SRV, addresses. A resolver that would take more has a fault.
const TURNS_MAX: usize = 4;

/// How names are resolved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The name servers; empty means those of the system.
    pub servers: Vec<SocketAddr>,
    /// One question must be answered within. Default 3 s.
    pub timeout: Duration,
    /// An answer holds for so long at least, whatever it says. Default 10 s.
    pub ttl_min: Duration,
    /// And for so long at most. Default 1 h.
    pub ttl_max: Duration,
    /// A name that leads nowhere, or of which DNS does not speak, is asked again after so long at most. Default 30 s.
    pub retry: Duration,
    /// While DNS does not answer, what it said last stands for so long past its time. Default 1 d.
    pub stale_max: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            servers: Vec::new(),
            timeout: Duration::from_secs(3),
            ttl_min: Duration::from_secs(10),
            ttl_max: Duration::from_secs(3_600),
            retry: Duration::from_secs(30),
            stale_max: Duration::from_secs(86_400),
        }
    }
}

/// One name to be resolved.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Wanted {
    party: PartyId,
    peer: Arc<str>,
    host: Arc<str>,
    port: Option<u16>,
    transports: Transports,
    ipv6: bool,
}

/// Who is told what came of a name.
type Tell = Arc<dyn Fn(PartyId, Resolution) + Send + Sync>;

/// What all names share.
struct Shared {
    settings: Settings,
    clock: Clock,
    asker: Asker,
    questions: Semaphore,
    again: Notify,
    tell: Tell,
}

/// Keeps the names of the policy in force resolved.
pub struct Resolver {
    shared: Arc<Shared>,
    kept: HashMap<PartyId, (Wanted, AbortHandle)>,
}

impl fmt::Debug for Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resolver").field("names", &self.kept.len()).finish_non_exhaustive()
    }
}

impl Resolver {
    /// One that resolves nothing yet. `tell` is called for every name each time something is known of it.
    pub fn new(
        settings: Settings,
        clock: Clock,
        tell: impl Fn(PartyId, Resolution) + Send + Sync + 'static,
    ) -> Self {
        let shared = Shared {
            asker: Asker::new(&settings),
            settings,
            clock,
            questions: Semaphore::new(QUESTIONS_MAX),
            again: Notify::new(),
            tell: Arc::new(tell),
        };
        Self { shared: Arc::new(shared), kept: HashMap::new() }
    }

    /// Resolves the names of this policy, at once, and those of no other any more. To be called within a tokio runtime.
    pub fn follow(&mut self, policy: &Policy) {
        let mut before = std::mem::take(&mut self.kept);
        self.shared.again.notify_waiters();
        for wanted in wanted(policy) {
            let kept = match before.remove(&wanted.party) {
                Some((known, task)) if known == wanted => task,
                known => {
                    if let Some((_, task)) = known {
                        task.abort();
                    }
                    tokio::spawn(keep(Arc::clone(&self.shared), wanted.clone())).abort_handle()
                }
            };
            self.kept.insert(wanted.party, (wanted, kept));
        }
        before.into_values().for_each(|(_, task)| task.abort());
    }
}

fn wanted(policy: &Policy) -> Vec<Wanted> {
    let one = |(peer, domain): (&Arc<crate::policy::Peer>, &crate::policy::Domain)| {
        let listener = policy.listener(peer.listener)?;
        Some(Wanted {
            party: domain.party,
            peer: Arc::clone(&peer.name),
            host: Arc::clone(&domain.host),
            port: domain.port,
            transports: peer.transports.clone(),
            ipv6: listener.bind.is_ipv6(),
        })
    };
    domains(policy).filter_map(one).collect()
}

/// Resolves one name for ever.
async fn keep(shared: Arc<Shared>, wanted: Wanted) {
    let mut standing = Standing::default();
    let mut hosts = Hosts::default();
    loop {
        let outcome = seek(&shared, &wanted, &mut hosts).await;
        if let Outcome::Silent { .. } = outcome {
            shared.asker.renew(&shared.settings);
        }
        let (resolution, pause) = standing.heard(shared.clock.now().tick, outcome, &shared.settings);
        if let Some(resolution) = resolution {
            log(&wanted, &resolution);
            (shared.tell)(wanted.party, resolution);
        }
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = shared.again.notified() => {}
        }
    }
}

/// Asks until it is known where a name leads. A host whose addresses are not told keeps those that were told last, and is left
/// out where none are known, as long as DNS speaks of another one; then the name is asked again soon. Whatever else is not
/// answered says nothing: another transport must not be taken for it.
async fn seek(shared: &Arc<Shared>, wanted: &Wanted, hosts: &mut Hosts) -> Outcome {
    let sought =
        Sought { host: &wanted.host, port: wanted.port, transports: &wanted.transports, ipv6: wanted.ipv6 };
    let mut answers = Answers::new();
    let mut ttl = shared.settings.ttl_max;
    let mut untold = None;
    // Whether DNS has told the addresses of a host, or said that there are none.
    let mut told = false;
    for _ in 0..TURNS_MAX {
        let questions = match sought.step(&answers) {
            Step::Found(list) => {
                if let Some(why) = untold {
                    if !told {
                        return Outcome::Silent { why };
                    }
                    log_untold(wanted, &why);
                    ttl = ttl.min(shared.settings.retry);
                }
                hosts.keep(&answers);
                return Outcome::Found { list, ttl };
            }
            Step::Nothing(why) => {
                return untold.map_or(Outcome::Nothing { why }, |why| Outcome::Silent { why });
            }
            Step::Ask(questions) => questions,
        };
        let mut asked = JoinSet::new();
        for question in questions {
            let shared = Arc::clone(shared);
            asked.spawn(async move {
                // The semaphore is never closed.
                let _place = shared.questions.acquire().await;
                let answer = shared.asker.ask(&question, shared.settings.timeout).await;
                (question, answer)
            });
        }
        while let Some(joined) = asked.join_next().await {
            match joined {
                Ok((question, Ok((answer, holds)))) => {
                    ttl = holds.map_or(ttl, |holds| ttl.min(holds));
                    if matches!(question.kind, Kind::A | Kind::Aaaa) {
                        told = true;
                        let now = shared.clock.now().tick;
                        hosts.told(now, &question, &answer, holds.unwrap_or_default(), &shared.settings);
                    }
                    answers.insert(question, answer);
                }
                Ok((question, Err(why))) => {
                    let why = format!("{question} is not answered: {why}");
                    if !matches!(question.kind, Kind::A | Kind::Aaaa) {
                        return Outcome::Silent { why };
                    }
                    untold = Some(why);
                    let last = hosts.last(shared.clock.now().tick, &question, &shared.settings);
                    answers.insert(question, last.unwrap_or(Answer::Nothing));
                }
                Err(_) => {
                    return Outcome::Silent { why: "asking DNS ended by a bug of this edge".to_owned() };
                }
            }
        }
    }
    Outcome::Silent { why: "DNS is asked without an end".to_owned() }
}

fn log_untold(wanted: &Wanted, why: &str) {
    let (peer, name) = (&*wanted.peer, &*wanted.host);
    tracing::info!(peer, name, why, "of a host of the name is used what was told last, or nothing");
}

fn log(wanted: &Wanted, resolution: &Resolution) {
    let (peer, name) = (&*wanted.peer, &*wanted.host);
    match resolution {
        Resolution::Found { list, ttl } => {
            let list: Vec<String> = list.iter().map(|found| found.address.to_string()).collect();
            tracing::debug!(peer, name, addresses = list.join(","), ttl_s = ttl.as_secs(), "resolved");
        }
        Resolution::Stale => {
            tracing::warn!(peer, name, "DNS does not answer; where the name led last is used meanwhile");
        }
        Resolution::Nowhere { why } => {
            tracing::warn!(peer, name, why, "the name leads nowhere; no calls go there until it does");
        }
    }
}
