//! A real TUN device, for what `BPF_PROG_TEST_RUN` cannot show: buffers of 64 KiB, and headers that
//! lie outside the linear part.
//!
//! ```text
//!   this test --write(virtio header, packet)--> tun0 --TCX ingress--> tunnel_in   (own netns)
//! ```

use std::fs::File;
use std::io::Write;
use std::panic::resume_unwind;
use std::thread;

use aya::programs::LinkOrder;
use aya::programs::tc::{TcAttachOptions, TcAttachType};
use nix::sched::{CloneFlags, unshare};
use observer_ebpf::abi::point::{Hook, Point};
use observer_ebpf::fixtures::layers::{self, TCP, Tcp, UDP, stamped, udp};
use observer_ebpf::fixtures::{self, POD_A, POD_A6, POD_B, POD_B6, Place, TAIL_A, TAIL_B};

use crate::pair::{Pair, with_pair};
use crate::state::State;
use crate::talk::{LOW_TO_HIGH, row, site};
use crate::tun::{self, VirtioHeader};
use crate::virtio::{self, GSO_TCP, GSO_UDP};

const NAME: &str = "tun0";

/// Runs a test with the tunnel's ingress program on a device of its own, in a thread of its own:
/// the namespace ends with it.
fn with_device(test: &str, run: impl FnOnce(&mut Pair<'_>, &mut File) + Send) {
    let attached = |pair: &mut Pair<'_>| {
        unshare(CloneFlags::CLONE_NEWNET).expect("a network namespace");
        let mut device = tun::open(NAME, libc::IFF_TUN).expect("make a TUN device");
        let tunnel = pair.kernel.program(site(Point::Tunnel, Hook::Ingress));
        let order = TcAttachOptions::TcxOrder(LinkOrder::first());
        let link = tunnel
            .attach_with_options(NAME, TcAttachType::Ingress, order)
            .expect("attach");
        run(pair, &mut device);
        let tunnel = pair.kernel.program(site(Point::Tunnel, Hook::Ingress));
        tunnel.detach(link).expect("detach");
    };
    let ended = thread::scope(|scope| scope.spawn(|| with_pair(test, attached)).join());
    ended.unwrap_or_else(|panic| resume_unwind(panic));
}

/// Sends a packet through the device and shows it to the host.
fn send(
    pair: &mut Pair<'_>,
    device: &mut File,
    header: VirtioHeader,
    packet: &[u8],
    gso_size: u32,
) {
    device
        .write_all(&[&header, packet].concat())
        .expect("write to the device");
    pair.see_on_host(site(Point::Tunnel, Hook::Ingress), packet, gso_size, 0);
}

/// Kernel = host, but for the count of copied heads, which it returns beside the state.
fn agree(pair: &mut Pair<'_>, what: &str) -> (State, u64) {
    let (mut kernel, host) = (pair.kernel.state(), State::of_host(&pair.host));
    let copied = kernel.counters.remove("headers_copied").unwrap_or(0);
    let differences = State::differences(&kernel, &host);
    assert!(
        differences.is_empty(),
        "{what}: kernel and host differ in\n{differences}"
    );
    (kernel, copied)
}

#[test]
fn a_real_tunnel_shows_super_packets_of_64_kib() {
    with_device(
        "a_real_tunnel_shows_super_packets_of_64_kib",
        |pair, device| {
            for payload in [3_000, 30_000, 65_000] {
                let options = stamped(0x0a0b_0c0d, 0x0102_0304);
                let tcp = Tcp {
                    options: &options,
                    ..Tcp::default()
                }
                .around(&vec![0x61; payload]);
                let packet = layers::Ipv4::new(POD_A, POD_B, TCP).around(&tcp);
                send(
                    pair,
                    device,
                    virtio::header(GSO_TCP, 1_178, 16),
                    &packet,
                    1_178,
                );
            }
            let (state, _) = agree(pair, "TCP super-packets");
            // 3, 26 and 56 segments of 52 bytes of headers each.
            let sums = [3, 98_000 + 85 * 52, 85, 0];
            assert_eq!(state.traffic[&row(0, Point::Tunnel, LOW_TO_HIGH)], sums);
        },
    );
}

#[test]
fn a_real_tunnel_shows_what_the_fixtures_say() {
    with_device(
        "a_real_tunnel_shows_what_the_fixtures_say",
        |pair, device| {
            let is_ip = |bytes: &[u8]| bytes.len() >= 20 && matches!(bytes[0] >> 4, 4 | 6);
            let all = fixtures::all().into_iter();
            for fixture in all.filter(|one| one.place == Place::Tunnel && is_ip(&one.bytes)) {
                pair.clear();
                let gso_size = u16::try_from(fixture.gso_size).expect("a segment's size");
                let header = virtio::header(GSO_UDP, gso_size, 6);
                send(pair, device, header, &fixture.bytes, fixture.gso_size);
                let (state, _) = agree(pair, fixture.name);
                crate::check_expectation(&state, &fixture);
            }
        },
    );
}

