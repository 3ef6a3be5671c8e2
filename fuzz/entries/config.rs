//! A policy file from bytes: it is understood or refused, and what is said about it is fit to print.

use ringfence::config::check::describe;
use ringfence::config::{Source, changes, load};
use ringfence::policy::Names;

/// What must hold for any bytes.
pub fn entry(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let source = Source::of_text("policy.yaml", &text);
    let mut names = Names::default();
    match load(&source, &mut names, 1) {
        Ok(config) => {
            let words = describe(&config);
            assert!(printable(&words), "the description may be printed: {words:?}");
            assert!(config.warnings.iter().all(|warning| printable(&warning.to_string())));
            let again = load(&source, &mut names, 2).expect("what was understood once is understood again");
            assert_eq!(again.policy.generation, 2);
            let difference = changes(&config, &again);
            assert!(difference.weaker.is_empty() && difference.needs_restart.is_empty(), "{difference:?}");
            assert_eq!(names.peers(), config.policy.peers.len(), "a second load brings no new names");
        }
        Err(errors) => {
            assert!(!errors.problems.is_empty());
            assert!(printable(&errors.to_string()), "errors may be printed: {errors}");
            assert_eq!((names.peers(), names.listeners()), (0, 0), "a refused file leaves no names behind");
            // YAML 1.2 §5.4: a lone CR ends a line too.
            let breaks = text.replace("\r\n", "\n").matches(['\n', '\r']).count();
            let lines = breaks + 2;
            for problem in &errors.problems {
                let line = usize::try_from(problem.place.line).expect("a line number is small");
                assert!(line <= lines, "{problem}");
                assert!(!problem.cause.is_empty());
            }
        }
    }
}

fn printable(text: &str) -> bool {
    text.chars().all(|c| c == '\n' || !c.is_control())
}
