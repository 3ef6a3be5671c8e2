//! What a bench is told on its command line.
//!
//! Owns reading it. Refuses to know what it means.

use std::collections::HashMap;
use std::str::FromStr;

/// `--name value` pairs; what cargo adds itself stands alone and is passed over.
pub fn options() -> HashMap<String, String> {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    assert!(words.len().is_multiple_of(2), "--name value, and not {words:?}");
    let pair = |pair: &[String]| {
        let name = pair[0].strip_prefix("--").unwrap_or_else(|| panic!("--name value, and not {pair:?}"));
        (name.to_owned(), pair[1].clone())
    };
    words.chunks_exact(2).map(pair).collect()
}

/// The value of one, or its default.
pub fn option<T: FromStr>(options: &HashMap<String, String>, name: &str, default: &str) -> T {
    let text = options.get(name).map_or(default, String::as_str);
    text.parse().unwrap_or_else(|_| panic!("--{name} {text:?} is none"))
}
