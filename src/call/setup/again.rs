//! The INVITE that is challenged: it goes once more to the same target.
//!
//! Owns whether it may, and the end where it may not. Refuses to know why it was asked (`challenge`). Read first: RFC 3261 §8.1.3.5, §22.2.

use super::{Heard, Setup};
use crate::call::core::{Core, Ending};
use crate::call::leg::Status;
use crate::call::record::Disposition;
use crate::call::{Branch, Context, Phase, challenge};
use crate::policy::{Refusal, code};

impl Setup {
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

    /// The challenge was not answered, and the caller is refused. Where it could not be, the alert went before, with who asked
    /// and for what; one that came after it rang is told here.
    pub(super) fn unproven(self: Box<Self>, core: &mut Core, context: &mut Context<'_>) -> Phase {
        let (code, words) = if core.unproven.is_some() {
            challenge::refused(core, &core.b.peer)
        } else {
            let name = &core.b.peer.name;
            let words =
                format!("{name} asks for a login after it rang, and was not answered: it would ring twice");
            core.alert(
                code::CHALLENGE_FROM_STRANGER,
                &format!("{words}. Ask whoever runs it."),
                None,
                context,
            );
            (code::CHALLENGE_FROM_STRANGER, words)
        };
        let refusal = Refusal::new(code, &core.a.peer.refusal, words);
        let ending = Ending::refused(&refusal, core.a.peer.side, Disposition::Failed);
        self.end(core, &ending, None, context)
    }
}
