//! Lanes: nothing waits for them, nothing is lost unseen.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use serde_json::Value;

use super::*;
use crate::clock::Wall;
use crate::sinks::Sink;

fn file(path: &Path) -> LineFile {
    LineFile::open(&Sink::File { path: path.to_owned(), rotate_bytes: 0, keep: 0 }).unwrap()
}

fn alert(text: &str) -> Item {
    let mut alert = Alert::new(code::NUMBER_BLOCKED, Wall::from_micros(0), "x".into());
    alert.to = Some(text.into());
    // Of a peer of its own, so that no two are a crowd.
    alert.peer = Some(text.into());
    Item::Alert(Box::new(alert))
}

fn lines(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn lines_come_out_in_order_with_unique_sids_before_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("alerts");
    let lane = Lane::start("t", file(&path), 100, None).unwrap();
    for n in 0..50 {
        lane.push(alert(&n.to_string()));
    }
    let counts = lane.counts();
    assert_eq!(lane.finish(Duration::from_secs(5)), Finished::Whole);
    let lines = lines(&path);
    let order: Vec<_> = lines.iter().map(|line| line["to"].as_str().unwrap().to_owned()).collect();
    assert_eq!(order, (0..50).map(|n| n.to_string()).collect::<Vec<_>>());
    let mut sids: Vec<_> = lines.iter().map(|line| line["sid"].as_str().unwrap()).collect();
    assert!(sids.iter().all(|sid| sid.len() == 34 && sid.starts_with("NO")));
    sids.sort_unstable();
    sids.dedup();
    assert_eq!(sids.len(), 50);
    assert_eq!(counts.written.load(Ordering::Relaxed), 50);
}

#[test]
fn repeats_that_still_fold_at_the_end_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("alerts");
    let lane = Lane::start("t", file(&path), 100, None).unwrap();
    (0..20).for_each(|_| lane.push(alert("same")));
    assert_eq!(lane.finish(Duration::from_secs(5)), Finished::Whole);
    let counts: Vec<_> = lines(&path).iter().map(|line| line["count"].as_u64().unwrap()).collect();
    assert_eq!(counts, [1, 19]);
}

#[test]
fn f9_a_full_queue_drops_counts_and_tells() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("alerts");
    let lane = Lane::start("t", file(&path), 2, None).unwrap();
    let began = Instant::now();
    for n in 0..1_000 {
        lane.push(alert(&n.to_string()));
    }
    assert!(began.elapsed() < Duration::from_secs(1), "pushing never waits");
    let counts = lane.counts();
    let dropped = counts.dropped.load(Ordering::Relaxed);
    assert!(dropped > 0);
    assert_eq!(lane.finish(Duration::from_secs(5)), Finished::Whole);
    let lines = lines(&path);
    let told: Vec<_> = lines.iter().filter(|line| line["error_code"] == 39702).collect();
    assert_eq!(told.len(), 1, "{lines:?}");
    assert_eq!(told[0]["evidence"]["dropped"], dropped.to_string());
    assert_eq!(lines.len() as u64 - 1 + dropped, 1_000, "written and dropped add up");
}

#[test]
fn f9_a_full_disk_is_told_to_the_alerts_and_so_is_its_end() {
    let folder = tempfile::tempdir().unwrap();
    let alerts_path = folder.path().join("alerts");
    let alerts = Lane::start("a", file(&alerts_path), 100, None).unwrap();
    // A symbolic link that leads to a full disk first, and to a good one later.
    let link = folder.path().join("records");
    std::os::unix::fs::symlink("/dev/full", &link).unwrap();
    let records = Lane::start("r", file(&link), 100, Some(alerts.entrance())).unwrap();
    records.push(alert("waits"));
    wait_for(|| lines_if_any(&alerts_path).iter().any(|line| line["error_code"] == 39702));
    let good = folder.path().join("good");
    fs::remove_file(&link).unwrap();
    std::os::unix::fs::symlink(&good, &link).unwrap();
    records.push(Item::Reopen);
    wait_for(|| lines_if_any(&alerts_path).iter().any(|line| line["error_code"] == 39703));
    assert_eq!(lines(&good)[0]["to"], "waits", "what waited was not lost");
    assert_eq!(records.finish(Duration::from_secs(5)), Finished::Whole);
    assert_eq!(alerts.finish(Duration::from_secs(5)), Finished::Whole);
}

