//! Running counts: plain numbers with stable names.
//!
//! Owns what is counted by the engine itself. Refuses to know who reads them. Read first: DESIGN.md law 9.

use crate::sip::error::Cause;

macro_rules! counts {
    ($($(#[doc = $what:literal])+ $name:ident,)+) => {
        /// Counts since the start; they only grow.
        #[derive(Debug, Clone, Default, PartialEq, Eq)]
        pub struct Counts {
            $($(#[doc = $what])+ pub $name: u64,)+
        }

        impl Counts {
            /// Every count with its stable name, in the order of declaration.
            #[must_use]
            pub fn named(&self) -> Vec<(&'static str, u64)> {
                vec![$((stringify!($name), self.$name),)+]
            }
        }
    };
}

counts! {
    /// Frames handed in by the shell.
    frames,
    /// Frames that hold only CR, LF or NUL (RFC 5626 §3.5.1, and what NAT keep-alives send).
    keep_alives,
    /// Empty lines sent to peers behind NAT.
    keep_alives_sent,
    /// Requests read.
    requests,
    /// Responses read.
    responses,
    /// Responses that match no transaction of ours, or come from another peer than the one asked.
    stray_responses,
    /// 2xx to INVITEs of calls that were over: acknowledged, and a fork's dialog ended.
    late_answers,
    /// ACKs that match nothing.
    stray_acks,
    /// Requests that a transaction had already seen.
    retransmissions,
    /// The same request over another path (RFC 3261 §8.2.2.2).
    merged,
    /// Requests with a To tag of no live dialog.
    unknown_dialogs,
    /// CANCELs that match no INVITE, or come from another peer.
    stray_cancels,
    /// INVITEs that would open a dialog, those among them that are asked for a password and come again.
    attempts,
    /// Requests that were asked for a password, whether or not they brought one.
    challenged,
    /// Requests that proved a password.
    proven,
    /// Requests that brought a wrong one.
    wrong_passwords,
    /// Requests too small to be answered by a challenge.
    challenges_withheld,
    /// Datagrams that proved nothing and were too small for any answer.
    answers_withheld,
    /// Attempts that became calls.
    admitted,
    /// Attempts that were answered with a refusal.
    refused,
    /// Attempts that policy left without an answer.
    silenced,
    /// Other requests answered with an error status.
    rejected,
    /// OPTIONS answered by us.
    options_answered,
    /// MESSAGEs carried.
    messages_carried,
    /// Requests refused because the transaction table is full.
    table_full,
    /// Requests of ours that did not leave, or once and never again, because the client transaction table is full.
    client_table_full,
    /// Requests of ours that did not leave because no datagram can carry them.
    client_oversize,
    /// Attempts refused because the edge drains.
    draining,
    /// Calls that waited for their turn at a target.
    paced,
    /// Times that a call did not get its turn at a target in time.
    paced_out,
    /// Times that a target asked for a pause between calls.
    targets_held,
    /// Probes sent.
    probes,
    /// REGISTER requests of ours, not counting copies and those sent again with a proof.
    registers,
    /// Frames the shell could not send.
    unsendable,
    /// Calls ended by a bug inside them.
    bugs,
    /// Records written.
    records,
    /// Malformed: start line.
    malformed_start_line,
    /// Malformed: SIP version.
    malformed_version,
    /// Malformed: Request-URI.
    malformed_request_uri,
    /// Malformed: header line.
    malformed_header_line,
    /// Malformed: a header is missing.
    malformed_missing,
    /// Malformed: a single-value header twice.
    malformed_repeated,
    /// Malformed: header value.
    malformed_header_value,
    /// Malformed: CSeq.
    malformed_cseq,
    /// Malformed: Content-Length.
    malformed_content_length,
    /// Malformed: a size or count limit.
    malformed_oversize,
    /// Malformed: framing of a stream.
    malformed_framing,
    /// Not SIP at all.
    malformed_not_sip,
}

impl Counts {
    /// Counts one message that the reader refused.
    pub fn malformed(&mut self, cause: Cause) {
        let place = match cause {
            Cause::StartLine => &mut self.malformed_start_line,
            Cause::Version => &mut self.malformed_version,
            Cause::RequestUri => &mut self.malformed_request_uri,
            Cause::HeaderLine => &mut self.malformed_header_line,
            Cause::Missing => &mut self.malformed_missing,
            Cause::Repeated => &mut self.malformed_repeated,
            Cause::HeaderValue => &mut self.malformed_header_value,
            Cause::CSeq => &mut self.malformed_cseq,
            Cause::ContentLength => &mut self.malformed_content_length,
            Cause::Oversize => &mut self.malformed_oversize,
            Cause::Framing => &mut self.malformed_framing,
            Cause::NotSip => &mut self.malformed_not_sip,
        };
        *place += 1;
    }
}
