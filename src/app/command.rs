//! What is said to the loop from beside it: by signals, the control socket and the watch on the policy file.
//!
//! Owns the words and the bell. Refuses to know who speaks.

use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::Duration;

use mio::Waker;
use tokio::sync::oneshot;

use super::shell::Answer;
use crate::engine::Query;
use crate::net::tls::Book;
use crate::policy::{Alert, Policy, Resolution};
use crate::sip::PartyId;

/// One command.
#[derive(Debug)]
pub enum Command {
    /// A question or an order to the engine, and the place for its answer.
    Ask(Query, oneshot::Sender<Answer>),
    /// A checked new policy, and the alert that tells of it.
    Reload {
        /// The policy.
        policy: Arc<Policy>,
        /// On what terms peers are met over TLS under it.
        book: Arc<Book>,
        /// 39002.
        alert: Box<Alert>,
    },
    /// What came of resolving a name.
    Resolved {
        /// Which.
        party: PartyId,
        /// What.
        resolution: Resolution,
    },
    /// Other certificates are in force, under the same policy.
    Certificates {
        /// On what terms peers are met over TLS with them.
        book: Arc<Book>,
        /// 39005.
        alert: Box<Alert>,
    },
    /// Write an alert.
    Alert(Box<Alert>),
    /// Open files anew.
    Reopen,
    /// Take no new calls; end when the live ones have.
    Drain {
        /// How long live calls may go on.
        patience: Duration,
    },
    /// End everything now.
    Stop,
}

/// Speaks to the loop.
#[derive(Debug, Clone)]
pub struct Doorbell {
    sender: Sender<Command>,
    waker: Arc<Waker>,
}

impl Doorbell {
    /// A bell that wakes the loop's poll.
    #[must_use]
    pub fn new(sender: Sender<Command>, waker: Arc<Waker>) -> Self {
        Self { sender, waker }
    }

    /// Says a command; false when the loop is gone.
    #[must_use]
    pub fn say(&self, command: Command) -> bool {
        self.sender.send(command).is_ok() && self.waker.wake().is_ok()
    }
}
