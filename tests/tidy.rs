//! The house rules as a test: floors, lengths, headers, names, what may be imported where, and what may stand in a tracked file.
//!
//! Owns what can be read off the text of the tree. It lexes each source file (so comments and strings never
//! mislead it) and reads nothing else than tracked files. What clippy can hold is left to clippy.

#![allow(clippy::panic, reason = "a rule that is broken fails its test")]

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use source::{
    Source, crate_paths, each_list, is_mark, is_word, line_of, next_words, root, sources, test_modules,
    tracked,
};

#[path = "tidy/source.rs"]
mod source;

/// Lines a source file may have.
const FILE_LINES_MAX: usize = 500;
/// Lines a function may have, from `fn` to its closing brace.
const FUNCTION_LINES_MAX: usize = 69;
/// Rooms and the floor each stands on; `app` and `main` see everything.
const FLOORS: [(&str, u8); 10] = [
    ("sip", 0),
    ("clock", 0),
    ("transaction", 1),
    ("policy", 1),
    ("media", 1),
    ("call", 2),
    ("engine", 3),
    ("net", 4),
    ("sinks", 4),
    ("admin", 4),
];
/// The roof: sees every room.
const ROOF: [(&str, u8); 4] = [("config", 5), ("app", 6), ("main", 6), ("lib", 6)];
/// Words no name may hold: they say that the author did not find the thing's own name.
const VAGUE_WORDS: [&str; 5] = ["manager", "handler", "helper", "util", "utils"];

/// Fails with every finding, one a line.
fn none(rule: &str, findings: &BTreeSet<String>) {
    let list: Vec<&str> = findings.iter().map(String::as_str).collect();
    assert!(findings.is_empty(), "{rule}: {} finding(s)\n  {}\n", list.len(), list.join("\n  "));
}

fn floor(room: &str) -> Option<u8> {
    FLOORS.iter().chain(&ROOF).find(|(name, _)| *name == room).map(|(_, floor)| *floor)
}

#[test]
fn a_file_imports_its_own_room_and_lower_floors_only() {
    let mut findings = BTreeSet::new();
    for source in sources(&["src"]) {
        let own = source.room();
        let Some(own_floor) = floor(&own) else {
            findings.insert(format!("{}: room {own} stands on no floor", source.name()));
            continue;
        };
        for (line, room) in crate_paths(&source) {
            let allowed =
                room == own || own_floor >= 6 || floor(&room).is_some_and(|other| other < own_floor);
            if floor(&room).is_some() && !allowed {
                findings.insert(format!("{}:{line}: {own} imports {room}", source.name()));
            }
        }
    }
    none("floors point down", &findings);
}

/// Crates and parts of std, and the only places that may name them.
const CONFINED: [(&[&str], &[&str]); 7] = [
    (&["tokio"], &["src/net/", "src/sinks/", "src/admin/", "src/app", "src/main.rs"]),
    (&["socket2"], &["src/net/", "src/admin/"]),
    (&["serde_saphyr"], &["src/config/"]),
    (&["getrandom"], &["src/sinks/", "src/app", "src/main.rs"]),
    (&["clap"], &["src/main.rs", "src/app"]),
    (
        &["std::fs", "std::thread", "std::env", "std::process", "rustix", "libc"],
        &["src/net/", "src/sinks/", "src/admin/", "src/config/", "src/app", "src/main.rs"],
    ),
    (&["Instant::now", "SystemTime", "Instant::elapsed"], &["src/clock.rs"]),
];

#[test]
fn the_outside_world_is_named_only_where_it_may_be() {
    let mut findings = BTreeSet::new();
    for source in sources(&["src"]) {
        each_list(&source.tokens, 0, &mut |tokens, _| {
            for (at, token) in tokens.iter().enumerate() {
                let TokenTree::Ident(first) = token else { continue };
                let after_path = is_mark(at.checked_sub(1).and_then(|before| tokens.get(before)), ':');
                for (words, places) in CONFINED {
                    let hit = words.iter().any(|word| match word.split_once("::") {
                        Some((head, tail)) => {
                            *first == head && next_words(tokens, at).contains(&tail.to_owned())
                        }
                        None => *first == word && (!after_path || word.chars().any(char::is_uppercase)),
                    });
                    let named = hit && (at + 1 < tokens.len() || words.contains(&"SystemTime"));
                    let here = places.iter().any(|place| source.name().starts_with(place));
                    if named && !here && !source.in_tests(line_of(token)) {
                        findings.insert(format!("{}:{}: {first} ({words:?})", source.name(), line_of(token)));
                    }
                }
            }
        });
    }
    none("tokio, sockets, files, clocks and randomness stay in the shell", &findings);
}

/// The only files that may be unsafe: the batch calls, and the C library that tests and benches compare SRTP with.
const UNSAFE: [&str; 2] = ["src/net/batch.rs", "tests/srtp/libsrtp.rs"];

