//! Entry points: `<role>_in` and `<role>_out` for each observation point.

use core::arch::asm;
use core::hint::cold_path;

use aya_ebpf::bindings::{__sk_buff, TC_ACT_UNSPEC};
use aya_ebpf::cty::c_void;
use aya_ebpf::helpers::generated::bpf_loop;
use aya_ebpf::macros::classifier;
use aya_ebpf::programs::TcContext;

use observer_ebpf::abi::counter::Loss;
use observer_ebpf::abi::point::{Hook, Point, Site};
use observer_ebpf::abi::row::Row;
use observer_ebpf::parse::{
    Bytes, Expand, Framing, KERNEL_DEPTH, Nest, Packet, Window, descend, is_dns, left, message,
    options, parse_into,
};
use observer_ebpf::step::{
    Frame, MOST, Tables, Unread, count_cut, further, is_carrier, observe, refuse, rest, tell_unread,
};

use crate::arrival::{is_wired, received};
use crate::frame::{Datagrams, Frames, Head, Linear, is_beyond_head};
use crate::maps::{inner, own};

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
    let Some((kernel, packet, _)) = own() else {
        return;
    };
    let packet = forget(packet);
    let (framing, expand) = (Framing::at(site.point), Expand::at(site.point));
    let is_usual = match (framing, expand) {
        (Framing::Ethernet, Expand::No) => usual::<66>(ctx, framing, expand, packet),
        (Framing::Ethernet, Expand::Vxlan) => usual::<116>(ctx, framing, expand, packet),
        (Framing::Ip, _) => usual::<102>(ctx, framing, expand, packet),
    };
    if !is_usual {
        cold_path();
        let mut refused = match (framing, expand) {
            (Framing::Ethernet, Expand::No) => unusual_frame(ctx.skb.skb),
            (Framing::Ethernet, Expand::Vxlan) => unusual_outer_frame(ctx.skb.skb),
            (Framing::Ip, _) => unusual_packet(ctx.skb.skb),
        };
        if refused == CUT {
            refused = match (framing, expand) {
                (Framing::Ethernet, Expand::No) => cut_frame(ctx.skb.skb),
                (Framing::Ethernet, Expand::Vxlan) => cut_outer_frame(ctx.skb.skb),
                (Framing::Ip, _) => cut_packet(ctx.skb.skb),
            };
        }
        if refused == PACKET && matches!(expand, Expand::Vxlan) && forget(packet).beyond != 0 {
            nested(ctx.skb.skb);
        }
        if refused == PACKET && forget(packet).options_at != 0 {
            refused = tcp_options(ctx.skb.skb);
        }
        if refused != PACKET {
            if is_wired(site) {
                received(ctx, site, false);
            }
            let unread = Unread {
                cell: refused,
                // SAFETY: the context is valid while the program runs; this is a plain word of it.
                ifindex: unsafe { (*ctx.skb.skb).ifindex },
                length: ctx.len(),
                site,
            };
            return tell_unread(&kernel, &unread);
        }
        if is_dns(packet) {
            dns_message(ctx.skb.skb);
        }
    }
    if is_wired(site) {
        received(ctx, site, true);
    }
    if let Some(row) = observe(&kernel, site, frame(ctx), forget(packet)) {
        cold_path();
        behind_first(ctx.skb.skb, row.index());
    }
}

/// Counts the datagrams behind the first one of a merged buffer, which counted on the row with this
/// index. Global to the verifier, as [`unusual_frame`]; its answer means nothing.
#[unsafe(no_mangle)]
extern "C" fn behind_first(ctx: *mut __sk_buff, row: u32) -> u32 {
    let mut buffer = Buffer { ctx, row };
    // SAFETY: the callback takes a buffer, which outlives the call.
    unsafe {
        bpf_loop(
            MOST,
            one_behind_first as *mut c_void,
            (&raw mut buffer).cast(),
            0,
        );
    }
    if let Some((kernel, packet, _)) = own() {
        rest(&kernel, Row::at(row), frame(&TcContext::new(ctx)), packet);
    }
    0
}

/// A merged buffer, and the row that its first datagram counted on.
struct Buffer {
    ctx: *mut __sk_buff,
    row: u32,
}

/// Counts one datagram; 1 ends the loop.
extern "C" fn one_behind_first(index: u64, buffer: *mut Buffer) -> u64 {
    // SAFETY: the kernel hands on what was given to `bpf_loop`.
    let Buffer { ctx, row } = unsafe { buffer.read() };
    let ctx = TcContext::new(ctx);
    let Some((kernel, packet, room)) = own() else {
        return 1;
    };
    let mut heads = Datagrams::of(&ctx, room);
    let buffer = (frame(&ctx), &*packet);
    let is_one = further(&kernel, Row::at(row), buffer, index as u32 + 1, &mut heads);
    u64::from(!is_one)
}

/// The same packet to compiler and verifier as one they know nothing of: the parser's many
/// histories end here, and fields are reached by short offsets.
#[inline(always)]
pub(crate) fn forget(packet: &mut Packet) -> &mut Packet {
    let mut pointer: *mut Packet = packet;
    // SAFETY: the pointer is the one it was. (Without any instruction the object's line table has two
    // lines at one place, which the kernel refuses.)
    unsafe {
        asm!("{0} = {0}", inout(reg) pointer);
        &mut *pointer
    }
}

