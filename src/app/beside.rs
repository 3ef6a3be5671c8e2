//! What stands beside the loop, on one thread of its own: signals, the control socket, the watch on the policy file and on
//! certificates, the questions to DNS.
//!
//! Owns everything that may wait. Refuses to touch a message. Read first: signal(7); inotify(7).

use std::io;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::runtime::Builder;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, oneshot};

use super::certificates::{self, Ends};
use super::command::{Command, Doorbell};
use super::reload::{Looked, Read, Reader};
use super::shell::Answer;
use super::status::{ordered, status, unlocked};
use super::watch;
use crate::admin::Request;
use crate::admin::serve::{Asked, ControlSocket};
use crate::admin::unlocked::lifted;
use crate::clock::Clock;
use crate::engine::{Order, Query};
use crate::net::Resolver;
use crate::sinks::Meter;

/// A renamed file is read after things have been quiet for so long.
const QUIET: Duration = Duration::from_millis(300);
/// Requests of the control socket that may wait.
const ASKS_MAX: usize = 8;
/// Certificate files are looked at so often, also where no change of them is told, and so are the days they have left.
const LOOK: Duration = Duration::from_secs(60);
/// Certificate files that do not fit are looked at again after, before anybody is told.
const HALF_WRITTEN: Duration = Duration::from_secs(2);
/// How long the loop may take to answer a question.
const ANSWER_PATIENCE: Duration = Duration::from_secs(5);

/// The thread.
#[derive(Debug)]
pub struct Beside {
    end: oneshot::Sender<()>,
    thread: JoinHandle<()>,
}

impl Beside {
    /// Starts it. Signals are caught from here on.
    pub fn start(
        reader: Reader,
        doorbell: Doorbell,
        control: Option<ControlSocket>,
        clock: Clock,
        sinks: Meter,
    ) -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let (end, ended) = oneshot::channel();
        let signals = {
            let _inside = runtime.enter();
            Signals::catch()?
        };
        let told = doorbell.clone();
        let tell = move |party, resolution| {
            // The loop is gone when the edge ends.
            let _ = told.say(Command::Resolved { party, resolution });
        };
        let names = Resolver::new(reader.dns().clone(), clock, tell);
        let ends = Ends::default();
        let desk = Desk { reader, doorbell, clock, sinks, names, stops: 0, doubted: false, ends };
        let thread = thread::Builder::new().name("beside".to_owned()).spawn(move || {
            runtime.block_on(desk.serve(signals, control, ended));
            // A reload that still reads is left behind.
            runtime.shutdown_background();
        })?;
        Ok(Self { end, thread })
    }

    /// Ends it and waits for it.
    pub fn end(self) {
        // It may have ended by itself.
        let _ = self.end.send(());
        if self.thread.join().is_err() {
            tracing::error!("the thread beside the loop ended by a bug");
        }
    }
}

