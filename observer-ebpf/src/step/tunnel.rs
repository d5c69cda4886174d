//! What tailscaled makes of the packets at its device: bytes of WireGuard messages, predicted, to be
//! compared with what leaves and comes as WireGuard or inside a relay's TCP.

use crate::abi::point::Hook;
use crate::cell::Tally;
use crate::parse::Packet;

use super::scene::Scene;
use super::{Frame, Size, Tables};

/// Bytes of a data message beside the packet: type, receiver index, counter, authentication tag.
const AROUND: u64 = 32;
/// Packets are padded to a multiple of this, up to the device's MTU (wireguard-go: device/send.go).
const PADDING: u64 = 16;

/// Adds what crosses one hook of the tunnel.
#[inline(always)]
pub(super) fn count<T: Tables>(scene: Scene<'_, T>, hook: Hook, frame: Frame, size: &Size) {
    if let Some(sum) = scene.tables.tunnel(hook) {
        sum.add(wireguard_bytes(scene.packet, frame, size));
    }
}

/// Payload bytes of the data messages that carry a buffer of a device without link layer. That the
/// MTU caps the padding is left out: 15 bytes a packet at most, and none where 16 divides it.
#[inline(always)]
fn wireguard_bytes(packet: &Packet, frame: Frame, size: &Size) -> u64 {
    let length = u64::from(frame.length);
    let further = size.segments - 1;
    if further == 0 {
        return one(length);
    }
    // Behind a merged UDP buffer's outer header every datagram begins anew.
    let headers = u64::from(if size.further > 0 {
        packet.outer.payload_offset
    } else {
        packet.payload_offset
    });
    let payload = u64::from(frame.gso_size);
    let last = length.saturating_sub(further * payload);
    further * one(headers + payload) + one(last)
}

#[inline(always)]
const fn one(length: u64) -> u64 {
    AROUND + ((length + PADDING - 1) & !(PADDING - 1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse::Outer;

    fn bytes(length: u32, gso_size: u32, segments: u64) -> u64 {
        let packet = Packet {
            payload_offset: 52,
            ..Packet::EMPTY
        };
        let size = Size {
            segments,
            bytes: 0,
            further: 0,
        };
        let frame = Frame {
            length,
            gso_size,
            mark: 0,
        };
        wireguard_bytes(&packet, frame, &size)
    }

    #[test]
    fn a_packet_is_padded_and_wrapped() {
        for (length, wanted) in [(88, 128), (178, 224), (1078, 1120), (1280, 1312), (80, 112)] {
            assert_eq!(bytes(length, 0, 1), wanted, "{length} bytes, as measured");
        }
    }

    #[test]
    fn an_aggregate_is_as_many_messages_as_segments() {
        // 3 segments of 1,228 + 52 bytes and one of 100 + 52.
        assert_eq!(bytes(52 + 3 * 1_228 + 100, 1_228, 4), 3 * 1_312 + 192);
    }

    #[test]
    fn merged_datagrams_share_the_outer_header_alone() {
        let packet = Packet {
            payload_offset: 130,
            outer: Outer {
                payload_offset: 28,
                ..Packet::EMPTY.outer
            },
            ..Packet::EMPTY
        };
        let size = Size {
            segments: 2,
            bytes: 0,
            further: 1,
        };
        let frame = Frame {
            length: 28 + 2 * 1_252,
            gso_size: 1_252,
            mark: 0,
        };
        assert_eq!(wireguard_bytes(&packet, frame, &size), 2 * 1_312);
    }
}
