//! The rules; one file each.

/// The rules of each stage, in YAML order.
#[derive(Debug, Default)]
pub struct Rules {}
