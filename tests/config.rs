//! The policy file: what each mistake is told, what each example means, and that the reference holds every key.

use std::path::Path;

use ringfence::config::{Source, load};
use ringfence::policy::Names;

#[test]
fn every_shipped_policy_loads() {
    let mut paths = vec![Path::new("config/ringfence.yaml").to_owned()];
    let examples =
        std::fs::read_dir("config/examples").into_iter().flatten().flatten().map(|entry| entry.path());
    paths.extend(examples.filter(|path| path.extension().is_some_and(|end| end == "yaml")));
    for path in paths {
        let source = Source::read(&path).unwrap();
        let config = load(&source, &mut Names::default(), 1).unwrap_or_else(|errors| panic!("{errors}"));
        for warning in &config.warnings {
            println!("{warning}");
        }
        assert_eq!(config.policy.generation, 1);
    }
}
