//! The identity of a sampled round trip: three numbers of the reply that no NAT rewrites, so that
//! the agents of both nodes derive the same trace without a word between them.

use observer_ebpf::abi::key::FlowKey;
use observer_ebpf::abi::point::FlowDirection;
use observer_ebpf::step::order;

/// What names a round trip on every node that saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Identity {
    /// The reply's `TSecr`, the echo token, or {client port, id} of a DNS query.
    pub answer: u32,
    /// The reply's `TSval`; of an echo and a DNS answer a hash of both addresses.
    pub probe: u32,
    /// The reply's acknowledgement number; 0 without one.
    pub ack: u32,
    /// IP protocol.
    pub protocol: u8,
}

/// IP protocol of TCP.
const TCP: u8 = 6;
/// IP protocol of UDP: of what bears it DNS alone is timed.
pub(super) const UDP: u8 = 17;

/// Multiplier of the finaliser, an odd number with evenly spread bits (golden ratio).
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

impl Identity {
    /// Of a packet without a reply, so without what both nodes would know: this node's alone.
    #[must_use]
    pub fn one_sided(probe: u32, key: &FlowKey, direction: FlowDirection, node: &str) -> Self {
        let flow = [direction as u8].into_iter().chain(
            [key.low.octets(), key.high.octets()]
                .into_iter()
                .flatten()
                .chain([key.low_port, key.high_port].into_iter().flatten()),
        );
        Self {
            answer: probe,
            probe: fold(node.bytes()),
            ack: fold(flow),
            protocol: key.protocol,
        }
    }

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

    /// Its place among all round trips that were selected at 1 in 2^`rate`, from 0 on, evenly spread
    /// and the same on every node: agents that cannot keep all keep the first, so that both ends of
    /// a round trip keep the same ones. Of TCP and DNS, those that a lower rate selects too come first.
    #[must_use]
    pub fn rank(&self, rate: u8) -> u64 {
        let mixed = self.word(0);
        if !matches!(self.protocol, TCP | UDP) {
            return mixed;
        }
        let order = u64::from(order(self.answer).reverse_bits()) << 32 | mixed >> 32;
        let shift = u32::from(rate).min(order.leading_zeros());
        order << shift
    }

    /// The port of the data's sender, that its flow's key gives as `port`: the key of DNS leaves out from
    /// which port a client asks, the query says it.
    pub(super) const fn source_port(&self, port: u16) -> u16 {
        let [high, low, ..] = self.answer.to_be_bytes();
        match (self.protocol, port) {
            (UDP, 0) => u16::from_be_bytes([high, low]),
            (_, port) => port,
        }
    }

    fn word(&self, lane: u64) -> u64 {
        let first = u64::from(self.answer) << 32 | u64::from(self.probe);
        let second = u64::from(self.ack) << 32 | u64::from(self.protocol);
        let mut word = mix(lane.wrapping_mul(SPREAD));
        word = mix(word ^ first);
        mix(word ^ second)
    }
}

/// FNV-1a, 32 bits (draft-eastlake-fnv).
pub(super) fn fold(octets: impl Iterator<Item = u8>) -> u32 {
    octets.fold(0x811c_9dc5, |hash: u32, octet| {
        (hash ^ u32::from(octet)).wrapping_mul(0x0100_0193)
    })
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

    use observer_ebpf::step::is_selected;

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
    fn ranks_are_even_and_a_lower_rate_comes_first() {
        let rank = |protocol, answer, rate| {
            let identity = Identity {
                answer,
                probe: 2,
                ack: 3,
                protocol,
            };
            identity.rank(rate)
        };
        let selected = (0..1 << 20).filter(|&probe| is_selected(probe, 4));
        let selected: Vec<u32> = selected.collect();
        let half = u64::MAX / 2;
        let first = selected.iter().filter(|&&probe| rank(6, probe, 4) < half);
        let first: Vec<_> = first.collect();
        assert_eq!(first.len(), selected.len() / 2);
        assert!(first.iter().all(|&&probe| is_selected(probe, 5)));
        let echoes = (0..10_000).filter(|&probe| rank(1, probe, 4) < half);
        assert!((4_800..5_200).contains(&echoes.count()));
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
