//! Every form against every kind of number, at its limits.

use super::*;

fn forms() -> [Form; 6] {
    [
        Form::Unchanged,
        Form::E164Plus,
        Form::E164,
        Form::International { prefix: "00".into() },
        Form::National { country: "49".into(), prefix: "0".into(), international: "00".into() },
        Form::Tech { prefix: "1234#".into() },
    ]
}

fn written(form: &Form, number: &str) -> String {
    form.write(number).map_or_else(|why| format!("{why:?}"), |written| written.to_string())
}

#[test]
fn each_form_writes_a_number_or_says_why_not() {
    #[rustfmt::skip]
    let table = [
        // number, plus, bare, international, national, tech
        ("+4930123456", "+4930123456", "4930123456", "004930123456", "030123456", "1234#4930123456"),
        ("+37127913000", "+37127913000", "37127913000", "0037127913000", "0037127913000", "1234#37127913000"),
        ("+123456789012345", "+123456789012345", "123456789012345", "00123456789012345", "00123456789012345", "1234#123456789012345"),
        ("+1234567890123456", "TooLong", "TooLong", "TooLong", "TooLong", "TooLong"),
        ("+491", "+491", "491", "00491", "01", "1234#491"),
        ("+49", "TooShort", "TooShort", "TooShort", "TooShort", "TooShort"),
        ("+112", "+112", "112", "00112", "00112", "1234#112"),
        ("+49030123456", "+49030123456", "49030123456", "0049030123456", "Ambiguous", "1234#49030123456"),
        ("+4900371279130", "+4900371279130", "4900371279130", "004900371279130", "Ambiguous", "1234#4900371279130"),
        ("", "Empty", "Empty", "Empty", "Empty", "Empty"),
        ("+", "TooShort", "TooShort", "TooShort", "TooShort", "TooShort"),
        ("++4930123456", "NotDigits", "NotDigits", "NotDigits", "NotDigits", "NotDigits"),
        ("+49+30123456", "NotDigits", "NotDigits", "NotDigits", "NotDigits", "NotDigits"),
        ("+49 30 123456", "NotDigits", "NotDigits", "NotDigits", "NotDigits", "NotDigits"),
        ("+4930FLOWER", "NotDigits", "NotDigits", "NotDigits", "NotDigits", "NotDigits"),
        ("+49301234\u{0665}6", "NotDigits", "NotDigits", "NotDigits", "NotDigits", "NotDigits"),
        ("+0930123456", "CodeZero", "CodeZero", "CodeZero", "CodeZero", "CodeZero"),
        ("030123456", "NoPlus", "NoPlus", "NoPlus", "NoPlus", "NoPlus"),
        ("4930+123456", "NoPlus", "NoPlus", "NoPlus", "NoPlus", "NoPlus"),
        ("150", "NoPlus", "NoPlus", "NoPlus", "NoPlus", "NoPlus"),
        ("alice", "NoPlus", "NoPlus", "NoPlus", "NoPlus", "NoPlus"),
    ];
    let [unchanged, plus, bare, international, national, tech] = forms();
    for (number, a, b, c, d, e) in table {
        assert_eq!(written(&unchanged, number), number);
        for (form, expected) in [(&plus, a), (&bare, b), (&international, c), (&national, d), (&tech, e)] {
            assert_eq!(written(form, number), expected, "{number} as {}", form.name());
        }
    }
}

#[test]
fn a_country_without_a_prefix_keeps_its_zeros_unless_they_read_as_abroad() {
    let italy = Form::National { country: "39".into(), prefix: "".into(), international: "00".into() };
    assert_eq!(written(&italy, "+390612345678"), "0612345678");
    assert_eq!(written(&italy, "+3900612345678"), "Ambiguous");
    let america = Form::National { country: "1".into(), prefix: "1".into(), international: "011".into() };
    assert_eq!(written(&america, "+12125550100"), "12125550100");
    assert_eq!(written(&america, "+442071838750"), "011442071838750");
    let bare = Form::National { country: "1".into(), prefix: "".into(), international: "011".into() };
    assert_eq!(written(&bare, "+1011442071838"), "Ambiguous");
}

