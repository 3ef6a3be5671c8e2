//! Files that are no policy at all, and what can be asked of one that is broken.

use std::path::Path;

use ringfence::config::{Source, records_of};

#[test]
fn a_file_that_is_not_there_or_no_text_is_told() {
    let errors = Source::read(Path::new("no/such.yaml")).unwrap_err().to_string();
    assert!(errors.starts_with("no/such.yaml: cannot be read: No such file"), "{errors}");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("edge.yaml");
    std::fs::write(&path, b"# the office\n# caf\xe9 and bar\n").unwrap();
    let errors = Source::read(&path).unwrap_err().to_string();
    assert!(errors.contains("edge.yaml:2:6: this character is not UTF-8"), "{errors}");
    assert!(errors.contains("cure: save the file as UTF-8"), "{errors}");
}

#[test]
fn whose_records_are_looked_for_in_a_broken_policy_is_told_what_is_broken() {
    let records = |text: &str| records_of(&Source::of_text("edge.yaml", text));
    let tab = "records: { file: /r.jsonl }\npeers:\n\ta: {}\n";
    let errors = records(tab).unwrap_err().to_string();
    assert!(errors.starts_with("edge.yaml:3:1: "), "{errors}");
    assert_eq!(records("records: stdout\n").unwrap(), None);
    let unsound = "records: { file: /r.jsonl }\nlisteners: 7\n";
    assert_eq!(records(unsound).unwrap().as_deref(), Some(Path::new("/r.jsonl")));
}
