//! The INVITE that is challenged: it goes once more to the same target.
//!
//! Owns whether it may, and the end where it may not. Refuses to know why it was asked (`challenge`). Read first: RFC 3261 §8.1.3.5, §22.2.

use super::{Heard, Setup};
use crate::call::core::{Core, Ending};
use crate::call::leg::Status;
use crate::call::record::Disposition;
use crate::call::{Branch, Context, Phase, challenge};
use crate::policy::Refusal;

impl Setup {
    /// Whether this INVITE waits, and the caller has heard it ring.
    pub(in crate::call) fn has_rung(&self, branch: Branch) -> bool {
        self.attempt
            .as_ref()
            .is_some_and(|attempt| attempt.branch == branch && attempt.heard == Heard::Progress)
    }

    /// The INVITE that waits goes again under another branch, unless somebody was told that it rings: the far side has
    /// ended what rang, and it would ring a second time.
    pub(in crate::call) fn renews(&mut self, core: &mut Core, old: Branch, new: Branch) -> bool {
        let Some(attempt) = self.attempt.as_mut().filter(|attempt| attempt.branch == old) else {
            return false;
        };
        if attempt.heard == Heard::Progress {
            return false;
        }
        attempt.branch = new;
        core.b.status = Status::Calling(new);
        true
    }

    /// The challenge was not answered, and the caller is refused; the alert went before, with who asked and for what.
    pub(super) fn unproven(self: Box<Self>, core: &mut Core, context: &mut Context<'_>) -> Phase {
        let (code, words) = challenge::refused(core, &core.b.peer);
        let refusal = Refusal::new(code, &core.a.peer.refusal, words);
        let ending = Ending::refused(&refusal, core.a.peer.side, Disposition::Failed);
        self.end(core, &ending, None, context)
    }
}
