//! The file of the store: what it keeps, what it makes of files that it cannot trust.

use super::*;

const NOW: Wall = Wall::from_micros(1_795_304_700_123_999);

fn rows(list: &[(&'static str, &str, Option<&str>)]) -> Rows {
    list.iter().map(|(kind, key, value)| ((*kind, Box::from(*key)), value.map(Box::from))).collect()
}

fn whole(path: &Path) -> (Base, Vec<Kept>) {
    let Opened { base, rows, lost } = Base::open(path, NOW).unwrap();
    assert_eq!(lost, None);
    (base.unwrap(), rows)
}

fn aside(folder: &Path) -> Vec<String> {
    let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.contains(".damaged-")).collect()
}

#[test]
fn e4_what_was_written_is_there_after_a_restart_and_what_was_taken_away_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("deep/ringfence.db");
    let (mut base, found) = whole(&path);
    assert!(found.is_empty());
    base.write(&rows(&[("ban", "one", Some("1")), ("ban", "two", Some("2")), ("lock", "one", Some("3"))]))
        .unwrap();
    base.write(&rows(&[("ban", "one", None), ("ban", "two", Some("4"))])).unwrap();
    // No end that says so: a killed process says nothing.
    std::mem::drop(base);
    let (_base, found) = whole(&path);
    assert_eq!(found, [Kept::row("ban", "two", "4"), Kept::row("lock", "one", "3")]);
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
}

#[test]
fn rows_of_kinds_that_nobody_knows_stay_and_are_not_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ringfence.db");
    let (mut base, _) = whole(&path);
    base.write(&rows(&[("of a later version", "one", Some("1"))])).unwrap();
    drop(base);
    let (base, found) = whole(&path);
    assert!(found.is_empty());
    let count: u32 = base.connection.query_row("SELECT count(*) FROM kept", [], |row| row.get(0)).unwrap();
    assert_eq!(count, 1);
}

#[test]
fn two_processes_never_share_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ringfence.db");
    let (_base, _) = whole(&path);
    assert!(matches!(Base::open(&path, NOW), Err(Refused::Locked)));
}

#[test]
fn a_file_of_the_version_before_is_taken_to_this_one_and_keeps_its_rows() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ringfence.db");
    let (mut base, _) = whole(&path);
    base.write(&rows(&[("ban", "one", Some("1"))])).unwrap();
    drop(base);
    let next = [STEPS[0], "ALTER TABLE kept ADD COLUMN written INTEGER"];
    let (base, found) = Base::take(&path, &next).unwrap_or_else(|_| panic!("migrated"));
    assert_eq!(found, [Kept::row("ban", "one", "1")]);
    let version: u32 = base.connection.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
    assert_eq!(version, 2);
    drop(base);
    // And the version before does not touch what it does not know.
    let Opened { base, rows, lost } = Base::open(&path, NOW).unwrap();
    assert!(base.is_some() && rows.is_empty());
    assert!(lost.unwrap().contains("its version is 2"));
    assert_eq!(aside(folder.path()).len(), 1);
}

#[test]
fn a_step_that_fails_leaves_the_version_before() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ringfence.db");
    drop(whole(&path));
    assert!(Base::take(&path, &[STEPS[0], "ALTER TABLE nowhere ADD COLUMN x"]).is_err());
    let (_base, found) = whole(&path);
    assert!(found.is_empty());
}

#[test]
fn what_is_no_store_is_set_aside_and_a_new_one_begun() {
    for garbage in [&b"not a database, and longer than its header would have to be to be one........................................"[..], &[0xff; 8192]] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ringfence.db");
        fs::write(&path, garbage).unwrap();
        let Opened { base, rows: found, lost } = Base::open(&path, NOW).unwrap();
        assert!(found.is_empty() && lost.unwrap().contains("is set aside as"));
        base.unwrap().write(&rows(&[("ban", "one", Some("1"))])).unwrap();
        let [name] = &aside(folder.path())[..] else { panic!("one is set aside") };
        assert_eq!(fs::read(folder.path().join(name)).unwrap(), garbage, "and is left as it was");
    }
}

#[test]
fn a_page_that_was_overwritten_is_found_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ringfence.db");
    let (mut base, _) = whole(&path);
    let long = "x".repeat(2_000);
    let many: Rows =
        (0..200).map(|key| (("ban", key.to_string().into()), Some(long.clone().into()))).collect();
    base.write(&many).unwrap();
    drop(base);
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 2 / 4096 * 4096;
    bytes[middle..middle + 4096].fill(0x55);
    fs::write(&path, bytes).unwrap();
    let Opened { base, lost, .. } = Base::open(&path, NOW).unwrap();
    assert!(base.is_some() && lost.is_some());
}

#[test]
fn a_path_that_cannot_be_stops_the_start() {
    assert!(matches!(Base::open(Path::new("/proc/nowhere/ringfence.db"), NOW), Err(Refused::Unusable(_))));
    let folder = tempfile::tempdir().unwrap();
    assert!(matches!(Base::open(folder.path(), NOW), Err(Refused::Unusable(_))), "it is a folder");
}
