//! What shows that packets of a path are too long for a part of it.

use observer_ebpf::abi::drop::Place;

/// Sweeps without a further drop after which they are no news.
const LIVE: u16 = 6;

/// Proofs of packets that did not get through for their size.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Oversize {
    /// Drops in this node's kernel by place and device, most packets first.
    pub dropped: Vec<Dropped>,
}

/// Packets of one path that the kernel dropped at one place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dropped {
    /// Where.
    pub place: Place,
    /// The kernel's reason, without the prefix that all have.
    pub reason: String,
    /// The device that was too narrow, or this node's end of a veth whose other end was.
    pub device: Option<String>,
    /// MTU of the device that was too narrow, bytes.
    pub mtu: u32,
    /// Packets.
    pub packets: u64,
    /// Packets since the last report.
    pub recent: u64,
    /// L3 bytes of the innermost packets.
    pub bytes: u64,
    /// L3 length of the largest innermost packet, bytes.
    pub largest: u32,
    /// Sweeps without a further drop: 0 = there are some now.
    pub quiet: u16,
}

impl Oversize {
    /// Packets that did not get through.
    #[must_use]
    pub fn drops(&self) -> u64 {
        self.dropped.iter().map(|dropped| dropped.packets).sum()
    }

    /// The drops that go on, most packets first.
    pub fn live(&self) -> impl Iterator<Item = &Dropped> {
        self.dropped.iter().filter(|dropped| dropped.quiet <= LIVE)
    }
}
