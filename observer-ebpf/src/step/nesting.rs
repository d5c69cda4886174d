//! Whose VXLAN it is that stands inside VXLAN: a carrier between nodes is followed to the packet inside,
//! the VXLAN that a pod makes is the pod's traffic, whatever it holds.
//!
//! Never: a judgement of the addresses inside. A nested cluster's pods may have the same ones.

use crate::abi::key::Address;
use crate::parse::Packet;

use super::Tables;

/// True if the packet holds VXLAN that no pod made.
#[inline(never)]
pub fn is_carrier<T: Tables>(tables: &T, packet: &Packet) -> bool {
    let is_pods = |address: &Address| tables.is_networked(address) && !tables.is_node(address);
    packet.beyond != 0 && !is_pods(&packet.key.low) && !is_pods(&packet.key.high)
}
