//! Values by prefixes of digits: at most fifteen steps to the longest that a number begins with.
//!
//! Owns a trie of digits. Refuses to know what the values are. Read first: nothing.

/// No node, or no value.
const NONE: u32 = u32::MAX;

#[derive(Debug, Clone)]
struct Node {
    next: [u32; 10],
    value: u32,
}

impl Node {
    const EMPTY: Self = Self { next: [NONE; 10], value: NONE };
}

/// Values by prefix.
#[derive(Debug, Clone)]
pub struct Prefixes<T> {
    nodes: Vec<Node>,
    values: Vec<T>,
}

impl<T> Default for Prefixes<T> {
    fn default() -> Self {
        Self { nodes: vec![Node::EMPTY], values: Vec::new() }
    }
}

const fn digit(byte: u8) -> Option<usize> {
    if byte.is_ascii_digit() { Some((byte - b'0') as usize) } else { None }
}

impl<T> Prefixes<T> {
    /// The value at a prefix, made where there is none; `None` where the prefix is no digits.
    pub fn entry(&mut self, prefix: &[u8], make: impl FnOnce() -> T) -> Option<&mut T> {
        let mut at = 0_usize;
        for byte in prefix {
            let digit = digit(*byte)?;
            let next = *self.nodes.get(at)?.next.get(digit)?;
            at = if next == NONE {
                let new = self.nodes.len();
                self.nodes.push(Node::EMPTY);
                *self.nodes.get_mut(at)?.next.get_mut(digit)? = u32::try_from(new).ok()?;
                new
            } else {
                usize::try_from(next).ok()?
            };
        }
        let node = self.nodes.get_mut(at)?;
        if node.value == NONE {
            node.value = u32::try_from(self.values.len()).ok()?;
            self.values.push(make());
        }
        self.values.get_mut(usize::try_from(node.value).ok()?)
    }

    /// Every value whose prefix these digits begin with, with its length, the shortest first.
    pub fn along<'a>(&'a self, digits: &[u8]) -> impl Iterator<Item = (usize, &'a T)> {
        let mut node = self.nodes.first();
        let mut depth = 0;
        std::iter::from_fn(move || {
            loop {
                let here = node?;
                let found = (depth, here.value);
                let step = digits.get(depth).copied().and_then(digit);
                let next = step.and_then(|digit| here.next.get(digit)).copied().unwrap_or(NONE);
                node = usize::try_from(next).ok().and_then(|next| self.nodes.get(next));
                depth += 1;
                if found.1 != NONE {
                    let value = usize::try_from(found.1).ok().and_then(|at| self.values.get(at))?;
                    return Some((found.0, value));
                }
            }
        })
    }

    /// Every value.
    pub fn values(&self) -> impl Iterator<Item = &T> {
        self.values.iter()
    }

    /// The value of the longest prefix that these digits begin with, with its length.
    #[must_use]
    pub fn longest(&self, digits: &[u8]) -> Option<(usize, &T)> {
        self.along(digits).last()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_prefix_is_found_and_shorter_ones_on_the_way() {
        let mut prefixes = Prefixes::default();
        for prefix in ["1", "1876", "18765", "44"] {
            assert!(prefixes.entry(prefix.as_bytes(), || prefix).is_some());
        }
        assert!(prefixes.entry(b"1x", || "").is_none());
        let all =
            |digits: &str| prefixes.along(digits.as_bytes()).map(|(_, value)| *value).collect::<Vec<_>>();
        assert_eq!(all("18765551234"), ["1", "1876", "18765"]);
        assert_eq!(all("1877"), ["1"]);
        assert_eq!(all("4"), [""; 0]);
        assert_eq!(all("44*2"), ["44"]);
        assert_eq!(prefixes.longest(b"18761"), Some((4, &"1876")));
        assert_eq!(prefixes.longest(b""), None);
    }

    #[test]
    fn a_value_stands_once_at_its_prefix() {
        let mut prefixes: Prefixes<Vec<u8>> = Prefixes::default();
        for value in [1, 2] {
            prefixes.entry(b"49", Vec::new).expect("digits").push(value);
        }
        assert_eq!(prefixes.longest(b"4930"), Some((2, &vec![1, 2])));
    }
}
