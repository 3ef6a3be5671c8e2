//! What a row may hold, cell by cell, and what is told of one that holds something else.

use jiff::tz::TimeZone;

use super::*;

const HEAD: &str = "start,direction,peer,from,to,duration_s,answered,label,ring_s\n";

fn table(text: &str) -> Result<Rows, Failed> {
    read(text.as_bytes(), &Shape::default())
}

fn rows(lines: &str) -> Rows {
    table(&format!("{HEAD}{lines}")).unwrap()
}

#[test]
fn a_row_is_read_cell_by_cell() {
    let rows = rows(
        "2026-12-05T02:00:01Z,outbound,pbx,201,0037127913000,61.5,yes,fraud,4\n\
         2026-12-05T02:00:00Z,in,,+4930123,\"+1 212 555 0100\",0:01:01,true,good,\n\
         1796436002,,,,1,0,no,,\n",
    );
    assert_eq!((rows.bad_count, rows.list.len(), rows.labelled), (0, 3, true));
    let [inbound, outbound, third] = &rows.list[..] else { panic!("{rows:?}") };
    assert_eq!((outbound.number, inbound.number, third.number), (1, 2, 3), "sorted by start");
    assert_eq!((outbound.talk_ms, outbound.ring_ms, outbound.answered), (61_500, 4_000, true));
    assert_eq!((inbound.talk_ms, inbound.ring_ms), (61_000, ANSWERED_AFTER_MS));
    assert_eq!((third.talk_ms, third.ring_ms, &*third.from), (0, RINGS_MS, "anonymous"));
    assert_eq!((outbound.label, inbound.label, third.label), (Label::Fraud, Label::Good, Label::None));
    assert_eq!(inbound.start.rfc3339(), "2026-12-05T02:00:00.000Z");
    assert_eq!(rows.parties[usize::from(outbound.party)].peer.as_deref(), Some("pbx"));
    assert_eq!(rows.parties[usize::from(inbound.party)].direction, Some(Direction::Inbound));
}

#[test]
fn the_table_of_an_asterisk_is_read_by_its_own_columns_and_zone() {
    let columns = "start=calldate,to=dst,from=src,duration_s=billsec,answered=disposition:ANSWERED";
    let text = "\"calldate\",\"clid\",\"src\",\"dst\",\"billsec\",\"disposition\"\n\
                \"2024-01-02 03:04:05\",\"\"\"A\"\" <201>\",\"201\",\"0037127913000\",\"60\",\"ANSWERED\"\n\
                \"2024-07-02 03:04:05\",\"\",\"201\",\"0037127913000\",\"0\",\"NO ANSWER\"\n";
    let zone = TimeZone::get("Europe/Riga").unwrap();
    let shape = Shape { columns: Columns::read(columns).unwrap(), zone: Some(zone) };
    let rows = read(text.as_bytes(), &shape).unwrap();
    let starts: Vec<String> = rows.list.iter().map(|row| row.start.rfc3339()).collect();
    assert_eq!(starts, ["2024-01-02T01:04:05.000Z", "2024-07-02T00:04:05.000Z"]);
    assert_eq!(rows.list.iter().map(|row| row.answered).collect::<Vec<_>>(), [true, false]);
}

#[test]
fn a_table_without_a_header_is_read_by_places() {
    let shape = Shape { columns: Columns::read("start=1,from=2,to=3,duration_s=4").unwrap(), zone: None };
    let rows = read(&b"2026-12-05T02:00:00Z;201;112;5\n"[..], &shape).unwrap();
    assert_eq!((rows.list.len(), rows.list[0].talk_ms, &*rows.list[0].to), (1, 5_000, "112"));
}

#[test]
fn what_cannot_be_read_is_told_with_line_column_cause_and_cure() {
    for (line, column, told) in [
        ("yesterday,,,201,1,1,,,", "start", "is no time"),
        ("2024-01-02 03:04:05,,,201,1,1,,,", "start", "--zone"),
        ("2026-12-05T02:00:00Z,sideways,,201,1,1,,,", "direction", "write outbound"),
        ("2026-12-05T02:00:00Z,,,201,,1,,,", "to", "write what was dialled"),
        ("2026-12-05T02:00:00Z,,,201,1\u{7}2,1,,,", "to", "control character"),
        ("2026-12-05T02:00:00Z,,,201,1,-1,,,", "duration_s", "no number of seconds"),
        ("2026-12-05T02:00:00Z,,,201,1,604801,,,", "duration_s", "up to 604800"),
        ("2026-12-05T02:00:00Z,,,201,1,NaN,,,", "duration_s", "no number of seconds"),
        ("2026-12-05T02:00:00Z,,,201,1,1,perhaps,,", "answered", "neither yes nor no"),
        ("2026-12-05T02:00:00Z,,,201,1,1,,bad,", "label", "good or fraud"),
        ("2026-12-05T02:00:00Z,,,201,1,1,,,x", "ring_s", "no number of seconds"),
    ] {
        let rows = rows(&format!("{line}\n2026-12-05T02:00:00Z,,,201,1,1,,,\n"));
        assert_eq!((rows.bad_count, rows.list.len(), rows.list[0].number), (1, 1, 2), "{line}");
        let bad = &rows.bad[0];
        assert_eq!((bad.line, bad.column), (2, column), "{line}");
        assert!(bad.why.contains(told) && !bad.why.contains('\u{7}'), "{line}: {}", bad.why);
    }
    let many = rows(&"x\n".repeat(BAD_TOLD_MAX + 50));
    assert_eq!((many.bad.len(), many.bad_count), (BAD_TOLD_MAX, 150));
}

#[test]
fn a_file_that_is_none_is_refused_whole() {
    for (text, told) in [
        (&b""[..], "the file is empty"),
        (b"a,b,c\n", "no column \"start\""),
        (b"\xd4\xc3\xb2\xa1\x02\0\x04\0", "capture of packets"),
        (b"\x0a\x0d\x0d\x0a\0\0\0\0", "capture of packets"),
    ] {
        let failed = read(text, &Shape::default()).unwrap_err();
        assert!(failed.contains(told), "{failed}");
    }
}

#[test]
fn records_of_our_own_are_read_by_their_members() {
    let text = "{\"direction\":\"outbound\",\"from\":\"201\",\"to\":\"+37127913000\",\"began\":\"2026-12-05T02:00:00.000Z\",\
                \"answered\":\"2026-12-05T02:00:04.500Z\",\"ended\":\"2026-12-05T02:01:04.500Z\",\
                \"legs\":[{\"peer\":\"pbx\",\"call_id\":\"a\"}]}\n\
                {\"code\":32001,\"text\":\"an alert\"}\n{broken\n";
    let rows = table(text).unwrap();
    assert_eq!((rows.list.len(), rows.bad_count), (1, 1));
    let row = &rows.list[0];
    assert_eq!((row.ring_ms, row.talk_ms, row.answered, &*row.to), (4_500, 60_000, true, "+37127913000"));
    assert_eq!(rows.parties[0].peer.as_deref(), Some("pbx"));
    assert_eq!((rows.bad[0].line, rows.bad[0].column), (3, "record"));
}
