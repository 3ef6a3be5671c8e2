//! What strangers sent, folded per source, so that a flood of a million sources makes a bounded number of alerts.