#[test]
fn only_the_batch_file_and_a_binding_of_the_tests_are_unsafe_and_each_block_is_proven() {
    let mut findings = BTreeSet::new();
    for source in sources(&["src", "tests", "fuzz", "benches"]) {
        let lines: Vec<&str> = source.text.lines().collect();
        each_list(&source.tokens, 0, &mut |tokens, _| {
            for token in tokens.iter().filter(|token| is_word(token, "unsafe")) {
                let line = line_of(token);
                let proven =
                    lines[line.saturating_sub(8)..line].iter().any(|above| above.contains("SAFETY:"));
                if !UNSAFE.contains(&source.name().as_str()) || !proven {
                    findings.insert(format!("{}:{line}", source.name()));
                }
            }
        });
    }
    none("unsafe stands in the named files alone, each under a SAFETY: sentence", &findings);
}

#[test]
fn files_are_short_and_begin_with_a_header() {
    let mut findings = BTreeSet::new();
    for source in sources(&["src", "tests", "fuzz", "benches"]) {
        let lines = source.text.lines().count();
        if lines > FILE_LINES_MAX {
            findings.insert(format!("{}: {lines} lines, at most {FILE_LINES_MAX}", source.name()));
        }
        if !source.text.starts_with("//!") {
            findings.insert(format!("{}: no //! header", source.name()));
        }
    }
    none("files have a header and at most 500 lines", &findings);
}

#[test]
fn functions_are_short() {
    let mut findings = BTreeSet::new();
    for source in sources(&["src"]) {
        each_list(&source.tokens, 0, &mut |tokens, _| {
            for (at, token) in tokens.iter().enumerate().filter(|(_, token)| is_word(token, "fn")) {
                let Some(TokenTree::Ident(name)) = tokens.get(at + 1) else { continue };
                let body =
                    tokens[at..].iter().take_while(|next| !is_mark(Some(next), ';')).find_map(|next| {
                        match next {
                            TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => Some(group),
                            TokenTree::Group(_)
                            | TokenTree::Ident(_)
                            | TokenTree::Punct(_)
                            | TokenTree::Literal(_) => None,
                        }
                    });
                let Some(body) = body else { continue };
                let lines = body.span_close().end().line + 1 - line_of(token);
                if lines > FUNCTION_LINES_MAX && !source.in_tests(line_of(token)) {
                    findings.insert(format!(
                        "{}:{}: {name} has {lines} lines",
                        source.name(),
                        line_of(token)
                    ));
                }
            }
        });
    }
    none("functions have fewer than 70 lines", &findings);
}

#[test]
fn names_say_what_a_thing_is() {
    let mut findings = BTreeSet::new();
    let introduces = ["fn", "struct", "enum", "trait", "mod", "type", "const", "static", "macro_rules"];
    for source in sources(&["src", "tests", "fuzz", "benches"]) {
        let stem =
            source.path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        if words_of(&stem).iter().any(|word| VAGUE_WORDS.contains(&word.as_str())) {
            findings.insert(format!("{}: vague file name", source.name()));
        }
        each_list(&source.tokens, 0, &mut |tokens, _| {
            for pair in tokens.windows(2) {
                let (TokenTree::Ident(kind), TokenTree::Ident(name)) = (&pair[0], &pair[1]) else { continue };
                if !introduces.contains(&kind.to_string().as_str()) {
                    continue;
                }
                let words = words_of(&name.to_string());
                let vague = words.iter().any(|word| VAGUE_WORDS.contains(&word.as_str()));
                let getter =
                    kind == "fn" && words.len() > 1 && words.first().is_some_and(|word| word == "get");
                if vague || getter {
                    findings.insert(format!("{}:{}: {kind} {name}", source.name(), line_of(&pair[1])));
                }
            }
        });
    }
    none("no manager, handler, helper, util or get_", &findings);
}

