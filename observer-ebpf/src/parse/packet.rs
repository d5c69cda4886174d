//! What the parser finds in a frame. Plain values; no reading and no judging.

use crate::abi::biflow::{Carriage, TcpOptions};
use crate::abi::key::{Address, FlowKey};
use crate::abi::outer::Within;
use crate::abi::point::FlowDirection;

use super::icmp::{IcmpError, IcmpErrorKind};
use super::{Malformed, NotOurs};

/// Why a frame is no packet of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rejected {
    /// Nothing of ours.
    NotOurs(NotOurs),
    /// A lie.
    Malformed(Malformed),
}

impl From<Malformed> for Rejected {
    #[inline(always)]
    fn from(reason: Malformed) -> Self {
        Self::Malformed(reason)
    }
}

/// An IP packet with its innermost visible flow. Flat, since kernel memory holds it too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    /// The innermost flow; of an ICMP error the one that it is about.
    pub key: FlowKey,
    /// The packet's direction within it.
    pub direction: FlowDirection,
    /// Fragmentation of the innermost packet.
    pub fragment: Fragment,
    /// Identification of the packet that was cut; meaningless of a whole one.
    pub identification: u32,
    /// Whether there is a VXLAN packet around it.
    pub carriage: Carriage,
    /// What it is if its addresses are no pods': a packet that hides others.
    pub opaque: Opaque,
    /// There is more than is followed: VXLAN beyond the bound or around a lie, or IPv6 extension headers
    /// beyond the chain's bound.
    pub too_deep: bool,
    /// Offset of the Ethernet header behind a VXLAN header in the innermost packet, bytes: what the step
    /// follows if no pod made it. 0 = there is none.
    pub beyond: u32,
    /// Receiver index of opaque WireGuard data as on the wire; virtual network identifier of other
    /// packets of a peer relay; else 0.
    pub session: u32,
    /// Offset of the innermost IP header in the frame, bytes.
    pub network_offset: u32,
    /// Offset of the innermost transport payload in the frame, bytes.
    pub payload_offset: u32,
    /// Offset in the frame of TCP options that are still to be read, up to `payload_offset`, by
    /// [`super::options`]; 0 = none. A [`super::Window`] leaves it as it is.
    pub options_at: u32,
    /// L3 length of the innermost packet, bytes. Of an aggregate: all payload, one set of headers.
    pub length: u32,
    /// Offset behind the bytes that the parser looked for and that are not there; 0 = nothing is missing.
    /// A packet that bears it was cut by its capture: its headers say more. A [`super::Window`] leaves it
    /// as it is.
    pub missing: u32,
    /// What times a round trip.
    pub timing: Timing,
    /// What it says of its connection; nothing unless it is TCP.
    pub options: TcpOptions,
    /// What it says if it is an ICMP error; meaningless if its kind is none.
    pub error: IcmpError,
    /// The VXLAN packet around it; meaningless if `carriage` is plain.
    pub outer: Outer,
}

impl Packet {
    /// Room for the parser to fill: a packet of nothing.
    pub const EMPTY: Self = Self {
        key: FlowKey::EMPTY,
        direction: FlowDirection::LowToHigh,
        fragment: Fragment::None,
        identification: 0,
        carriage: Carriage::Plain,
        opaque: Opaque::None,
        too_deep: false,
        beyond: 0,
        session: 0,
        network_offset: 0,
        payload_offset: 0,
        options_at: 0,
        length: 0,
        missing: 0,
        timing: Timing::NONE,
        options: TcpOptions::NONE,
        error: IcmpError::NONE,
        outer: Outer {
            source: Address::UNSPECIFIED,
            destination: Address::UNSPECIFIED,
            fragment: Fragment::None,
            payload_offset: 0,
            within: Within::NOTHING,
        },
    };

    /// The VXLAN packet around it, if there is one.
    #[inline(always)]
    #[must_use]
    pub const fn around(&self) -> Option<&Outer> {
        match self.carriage {
            Carriage::Plain => None,
            Carriage::Vxlan => Some(&self.outer),
        }
    }

