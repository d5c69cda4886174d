//! The tracepoint of packets that the kernel drops: those dropped for their size in the agent's network
//! namespace are counted by place, device and path; of any other one the reason and the address of the
//! code that dropped it are compared, and nothing of it is read.
//!
//! Never: a wait, an event per drop. The kernel skips the program where it interrupts itself.

use core::hint::cold_path;

use aya_ebpf::bindings::BPF_NOEXIST;
use aya_ebpf::helpers::bpf_probe_read_kernel;
use aya_ebpf::macros::raw_tracepoint;
use aya_ebpf::programs::RawTracePointContext;

use observer_ebpf::abi::counter::Loss;
use observer_ebpf::abi::drop::{DropRules, DropValue, Narrow, Offsets, Place};
use observer_ebpf::cell::{Cell32, Cell64};
use observer_ebpf::parse::{Expand, Framing, Packet, parse_into};
use observer_ebpf::step::{Frame, Tables, dropped, size};

use crate::atomic::{Atomic32, Atomic64};
use crate::frame::Head;
use crate::maps::{DROP_ROOM, DROP_RULES, DROPS, DropRoom, own};

/// `kfree_skb(skb, location, reason, ...)` (kernel: include/trace/events/skb.h; a reason since 5.17, a
/// receiving socket behind it since 6.11).
#[raw_tracepoint(tracepoint = "kfree_skb")]
pub(crate) fn drops(ctx: RawTracePointContext) {
    let (location, reason) = (ctx.arg::<u64>(1), ctx.arg::<u64>(2) as u32);
    let Some(rules) = DROP_RULES.get(0) else {
        return;
    };
    if let Some(place) = rules.place(reason, location) {
        cold_path();
        dropped_buffer(ctx.arg::<u64>(0), place as u32, reason);
    }
}

/// Looks at one buffer that was dropped at a place of the rules. Global to the verifier, which therefore
/// looks at it for itself; its answer means nothing.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn dropped_buffer(skb: u64, place: u32, reason: u32) -> u32 {
    let place = Place::from_number(place as u8);
    if let (Some(rules), Some(place)) = (DROP_RULES.get(0), place) {
        let drop = Drop { skb, place, reason };
        if drop.take(rules).is_none() {
            lose(Loss::DropsUnreadable);
        }
    }
    0
}

/// The kind of a veth with the end of its string, and the bytes of a word that both take.
const VETH: u64 = u64::from_le_bytes(*b"veth\0\0\0\0");
const NAME: u64 = 0xff_ffff_ffff;

/// A buffer on its way out.
struct Drop {
    skb: u64,
    place: Place,
    reason: u32,
}

/// A device.
struct Device {
    ifindex: u32,
    netns: u32,
    narrow: Narrow,
}

impl Drop {
    /// Counts it if it is the agent's and was too long; `None` if it could not be read.
    #[inline(always)]
    fn take(&self, rules: &DropRules) -> Option<()> {
        let at = &rules.offsets;
        let Some((own, narrow, place)) = self.devices(rules)? else {
            return Some(());
        };
        let length: u32 = read(self.skb, at.skb_len)?;
        let start: u64 = read(self.skb, at.skb_head)?;
        let shared = start.wrapping_add(u64::from(read::<u32>(self.skb, at.skb_end)?));
        let gso_size = u32::from(read::<u16>(shared, at.gso_size)?);
        if !narrow.refuses(place, length, gso_size) {
            return Some(());
        }
        let frame = Frame {
            length,
            gso_size,
            mark: 0,
        };
        self.parse(at, start, length)?;
        let room = DROP_ROOM.get_ptr_mut(0)?;
        // SAFETY: this CPU's value, which no other program uses, and this one never interrupts itself;
        // zeroes, as the map begins, are a valid value.
        let room = unsafe { &mut *room };
        room.key.ifindex = own;
        room.key.reason = self.reason;
        room.key.place = place as u8;
        count(room, narrow.mtu, frame);
        Some(())
    }

    /// The device of the agent's namespace, what of its MTU or its peer's was too narrow, and the place
    /// as it is seen from there; `Some(None)` if the packet is another namespace's.
    #[inline(always)]
    fn devices(&self, rules: &DropRules) -> Option<Option<(u32, Narrow, Place)>> {
        let at = &rules.offsets;
        let device: u64 = read(self.skb, at.skb_dev)?;
        let from = Device::read(device, at)?;
        if self.place != Place::VethToNode {
            if from.netns != rules.netns {
                return Some(None);
            }
            let narrow = if self.place.is_silent() {
                from
            } else {
                self.leaves_by(from, at)?
            };
            return Some(Some((narrow.ifindex, narrow.narrow, self.place)));
        }
        let ops: u64 = read(device, at.dev_ops)?;
        // Other drivers hand frames on by the same function, and a device may have no driver at all.
        if ops == 0 || read::<u64>(read(ops, at.ops_kind)?, 0)? & NAME != VETH {
            return Some(None);
        }
        let peer: u64 = read(device, at.dev_private)?;
        if peer == 0 {
            return Some(None);
        }
        let peer = Device::read(peer, at)?;
        Some(if peer.netns == rules.netns {
            Some((peer.ifindex, peer.narrow, Place::VethToNode))
        } else if from.netns == rules.netns {
            Some((from.ifindex, peer.narrow, Place::VethToPod))
        } else {
            None
        })
    }

