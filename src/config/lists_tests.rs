//! Files of numbers: their two forms, their bounds, and what is told of lines that cannot be read.

use super::super::world::built_in;
use super::*;

const NOW: Wall = Wall::from_micros(1_795_000_000_000_000); // 2026-11-18

/// The list of a text, or what is told of it.
fn read(text: &[u8]) -> Result<NumberList, Vec<String>> {
    let desk = Desk::new("blocked.txt", "");
    let world = built_in().unwrap();
    let list = Reading::new(&desk, &world, NOW).all(Box::new(io::Cursor::new(text.to_vec()))).unwrap();
    desk.close()
        .map(|_warnings| list)
        .map_err(|errors| errors.problems.iter().map(|one| one.line()).collect())
}

fn errors(text: &str) -> Vec<String> {
    read(text.as_bytes()).unwrap_err()
}

#[test]
fn a_plain_list_has_an_entry_a_line_and_remarks() {
    let list = read(
        "\u{feff}# from the carrier\n\n+37127913000 # the gate\r\n  +1900*\n+37120000000-+37120000009#x\n"
            .as_bytes(),
    )
    .unwrap();
    assert_eq!(list.len(), 3);
    assert_eq!(list.find(b"37127913000", NOW).unwrap().reason, "the gate");
    assert_eq!(list.find(b"37120000005", NOW).unwrap().reason, "x");
    assert!(list.find(b"19005550100", NOW).is_some());
}

#[test]
fn a_table_has_a_header_and_entries_that_end() {
    let text = "number,prefix,range,reason,expiry\n\
                +37127913000,,,\"a gate, \"\"old\"\"\",2026-12-05T18:00:00+02:00\n\
                ,+1900,,premium,\n,+1976*,,,2026-12-05\n\
                ,,+37120000000-+37120000009,,2020-01-01\n";
    let list = read(text.as_bytes()).unwrap();
    assert_eq!((list.len(), list.expired()), (3, 1));
    let at = |text: &str| Wall::from_micros(text.parse::<jiff::Timestamp>().unwrap().as_microsecond());
    assert_eq!(list.find(b"37127913000", NOW).unwrap().reason, "a gate, \"old\"");
    assert!(list.find(b"37127913000", at("2026-12-05T15:59:59Z")).is_some());
    assert!(list.find(b"37127913000", at("2026-12-05T16:00:00Z")).is_none());
    assert!(list.find(b"19765550100", at("2026-12-05T23:59:59Z")).is_some());
    assert!(list.find(b"19765550100", at("2026-12-06T00:00:00Z")).is_none());
    let short = read(b"Reason,Number\nwhy,+37127913000\n").unwrap();
    assert_eq!(short.find(b"37127913000", NOW).unwrap().reason, "why");
}

#[test]
fn every_bad_line_is_told_with_its_cause_and_cure() {
    let told = errors("+1900*\n1900\n+999123\n+371\nnumber\n+1900*, premium\n");
    assert_eq!(told.len(), 5, "{told:#?}");
    assert!(told[0].starts_with("blocked.txt:2:1: \"1900\""), "{}", told[0]);
    assert!(told.iter().all(|line| line.contains("(write ")), "{told:#?}");
    for (text, line, words) in [
        ("number,colour\n", 1, "\"colour\" is neither an entry nor a column"),
        ("reason,expiry\n", 1, "no column holds entries"),
        ("number,number\n", 1, "stands there twice"),
        ("number,prefix\n+37127913000,+371\n", 2, "more than one of number, prefix and range"),
        ("number,reason\n,why\n", 2, "names no number"),
        ("number,reason\n+37127913000,why,not\n", 2, "3 cells"),
        ("number,reason\n+37127913000,\"why\n", 2, "not closed"),
        ("number,expiry\n+37127913000,tomorrow\n", 2, "\"tomorrow\" is no time"),
        ("prefix\n+0\n", 2, "no number of the world begins with"),
    ] {
        let told = errors(text);
        assert!(
            told[0].starts_with(&format!("blocked.txt:{line}:1: ")) && told[0].contains(words),
            "{told:?}"
        );
    }
    assert!(read(b"+1900*\n+37\xe9\n").unwrap_err()[0].contains("not UTF-8"));
}

