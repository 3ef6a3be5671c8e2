//! Draining and stopping: no new calls, patience for live ones, then the end of them all.
//!
//! Owns how far the end has come. Refuses to know how a call ends. Read first: RFC 3261 §15.

use std::time::Duration;

use super::{Engine, Output};
use crate::call::event::EndCause;
use crate::clock::{Now, Tick};
use crate::policy::{Alert, code};

/// After the calls were ended, how long their BYEs may take when draining.
const FAREWELL: Duration = Duration::from_secs(5);
/// The same when stopping at once.
const FAREWELL_STOP: Duration = Duration::from_secs(1);

/// How far the end has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Closing {
    /// Not begun.
    Serving,
    /// No new calls; live ones may go on until then.
    Draining {
        /// The end of patience.
        until: Tick,
    },
    /// Every call was ended; their BYEs may be answered until then.
    Ending {
        /// The end of waiting.
        until: Tick,
        /// Calls that were ended by us.
        cut: usize,
    },
    /// It was said that nothing is left.
    Done,
}

impl Closing {
    /// Whether new calls are taken.
    #[must_use]
    pub const fn is_open(self) -> bool {
        match self {
            Self::Serving => true,
            Self::Draining { .. } | Self::Ending { .. } | Self::Done => false,
        }
    }

    /// When something has to happen.
    #[must_use]
    pub const fn deadline(self) -> Option<Tick> {
        match self {
            Self::Draining { until } | Self::Ending { until, .. } => Some(until),
            Self::Serving | Self::Done => None,
        }
    }
}

impl Engine {
    /// No new calls from now on.
    pub(super) fn drain(&mut self, now: Now, patience: Duration) {
        self.leave_registrations(now, None);
        match self.closing {
            Closing::Serving | Closing::Draining { .. } => {
                self.closing = Closing::Draining { until: now.tick.after(patience) };
            }
            Closing::Ending { .. } | Closing::Done => {}
        }
    }

    /// Ends every call now.
    pub(super) fn stop(&mut self, now: Now) {
        self.leave_registrations(now, None);
        match self.closing {
            Closing::Serving | Closing::Draining { .. } => self.farewell(now, FAREWELL_STOP),
            Closing::Ending { until, cut } => {
                let sooner = now.tick.after(FAREWELL_STOP).min(until);
                self.closing = Closing::Ending { until: sooner, cut };
            }
            Closing::Done => {}
        }
    }

    fn farewell(&mut self, now: Now, wait: Duration) {
        let cut = self.end_all(now, EndCause::Stopping);
        if cut > 0 {
            let text = format!(
                "{cut} call(s) were ended on both legs because this edge stops; `drain` says how long they may go on."
            );
            let mut alert = Alert::new(code::CALLS_CUT, now.wall, text);
            alert.about = Some("stopping".into());
            alert.evidence.push(("calls", cut.to_string()));
            self.alert(Box::new(alert));
        }
        self.closing = Closing::Ending { until: now.tick.after(wait), cut };
    }

    /// A deadline of the end may have come.
    pub(super) fn closing_time(&mut self, now: Now) {
        match self.closing {
            Closing::Draining { until } if until <= now.tick => self.farewell(now, FAREWELL),
            Closing::Ending { until, cut } if until <= now.tick => {
                // Whoever has not answered a BYE by now is not waited for; the records were written with it. A leg that
                // never acknowledged its 2xx has had no BYE yet: it gets one to go with.
                self.end_all(now, EndCause::Stopping);
                for key in self.calls.keys() {
                    self.remove(key);
                }
                self.done(cut);
            }
            Closing::Serving | Closing::Draining { .. } | Closing::Ending { .. } | Closing::Done => {}
        }
    }

    /// Says so when no call is left. A call stays in its table until its BYEs are answered.
    pub(super) fn closing_done(&mut self) {
        match self.closing {
            Closing::Draining { .. } if self.is_done() => self.done(0),
            Closing::Ending { cut, .. } if self.is_done() => self.done(cut),
            Closing::Serving | Closing::Draining { .. } | Closing::Ending { .. } | Closing::Done => {}
        }
    }

    /// Nobody is left to be heard: no call, no record that waits for its counts, and no trunk that may still ask who gives its registration back.
    fn is_done(&self) -> bool {
        self.calls.is_empty() && self.watch.is_idle() && self.registrations.all_left()
    }

    fn done(&mut self, cut: usize) {
        self.closing = Closing::Done;
        // No record is left behind for want of its counts.
        self.records_due(Tick::from_micros(u64::MAX));
        self.outputs.push_back(Output::Drained { cut });
    }
}