/// `read_file`, `ReadFile` and `READ_FILE` are [read, file].
fn words_of(name: &str) -> Vec<String> {
    let shouted = name.chars().all(|letter| !letter.is_lowercase());
    let mut words = vec![String::new()];
    for letter in name.chars() {
        let starts = letter == '_' || letter == '-' || (letter.is_uppercase() && !shouted);
        if starts {
            words.push(String::new());
        }
        if letter.is_alphanumeric() {
            words.last_mut().expect("it begins with one word").extend(letter.to_lowercase());
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

#[test]
fn what_may_panic_is_proven_beside_it() {
    let mut findings = BTreeSet::new();
    for source in sources(&["src"]) {
        let lines: Vec<&str> = source.text.lines().collect();
        each_list(&source.tokens, 0, &mut |tokens, _| {
            for (at, token) in tokens.iter().enumerate() {
                let call = (is_word(token, "unwrap") || is_word(token, "expect"))
                    && is_mark(at.checked_sub(1).and_then(|before| tokens.get(before)), '.')
                    && matches!(tokens.get(at + 1), Some(TokenTree::Group(_)));
                let line = line_of(token);
                let commented = lines[line.saturating_sub(4)..line].iter().any(|near| near.contains("// "));
                if call && !commented && !source.in_tests(line) {
                    findings.insert(format!("{}:{line}", source.name()));
                }
            }
        });
    }
    none("no unwrap or expect without a comment that proves it", &findings);
}

#[test]
fn lints_are_on_and_every_exception_has_its_reason() {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).expect("Cargo.toml is there");
    for lint in ["wildcard_enum_match_arm", "unwrap_used", "panic", "string_slice", "todo", "unimplemented"] {
        assert!(manifest.contains(&format!("{lint} = ")), "Cargo.toml does not turn on {lint}");
    }
    assert!(manifest.contains("unsafe_code = \"deny\""), "Cargo.toml does not deny unsafe code");
    let mut findings = BTreeSet::new();
    for source in sources(&["src", "tests", "fuzz", "benches"]) {
        each_list(&source.tokens, 0, &mut |tokens, _| {
            for pair in tokens.windows(2) {
                let allows = is_word(&pair[0], "allow") || is_word(&pair[0], "expect");
                let TokenTree::Group(list) = &pair[1] else { continue };
                let lint = list.stream().to_string();
                let is_lint =
                    lint.contains("clippy") || lint.contains("unsafe_code") || lint.contains("dead_code");
                if allows && is_lint && !lint.contains("reason") && !source.in_tests(line_of(&pair[0])) {
                    findings.insert(format!("{}:{}: {lint}", source.name(), line_of(&pair[0])));
                }
            }
        });
    }
    none("every allowed lint gives its reason", &findings);
}

#[test]
fn tracked_files_speak_of_the_project_alone() {
    let banned: Vec<String> = [
        ("TO", "DO"),
        ("FIX", "ME"),
        ("XX", "X:"),
        ("todo", "!("),
        ("unimplemented", "!("),
        ("/wo", "rk/"),
        ("/ro", "ot/"),
        ("cla", "ude"),
        ("anthro", "pic"),
        ("chat", "gpt"),
        ("co", "pilot"),
        ("sub", "agent"),
        ("sub-", "agent"),
        ("coding ", "agent"),
        ("ai ", "agent"),
        ("ai assis", "tant"),
        ("language ", "model"),
        ("this ", "session"),
        ("previous ", "session"),
        ("later ", "session"),
        ("next ", "session"),
        ("issues ", "show"),
        ("the ", "brief "),
        ("work", "tree"),
    ]
    .iter()
    .map(|(head, tail)| format!("{head}{tail}"))
    .collect();
    let mut findings = BTreeSet::new();
    for path in tracked() {
        if path.ends_with("Cargo.lock") || path.starts_with("fuzz/seeds") {
            continue;
        }
        let bytes = fs::read(root().join(&path)).expect("a tracked file is readable");
        for (number, line) in String::from_utf8_lossy(&bytes).lines().enumerate() {
            let lower = line.to_lowercase();
            for word in &banned {
                let shouted = word.chars().all(|letter| !letter.is_lowercase());
                if if shouted { line.contains(word) } else { lower.contains(word) } {
                    findings.insert(format!("{}:{}: {word:?}", path.display(), number + 1));
                }
            }
        }
    }
    none("no leftovers and no words from outside the project", &findings);
}

#[test]
fn the_rules_find_what_is_planted() {
    let planted = |path: &str, text: &str| {
        let tokens: Vec<TokenTree> =
            text.parse::<TokenStream>().expect("the sample lexes").into_iter().collect();
        let test_lines = test_modules(&tokens);
        Source { path: PathBuf::from(path), text: text.to_owned(), tokens, test_lines }
    };
    let rooms = |source: &Source| crate_paths(source).into_iter().map(|(_, room)| room).collect::<Vec<_>>();
    let braces = planted(
        "src/sip/uri.rs",
        "use crate::{call::Side, net};\n// crate::engine\nconst A: &str = \"crate::admin\";",
    );
    assert_eq!(rooms(&braces), ["call", "net"]);
    let supers = planted(
        "src/policy/rules/hops.rs",
        "use super::super::facts; use super::super::super::engine::Input;",
    );
    assert_eq!(rooms(&supers), ["engine"]);
    let inline = planted(
        "src/clock.rs",
        "#[cfg(test)]\nmod tests {\n use super::Tick; use super::super::sip::Flow;\n}\nfn f() {}",
    );
    assert_eq!(rooms(&inline), ["sip"]);
    assert!(inline.in_tests(3) && !inline.in_tests(5));
    assert_eq!(words_of("ReadFileManager"), ["read", "file", "manager"]);
    assert_eq!(words_of("URI_UTILS"), ["uri", "utils"]);
}
