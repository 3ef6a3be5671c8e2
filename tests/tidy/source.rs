//! Source files as tokens: which are tracked, what they name, which lines are tests.
//!
//! Owns the lexing, so that comments and strings never mislead a rule.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};

/// One lexed source file.
pub struct Source {
    pub path: PathBuf,
    pub text: String,
    pub tokens: Vec<TokenTree>,
    /// Lines inside `#[cfg(test)]` modules, or all of them in a file that is only compiled for tests.
    pub test_lines: Vec<(usize, usize)>,
}

impl Source {
    pub fn name(&self) -> String {
        self.path.to_string_lossy().replace('\\', "/")
    }
    pub fn in_tests(&self, line: usize) -> bool {
        self.test_lines.iter().any(|&(first, last)| (first..=last).contains(&line))
    }
    /// `policy` for `src/policy/rules/mod.rs`, `clock` for `src/clock.rs`.
    pub fn room(&self) -> String {
        let inside = self.path.strip_prefix("src").unwrap_or(&self.path);
        let first = inside.components().next().expect("a source path is never empty");
        first.as_os_str().to_string_lossy().trim_end_matches(".rs").to_owned()
    }
    /// Modules between the crate's root and this file's own items.
    pub fn depth(&self) -> usize {
        let inside = self.path.strip_prefix("src").unwrap_or(&self.path);
        let stem = inside.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        let folders = inside.components().count() - 1;
        if ["mod", "lib", "main"].contains(&stem.as_str()) { folders } else { folders + 1 }
    }
}

pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Files git tracks, or would track; without git, everything but `target`.
pub fn tracked() -> Vec<PathBuf> {
    let listed = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard", "-z"])
        .current_dir(root())
        .output();
    let mut paths = match listed {
        Ok(output) if output.status.success() => output
            .stdout
            .split(|byte| *byte == 0)
            .filter(|path| !path.is_empty())
            .map(|path| PathBuf::from(String::from_utf8_lossy(path).into_owned()))
            .collect(),
        Ok(_) | Err(_) => {
            let mut all = Vec::new();
            walk(&root(), &mut all);
            all
        }
    };
    paths.retain(|path| root().join(path).is_file());
    assert!(paths.len() > 20, "the list of tracked files looks wrong: {paths:?}");
    paths
}

pub fn walk(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder of the repository is readable").flatten() {
        let path = entry.path();
        let name = entry.file_name().to_string_lossy().into_owned();
        if path.is_dir() {
            if !["target", ".git", "corpus", "artifacts"].contains(&name.as_str()) {
                walk(&path, into);
            }
        } else {
            into.push(path.strip_prefix(root()).expect("it lies below the root").to_owned());
        }
    }
}

/// Every tracked Rust file below one of the folders, lexed.
pub fn sources(folders: &[&str]) -> Vec<Source> {
    let wanted = |path: &PathBuf| {
        path.extension().is_some_and(|end| end == "rs")
            && folders.iter().any(|folder| path.starts_with(folder))
    };
    let all: Vec<Source> = tracked().into_iter().filter(wanted).map(lexed).collect();
    assert!(!all.is_empty(), "no source file in {folders:?}");
    all
}

pub fn lexed(path: PathBuf) -> Source {
    let text = fs::read_to_string(root().join(&path)).expect("a source file is UTF-8");
    let tokens: TokenStream = text.parse().unwrap_or_else(|why| panic!("{}: {why}", path.display()));
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let whole = path.components().any(|part| {
        let part = part.as_os_str().to_string_lossy();
        part == "tests" || part == "tests.rs" || part.ends_with("_tests.rs")
    });
    let test_lines = if whole { vec![(0, usize::MAX)] } else { test_modules(&tokens) };
    Source { path, text, tokens, test_lines }
}

/// Line ranges of `#[cfg(test)] mod x { .. }`.
pub fn test_modules(tokens: &[TokenTree]) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        let TokenTree::Group(attribute) = token else { continue };
        if attribute.stream().to_string().replace(' ', "") != "cfg(test)" {
            continue;
        }
        let body = tokens[at..].iter().take(8).find_map(|next| match next {
            TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => Some(group),
            TokenTree::Group(_) | TokenTree::Ident(_) | TokenTree::Punct(_) | TokenTree::Literal(_) => None,
        });
        if let Some(body) = body {
            found.push((body.span_open().start().line, body.span_close().end().line));
        }
    }
    found
}

/// Visits every token list of a file, groups included, with the number of inline modules around it.
pub fn each_list(tokens: &[TokenTree], modules: usize, visit: &mut dyn FnMut(&[TokenTree], usize)) {
    visit(tokens, modules);
    for (at, token) in tokens.iter().enumerate() {
        if let TokenTree::Group(group) = token {
            let named = at.checked_sub(2).and_then(|before| tokens.get(before));
            let inline =
                group.delimiter() == Delimiter::Brace && named.is_some_and(|token| is_word(token, "mod"));
            let inner: Vec<TokenTree> = group.stream().into_iter().collect();
            each_list(&inner, modules + usize::from(inline), visit);
        }
    }
}

pub fn is_word(token: &TokenTree, word: &str) -> bool {
    matches!(token, TokenTree::Ident(ident) if *ident == word)
}

pub fn is_mark(token: Option<&TokenTree>, mark: char) -> bool {
    matches!(token, Some(TokenTree::Punct(punct)) if punct.as_char() == mark)
}

pub fn line_of(token: &TokenTree) -> usize {
    token.span().start().line
}

/// The first word of each path that goes on after `tokens[at]` and its `::`: one, or one for each branch of `{a, b::c}`.
pub fn next_words(tokens: &[TokenTree], at: usize) -> Vec<String> {
    if !(is_mark(tokens.get(at + 1), ':') && is_mark(tokens.get(at + 2), ':')) {
        return Vec::new();
    }
    match tokens.get(at + 3) {
        Some(TokenTree::Ident(ident)) => vec![ident.to_string()],
        Some(TokenTree::Group(group)) => branches(group),
        Some(TokenTree::Punct(_) | TokenTree::Literal(_)) | None => Vec::new(),
    }
}

pub fn branches(group: &Group) -> Vec<String> {
    let inner: Vec<TokenTree> = group.stream().into_iter().collect();
    inner
        .split(|token| is_mark(Some(token), ','))
        .filter_map(|branch| branch.first())
        .map(ToString::to_string)
        .collect()
}

/// Every path of the crate a file names: (line, words from the crate's root on; the first is the room).
pub fn crate_paths(source: &Source) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    each_list(&source.tokens, 0, &mut |tokens, modules| {
        for (at, token) in tokens.iter().enumerate() {
            if is_word(token, "crate") {
                found.extend(next_words(tokens, at).into_iter().map(|room| (line_of(token), room)));
            }
            let begins = !is_mark(at.checked_sub(1).and_then(|before| tokens.get(before)), ':');
            if is_word(token, "super") && begins {
                let mut end = at;
                let mut steps = 1;
                while tokens.get(end + 3).is_some_and(|next| is_word(next, "super")) {
                    end += 3;
                    steps += 1;
                }
                if steps >= source.depth() + modules {
                    found.extend(next_words(tokens, end).into_iter().map(|room| (line_of(token), room)));
                }
            }
        }
    });
    found
}
