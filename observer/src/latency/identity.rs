//! The identity of a sampled round trip: three numbers of the reply that no NAT rewrites, so that
//! the agents of both nodes derive the same trace without a word between them.

/// What names a round trip on every node that saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Identity {
    /// The reply's `TSecr`, or the echo token.
    pub answer: u32,
    /// The reply's `TSval`; 0 for echo.
    pub probe: u32,
    /// The reply's acknowledgement number; 0 for echo.
    pub ack: u32,
    /// IP protocol.
    pub protocol: u8,
}

/// Multiplier of the finaliser, an odd number with evenly spread bits (golden ratio).
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

impl Identity {
    /// Sixteen bytes, never all zero (W3C trace context, trace-id).
    #[must_use]
    pub fn trace_id(&self) -> [u8; 16] {
        let words = u128::from(self.word(1)) << 64 | u128::from(self.word(2));
        words.max(1).to_be_bytes()
    }

    /// Eight bytes for the span in this role, never all zero. Equal on every node for an equal role.
    #[must_use]
    pub fn span_id(&self, role: u64) -> [u8; 8] {
        self.word(3_u64.wrapping_add(role)).max(1).to_be_bytes()
    }

    fn word(&self, lane: u64) -> u64 {
        let first = u64::from(self.answer) << 32 | u64::from(self.probe);
        let second = u64::from(self.ack) << 32 | u64::from(self.protocol);
        let mut word = mix(lane.wrapping_mul(SPREAD));
        word = mix(word ^ first);
        mix(word ^ second)
    }
}

/// A 64-bit finaliser: every input bit reaches every output bit.
const fn mix(mut word: u64) -> u64 {
    word = (word ^ (word >> 32)).wrapping_mul(SPREAD);
    word = (word ^ (word >> 29)).wrapping_mul(SPREAD);
    word ^ (word >> 32)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn a_changed_bit_anywhere_changes_the_trace() {
        let base = Identity {
            answer: 7,
            probe: 9,
            ack: 11,
            protocol: 6,
        };
        let mut seen = HashSet::from([base.trace_id()]);
        for bit in 0..32 {
            let one = 1 << bit;
            assert!(
                seen.insert(
                    Identity {
                        answer: base.answer ^ one,
                        ..base
                    }
                    .trace_id()
                )
            );
            assert!(
                seen.insert(
                    Identity {
                        probe: base.probe ^ one,
                        ..base
                    }
                    .trace_id()
                )
            );
            assert!(
                seen.insert(
                    Identity {
                        ack: base.ack ^ one,
                        ..base
                    }
                    .trace_id()
                )
            );
        }
        assert!(
            seen.insert(
                Identity {
                    protocol: 1,
                    ..base
                }
                .trace_id()
            )
        );
    }

    #[test]
    fn roles_of_one_round_trip_have_ids_of_their_own() {
        let identity = Identity {
            answer: 1,
            probe: 2,
            ack: 3,
            protocol: 6,
        };
        let ids: HashSet<_> = (0..64).map(|role| identity.span_id(role)).collect();
        assert_eq!(ids.len(), 64);
    }
}
