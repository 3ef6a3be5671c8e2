//! The thread of the store: the last word on each row, disks that take nothing, and what is told of them.

use std::sync::mpsc::{Receiver, sync_channel};

use super::*;

fn row(key: &str, value: &str) -> Kept {
    Kept::row("ban", key, value)
}

fn alarm() -> (Alarm, Receiver<Item>) {
    let (sender, told) = sync_channel(16);
    (Alarm(sender), told)
}

fn codes(told: &Receiver<Item>) -> Vec<u32> {
    let code = |item| match item {
        Item::Alert(alert) => alert.code.number,
        Item::Record(_) | Item::Reopen | Item::Panics => 0,
    };
    told.try_iter().map(code).collect()
}

#[test]
fn the_last_word_on_each_key_waits_and_nothing_newer_is_overwritten() {
    let mut queue = Queue::default();
    queue.put(row("one", "1"));
    queue.put(row("one", "22"));
    assert_eq!((queue.rows.len(), queue.bytes), (1, 2));
    queue.put(Kept::gone("ban", "one"));
    assert_eq!((queue.rows.len(), queue.bytes), (1, 0), "that it is gone must be written, too");
    let failed = std::mem::take(&mut queue.rows);
    queue.put(row("one", "new"));
    queue.put_back(failed);
    assert_eq!(queue.rows.values().flatten().map(|value| &**value).collect::<Vec<_>>(), ["new"]);
}

#[test]
fn f9_what_waits_is_bounded_and_counted_past_it() {
    let mut queue = Queue::default();
    for key in 0..=WAITING_MAX {
        queue.put(row(&key.to_string(), "1"));
    }
    assert_eq!((queue.rows.len(), queue.dropped), (WAITING_MAX, 1));
    queue.put(row("0", "2"));
    assert_eq!(queue.dropped, 1, "one that waits is still replaced");
    let mut queue = Queue::default();
    queue.put(row("large", &"x".repeat(WAITING_BYTES_MAX)));
    queue.put(row("more", "1"));
    assert_eq!((queue.rows.len(), queue.dropped), (1, 1));
}

#[test]
fn rows_are_on_the_disk_after_the_end_and_come_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ringfence.db");
    let (alarm, told) = alarm();
    let mut store = Store::start(&path, alarm.clone()).unwrap();
    assert_eq!(store.recalled(), Some(Vec::new()));
    store.keep(vec![row("one", "1"), row("two", "2"), Kept::gone("ban", "one")]);
    assert_eq!(store.finish(Duration::from_secs(30)), 0);
    let mut store = Store::start(&path, alarm).unwrap();
    assert_eq!(store.recalled(), Some(vec![row("two", "2")]));
    assert_eq!(store.recalled(), None, "once");
    assert_eq!(store.finish(Duration::from_secs(30)), 0);
    assert!(codes(&told).is_empty());
}

#[test]
fn a_damaged_file_is_told_and_the_engine_is_told_that_nothing_is_known() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ringfence.db");
    std::fs::write(&path, [0xff; 8192]).unwrap();
    let (alarm, told) = alarm();
    let mut store = Store::start(&path, alarm).unwrap();
    assert_eq!(store.recalled(), Some(vec![Kept::row(STORE, LOST, "true")]));
    assert_eq!(store.finish(Duration::from_secs(30)), 0);
    assert_eq!(codes(&told), [39901]);
}

#[test]
fn a_second_edge_on_one_file_is_refused_with_the_cure() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ringfence.db");
    let (alarm, _told) = alarm();
    let store = Store::start(&path, alarm.clone()).unwrap();
    let refused = Store::start(&path, alarm).unwrap_err();
    assert!(
        refused.contains("is in use by another process") && refused.contains("ringfence stop"),
        "{refused}"
    );
    assert_eq!(store.finish(Duration::from_secs(30)), 0);
}

/// A disk that takes nothing so many times.
struct Full(u32, Arc<Mutex<Rows>>);

impl Target for Full {
    fn write(&mut self, rows: &Rows) -> Result<(), String> {
        match self.0.checked_sub(1) {
            Some(rest) => {
                self.0 = rest;
                Err("database or disk is full".to_owned())
            }
            None => {
                self.1.lock().unwrap().extend(rows.clone());
                Ok(())
            }
        }
    }
}

#[test]
fn f9_a_full_disk_is_told_once_and_loses_nothing_once_it_takes_rows_again() {
    let (alarm, told) = alarm();
    let (shared, disk) = (Arc::new(Shared::default()), Arc::new(Mutex::new(Rows::new())));
    let thread = Thread {
        shared: Arc::clone(&shared),
        clock: Clock::start(),
        alarm,
        path: PathBuf::from("full.db"),
        target: Some(Box::new(Full(3, Arc::clone(&disk)))),
        pause: Duration::from_millis(1),
    };
    shared.lock().put(row("one", "1"));
    let thread = thread::spawn(move || thread.run(|| Err("no such disk".to_owned())));
    while disk.lock().unwrap().is_empty() {
        thread::sleep(Duration::from_millis(1));
    }
    shared.lock().closing = true;
    shared.bell.notify_one();
    thread.join().unwrap();
    assert_eq!(disk.lock().unwrap().len(), 1);
    assert_eq!(codes(&told), [39901, 39703]);
}
