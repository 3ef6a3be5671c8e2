//! The README says what the code does: its tables are the code's own, its policy is one that loads.
//!
//! Owns the comparison. `UPDATE_README=1 cargo test --test readme -- --test-threads 1` writes the tables anew; the column that says in
//! words what an alert means is kept, and must be filled by hand.

#![allow(clippy::panic, reason = "a difference fails its test")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use ringfence::call::rewrite;
use ringfence::policy::code;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn readme() -> String {
    fs::read_to_string(root().join("README.md")).expect("README.md is there")
}

/// What stands between `<!-- name -->` and `<!-- /name -->`.
fn section(text: &str, name: &str) -> String {
    let (begin, end) = (format!("<!-- {name} -->\n"), format!("<!-- /{name} -->"));
    let inside = text.split_once(&begin).and_then(|(_, rest)| rest.split_once(&end));
    inside.unwrap_or_else(|| panic!("the README has no section {name}")).0.to_owned()
}

fn equal_or_updated(name: &str, wanted: &str) {
    let text = readme();
    let found = section(&text, name);
    if found == wanted {
        return;
    }
    if std::env::var_os("UPDATE_README").is_some() {
        let (begin, end) = (format!("<!-- {name} -->\n"), format!("<!-- /{name} -->"));
        let fresh = text.replace(&format!("{begin}{found}{end}"), &format!("{begin}{wanted}{end}"));
        fs::write(root().join("README.md"), fresh).expect("README.md is writable");
        return;
    }
    assert_eq!(
        found, wanted,
        "section {name} of the README; UPDATE_README=1 cargo test --test readme writes it"
    );
}

/// Text of every source file of the product but one, tests inside files included.
fn sources_but(skipped: &Path) -> String {
    fn gather(folder: &Path, skipped: &Path, into: &mut String) {
        for entry in fs::read_dir(folder).expect("src is readable").flatten() {
            let path = entry.path();
            if path.is_dir() {
                gather(&path, skipped, into);
            } else if path != skipped && path.extension().is_some_and(|end| end == "rs") {
                let text = fs::read_to_string(&path).expect("a source file is UTF-8");
                into.push_str(text.rsplit_once("#[cfg(test)]").map_or(&*text, |(product, _)| product));
            }
        }
    }
    let mut text = String::new();
    gather(&root().join("src"), skipped, &mut text);
    text
}

fn words(text: &str) -> BTreeSet<&str> {
    text.split(|letter: char| !letter.is_alphanumeric() && letter != '_').collect()
}

#[test]
fn the_table_of_crossing_headers_is_the_codes_own() {
    equal_or_updated("crossing", &rewrite::table_markdown());
}

#[test]
fn the_table_of_alerts_is_the_codes_own() {
    let product = sources_but(&root().join("src/policy/code.rs"));
    let named = words(&product);
    let text = section(&readme(), "alerts");
    let meanings: BTreeMap<&str, &str> = text
        .lines()
        .filter_map(|line| {
            let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
            Some((*cells.first()?, *cells.get(4)?))
        })
        .collect();
    let mut table = String::from(
        "| code | name | level | answer | what happened, and what to do |\n| --- | --- | --- | --- | --- |\n",
    );
    for code in code::ALL.iter().filter(|code| named.contains(code.name.to_uppercase().as_str())) {
        let number = code.number.to_string();
        let answer = code.status.map_or_else(|| "-".to_owned(), |status| status.to_string());
        let meaning = meanings.get(number.as_str()).copied().unwrap_or_default();
        table.push_str(&format!(
            "| {number} | {} | {} | {answer} | {meaning} |\n",
            code.name,
            code.level.name()
        ));
    }
    equal_or_updated("alerts", &table);
    let empty: Vec<&str> = table.lines().filter(|line| line.ends_with("|  |")).collect();
    assert!(empty.is_empty(), "alerts without a word of what they mean: {empty:#?}");
}

#[test]
fn every_dependency_has_its_reason() {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).expect("Cargo.toml is there");
    let text = readme();
    let built_on = text.split_once("## Built on").expect("the README has a section Built on").1;
    let mut missing = Vec::new();
    let mut section = "";
    for line in manifest.lines() {
        if line.starts_with('[') {
            section = line;
        } else if matches!(section, "[dependencies]" | "[dev-dependencies]")
            && let Some((name, _)) = line.split_once(" = ")
            && !built_on.contains(&format!("`{name}`"))
        {
            missing.push(name.to_owned());
        }
    }
    assert!(missing.is_empty(), "not in the README's Built on: {missing:?}");
}

#[test]
fn every_file_the_readme_names_is_there() {
    let text = readme();
    let named = [
        "tests/run",
        "fuzz/run",
        "benches/instructions",
        "benches/against-kamailio",
        "tests/tidy.rs",
        "LICENSE",
        "NOTICE",
    ];
    for file in named {
        assert!(text.contains(file), "the README does not name {file}");
        assert!(root().join(file).is_file(), "{file} is not there");
    }
}

#[test]
fn the_policy_of_the_readme_loads() {
    let text = readme();
    let yaml = text
        .split_once("## The policy by example\n")
        .and_then(|(_, rest)| rest.split_once("```yaml\n"))
        .and_then(|(_, rest)| rest.split_once("```"))
        .expect("the README has a policy")
        .0;
    let source = ringfence::config::Source::of_text("README.md", yaml);
    let loaded = ringfence::config::load(&source, &mut ringfence::policy::Names::default(), 1);
    if let Err(errors) = loaded {
        panic!("{errors}");
    }
}
