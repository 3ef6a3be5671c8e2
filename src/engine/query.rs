//! What `admin` may ask.

/// A question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Query {
    /// All gauges and counts.
    Status,
}

/// The gauges that must be zero on an idle edge, and running counts.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct Gauges {
    /// Calls in the table.
    pub calls: usize,
    /// Dialog tags bound.
    pub dialogs: usize,
    /// Server transactions.
    pub server_transactions: usize,
    /// Client transactions.
    pub client_transactions: usize,
    /// Armed timers.
    pub timers: usize,
    /// Concurrent calls reserved, by peer name, zero ones left out.
    pub reserved: Vec<(String, u32)>,
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub enum Reply {
    /// To `Status`.
    Status {
        /// Gauges.
        gauges: Gauges,
        /// Running counts by stable name (requests, responses, refused by cause, strangers, dropped ...).
        counts: Vec<(String, u64)>,
        /// Peers by name: up or down.
        peers: Vec<(String, bool)>,
        /// Policy generation in force.
        generation: u64,
    },
}
