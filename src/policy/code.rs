//! The table of alert codes: number, name, level, the status answered by default, and the class of refusal.
//!
//! Owns the numbers that admins know. Refuses to know who is alerted and how a line is written.
//! Read first: the README's table of alert codes; RFC 3261 §21.

use super::refusal::RefusalClass;

/// How loud.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Level {
    /// Something failed.
    Error,
    /// Something was refused or is close to it.
    Warning,
    /// Good to know.
    Notice,
}

impl Level {
    /// The word of the `log_level` field.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Notice => "notice",
        }
    }
}

/// A code of the table: number and stable name together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Code {
    /// e.g. 32203.
    pub number: u32,
    /// e.g. `number_blocked`.
    pub name: &'static str,
    /// Its level.
    pub level: Level,
    /// The status answered by default; `None` where nothing is answered or the case decides.
    pub status: Option<u16>,
    /// The class whose preset may replace the status.
    pub class: RefusalClass,
}

macro_rules! codes {
    ($($constant:ident $number:literal $name:literal $level:ident $status:expr, $class:ident;)*) => {
        $(
            #[doc = concat!($number, " `", $name, "`")]
            pub const $constant: Code = Code {
                number: $number,
                name: $name,
                level: Level::$level,
                status: $status,
                class: RefusalClass::$class,
            };
        )*
        /// Every code, in the order of the README's table.
        pub const ALL: &[Code] = &[$($constant),*];
    };
}

