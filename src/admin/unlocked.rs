//! What became of the order to lift locks, in words.
//!
//! Owns the sentences. Refuses to know locks. Read first: `policy/unlock.rs`.

use serde_json::Value;

/// Whether it lifted nothing while something is locked: whoever gave it meant another one.
#[must_use]
pub fn missed(answer: &Value) -> bool {
    commands(answer).next().is_some()
}

/// Whether it lifted anything.
#[must_use]
pub fn lifted(answer: &Value) -> bool {
    let bans = answer.get("bans").and_then(Value::as_array).is_some_and(|bans| !bans.is_empty());
    bans || answer.get("locks").and_then(Value::as_u64).unwrap_or(0) > 0
}

/// The commands that lift what is locked instead.
fn commands(answer: &Value) -> impl Iterator<Item = &str> {
    answer.get("instead").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
}

/// For people.
#[must_use]
pub fn tell(answer: &Value) -> String {
    let entries = |key: &str| answer.get(key).and_then(Value::as_array).into_iter().flatten();
    let kind = |entry: &Value| Some((entry.get(0)?.as_str()?.to_owned(), entry.get(1)?.as_u64()?));
    let locks = entries("held").filter_map(kind).map(|(held, locks)| format!("{locks} lock(s) of {held}"));
    let bans = entries("bans").filter_map(Value::as_str).map(|held| format!("the ban of {held}"));
    let lifted: Vec<String> = locks.chain(bans).collect();
    if !lifted.is_empty() {
        return format!("lifted: {}", lifted.join(" and "));
    }
    if !missed(answer) {
        return "nothing is locked".to_owned();
    }
    let list: String = commands(answer).map(|command| format!("\n  {command}")).collect();
    format!(
        "nothing was locked there, and nothing was lifted. What is locked (`ringfence status` shows it), a source as \
         anybody first, is lifted by:{list}"
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_was_lifted_is_told_and_what_would_have_been_meant() {
        let ban = "datagrams";
        let instead = ["ringfence unlock --source 203.0.113.98"];
        let listed = "nothing was locked there, and nothing was lifted. What is locked (`ringfence status` shows it), a \
                      source as anybody first, is lifted by:\n  ringfence unlock --source 203.0.113.98";
        for (answer, words, has_missed, has_lifted) in [
            (json!({ "locks": 0, "bans": [], "instead": [] }), "nothing is locked", false, false),
            (json!({ "locks": 0, "bans": [], "instead": instead }), listed, true, false),
            (
                json!({ "locks": 3, "held": [[ban, 2], ["datagrams and streams", 1]], "bans": [], "instead": [] }),
                "lifted: 2 lock(s) of datagrams and 1 lock(s) of datagrams and streams",
                false,
                true,
            ),
            (
                json!({ "locks": 0, "bans": [ban], "instead": [] }),
                "lifted: the ban of datagrams",
                false,
                true,
            ),
            (
                json!({ "locks": 1, "held": [[ban, 1]], "bans": [ban], "instead": [] }),
                "lifted: 1 lock(s) of datagrams and the ban of datagrams",
                false,
                true,
            ),
        ] {
            let told = (tell(&answer), missed(&answer), lifted(&answer));
            assert_eq!(told, (words.to_owned(), has_missed, has_lifted), "{answer}");
        }
    }
}
