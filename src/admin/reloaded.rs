//! What a reload came to, for people: the policy that is in force, what got weaker, what waits for a restart; or why not.
//!
//! Owns the words. Refuses to know how a policy is compared. Read first: `serve.rs`.

use serde_json::Value;

/// Tells an answer to `reload`.
#[must_use]
pub fn tell(answer: &Value) -> String {
    let list = |key: &str| answer.get(key).and_then(Value::as_array).cloned().unwrap_or_default();
    let lines = |heading: &str, list: &[Value]| -> String {
        list.iter().filter_map(Value::as_str).map(|text| format!("\n{heading}{text}")).collect()
    };
    if answer.get("taken") == Some(&Value::Bool(true)) {
        let generation = answer.get("generation").and_then(Value::as_u64).unwrap_or(0);
        format!(
            "policy {generation} is in force{}{}{}",
            lines("weaker than before: ", &list("weaker")),
            lines("after a restart: ", &list("needs_restart")),
            lines("warning: ", &list("warnings")),
        )
    } else {
        format!("not taken, the policy in force stays{}", lines("", &list("errors")))
    }
}
