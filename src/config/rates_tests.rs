//! Rate decks, line by line: what is read, and what is told of a line that cannot be.

use super::*;

/// What is read of a deck: its prices, or what is told.
fn read(text: &str) -> Result<Deck, String> {
    let desk = Desk::new("rates.csv", "");
    let lines: Box<dyn BufRead> = Box::new(io::Cursor::new(text.to_owned().into_bytes()));
    let deck = Reading::new(&desk, "EUR").all(lines).unwrap();
    desk.close().map(|_warnings| deck).map_err(|errors| errors.to_string())
}

#[test]
fn a_deck_is_read_in_the_forms_that_trunks_send() {
    for text in [
        "prefix,price_per_minute,connect_fee,increment,currency,name\n371,0.05,0.01,60/60,EUR,Latvia\n37127,0.1,,30/6,,\"Latvia, mobile\"\n",
        "\u{feff}Name;Prefix;Price\nLatvia;+371;0.05\n# a remark\n\nLatvia mobile;37127;0.1\n",
        "prefix,price\n371,0.05\n371,0.05\n37127,0.10\n",
    ] {
        let deck = read(text).unwrap();
        assert_eq!((deck.len(), deck.dearest().per_minute), (2, Money(100_000)), "{text}");
    }
    let deck = read("prefix,price,increment\n1,1,30/6\n2,2,1\n").unwrap();
    assert_eq!(
        deck.dearest(),
        Rate { per_minute: Money(2_000_000), connect: Money(0), first_s: 30, then_s: 6 }
    );
}

#[test]
fn a_line_that_cannot_be_read_is_told_with_its_cure() {
    for (text, expected) in [
        ("371,0.05\n", "rates.csv:1:1: \"371\" is no column of a rate deck"),
        ("prefix,name\n371,Latvia\n", "rates.csv:1:1: the first line names no prefix or no price"),
        ("prefix,price,price\n", "rates.csv:1:1: the column \"price\" stands there twice"),
        ("prefix,price\nx,1\n", "rates.csv:2:1: \"x\" is no prefix"),
        ("prefix,price\n371,\n", "rates.csv:2:1: \"\" is no sum of money"),
        ("prefix,price\n371,-1\n", "rates.csv:2:1: \"-1\" is no sum of money"),
        ("prefix,price\n371\n", "rates.csv:2:1: the line names no price"),
        ("prefix,price\n371,1,2\n", "rates.csv:2:1: 3 cells, and the header has 2"),
        ("prefix,price\n371,1\n371,2\n", "rates.csv:3:1: \"371\" stands in another line with another price"),
        ("prefix,price,currency\n371,1,USD\n", "rates.csv:2:1: \"USD\" is another currency than \"EUR\""),
        ("prefix,price,increment\n371,1,0/60\n", "rates.csv:2:1: \"0/60\" is no increment"),
        ("prefix,price\n371,\"1\n", "rates.csv:2:1: a double quote is not closed"),
    ] {
        let told = read(text).unwrap_err();
        assert!(told.contains(expected), "{text}: {told}");
    }
    let all = read("prefix,price\nx,1\n371,1\ny,1\n").unwrap_err();
    assert!(all.contains("rates.csv:2:1") && all.contains("rates.csv:4:1"), "every bad line: {all}");
    assert!(read(&format!("prefix,price\n{}\n", "1".repeat(LINE_OCTETS_MAX + 10))).is_err());
}
