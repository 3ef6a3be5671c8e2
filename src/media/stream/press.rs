//! Keys pressed, as telephone events tell them: each once, however many packets tell of it.
//!
//! Owns when a packet tells of a new press. Refuses to know which key it was. Read first: RFC 4733 §2.3, §2.5.

/// Events that are keys: 0 to 9, *, #, A to D (RFC 4733 §3.2), and the flash.
const LAST_KEY: u8 = 16;

/// The press that was heard last.
#[derive(Debug, Clone, Copy)]
struct Press {
    ssrc: u32,
    key: u8,
    timestamp: u32,
    duration: u16,
    ended: bool,
}

/// Counts the presses of one stream.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Presses {
    last: Option<Press>,
    count: u32,
}

impl Presses {
    /// A packet of the events' format: its source, its timestamp and its payload.
    pub(super) fn hear(&mut self, ssrc: u32, timestamp: u32, payload: &[u8]) {
        // RFC 4733 §2.3: the event; E, R and the volume; the duration so far.
        let &[key @ 0..=LAST_KEY, flags, high, low, ..] = payload else { return };
        let heard = Press {
            ssrc,
            key,
            timestamp,
            duration: u16::from_be_bytes([high, low]),
            ended: flags & 0x80 != 0,
        };
        let Some(last) = self.last.filter(|last| last.ssrc == ssrc) else {
            return self.press(heard);
        };
        if timestamp == last.timestamp {
            let ended = last.ended || heard.ended;
            self.last = Some(Press { duration: last.duration.max(heard.duration), ended, ..last });
            return;
        }
        if timestamp.wrapping_sub(last.timestamp) > u32::MAX / 2 {
            // Of a press before the last one, overtaken on its way.
            return;
        }
        // RFC 4733 §2.5.1.3: a press too long for the field goes on in a segment that begins where the last one ended.
        let goes_on = !last.ended
            && key == last.key
            && timestamp == last.timestamp.wrapping_add(u32::from(last.duration));
        if goes_on {
            self.last = Some(heard);
        } else {
            self.press(heard);
        }
    }

    /// How often a key was pressed.
    pub(super) const fn count(&self) -> u32 {
        self.count
    }

    fn press(&mut self, press: Press) {
        self.count = self.count.saturating_add(1);
        self.last = Some(press);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn payload(key: u8, ended: bool, duration: u16) -> [u8; 4] {
        let [high, low] = duration.to_be_bytes();
        [key, if ended { 0x8a } else { 0x0a }, high, low]
    }

    #[test]
    fn a_press_counts_once_whatever_is_lost_of_it_or_comes_twice() {
        // Packets as (timestamp, key, ended, duration), and how many presses they are.
        type Heard = (u32, u8, bool, u16);
        let rows: [(&str, &[Heard], u32); 11] = [
            ("one packet alone", &[(0, 5, false, 160)], 1),
            (
                "as phones send it",
                &[
                    (0, 5, false, 160),
                    (0, 5, false, 320),
                    (0, 5, true, 480),
                    (0, 5, true, 480),
                    (0, 5, true, 480),
                ],
                1,
            ),
            ("its end alone", &[(0, 5, true, 480), (0, 5, true, 480)], 1),
            ("the same key twice", &[(0, 5, true, 480), (960, 5, true, 480)], 2),
            ("the same key twice, the first end lost", &[(0, 5, false, 320), (960, 5, true, 480)], 2),
            ("two keys", &[(0, 5, true, 480), (480, 6, true, 480)], 2),
            (
                "the first overtaken by the second",
                &[(0, 5, false, 160), (960, 6, true, 480), (0, 5, true, 480)],
                2,
            ),
            ("in segments", &[(0, 5, false, 0xffff), (0xffff, 5, false, 160), (0xffff, 5, true, 480)], 1),
            ("pressed again just where it ended", &[(0, 5, true, 0xffff), (0xffff, 5, true, 160)], 2),
            ("over the clock's end", &[(u32::MAX - 10, 5, true, 480), (900, 5, true, 480)], 2),
            ("a fax tone", &[(0, 32, true, 480)], 0),
        ];
        for (what, packets, expected) in rows {
            let mut presses = Presses::default();
            for (timestamp, key, ended, duration) in packets {
                presses.hear(7, *timestamp, &payload(*key, *ended, *duration));
            }
            assert_eq!(presses.count(), expected, "{what}");
        }
    }

    #[test]
    fn another_source_presses_anew_and_what_is_no_event_presses_nothing() {
        let mut presses = Presses::default();
        presses.hear(7, 0, &payload(5, true, 480));
        presses.hear(8, 0, &payload(5, true, 480));
        assert_eq!(presses.count(), 2);
        presses.hear(8, 960, &[]);
        presses.hear(8, 960, &[5, 0x8a, 1]);
        assert_eq!(presses.count(), 2);
    }
}
