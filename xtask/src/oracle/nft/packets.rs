//! Which packets a counter counts, as an nft expression. Pure.

use std::fmt::{self, Display, Formatter};

/// The bits of a mark that Tailscale uses.
const MASK: u32 = 0x00ff_0000;

/// Tailscale's part of a packet's mark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// None.
    Clear,
    /// Sent by tailscaled itself, or made from such a packet.
    Tailscaled,
    /// Came in by tailscale0 and is forwarded.
    Forwarded,
}

/// The packets that fit every part.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Packets(Vec<String>);

impl Packets {
    /// All packets.
    #[must_use]
    pub fn all() -> Self {
        Self::default()
    }

    /// Those with this mark. A mark is lost when a packet changes its namespace.
    #[must_use]
    pub fn with_mark(self, mark: Mark) -> Self {
        let bits = match mark {
            Mark::Clear => 0,
            Mark::Tailscaled => 0x8_0000,
            Mark::Forwarded => 0x4_0000,
        };
        self.and(format_args!("meta mark & {MASK:#x} == {bits:#x}"))
    }

    /// UDP to this port; a fragment after the first has no port.
    #[must_use]
    pub fn to_udp_port(self, port: u16) -> Self {
        self.and(format_args!("udp dport {port}"))
    }

    /// IPv4 fragments, first and last ones included.
    #[must_use]
    pub fn in_fragments(self) -> Self {
        self.and(format_args!("ip frag-off & 0x3fff != 0"))
    }

    /// IPv6 fragments, first and last ones included.
    #[must_use]
    pub fn in_ipv6_fragments(self) -> Self {
        self.and("exthdr frag exists")
    }

    /// Those that fit an expression of nft too.
    #[must_use]
    pub fn and(mut self, expression: impl Display) -> Self {
        self.0.push(expression.to_string());
        self
    }
}

impl Display for Packets {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join(" "))
    }
}

#[cfg(test)]
mod tests {
    use super::{Mark, Packets};

    #[test]
    fn parts_follow_each_other() {
        let packets = Packets::all()
            .with_mark(Mark::Tailscaled)
            .to_udp_port(8472)
            .in_fragments()
            .and("ip saddr 10.0.0.1");
        assert_eq!(
            packets.to_string(),
            "meta mark & 0xff0000 == 0x80000 udp dport 8472 ip frag-off & 0x3fff != 0 ip saddr 10.0.0.1"
        );
        assert_eq!(Packets::all().to_string(), "");
    }
}