#[test]
fn the_end_does_not_wait_for_a_target_that_is_stuck() {
    // A pipe that nobody reads.
    let folder = tempfile::tempdir().unwrap();
    let (_reader, writer) = std::io::pipe().unwrap();
    let path = PathBuf::from(format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&writer)));
    let lane = Lane::start("t", file(&path), 100_000, None).unwrap();
    for n in 0..5_000 {
        lane.push(alert(&n.to_string()));
    }
    let began = Instant::now();
    assert_eq!(lane.finish(Duration::from_millis(300)), Finished::Stuck);
    assert!(began.elapsed() < Duration::from_secs(2));
    drop(folder);
}

#[test]
fn f9_lines_that_a_full_disk_takes_not_even_at_the_end_are_counted_and_told() {
    let folder = tempfile::tempdir().unwrap();
    let alerts_path = folder.path().join("alerts");
    let alerts = Lane::start("a", file(&alerts_path), 100, None).unwrap();
    let records = Lane::start("r", file(Path::new("/dev/full")), 100, Some(alerts.entrance())).unwrap();
    (0..3).for_each(|n| records.push(alert(&n.to_string())));
    let counts = records.counts();
    assert_eq!(records.finish(Duration::from_secs(5)), Finished::Lost(3));
    assert_eq!(counts.written.load(Ordering::Relaxed), 0, "what waits is not written");
    assert_eq!(counts.dropped.load(Ordering::Relaxed), 3);
    assert_eq!(alerts.finish(Duration::from_secs(5)), Finished::Whole);
    let lines = lines(&alerts_path);
    let told = lines.iter().filter(|line| line["error_code"] == 39702);
    assert!(told.clone().any(|line| line["evidence"]["dropped"] == "3"), "{lines:?}");
}

#[test]
fn f9_a_bug_costs_one_line_and_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("alerts");
    let lane = Lane::start("t", file(&path), 100, None).unwrap();
    for item in [alert("before"), Item::Panics, alert("after")] {
        lane.push(item);
    }
    let counts = lane.counts();
    wait_for(|| lines_if_any(&path).iter().any(|line| line["error_code"] == 39702));
    assert_eq!(lane.finish(Duration::from_secs(5)), Finished::Whole);
    let lines = lines(&path);
    let to: Vec<_> = lines.iter().filter_map(|line| line["to"].as_str()).collect();
    assert_eq!(to, ["before", "after"], "and no half line between them");
    assert_eq!(counts.dropped.load(Ordering::Relaxed), 1);
}

#[test]
fn f9_after_bug_upon_bug_the_rest_is_counted() {
    for (bugs, written, ended) in [
        (BUGS_MAX - 1, 1, Finished::Whole),
        (BUGS_MAX, 0, Finished::Lost(1)),
        (BUGS_MAX + 1, 0, Finished::Lost(2)),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("alerts");
        let lane = Lane::start("t", file(&path), 100, None).unwrap();
        (0..bugs).for_each(|_| lane.push(Item::Panics));
        lane.push(alert("last"));
        let counts = lane.counts();
        let ended_so = lane.finish(Duration::from_secs(5));
        let last = lines_if_any(&path).iter().filter(|line| line["to"] == "last").count();
        assert_eq!(last, written, "{bugs}");
        let lost = counts.dropped.load(Ordering::Relaxed);
        assert_eq!(lost, u64::from(bugs) + u64::from(written == 0), "{bugs}");
        // Bugs before the end was asked for are told by their alert; those at the end by how it ended.
        assert_ne!((ended_so, ended), (Finished::Stuck, Finished::Whole));
    }
}

fn lines_if_any(path: &Path) -> Vec<Value> {
    if path.exists() { lines(path) } else { Vec::new() }
}

fn wait_for(mut done: impl FnMut() -> bool) {
    let began = Instant::now();
    while !done() {
        assert!(began.elapsed() < Duration::from_secs(10), "it never came");
        thread::sleep(Duration::from_millis(20));
    }
}