/// What a form writes reads back as the number that was judged, and as no other.
#[test]
fn what_is_written_reads_back_as_the_same_number() {
    let national = Form::National { country: "49".into(), prefix: "0".into(), international: "00".into() };
    let read = |text: &str| match (text.strip_prefix("00"), text.strip_prefix('0')) {
        (Some(abroad), _) => format!("+{abroad}"),
        (None, Some(home)) => format!("+49{home}"),
        (None, None) => format!("local {text}"),
    };
    for code in 1..=999_u32 {
        for rest in ["0", "00", "030", "110", "5550100", "1", "9999999999"] {
            let number = format!("+{code}{rest}");
            if let Ok(written) = national.write(&number) {
                assert_eq!(read(&written.to_string()), number);
            }
        }
    }
}

#[test]
fn codes_names_and_extensions_pass_only_where_they_are_named() {
    use Direction::{Inbound, Internal, Outbound, Transit};
    let numbers = Numbers { called: Form::E164, ..Numbers::default() };
    let called = |number: &str, direction, named| {
        let written = numbers.called(number, direction, named);
        written.map_or_else(|why| format!("{why:?}"), |written| written.to_string())
    };
    for (number, direction, named, expected) in [
        ("112", Outbound, true, "112"),
        ("112", Outbound, false, "NoPlus"),
        ("116117", Outbound, true, "116117"),
        ("1161170", Outbound, true, "NoPlus"),
        ("1161170", Inbound, true, "NoPlus"),
        ("*98", Outbound, true, "*98"),
        ("*98", Transit, false, "NoPlus"),
        ("service", Inbound, true, "service"),
        ("service", Inbound, false, "NoPlus"),
        ("150", Internal, false, "150"),
        ("15000000", Internal, false, "15000000"),
        ("+4930123456", Internal, false, "4930123456"),
        ("+4930123456", Outbound, true, "4930123456"),
        // Naming it makes no number of it.
        ("+49x", Outbound, true, "NotDigits"),
        ("", Internal, true, "Empty"),
        ("", Outbound, true, "Empty"),
    ] {
        assert_eq!(called(number, direction, named), expected, "{number:?} {direction:?} {named}");
    }
    let long = Numbers { short_digits_max: 0, ..numbers };
    assert_eq!(long.called("112", Outbound, true), Err(Unwritable::NoPlus));
    let unchanged = Numbers::default();
    assert_eq!(unchanged.called("0900", Outbound, false), Ok(Written::literal("0900")));
}

#[test]
fn a_caller_that_cannot_be_written_is_replaced_or_refused() {
    use Direction::{Internal, Outbound};
    let number = |text: &str| Some(Substitute::Number(text.into()));
    let to = |caller, substitute| Numbers { caller, substitute, ..Numbers::default() };
    let plain = to(Form::E164, None);
    let main = to(Form::E164, number("+493055500"));
    let hides = to(Form::E164, Some(Substitute::Anonymous));
    let unchanged = to(Form::Unchanged, number("+493055500"));
    for (numbers, caller, direction, expected) in [
        (&plain, "+4930123456", Outbound, "4930123456"),
        (&plain, "150", Outbound, "NoPlus"),
        (&plain, "", Outbound, "Empty"),
        (&plain, "150", Internal, "150"),
        (&plain, "", Internal, "Empty"),
        (&main, "+4930123456", Outbound, "4930123456"),
        (&main, "150", Outbound, "493055500"),
        (&main, "+49x", Outbound, "493055500"),
        (&main, "", Outbound, "493055500"),
        (&main, "150", Internal, "150"),
        (&hides, "150", Outbound, "nobody"),
        (&hides, "+4930123456", Outbound, "4930123456"),
        (&unchanged, "150", Outbound, "150"),
        (&unchanged, "", Outbound, "+493055500"),
        (&to(Form::Unchanged, None), "", Outbound, ""),
    ] {
        let written = match numbers.caller(caller, direction) {
            Ok(Some(written)) => written.to_string(),
            Ok(None) => "nobody".to_owned(),
            Err(why) => format!("{why:?}"),
        };
        assert_eq!(written, expected, "{caller:?} {direction:?} {numbers:?}");
    }
}

#[test]
fn country_codes_are_told_from_their_beginnings() {
    for code in ["1", "7", "20", "44", "49", "98", "212", "353", "371", "423", "670", "809", "881", "979"] {
        assert!(is_country_code(code), "{code}");
    }
    for text in ["", "0", "4", "37", "049", "491", "100", "712", "3", "1000", "+49", "a9", "49 "] {
        assert!(!is_country_code(text), "{text}");
    }
}