struct Signals {
    hangup: Signal,
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn catch() -> io::Result<Self> {
        Ok(Self {
            hangup: signal(SignalKind::hangup())?,
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }
}

struct Desk {
    reader: Reader,
    doorbell: Doorbell,
    clock: Clock,
    sinks: Meter,
    names: Resolver,
    /// How often a stop was asked for.
    stops: u32,
    /// The certificate files were broken when they were last looked at, and nobody was told yet.
    doubted: bool,
    ends: Ends,
}

impl Desk {
    async fn serve(
        mut self,
        mut signals: Signals,
        control: Option<ControlSocket>,
        mut ended: oneshot::Receiver<()>,
    ) {
        self.names.follow(self.reader.policy());
        let (asks, mut asked) = mpsc::channel(ASKS_MAX);
        let served = control.map(|socket| tokio::spawn(socket.serve(asks.clone())));
        let (changed, mut changes) = mpsc::channel(1);
        let watch = watch::policy(self.reader.file(), changed);
        let (renewed, mut renewals) = mpsc::channel(1);
        let (written, mut writings) = mpsc::channel(1);
        let watches = |reader: &Reader| watch::files(reader, &renewed, &written);
        let mut files = watches(&self.reader);
        let mut look = tokio::time::interval(LOOK);
        loop {
            tokio::select! {
                _ = &mut ended => break,
                _ = signals.hangup.recv() => {
                    self.tell(Command::Reopen);
                    self.reload();
                    files = watches(&self.reader);
                }
                _ = signals.terminate.recv() => self.stop(),
                _ = signals.interrupt.recv() => self.stop(),
                Some(one) = asked.recv() => {
                    let reloads = matches!(one.request, Request::Reload);
                    self.answer(one).await;
                    if reloads {
                        files = watches(&self.reader);
                    }
                }
                Some(()) = changes.recv() => {
                    quiet(&mut changes).await;
                    if self.reader.differs() {
                        self.reload();
                        files = watches(&self.reader);
                    }
                }
                Some(()) = writings.recv() => {
                    quiet(&mut writings).await;
                    self.lists();
                    files = watches(&self.reader);
                }
                Some(()) = renewals.recv() => {
                    quiet(&mut renewals).await;
                    self.look(&renewed);
                }
                _ = look.tick() => {
                    self.reader.sweep();
                    self.look(&renewed);
                    let now = self.clock.now().wall;
                    for alert in self.ends.due(&self.reader.book().dated, now) {
                        self.tell(Command::Alert(Box::new(alert)));
                    }
                }
            }
        }
        drop((watch, files));
        if let Some(served) = served {
            // Dropping the task drops the socket, whose file goes with it.
            served.abort();
            let _ended = served.await;
        }
    }

    fn tell(&self, command: Command) {
        if !self.doorbell.say(command) {
            tracing::debug!("the loop is gone");
        }
    }

    fn stop(&mut self) {
        self.stops += 1;
        if self.stops == 1 {
            let patience = self.reader.drain();
            tracing::warn!(
                patience_s = patience.as_secs(),
                "stopping: no new calls, live ones may end; a second signal stops at once"
            );
            self.tell(Command::Drain { patience });
        } else {
            tracing::warn!("stopping at once");
            self.tell(Command::Stop);
        }
    }

    /// Reading holds up this thread, and no other: signals and questions wait, calls do not.
    fn reload(&mut self) -> Value {
        let read = self.reader.read(&self.clock);
        self.take(read)
    }

    /// Reads lists of numbers again where their files have changed.
    fn lists(&mut self) {
        if self.reader.lists_differ() {
            let read = self.reader.read_lists(&self.clock);
            self.take(read);
        }
    }

    fn take(&mut self, read: Read) -> Value {
        let Read { command, answer } = read;
        self.tell(command);
        // After the loop has heard of the policy; asking anew costs little, and whoever reloads wants what is so now.
        self.names.follow(self.reader.policy());
        answer
    }

    /// Looks at the certificate files again. A pair that does not fit may be one that is half written: it has a moment.
    fn look(&mut self, renewed: &mpsc::Sender<()>) {
        let again = std::mem::take(&mut self.doubted);
        match self.reader.look(&self.clock, again) {
            Looked::Same => {}
            Looked::Replaced(command) => self.tell(command),
            Looked::Broken(alert) if again => self.tell(Command::Alert(alert)),
            Looked::Broken(_) => {
                self.doubted = true;
                let renewed = renewed.clone();
                tokio::spawn(async move {
                    tokio::time::sleep(HALF_WRITTEN).await;
                    // Full or gone: it is looked at anyhow, or never again.
                    let _ = renewed.try_send(());
                });
            }
        }
    }

    async fn answer(&mut self, asked: Asked) {
        let answer = match asked.request {
            Request::Status => self.status().await,
            Request::Unlock { user, source } => {
                let whose = (user.clone(), source);
                let answer = self.ask(Query::Unlock { user, source }).await;
                let answer = answer.map_or_else(|error| error, |answer| unlocked(&answer.reply));
                let (user, source) = (whose.0.as_deref(), whose.1.map(tracing::field::display));
                if lifted(&answer) {
                    tracing::warn!(user, source, %answer, "locks were lifted by order");
                } else {
                    tracing::info!(user, source, %answer, "an order to lift locks lifted none");
                }
                answer
            }
            order @ (Request::Suspend { .. }
            | Request::Resume { .. }
            | Request::Calls
            | Request::Cut { .. }
            | Request::Limits
            | Request::Bans
            | Request::Ban { .. }
            | Request::Unban { .. }) => self.order(order).await,
            Request::Reload => self.reload(),
            Request::Stop => {
                // Only a second signal ends live calls: whoever asks twice wants to know, and not to cut.
                let already = self.stops > 0;
                if !already {
                    self.stop();
                }
                json!({ "stopping": true, "already": already, "patience_s": self.reader.drain().as_secs() })
            }
        };
        // Whoever asked may have gone away.
        let _ = asked.answer.send(answer);
    }

    /// Gives the engine an order, and logs those that changed anything.
    async fn order(&self, request: Request) -> Value {
        let order = match request.order() {
            Some(Ok(order)) => order,
            Some(Err(error)) => return json!({ "error": error }),
            None => return json!({ "error": "this is no order; please report that" }),
        };
        let asks = matches!(order, Order::Calls | Order::Limits | Order::Bans);
        let told = format!("{order:?}");
        let answer = self.ask(Query::Order(order)).await;
        let answer = answer.map_or_else(|error| error, |answer| ordered(&answer.reply));
        if !asks {
            tracing::warn!(order = told, %answer, "an order was given at the control socket");
        }
        answer
    }

    async fn status(&self) -> Value {
        match self.ask(Query::Status).await {
            Ok(answer) => {
                let uptime_s = self.clock.now().tick.micros() / 1_000_000;
                let mut status = status(answer, self.sinks.counts(), uptime_s, self.stops > 0);
                if let Value::Object(status) = &mut status {
                    let dated = &self.reader.book().dated;
                    let told = certificates::told(dated, self.clock.now().wall);
                    status.insert("certificates".to_owned(), told);
                    status.insert("certificates_refused".to_owned(), self.reader.broken_certificates());
                    status.insert("policy".to_owned(), self.reader.standing());
                }
                status
            }
            Err(error) => error,
        }
    }

    /// Asks the engine; `Err` says why there is no answer.
    async fn ask(&self, query: Query) -> Result<Answer, Value> {
        let (place, answer) = oneshot::channel();
        self.tell(Command::Ask(query, place));
        match tokio::time::timeout(ANSWER_PATIENCE, answer).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(_)) => Err(json!({ "error": "the edge is ending" })),
            Err(_) => Err(json!({ "error": "the edge is too busy to answer" })),
        }
    }
}

/// Lets more changes come until nothing changes any more.
async fn quiet(changes: &mut mpsc::Receiver<()>) {
    while let Ok(Some(())) = tokio::time::timeout(QUIET, changes.recv()).await {}
}