#[test]
fn what_is_beyond_a_bound_is_told() {
    let bad = errors(&"x\n".repeat(BAD_LINES_MAX + 50));
    assert_eq!(bad.len(), 1, "a header that is none ends the reading: {bad:?}");
    let bad = errors(&format!("+1900*\n{}", "x\n".repeat(BAD_LINES_MAX + 50)));
    assert_eq!(bad.len(), BAD_LINES_MAX);
    let fits = format!("+1900*{}\n", " ".repeat(LINE_OCTETS_MAX - 6));
    assert_eq!(read(fits.as_bytes()).unwrap().len(), 1);
    let long = format!("+1900* #{}\n+1901\n", "x".repeat(LINE_OCTETS_MAX));
    let told = errors(&long);
    assert!(told.len() == 1 && told[0].contains("more than 512 octets"), "{told:?}");
    let full: String = (0..=ENTRIES_MAX).map(|number| format!("+3712{number:07}\n")).collect();
    let told = errors(&full);
    assert!(
        told.len() == 1 && told[0].starts_with("blocked.txt:1000001:1: more than 1000000 entries"),
        "{told:?}"
    );
    let reason = format!("number,reason\n+37127913000,{}\n", "é".repeat(REASON_OCTETS_MAX));
    assert_eq!(
        read(reason.as_bytes()).unwrap().find(b"37127913000", NOW).unwrap().reason.len(),
        REASON_OCTETS_MAX
    );
}

#[test]
fn a_file_that_is_as_it_was_is_not_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let source = |lists: &Arc<[Kept]>, same: bool| Source {
        folder: folder.path().to_owned(),
        open_list: open,
        lists: Arc::clone(lists),
        same_lists: same,
        ..Source::of_text("edge.yaml", "")
    };
    let take = |source: &Source| {
        let (lists, desk) = (Lists::new(source), Desk::new("edge.yaml", ""));
        let found = ["a.txt", "a.txt"].map(|name| lists.file(&desk, Place::default(), "files[0]", name));
        assert_eq!(found[0].as_ref().map(Arc::as_ptr), found[1].as_ref().map(Arc::as_ptr));
        (desk.close().map_err(|errors| errors.to_string()), lists.kept())
    };
    let none: Arc<[Kept]> = Arc::from([]);
    assert!(take(&source(&none, false)).0.unwrap_err().contains("cannot be read"));
    std::fs::write(folder.path().join("a.txt"), "+1900*\n").unwrap();
    let (told, first) = take(&source(&none, false));
    assert!(told.is_ok() && !first[0].differs());
    let (_, second) = take(&source(&first, false));
    assert!(Arc::ptr_eq(first[0].content.numbers().unwrap(), second[0].content.numbers().unwrap()));
    std::fs::write(folder.path().join("b.txt"), "+1900*\n+1976*\nrubbish\n").unwrap();
    std::fs::rename(folder.path().join("b.txt"), folder.path().join("a.txt")).unwrap();
    assert!(first[0].differs());
    let told = take(&source(&first, false)).0.unwrap_err();
    assert!(told.contains("a.txt:3:1: \"rubbish\""), "{told}");
    let (told, same) = take(&source(&first, true));
    assert!(
        told.is_ok() && Arc::ptr_eq(first[0].content.numbers().unwrap(), same[0].content.numbers().unwrap())
    );
    std::fs::write(folder.path().join("a.txt"), "# nothing\n").unwrap();
    assert!(take(&source(&none, false)).0.unwrap_err().contains("lists nothing"));
    std::fs::remove_file(folder.path().join("a.txt")).unwrap();
    std::fs::create_dir(folder.path().join("a.txt")).unwrap();
    assert!(take(&source(&none, false)).0.unwrap_err().contains("it is no file"));
}
