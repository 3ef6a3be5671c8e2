//! Ranges over a message's bytes.
//!
//! Owns `Span`, eight octets that stand for a slice of a buffer held elsewhere.

/// A range of a buffer below 4 GiB.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Span {
    start: u32,
    end: u32,
}

impl Span {
    /// The range of `part` within `whole`; the empty range when it is not a part of it.
    #[inline]
    pub fn of(whole: &[u8], part: &[u8]) -> Self {
        let start = (part.as_ptr() as usize).wrapping_sub(whole.as_ptr() as usize);
        let end = start.wrapping_add(part.len());
        match (u32::try_from(start), u32::try_from(end)) {
            (Ok(start), Ok(end)) if end as usize <= whole.len() && start <= end => Self { start, end },
            _ => Self::default(),
        }
    }

    /// From one offset to another.
    pub fn between(start: usize, end: usize) -> Self {
        match (u32::try_from(start), u32::try_from(end)) {
            (Ok(start), Ok(end)) => Self { start, end },
            _ => Self::default(),
        }
    }

    /// The slice it stands for.
    #[inline]
    pub fn slice(self, whole: &[u8]) -> &[u8] {
        whole.get(self.start as usize..self.end as usize).unwrap_or_default()
    }

    /// The range itself.
    pub fn range(self) -> std::ops::Range<usize> {
        self.start as usize..self.end as usize
    }
}

#[cfg(test)]
mod tests {
    use super::Span;

    #[test]
    fn a_part_is_found_and_a_stranger_is_empty() {
        let whole = b"abcdef".to_vec();
        assert_eq!(Span::of(&whole, &whole[2..4]).range(), 2..4);
        assert_eq!(Span::of(&whole, &whole[6..]).range(), 6..6);
        assert_eq!(Span::of(&whole, b"static").slice(&whole), b"");
    }
}
