//! The sequence numbers of what leaves under our key.
//!
//! Owns that no single packet of a peer without a key moves them far: the index of SRTP goes ahead and never back, so that
//! one forged number would shut out all that is true for as long as the stream needs to reach it. Who begins its numbers
//! anew goes on where it was. Read first: RFC 3550 A.1, §7.1; RFC 3711 §3.3.1.

use super::Cause;
use crate::media::rtp::{BadPacket, RtpHeader};
use crate::media::srtp::{SOURCES_MAX, WINDOW_PACKETS};

/// How far a number may be from the newest one and still be of its course: the true ones behind it are in the replay
/// window still.
const NEAR: u16 = WINDOW_PACKETS as u16;

/// One source.
#[derive(Debug, Clone, Copy)]
struct Course {
    ssrc: u32,
    /// The newest number as it came.
    newest: u16,
    /// What is added to it when it leaves.
    offset: u16,
    /// The number that would prove another course.
    wanted: Option<u16>,
}

/// Every source that leaves under our key.
#[derive(Debug, Default)]
pub(super) struct Courses {
    list: Vec<Course>,
    /// Where the last one was found.
    last: usize,
}

impl Courses {
    /// Writes the number that an RTP packet leaves with.
    ///
    /// # Errors
    /// [`Cause::Late`] when it is far off, and the one before it did not announce it.
    pub(super) fn number(&mut self, packet: &mut [u8]) -> Result<(), Cause> {
        let header = RtpHeader::read(packet).map_err(Cause::Malformed)?;
        // The key serves no more sources than this, and says so itself.
        let Some(course) = self.find(header.ssrc, header.sequence) else { return Ok(()) };
        let number = course.place(header.sequence).ok_or(Cause::Late)?;
        let place = packet.get_mut(2..4).ok_or(Cause::Malformed(BadPacket::Short))?;
        place.copy_from_slice(&number.to_be_bytes());
        Ok(())
    }

    fn find(&mut self, ssrc: u32, sequence: u16) -> Option<&mut Course> {
        if self.list.get(self.last).is_none_or(|course| course.ssrc != ssrc) {
            let at = self.list.iter().position(|course| course.ssrc == ssrc);
            self.last = match at {
                Some(at) => at,
                None if self.list.len() < SOURCES_MAX => {
                    if self.list.is_empty() {
                        // Nearly every key serves one source all its time.
                        self.list.reserve_exact(1);
                    }
                    self.list.push(Course { ssrc, newest: sequence, offset: 0, wanted: None });
                    self.list.len() - 1
                }
                None => return None,
            };
        }
        self.list.get_mut(self.last)
    }
}

impl Course {
    fn place(&mut self, sequence: u16) -> Option<u16> {
        let ahead = sequence.wrapping_sub(self.newest);
        let is_behind = self.newest.wrapping_sub(sequence) < NEAR;
        if ahead < NEAR {
            self.newest = sequence;
        } else if !is_behind {
            // RFC 3550 A.1: two in sequence are a peer that began anew; one is nothing.
            if self.wanted != Some(sequence) {
                self.wanted = Some(sequence.wrapping_add(1));
                return None;
            }
            // RFC 3550 §7.1: who relays may number anew, and the receiver's roll-over counter knows of no step back.
            self.offset = self.newest.wrapping_add(self.offset).wrapping_add(1).wrapping_sub(sequence);
            self.newest = sequence;
        }
        self.wanted = None;
        Some(sequence.wrapping_add(self.offset))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As it comes, and as it leaves.
    type Number = (u16, Option<u16>);

    #[test]
    fn one_number_far_off_is_nothing_and_two_in_sequence_are_another_course() {
        let rows: [(&str, &[Number]); 6] = [
            ("in order, over the wrap", &[(65_534, Some(65_534)), (65_535, Some(65_535)), (0, Some(0))]),
            ("lost and late", &[(500, Some(500)), (627, Some(627)), (501, Some(501)), (628, Some(628))]),
            (
                "one too far",
                &[(500, Some(500)), (628, None), (501, Some(501)), (629, None), (502, Some(502))],
            ),
            ("anew, ahead", &[(500, Some(500)), (30_000, None), (30_001, Some(501)), (30_002, Some(502))]),
            (
                "anew, back",
                &[(40_000, Some(40_000)), (30_000, None), (30_001, Some(40_001)), (30_000, Some(40_000))],
            ),
            (
                "there and back",
                &[(9, Some(9)), (900, None), (901, Some(10)), (10, None), (11, Some(11)), (12, Some(12))],
            ),
        ];
        for (what, numbers) in rows {
            let mut course = Course { ssrc: 1, newest: numbers[0].0, offset: 0, wanted: None };
            for (came, left) in numbers {
                assert_eq!(course.place(*came), *left, "{what}: {came}");
            }
        }
    }

    #[test]
    fn sources_are_bounded_and_one_too_many_is_left_as_it_is() {
        let mut courses = Courses::default();
        for ssrc in 0..200 {
            let mut packet = super::super::tests::rtp_of(ssrc, 8, 7);
            assert_eq!(courses.number(&mut packet), Ok(()));
            assert_eq!(packet, super::super::tests::rtp_of(ssrc, 8, 7));
        }
        assert_eq!(courses.list.len(), SOURCES_MAX);
    }
}
