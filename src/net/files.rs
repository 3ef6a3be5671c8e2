//! The limit on open files, raised and checked: a stream that cannot be accepted is a call that cannot be placed.
//!
//! Owns RLIMIT_NOFILE. Refuses to know what the files are for. Read first: getrlimit(2).

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Files beside streams: listeners, sinks, the control socket, the poll, the watch on the policy file, standard streams.
pub const OTHER_FILES: u64 = 128;

/// What the system grants, after the soft limit was raised to the hard one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileLimit {
    /// Open files at once; `None` means no limit.
    pub granted: Option<u64>,
}

impl FileLimit {
    /// Raises the soft limit to the hard one, and the hard one too where so many streams and media sockets need more and this user may
    /// (root may). Says what holds now.
    #[must_use]
    pub fn raise(streams: usize) -> Self {
        let needed = needed(streams);
        let before = getrlimit(Resource::Nofile);
        let raise =
            |maximum: Option<u64>| setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).is_ok();
        let more = before.maximum.is_some_and(|maximum| maximum < needed) && raise(Some(needed));
        if !more && !raise(before.maximum) {
            tracing::debug!("the limit on open files cannot be raised; what it is must do");
        }
        Self { granted: getrlimit(Resource::Nofile).current }
    }

    /// Whether so many connections and media sockets fit; if not, one sentence with the cure.
    pub fn check(self, connections_max: usize, media: usize) -> Result<(), String> {
        let needed = needed(connections_max.saturating_add(media));
        match self.granted {
            Some(granted) if granted < needed => Err(format!(
                "the system grants {granted} open files, but `streams` allows {connections_max} connections and \
                 `media` has {media} ports, which needs {needed}; raise the limit (`LimitNOFILE=` of systemd, \
                 `ulimit -Hn`) or lower `streams.connections` or the ranges of `media`"
            )),
            Some(_) | None => Ok(()),
        }
    }

    /// Files that are left beside so many connections and media sockets, up to as many as there are media sockets.
    #[must_use]
    pub fn left(self, connections_max: usize, media: usize) -> usize {
        let needed = needed(connections_max.saturating_add(media));
        self.granted.map_or(media, |granted| {
            usize::try_from(granted.saturating_sub(needed)).map_or(media, |left| left.min(media))
        })
    }
}

fn needed(connections_max: usize) -> u64 {
    (connections_max as u64).saturating_add(OTHER_FILES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_is_checked_to_the_file() {
        let limit = FileLimit { granted: Some(10_000 + OTHER_FILES) };
        assert_eq!(limit.check(8_000, 2_000), Ok(()));
        let text = limit.check(8_001, 2_000).unwrap_err();
        assert!(text.contains("LimitNOFILE") && text.contains("8001"), "{text}");
        assert_eq!(FileLimit { granted: None }.check(usize::MAX, usize::MAX), Ok(()));
        assert_eq!(
            (limit.left(8_000, 2_000), limit.left(8_000, 1_500), limit.left(8_000, 900)),
            (0, 500, 900)
        );
        assert_eq!((limit.left(9_000, 2_000), FileLimit { granted: None }.left(1, 7)), (0, 7));
    }

    #[test]
    fn raising_reaches_the_hard_limit() {
        assert_eq!(FileLimit::raise(1).granted, getrlimit(Resource::Nofile).maximum);
    }
}