    /// The device that the packet's route leaves by; without a route the one that it came by.
    #[inline(always)]
    fn leaves_by(&self, from: Device, at: &Offsets) -> Option<Device> {
        /// The reference's own bits (kernel: include/linux/skbuff.h, `SKB_DST_NOREF`).
        const FLAGS: u64 = 1;
        let route = read::<u64>(self.skb, at.skb_dst)? & !FLAGS;
        if route == 0 {
            return Some(from);
        }
        Device::read(read(route, at.dst_dev)?, at)
    }

    /// Parses the buffer, whose memory starts at `start`, into the room, from its IP header on.
    #[inline(always)]
    fn parse(&self, at: &Offsets, start: u64, length: u32) -> Option<()> {
        let network = start.wrapping_add(u64::from(read::<u16>(self.skb, at.skb_network)?));
        // Nothing where a place looks at the packet alone, else a link header.
        let before = network.wrapping_sub(read(self.skb, at.skb_data)?);
        let before = u32::try_from(before)
            .ok()
            .filter(|&before| before < length)?;
        let linear = length.wrapping_sub(read(self.skb, at.skb_data_len)?);
        let (linear, length) = (linear.wrapping_sub(before), length.wrapping_sub(before));
        (dropped_packet(network, linear, length) != 0).then_some(())
    }
}

/// Parses what begins with IP at an address; 0 if it is no packet. Global to the verifier, which looks
/// at the parser's many ways once and does not multiply them with the caller's.
#[unsafe(no_mangle)]
extern "C" fn dropped_packet(network: u64, linear: u32, length: u32) -> u32 {
    u32::from(parsed(network, (linear, length)).is_some())
}

#[inline(always)]
fn parsed(network: u64, (linear, length): (u32, u32)) -> Option<()> {
    let room = DROP_ROOM.get_ptr_mut(0)?;
    // SAFETY: this CPU's value; the caller has it only when this has returned.
    let room = unsafe { &mut *room };
    let head = Head::probe(network, &mut room.head, linear)?;
    parse_into(&head, Framing::Ip, Expand::No, length, &mut room.packet).ok()
}

impl Device {
    #[inline(always)]
    fn read(address: u64, at: &Offsets) -> Option<Self> {
        let namespace = read::<u64>(address, at.dev_net)?;
        Some(Self {
            ifindex: read(address, at.dev_ifindex)?,
            netns: read(namespace, at.net_inode)?,
            narrow: Narrow {
                mtu: read(address, at.dev_mtu)?,
                header: read(address, at.dev_header)?,
            },
        })
    }
}

/// Counts the buffer that was parsed into the room, if it is of the pods' networks.
#[inline(never)]
fn count(room: &mut DropRoom, mtu: u32, frame: Frame) {
    let Some((kernel, _, _)) = own() else {
        return;
    };
    let Some((path, direction)) = dropped(&kernel, &room.packet) else {
        return;
    };
    room.key.path = path;
    room.key.direction = direction as u8;
    let size = size(&room.packet, frame);
    let Some(cells) = entry(room) else {
        return lose(Loss::DropsRefused);
    };
    cells.packets.add(size.segments);
    cells.bytes.add(size.bytes);
    let largest = largest(&room.packet, frame);
    if largest > cells.largest.load() {
        cells.largest.store(largest);
    }
    if cells.mtu.load() != mtu {
        cells.mtu.store(mtu);
    }
}

/// The entry of the room's key, made if there is none.
#[inline(always)]
fn entry(room: &DropRoom) -> Option<&'static DropValue<Atomic32, Atomic64>> {
    let DropRoom { key, first, .. } = room;
    let found = match DROPS.get_ptr(key) {
        Some(found) => found,
        // If another CPU was first it is there all the same; if the map is full it is not.
        None => match DROPS.insert(key, first, u64::from(BPF_NOEXIST)) {
            Ok(()) | Err(_) => DROPS.get_ptr(key)?,
        },
    };
    // SAFETY: a live value of the map; the cells are transparent over the words of its declaration.
    Some(unsafe { &*found.cast() })
}

/// L3 length of the largest packet in the buffer, bytes.
#[inline(always)]
fn largest(packet: &Packet, frame: Frame) -> u32 {
    if frame.gso_size == 0 {
        return packet.length;
    }
    let headers = packet.payload_offset.wrapping_sub(packet.network_offset);
    headers.wrapping_add(frame.gso_size).min(packet.length)
}

#[inline(always)]
fn lose(loss: Loss) {
    if let Some((kernel, _, _)) = own() {
        kernel.count(loss.into(), 1);
    }
}

/// A field of a structure of the kernel.
#[inline(always)]
fn read<T: Copy>(structure: u64, offset: u32) -> Option<T> {
    let address = structure.wrapping_add(u64::from(offset));
    // SAFETY: the helper reads any address, or says that it cannot; fields are plain words.
    unsafe { bpf_probe_read_kernel(address as *const T) }.ok()
}