/// Parses a frame whose headers are IPv4 and TCP with timestamps, or as long as those, each of the
/// usual length: `N` bytes in one piece. False if it has others.
#[inline(always)]
fn usual<const N: usize>(
    ctx: &TcContext,
    framing: Framing,
    expand: Expand,
    packet: &mut Packet,
) -> bool {
    Linear::of(ctx)
        .at::<N>(0)
        .is_some_and(|head| parse_into(&Window(head), framing, expand, ctx.len(), packet).is_ok())
}

/// What the kernel says of the buffer.
#[inline(always)]
pub(crate) fn frame(ctx: &TcContext) -> Frame {
    // SAFETY: the context is valid while the program runs; all are plain words of it.
    unsafe {
        let skb = &*ctx.skb.skb;
        Frame {
            length: (&raw const skb.len).read_volatile(),
            gso_size: skb.gso_size,
            mark: skb.mark,
        }
    }
}

macro_rules! unusual {
    ($($name:ident: $parse:ident $framing:ident $expand:ident;)*) => {$(
        /// Global to the verifier, which therefore looks at it once and for itself: its many ways
        /// are not multiplied with its caller's.
        #[unsafe(no_mangle)]
        extern "C" fn $name(ctx: *mut __sk_buff) -> u32 {
            $parse(&TcContext::new(ctx), Framing::$framing, Expand::$expand)
        }
    )*};
}

unusual! {
    unusual_frame: unusual Ethernet No;
    unusual_outer_frame: unusual Ethernet Vxlan;
    unusual_packet: unusual Ip Vxlan;
    cut_frame: cut Ethernet No;
    cut_outer_frame: cut Ethernet Vxlan;
    cut_packet: cut Ip Vxlan;
}

/// Goes on to the packet inside a carrier, in this CPU's room. Global to the verifier, as
/// [`unusual_frame`]; its answer means nothing.
#[unsafe(no_mangle)]
extern "C" fn nested(ctx: *mut __sk_buff) -> u32 {
    let Some((kernel, packet, room)) = own() else {
        return 0;
    };
    let Some(inner) = inner() else {
        return 0;
    };
    let ctx = TcContext::new(ctx);
    let nest = Nest {
        length: ctx.len(),
        packet,
        inner,
        bytes: Frames::of(&ctx, room),
    };
    descend(nest, KERNEL_DEPTH, |packet| is_carrier(&kernel, packet));
    0
}

/// Answer of [`unusual`] and [`cut`]: no cell of the ledger.
const PACKET: u32 = u32::MAX;
/// Answer of [`unusual`]: headers go on behind the copied head.
const CUT: u32 = u32::MAX - 1;

/// Parses any other frame into this CPU's room, out of the linear part or a copy of the head; counts
/// it if it is no packet, and answers with the cell.
#[inline(always)]
fn unusual(ctx: &TcContext, framing: Framing, expand: Expand) -> u32 {
    let Some((kernel, packet, room)) = own() else {
        return Loss::Frames as u32;
    };
    let length = ctx.len();
    let linear = Linear::of(ctx);
    let mut parsed = parse_into(&linear, framing, expand, length, packet);
    if parsed.is_err() && linear.is_part_of(length) {
        kernel.count(Loss::HeadersCopied.into(), 1);
        parsed = match Head::copy(ctx, room, 0, length as usize) {
            Some(head) => parse_into(&head, framing, expand, length, packet),
            None => return refuse(&kernel, Loss::HeadersUnreadable.into()),
        };
    }
    match parsed {
        Ok(()) => PACKET,
        Err(_) if is_beyond_head(packet.missing, length) => CUT,
        Err(reason) => refuse(&kernel, reason.into()),
    }
}

/// Reads TCP options that are not the usual ones; answers as [`unusual`]. Global to the verifier, as
/// [`unusual_frame`].
#[unsafe(no_mangle)]
extern "C" fn tcp_options(ctx: *mut __sk_buff) -> u32 {
    let Some((kernel, packet, room)) = own() else {
        return Loss::Frames as u32;
    };
    let ctx = TcContext::new(ctx);
    match options(&mut Frames::of(&ctx, room), packet) {
        Ok(()) => PACKET,
        Err(reason) => refuse(&kernel, reason.into()),
    }
}

/// Reads the message of a datagram of DNS; its answer means nothing. Global to the verifier, as
/// [`unusual_frame`].
#[unsafe(no_mangle)]
extern "C" fn dns_message(ctx: *mut __sk_buff) -> u32 {
    let ctx = TcContext::new(ctx);
    let Some((_, packet, room)) = own() else {
        return 0;
    };
    let linear = Linear::of(&ctx);
    if !message(&linear, packet)
        && linear.is_part_of(ctx.len())
        && let Some(head) = Head::copy(&ctx, room, 0, ctx.len() as usize)
    {
        message(&head, packet);
    }
    0
}

/// Takes what is left of a frame whose headers go on behind the head that [`unusual`] copied.
#[inline(always)]
fn cut(ctx: &TcContext, framing: Framing, expand: Expand) -> u32 {
    let Some((kernel, packet, room)) = own() else {
        return Loss::Frames as u32;
    };
    match left(&Head::copied(room), framing, expand, ctx.len(), packet) {
        Ok(()) => {
            count_cut(&kernel, packet);
            PACKET
        }
        Err(reason) => refuse(&kernel, reason.into()),
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