codes! {
    CALL_RATE_EXCEEDED 32001 "call_rate_exceeded" Warning Some(480), Capped;
    TOO_MANY_HOPS 32006 "too_many_hops" Warning Some(483), Protocol;
    // A 503 sends a PBX to its next way out: towards a listed peer it is 480 or what its preset says.
    NO_TARGET_AVAILABLE 32010 "no_target_available" Error Some(480), NoTarget;
    PEER_UNREACHABLE 32011 "peer_unreachable" Warning None, NoTarget;
    NO_AUDIO 32014 "no_audio" Warning None, Protocol;
    MAX_DURATION_REACHED 32015 "max_duration_reached" Warning None, Capped;
    POST_DIAL_DELAY_TIMEOUT 32016 "post_dial_delay_timeout" Warning Some(480), NoTarget;
    STIR_REJECTED 32020 "stir_rejected" Warning Some(438), Protocol;
    STIR_FAILED 32021 "stir_failed" Notice None, Protocol;
    ACK_NOT_RECEIVED 32022 "ack_not_received" Warning None, Protocol;
    INVALID_PHONE_NUMBER 32101 "invalid_phone_number" Warning Some(484), Unreadable;
    BAD_SDP 32102 "bad_sdp" Warning Some(488), Unreadable;
    EMPTY_BODY 32103 "empty_body" Warning Some(400), Protocol;
    INVALID_CONTACT 32105 "invalid_contact" Warning Some(400), Protocol;
    IDENTITY_MISMATCH 32106 "identity_mismatch" Warning Some(403), Blocked;
    URI_MALFORMED 32110 "uri_malformed" Warning Some(400), Protocol;
    HEADER_NAME_INVALID 32111 "header_name_invalid" Warning Some(400), Protocol;
    HEADER_VALUE_INVALID 32112 "header_value_invalid" Warning Some(400), Protocol;
    HEADER_NOT_ALLOWED 32113 "header_not_allowed" Warning Some(400), Protocol;
    PARAMETER_UNSUPPORTED 32114 "parameter_unsupported" Warning Some(400), Protocol;
    INSUFFICIENT_PERMISSIONS 32200 "insufficient_permissions" Warning Some(403), Suspended;
    SOURCE_NOT_IN_ACL 32201 "source_not_in_acl" Warning None, Protocol;
    BAD_CREDENTIALS 32202 "bad_credentials" Warning Some(403), Protocol;
    NUMBER_BLOCKED 32203 "number_blocked" Warning Some(403), Blocked;
    CALLER_NOT_OWNED 32204 "caller_not_owned" Warning Some(403), Blocked;
    COUNTRY_NOT_PERMITTED 32205 "country_not_permitted" Warning Some(403), Blocked;
    CALLER_INVALID 32206 "caller_invalid" Warning Some(403), Blocked;
    SECURE_MEDIA_NOT_ACCEPTED 32207 "secure_media_not_accepted" Warning Some(488), Unencrypted;
    SECURE_MEDIA_REQUIRED 32208 "secure_media_required" Warning Some(488), Unencrypted;
    SECURE_TRANSPORT_REQUIRED 32209 "secure_transport_required" Warning Some(403), Unencrypted;
    REGISTER_NOT_SUPPORTED 32210 "register_not_supported" Warning Some(405), Protocol;
    CALLER_ON_DENY_LIST 32216 "caller_on_deny_list" Warning Some(603), Blocked;
    TRANSFER_REFUSED 32218 "transfer_refused" Warning Some(403), Blocked;
    REDIRECT_REFUSED 32219 "redirect_refused" Warning Some(403), Blocked;
    TLS_VERSION_REFUSED 32222 "tls_version_refused" Warning None, Protocol;
    CONCURRENCY_EXCEEDED 10004 "concurrency_exceeded" Warning Some(480), Capped;
    POLICY_REJECTED 39001 "policy_rejected" Error None, Protocol;
    POLICY_RELOADED 39002 "policy_reloaded" Notice None, Protocol;
    CERTIFICATE_EXPIRING 39003 "certificate_expiring" Warning None, Protocol;
    WEAK_SECRET 39004 "weak_secret" Error None, Protocol;
    CERTIFICATE_RELOADED 39005 "certificate_reloaded" Notice None, Protocol;
    MALFORMED 39101 "malformed" Warning Some(400), Protocol;
    OVERSIZE 39102 "oversize" Warning Some(513), Protocol;
    SCANNER 39103 "scanner" Warning None, Protocol;
    LOOP_DETECTED 39104 "loop_detected" Warning Some(482), Protocol;
    AMPLIFICATION_REFUSED 39105 "amplification_refused" Warning None, Protocol;
    HIDDEN_BODY 39106 "hidden_body" Warning Some(400), Protocol;
    METHOD_NOT_ALLOWED 39107 "method_not_allowed" Notice Some(405), Protocol;
    UNKNOWN_DIALOG 39108 "unknown_dialog" Notice Some(481), Protocol;
    SESSION_EXPIRED 39109 "session_expired" Warning None, Protocol;
    SOURCE_BANNED 39201 "source_banned" Warning None, Protocol;
    BRUTE_FORCE 39202 "brute_force" Warning None, Protocol;
    NONCE_REPLAYED 39203 "nonce_replayed" Warning Some(403), Protocol;
    CHALLENGE_FROM_STRANGER 39204 "challenge_from_stranger" Warning None, Protocol;
    TO_MISMATCH 39205 "to_mismatch" Warning Some(403), Blocked;
    NUMBER_OBFUSCATED 39206 "number_obfuscated" Warning Some(403), Blocked;
    RELAY_ATTEMPT 39207 "relay_attempt" Warning Some(403), Blocked;
    NO_ROUTE 39208 "no_route" Warning Some(404), Blocked;
    REGISTRATION_LOST 39209 "registration_lost" Warning None, NoTarget;
    MINUTES_CAP 39301 "minutes_cap" Warning Some(403), Capped;
    SPEND_CAP 39302 "spend_cap" Warning Some(403), Capped;
    NEW_COUNTRY_HELD 39303 "new_country_held" Warning Some(403), Blocked;
    SEQUENTIAL_NUMBERS 39304 "sequential_numbers" Warning Some(403), Blocked;
    TEST_CALL_PATTERN 39305 "test_call_pattern" Warning Some(403), Blocked;
    FORWARD_LOOP 39306 "forward_loop" Warning Some(482), Blocked;
    FORWARDED_TO_RISK 39307 "forwarded_to_risk" Warning Some(403), Blocked;
    OUT_OF_HOURS 39308 "out_of_hours" Warning Some(403), Blocked;
    RISK_SCORE 39309 "risk_score" Warning Some(403), Blocked;
    CALLBACK_TRAP 39310 "callback_trap" Warning Some(403), Blocked;
    DIAL_PLAN_GUESSING 39311 "dial_plan_guessing" Warning Some(403), Blocked;
    DID_FLOOD 39401 "did_flood" Warning Some(480), Capped;
    // The only 503 that leaves the edge by its own will: it is overloaded itself.
    SHEDDING 39402 "shedding" Error Some(503), Protocol;
    TABLE_NEAR_LIMIT 39403 "table_near_limit" Warning None, Protocol;
    GREYLISTED 39404 "greylisted" Notice Some(480), Capped;
    MEDIA_FROM_STRANGER 39501 "media_from_stranger" Warning None, Protocol;
    SRTP_AUTH_FAILURES 39502 "srtp_auth_failures" Warning None, Protocol;
    SRTP_REPLAY 39503 "srtp_replay" Warning None, Protocol;
    MEDIA_DOWNGRADE 39504 "media_downgrade" Warning Some(488), Unencrypted;
    ONE_WAY_AUDIO 39505 "one_way_audio" Warning None, Protocol;
    MESSAGE_REWRITTEN 39601 "message_rewritten" Notice None, Protocol;
    MESSAGE_REFUSED 39602 "message_refused" Warning Some(403), Blocked;
    MESSAGE_PUMPING 39603 "message_pumping" Warning Some(403), Blocked;
    USAGE_TRIGGER_FIRED 39701 "usage_trigger_fired" Warning None, Protocol;
    SINK_FAILED 39702 "sink_failed" Error None, Protocol;
    SINK_RECOVERED 39703 "sink_recovered" Notice None, Protocol;
    SUSPENDED 39801 "suspended" Notice None, Suspended;
    RESUMED 39802 "resumed" Notice None, Suspended;
    CALLS_CUT 39803 "calls_cut" Warning None, Suspended;
    CREDENTIAL_ROTATED 39804 "credential_rotated" Notice None, Protocol;
    ADMIN_LOGIN_FAILED 39805 "admin_login_failed" Warning None, Protocol;
    EMERGENCY_CALL 39806 "emergency_call" Warning None, Protocol;
    STORE_UNAVAILABLE 39901 "store_unavailable" Error None, Protocol;
    NODE_LOST 39902 "node_lost" Error None, Protocol;
    RECOVERED_CALLS 39903 "recovered_calls" Warning None, Protocol;
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn numbers_and_names_stand_once() {
        let numbers: HashSet<u32> = ALL.iter().map(|code| code.number).collect();
        let names: HashSet<&str> = ALL.iter().map(|code| code.name).collect();
        assert_eq!(numbers.len(), ALL.len());
        assert_eq!(names.len(), ALL.len());
        for code in ALL {
            assert!(code.name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{}", code.name);
        }
    }

    #[test]
    fn a_policy_refusal_is_never_a_status_that_a_pbx_routes_around() {
        for code in ALL.iter().filter(|code| code.class != RefusalClass::Protocol) {
            if let Some(status) = code.status {
                assert!(code.class.allows(status), "{} answers {status}", code.name);
            }
        }
    }
}