    /// Goes on to the packet that it carries: `inner`, which was found at `beyond`.
    /// `inner` is worth nothing then.
    #[inline(always)]
    pub(super) fn enter(&mut self, inner: &mut Self) {
        let begin = self.beyond;
        inner.network_offset += begin;
        inner.payload_offset += begin;
        if inner.beyond != 0 {
            inner.beyond += begin;
        }
        if inner.options_at != 0 {
            inner.options_at += begin;
        }
        let around = inner.network_offset.wrapping_sub(self.network_offset);
        inner.carriage = Carriage::Vxlan;
        inner.outer = self.outer;
        inner.outer.within = self.outer.within.and(around);
        if self.fragment == Fragment::First {
            inner.outer.fragment = Fragment::First;
        }
        self.clone_from(inner);
    }

    /// What an ICMP error says, if it is one.
    #[inline(always)]
    #[must_use]
    pub const fn icmp_error(&self) -> Option<&IcmpError> {
        match self.error.kind {
            IcmpErrorKind::None => None,
            IcmpErrorKind::Unreachable
            | IcmpErrorKind::TooBig
            | IcmpErrorKind::TimeExceeded
            | IcmpErrorKind::ParameterProblem
            | IcmpErrorKind::SourceQuench
            | IcmpErrorKind::Redirect => Some(&self.error),
        }
    }
}

/// Fragmentation state of an IP packet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum Fragment {
    /// Whole.
    #[default]
    None = 0,
    /// Offset 0, more to come: holds the transport header.
    First = 1,
    /// Offset above 0: no transport header.
    Later = 2,
}

/// The outer packet of a VXLAN frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outer {
    /// Outer source address.
    pub source: Address,
    /// Outer destination address.
    pub destination: Address,
    /// Offset of the outer UDP payload in the frame, bytes.
    pub payload_offset: u32,
    /// Fragmentation of the outer packet; [`Fragment::First`] also if a VXLAN packet within was cut.
    pub fragment: Fragment,
    /// What lies between it and the innermost packet.
    pub within: Within,
}

/// A packet whose load cannot be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum Opaque {
    /// It is no such packet.
    #[default]
    None = 0,
    /// A WireGuard data message, by signature and length.
    WireGuard = 1,
    /// A WireGuard handshake or cookie message.
    WireGuardHandshake = 2,
    /// TCP, opaque when tailscaled's mark or `relays` say so.
    Tcp = 3,
    /// A later fragment of UDP.
    LaterFragment = 4,
    /// A WireGuard data message through a peer relay.
    PeerRelay = 5,
    /// A WireGuard handshake or a discovery message through a peer relay, or one with the relay.
    PeerRelayControl = 6,
    /// A discovery message of tailscaled.
    Disco = 7,
    /// A STUN message: which address a server sees somebody come from.
    Stun = 8,
}

/// Numbers in a packet that let a round trip be timed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timing {
    /// `TSval` of RFC 7323, {identifier, sequence} of an echo, or {client port, id} of a DNS query.
    pub probe: u32,
    /// `TSecr` of RFC 7323, {identifier, sequence} of an echo, or {client port, id} of a DNS answer.
    pub answer: u32,
    /// Sequence number behind the packet's last byte.
    pub sequence_end: u32,
    /// Acknowledgement number.
    pub ack: u32,
    /// What kind of numbers.
    pub kind: TimingKind,
    /// TCP flags as on the wire.
    pub tcp_flags: u8,
    /// The packet occupies sequence space: payload, SYN or FIN.
    pub occupies: bool,
}

impl Timing {
    /// Numbers of a packet that cannot be timed.
    pub const NONE: Self = Self {
        kind: TimingKind::None,
        tcp_flags: 0,
        occupies: false,
        probe: 0,
        answer: 0,
        sequence_end: 0,
        ack: 0,
    };
}

/// How a packet's round trip can be timed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum TimingKind {
    /// It cannot.
    #[default]
    None = 0,
    /// TCP without timestamps: retransmissions only.
    TcpPlain = 1,
    /// TCP with timestamps.
    TcpStamped = 2,
    /// Echo request of ICMP or its IPv6 twin.
    EchoRequest = 3,
    /// Echo reply of ICMP or its IPv6 twin.
    EchoReply = 4,
    /// DNS query over UDP.
    DnsQuery = 5,
    /// DNS answer over UDP.
    DnsAnswer = 6,
}

/// TCP flag FIN.
pub const TCP_FIN: u8 = 0x01;
/// TCP flag SYN.
pub const TCP_SYN: u8 = 0x02;
/// TCP flag RST.
pub const TCP_RST: u8 = 0x04;
/// TCP flag ACK.
pub const TCP_ACK: u8 = 0x10;