/// As tailscaled writes a batch: only the outer headers are linear (lab finding N4, 5,036 bytes).
#[test]
fn headers_behind_the_linear_part_of_a_real_tunnel_are_copied() {
    with_device(
        "headers_behind_the_linear_part_of_a_real_tunnel_are_copied",
        |pair, device| {
            let two = fixtures::named("udp_gso_of_two_vxlan_datagrams_counts_both");
            let two = two.expect("a fixture").bytes;
            let four = udp(51_000, 8_472, &two[28..].repeat(2));
            let packet = layers::Ipv4::new(TAIL_A, TAIL_B, UDP).around(&four);
            assert_eq!(packet.len(), 5_036);
            send(
                pair,
                device,
                virtio::header(GSO_UDP, 1_252, 6),
                &packet,
                1_252,
            );
            let (state, copied) = agree(pair, "a batch of four VXLAN datagrams");
            let sums = [1, 4 * 1_230, 4, 0];
            assert_eq!(state.traffic[&row(0, Point::Tunnel, LOW_TO_HIGH)], sums);
            assert_eq!((copied, state.counter("datagrams_hidden")), (1, 0));
        },
    );
}

/// The last two datagrams of a batch in pages are a pod's fragments.
#[test]
fn fragments_behind_the_linear_part_of_a_real_tunnel_are_counted() {
    with_device(
        "fragments_behind_the_linear_part_of_a_real_tunnel_are_counted",
        |pair, device| {
            let two = fixtures::named("udp_gso_of_two_vxlan_datagrams_counts_both");
            let two = two.expect("a fixture").bytes;
            let cut = |fragmentation, length: usize| {
                let header = layers::Ipv4 {
                    fragmentation,
                    ..layers::Ipv4::new(POD_A, POD_B, UDP)
                };
                let packet = header.around(&vec![0x62; length - 20]);
                layers::vxlan(0x08, &layers::ethernet(layers::IPV4, &packet))
            };
            let batch = [two[28..].repeat(2), cut(0x2000, 1_230), cut(0x0097, 132)].concat();
            let packet = layers::Ipv4::new(TAIL_A, TAIL_B, UDP).around(&udp(51_000, 8_472, &batch));
            send(
                pair,
                device,
                virtio::header(GSO_UDP, 1_252, 6),
                &packet,
                1_252,
            );
            let (state, copied) = agree(pair, "a batch that ends with two fragments");
            let index = row(0, Point::Tunnel, LOW_TO_HIGH);
            assert_eq!(state.traffic[&index], [1, 5 * 1_230 + 132, 6, 0]);
            assert_eq!((copied, state.fragments[&index]), (1, [2, 0]));
        },
    );
}

/// Bytes of a head that the kernel copies.
const HEAD: usize = 240;

/// A chain of extension headers before TCP, in pages: the copied head ends before the ports, behind them,
/// in the options, or within the chain.
#[test]
fn headers_behind_the_copied_head_of_a_real_tunnel_are_said_to_be_cut() {
    with_device(
        "headers_behind_the_copied_head_of_a_real_tunnel_are_said_to_be_cut",
        |pair, device| {
            let options = stamped(7, 9);
            let tcp = Tcp {
                options: &options,
                ..Tcp::default()
            };
            let segment = tcp.around(&vec![0x61; 5_000]);
            let ports = [Tcp::default().source, Tcp::default().destination];
            // The first header, the second one, and what is left: ports or none.
            for (first, second, wanted) in [
                (14, 9, [0, 0]),
                (14, 8, ports),
                (14, 6, ports),
                (25, 0, [0, 0]),
            ] {
                let chain = layers::extension(TCP, second, &segment);
                let chain = layers::extension(layers::DESTINATION, first, &chain);
                let header = layers::Ipv6::new(POD_A6, POD_B6, 0);
                let packet = header.around(&chain);
                pair.clear();
                let mut linear = [0; 10];
                linear[2] = 40;
                device
                    .write_all(&[&linear, &packet[..]].concat())
                    .expect("write to the device");
                let tunnel = site(Point::Tunnel, Hook::Ingress);
                pair.see_head_on_host(tunnel, &packet, HEAD, (0, 0));
                let what = format!("{first} and {second} units");
                let (state, copied) = agree(pair, &what);
                assert_eq!((copied, state.counter("capture_short")), (1, 1), "{what}");
                let key = state.biflows.keys().next().expect("a flow");
                let mut wanted = wanted.map(u16::to_be_bytes);
                wanted.sort_unstable();
                let mut found = [[key[32], key[33]], [key[34], key[35]]];
                found.sort_unstable();
                assert_eq!(found, wanted, "{what}");
            }
        },
    );
}
