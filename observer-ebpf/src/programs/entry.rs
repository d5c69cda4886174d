//! Entry points: `<role>_in` and `<role>_out` for each observation point.

use aya_ebpf::bindings::TC_ACT_UNSPEC;
use aya_ebpf::macros::classifier;
use aya_ebpf::programs::TcContext;

use observer_ebpf::abi::counter::Loss;
use observer_ebpf::abi::point::{Hook, Point, Site};
use observer_ebpf::parse::{Expand, Framing, Malformed, Packet, Rejected, parse_into};
use observer_ebpf::step::{Frame, Tables, observe, refuse};

use crate::frame::{Head, Linear, ROOM};
use crate::maps::{Kernel, Scratch, scratch};

macro_rules! entry_points {
    ($($name:ident: $point:ident $hook:ident;)*) => {$(
        #[classifier]
        pub(crate) fn $name(ctx: TcContext) -> i32 {
            pass(&ctx, const { Site { point: Point::$point, hook: Hook::$hook } });
            TC_ACT_UNSPEC
        }
    )*};
}

entry_points! {
    port_in: Port Ingress;
    port_out: Port Egress;
    bridge_in: Bridge Ingress;
    bridge_out: Bridge Egress;
    overlay_in: Overlay Ingress;
    overlay_out: Overlay Egress;
    tunnel_in: Tunnel Ingress;
    tunnel_out: Tunnel Egress;
    flannelwg_in: FlannelWg Ingress;
    flannelwg_out: FlannelWg Egress;
    underlay0_in: Underlay0 Ingress;
    underlay0_out: Underlay0 Egress;
    underlay1_in: Underlay1 Ingress;
    underlay1_out: Underlay1 Egress;
    underlay2_in: Underlay2 Ingress;
    underlay2_out: Underlay2 Egress;
}

#[inline(always)]
fn pass(ctx: &TcContext, site: Site) {
    let length = ctx.len();
    // SAFETY: the context is valid while the program runs; both are plain words of it.
    let (gso_size, mark) = unsafe { ((*ctx.skb.skb).gso_size, (*ctx.skb.skb).mark) };
    let Some(Scratch { packet, head }) = scratch() else {
        return;
    };
    let (framing, expand) = (Framing::at(site.point), Expand::at(site.point));
    let linear = Linear::of(ctx);
    let mut parsed = parse_into(&linear, framing, expand, length, packet);
    if parsed.is_err() && linear.is_part_of(length) {
        parsed = match (framing, expand) {
            (Framing::Ethernet, Expand::No) => {
                parse_copy::<false, false>(ctx, length, packet, head)
            }
            (Framing::Ethernet, Expand::Vxlan) => {
                parse_copy::<false, true>(ctx, length, packet, head)
            }
            (Framing::Ip, _) => parse_copy::<true, true>(ctx, length, packet, head),
        };
    }
    match parsed {
        Ok(()) => observe(
            &Kernel,
            site,
            Frame {
                length,
                gso_size,
                mark,
            },
            packet,
        ),
        Err(reason) => {
            // SAFETY: as above.
            let ifindex = unsafe { (*ctx.skb.skb).ifindex };
            refuse(&Kernel, site, reason, ifindex, length);
        }
    }
}

/// The rare case as a call of its own: its room on the stack is not the usual case's.
#[inline(never)]
fn parse_copy<const IP: bool, const VXLAN: bool>(
    ctx: &TcContext,
    length: u32,
    packet: &mut Packet,
    room: &mut [u8; ROOM],
) -> Result<(), Rejected> {
    let framing = if IP { Framing::Ip } else { Framing::Ethernet };
    let expand = if VXLAN { Expand::Vxlan } else { Expand::No };
    Kernel.count(Loss::HeadersCopied.into(), 1);
    match Head::copy(ctx, room, length as usize) {
        Some(head) => parse_into(&head, framing, expand, length, packet),
        None => {
            Kernel.count(Loss::HeadersUnreadable.into(), 1);
            Err(Malformed::Empty.into())
        }
    }
}

#[panic_handler]
fn panic(_info: &core::panic::PanicInfo<'_>) -> ! {
    // The verifier refuses a program that can reach this.
    loop {}
}

#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 4] = *b"GPL\0";
