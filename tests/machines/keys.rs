//! Which messages belong to one transaction.
//!
//! Owns the tables of matching: RFC 3261, RFC 2543, ACK, CANCEL, merged requests.

use ringfence::transaction::{ClientKey, Keys, Sender};

use super::words::{message, request, written};

const HERE: Sender = Sender(0);

fn keys() -> Keys {
    Keys::new([1, 2])
}

/// Whether two requests fall into one server transaction.
fn same(one: &str, other: &str) -> bool {
    keys().server(HERE, &message(one)) == keys().server(HERE, &message(other))
}

fn via(method: &str, via: &str) -> String {
    written(method, via, "one", "")
}

#[test]
fn requests_match_by_branch_sent_by_and_method() {
    let base = via("INVITE", "SIP/2.0/UDP a.invalid:5070;branch=z9hG4bKx");
    for (what, matches, other) in [
        ("itself", true, base.clone()),
        ("another branch", false, via("INVITE", "SIP/2.0/UDP a.invalid:5070;branch=z9hG4bKy")),
        ("another sent-by host", false, via("INVITE", "SIP/2.0/UDP b.invalid:5070;branch=z9hG4bKx")),
        ("another sent-by port", false, via("INVITE", "SIP/2.0/UDP a.invalid:5071;branch=z9hG4bKx")),
        ("no sent-by port", false, via("INVITE", "SIP/2.0/UDP a.invalid;branch=z9hG4bKx")),
        ("sent-by in capitals", true, via("INVITE", "SIP/2.0/UDP A.Invalid:5070;branch=z9hG4bKx")),
        ("other Via parameters", true, via("INVITE", "SIP/2.0/UDP a.invalid:5070;rport;branch=z9hG4bKx")),
        ("another method", false, via("OPTIONS", "SIP/2.0/UDP a.invalid:5070;branch=z9hG4bKx")),
        ("its ACK", true, via("ACK", "SIP/2.0/UDP a.invalid:5070;branch=z9hG4bKx")),
        (
            "its CANCEL, a transaction of its own",
            false,
            via("CANCEL", "SIP/2.0/UDP a.invalid:5070;branch=z9hG4bKx"),
        ),
        (
            "another Call-ID: the branch decides",
            true,
            written("INVITE", "SIP/2.0/UDP a.invalid:5070;branch=z9hG4bKx", "two", ""),
        ),
    ] {
        assert_eq!(same(&base, &other), matches, "{what}");
    }
}

#[test]
fn addresses_of_sent_by_are_compared_as_addresses() {
    let of = |host: &str| via("INVITE", &format!("SIP/2.0/UDP {host};branch=z9hG4bKx"));
    assert!(same(&of("[2001:db8::1]"), &of("[2001:DB8:0:0::1]")));
    assert!(!same(&of("[2001:db8::1]"), &of("[2001:db8::2]")));
}

#[test]
fn without_an_rfc_3261_branch_rfc_2543_matching_holds() {
    for old in ["", ";branch=1", ";branch=z9hG4bK", ";branch=Z9HG4BK"] {
        let with = |method: &str, call_id: &str, tag: &str| {
            written(method, &format!("SIP/2.0/UDP a.invalid{old}"), call_id, tag)
        };
        let base = with("INVITE", "one", "");
        for (what, matches, other) in [
            ("itself", true, base.clone()),
            ("another Call-ID", false, with("INVITE", "two", "")),
            ("another CSeq", false, base.replace("CSeq: 1", "CSeq: 2")),
            ("another From tag", false, base.replace("tag=a", "tag=b")),
            ("another Request-URI", false, base.replace("sip:bob@192.0.2.9 ", "sip:eve@192.0.2.9 ")),
            ("another top Via", false, base.replace("a.invalid", "b.invalid")),
            ("its ACK, with the tag of the response", true, with("ACK", "one", ";tag=r")),
            ("another method", false, with("OPTIONS", "one", "")),
        ] {
            assert_eq!(same(&base, &other), matches, "{what} with '{old}'");
        }
        assert!(!same(&with("BYE", "one", ";tag=r"), &with("BYE", "one", ";tag=s")), "To tag with '{old}'");
        let cancel = message(&with("CANCEL", "one", ""));
        assert_eq!(
            keys().cancelled(HERE, &cancel),
            keys().server(HERE, &message(&base)),
            "CANCEL with '{old}'"
        );
    }
}

#[test]
fn a_cancel_means_the_invite_of_its_branch() {
    let invite = keys().server(HERE, &message(&request("INVITE", "z9hG4bK1", "")));
    for (branch, means) in [("z9hG4bK1", true), ("z9hG4bK2", false)] {
        let cancel = message(&request("CANCEL", branch, ""));
        assert_eq!(keys().cancelled(HERE, &cancel) == invite, means, "{branch}");
    }
}

#[test]
fn a_key_holds_for_one_sender_and_one_secret() {
    let invite = message(&request("INVITE", "z9hG4bK1", ""));
    let key = keys().server(HERE, &invite);
    assert_ne!(key, keys().server(Sender(1), &invite));
    assert_ne!(key, Keys::new([1, 3]).server(HERE, &invite));
    assert_ne!(key, Keys::new([3, 2]).server(HERE, &invite));
    assert_eq!(format!("{:?}", keys()), "Keys([redacted])");
}

#[test]
fn f8_merged_requests_differ_in_their_path_alone() {
    let merged = |text: &str| keys().merged(HERE, &message(text));
    let base = request("INVITE", "z9hG4bK1", "");
    for (what, same, other) in [
        ("another branch", true, request("INVITE", "z9hG4bK2", "")),
        ("another sent-by", true, base.replace("UDP 192.0.2.1", "UDP 192.0.2.2")),
        ("another From tag", false, base.replace("tag=a", "tag=b")),
        ("another Call-ID", false, base.replace("Call-ID: one", "Call-ID: two")),
        ("another CSeq", false, base.replace("CSeq: 1", "CSeq: 2")),
        ("another method", false, request("MESSAGE", "z9hG4bK1", "")),
    ] {
        assert_eq!(merged(&base) == merged(&other), same, "{what}");
    }
    assert_ne!(merged(&base), keys().merged(Sender(1), &message(&base)), "another peer's copy");
    for (what, asked, text) in [
        ("INVITE", true, base.clone()),
        ("MESSAGE", true, request("MESSAGE", "z9hG4bK1", "")),
        ("re-INVITE", false, request("INVITE", "z9hG4bK1", ";tag=b")),
        ("ACK", false, request("ACK", "z9hG4bK1", "")),
        ("CANCEL", false, request("CANCEL", "z9hG4bK1", "")),
        ("OPTIONS", false, request("OPTIONS", "z9hG4bK1", "")),
    ] {
        assert_eq!(merged(&text).is_some(), asked, "{what}");
    }
}

#[test]
fn a_client_key_is_the_branch_and_the_method_of_cseq() {
    let key = |branch, method: &str| ClientKey::new(branch, method.as_bytes());
    assert_eq!(key(1, "INVITE"), key(1, "INVITE"));
    assert_ne!(key(1, "INVITE"), key(2, "INVITE"));
    assert_ne!(key(1, "INVITE"), key(1, "CANCEL"));
    assert_ne!(key(1, "INFO"), key(1, "INF"));
    assert_ne!(key(1, "SUBSCRIBE"), key(1, "REGISTER"));
}
