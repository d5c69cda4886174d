//! Entry points before the stack: `<role>_xdp` for each underlay, and what its TC ingress program adds
//! when one of them is in place.

use aya_ebpf::bindings::xdp_action::XDP_PASS;
use aya_ebpf::bindings::{__sk_buff, xdp_md};
use aya_ebpf::macros::xdp;
use aya_ebpf::programs::{TcContext, XdpContext};

use observer_ebpf::abi::point::{Hook, Point, Site};
use observer_ebpf::parse::{Bytes, Expand, Framing, Packet, Window, parse_into};
use observer_ebpf::step::{arrive, note, receive};

use crate::entry::{forget, frame};
use crate::frame::Linear;
use crate::maps::own;

macro_rules! entry_points {
    ($($name:ident: $point:ident;)*) => {$(
        /// Not for frames in several pieces: for a program that takes them generic XDP copies buffers
        /// and forgets the length of their link header, so that all TC programs behind miss it (seen
        /// on 6.18).
        #[xdp]
        pub(crate) fn $name(ctx: XdpContext) -> u32 {
            pass(&ctx, Point::$point);
            XDP_PASS
        }
    )*};
}

entry_points! {
    underlay0_xdp: Underlay0;
    underlay1_xdp: Underlay1;
    underlay2_xdp: Underlay2;
}

#[inline(always)]
fn pass(ctx: &XdpContext, point: Point) {
    let Some((kernel, packet, _)) = own() else {
        return;
    };
    let linear = Linear::of_frame(ctx);
    arrive(&kernel, point, u64::from(linear.length()));
    let packet = forget(packet);
    if usual(&linear, packet) || unusual_arrival(ctx.ctx) == PACKET {
        note(&kernel, point, packet);
    }
}

/// Parses a frame whose headers have the usual lengths, as the TC program does first.
#[inline(always)]
fn usual(linear: &Linear, packet: &mut Packet) -> bool {
    let (framing, expand) = (Framing::Ethernet, Expand::Vxlan);
    let length = linear.length();
    linear
        .at::<116>(0)
        .is_some_and(|head| parse_into(&Window(head), framing, expand, length, packet).is_ok())
}

/// Answer of [`unusual_arrival`]: this CPU's room holds a packet.
const PACKET: u32 = 1;

/// Parses any other frame into this CPU's room. Global to the verifier, which looks at it for itself.
#[unsafe(no_mangle)]
extern "C" fn unusual_arrival(ctx: *mut xdp_md) -> u32 {
    let Some((_, packet, _)) = own() else {
        return 0;
    };
    let linear = Linear::of_frame(&XdpContext::new(ctx));
    let length = linear.length();
    let parsed = parse_into(&linear, Framing::Ethernet, Expand::Vxlan, length, packet);
    u32::from(parsed.is_ok())
}

/// 1 if frames are counted on the wire. The agent says so before it loads a program: where it is 0 the
/// verifier takes what it guards out of the TC programs.
#[unsafe(no_mangle)]
static WIRED: u32 = 0;

/// True for the hooks that count what came from the wire.
#[inline(always)]
pub(crate) fn is_wired(site: Site) -> bool {
    // SAFETY: a word of the object's own read-only data.
    site.point.is_underlay()
        && matches!(site.hook, Hook::Ingress)
        && unsafe { (&raw const WIRED).read_volatile() } != 0
}

/// Counts a buffer at an underlay's TC ingress: of the packet that this CPU's room holds, or of none.
#[inline(always)]
pub(crate) fn received(ctx: &TcContext, site: Site, holds_packet: bool) {
    let point = (site.point as u32) << 1 | u32::from(holds_packet);
    count_received(ctx.skb.skb, point);
}

/// Global to the verifier, as [`unusual_arrival`]; its answer means nothing.
#[unsafe(no_mangle)]
extern "C" fn count_received(ctx: *mut __sk_buff, place: u32) -> u32 {
    let Some((kernel, packet, _)) = own() else {
        return 0;
    };
    let point = match place >> 1 {
        5 => Point::Underlay0,
        6 => Point::Underlay1,
        7 => Point::Underlay2,
        _ => return 0,
    };
    let packet = (place & 1 == 1).then_some(&*packet);
    receive(&kernel, point, frame(&TcContext::new(ctx)), packet);
    0
}
