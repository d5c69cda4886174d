//! The follower against a live kernel: each test builds devices with `ip` in a fresh namespace.
//!
//! ```text
//!   veth8 -- cni0     flannel.1 (vxlan 1, 8472, local 192.168.105.2, on lima0)
//!   lima0 -- far      192.168.105.2/24, mtu 1400
//!   tailscale0        100.64.0.2/32, no Ethernet header
//! ```

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "netlink/world.rs"]
mod world;

use std::sync::Arc;
use std::time::{Duration, Instant};

use observer::interfaces::{
    Device, Follower, IfIndex, Kind, Roles, Rules, Snapshot, WantedUnderlays, assign, follow, plan,
};
use observer_ebpf::abi::point::Point;
use tokio::sync::watch;
use world::{in_new_namespace, ip};

type Newest = watch::Receiver<Arc<Snapshot>>;

#[test]
fn devices_are_seen_with_their_kinds_and_addresses() {
    in_new_namespace("devices_are_seen_with_their_kinds_and_addresses", || {
        ip("link add lima0 type veth peer name far");
        ip("link set lima0 mtu 1400");
        ip("address add 192.168.105.2/24 dev lima0");
        ip("link set lima0 up");
        ip("link set far up");
        ip("link add cni0 type bridge");
        ip("link add veth8 type veth peer name pod8");
        ip("link set veth8 master cni0");
        ip("tuntap add tailscale0 mode tun");
        ip("address add 100.64.0.2 peer 100.64.0.9 dev tailscale0");
        ip("link add flannel.1 type vxlan id 1 dev lima0 local 192.168.105.2 dstport 8472");
        ip("link add ring type ifb");
        following(async |newest| {
            let now = newest.borrow().clone();
            let found = |name: &str| now.named(name).unwrap_or_else(|| panic!("{name}: {now:?}"));

            let lima0 = found("lima0");
            assert_eq!(
                (&lima0.kind, lima0.mtu, lima0.up),
                (&Kind::Veth, 1400, true)
            );
            assert!(
                lima0
                    .addresses
                    .contains(&"192.168.105.2/24".parse().unwrap())
            );
            let cni0 = found("cni0");
            assert_eq!((&cni0.kind, cni0.up), (&Kind::Bridge, false));
            assert_eq!(found("veth8").master, Some(cni0.ifindex));
            assert_eq!(cni0.master, None);
            let tailscale0 = found("tailscale0");
            assert_eq!(
                (&tailscale0.kind, tailscale0.link_layer),
                (&Kind::Tun, false)
            );
            assert_eq!(tailscale0.addresses, ["100.64.0.2/32".parse().unwrap()]);
            let overlay = found("flannel.1");
            let settings = overlay.vxlan().unwrap();
            assert_eq!(
                (settings.id, settings.port, overlay.link_layer),
                (1, 8472, true)
            );
            assert_eq!(settings.local, Some("192.168.105.2".parse().unwrap()));
            assert_eq!(settings.lower, Some(lima0.ifindex));
            assert_eq!(found("lo").kind, Kind::Loopback);
            assert_eq!(found("ring").kind, Kind::Other("ifb".to_owned()));
            assert_eq!(now.unreadable, 0);
        });
    });
}

#[test]
fn a_recreated_tunnel_is_followed_within_a_second() {
    in_new_namespace("a_recreated_tunnel_is_followed_within_a_second", || {
        ip("tuntap add tailscale0 mode tun");
        ip("link add cni0 type bridge");
        following(async |newest| {
            let before = roles(&newest.borrow_and_update());
            ip("link delete tailscale0");
            let gone = until(newest, |now| now.named("tailscale0").is_none()).await;
            assert!(gone < Duration::from_secs(1), "{gone:?}");
            ip("tuntap add tailscale0 mode tun");
            let back = until(newest, |now| now.named("tailscale0").is_some()).await;
            assert!(back < Duration::from_secs(1), "{back:?}");

            let after = roles(&newest.borrow());
            let way = plan(&after.attachments, &before.attachments);
            let [(attach, detach)] = [(&way.attach, &way.detach)];
            assert_eq!((attach.len(), detach.len()), (1, 1), "{way:?}");
            assert_eq!(
                (attach[0].point, detach[0].point),
                (Point::Tunnel, Point::Tunnel)
            );
            assert_ne!(attach[0].ifindex, detach[0].ifindex);
        });
    });
}

#[test]
fn a_port_recreated_under_its_old_number_is_another_device() {
    in_new_namespace(
        "a_port_recreated_under_its_old_number_is_another_device",
        || {
            ip("link add veth50 index 50 type veth peer name pod50");
            following(async |newest| {
                let before = port_fifty(&newest.borrow_and_update()).unwrap();
                ip("link delete veth50");
                ip("link add veth50 index 50 type veth peer name pod50");
                let seen = until(newest, |now| {
                    port_fifty(now).is_some_and(|now| now.incarnation != before.incarnation)
                });
                assert!(seen.await < Duration::from_secs(1));
            });
        },
    );
}

#[test]
fn a_port_that_changes_its_bridge_is_the_same_device() {
    in_new_namespace("a_port_that_changes_its_bridge_is_the_same_device", || {
        ip("link add cni0 type bridge");
        ip("link add veth50 index 50 type veth peer name pod50");
        ip("link set veth50 master cni0");
        following(async |newest| {
            let before = port_fifty(&newest.borrow_and_update()).unwrap();
            ip("link set veth50 nomaster");
            let left = |now: &Snapshot| port_fifty(now).is_some_and(|port| port.master.is_none());
            until(newest, left).await;
            let after = port_fifty(&newest.borrow()).unwrap();
            assert_eq!(after.incarnation, before.incarnation);
        });
    });
}

#[test]
fn a_new_address_alone_is_followed() {
    in_new_namespace("a_new_address_alone_is_followed", || {
        ip("link add cni0 type bridge");
        following(async |newest| {
            for own in ["10.42.1.1/24", "fd00:42::1/64"] {
                ip(&format!("address add {own} dev cni0"));
                let own = own.parse().unwrap();
                let holds = |now: &Snapshot| now.named("cni0").unwrap().addresses.contains(&own);
                assert!(until(newest, holds).await < Duration::from_secs(1));
            }
        });
    });
}

#[test]
fn fifty_flaps_do_not_lose_the_final_state() {
    in_new_namespace("fifty_flaps_do_not_lose_the_final_state", || {
        ip("link add eth0 type veth peer name far");
        ip("link set far up");
        following(async |newest| {
            for flap in 0..50 {
                ip("link set eth0 up");
                ip(&format!("address add 10.0.{flap}.2/24 dev eth0"));
                ip("link set eth0 down");
                tokio::task::yield_now().await;
            }
            until(newest, |now| {
                let eth0 = now.named("eth0").unwrap();
                !eth0.up && count_ipv4(eth0) == 50
            })
            .await;
        });
    });
}

#[test]
fn events_that_the_kernel_dropped_lose_no_state() {
    in_new_namespace("events_that_the_kernel_dropped_lose_no_state", || {
        ip("link add eth0 type veth peer name far");
        following(async |newest| {
            // The follower shares this thread: while it is kept from running its buffer overflows.
            for _ in 0..150 {
                ip("link set eth0 up");
                ip("link set eth0 down");
            }
            ip("link set eth0 mtu 1234");
            until(newest, |now| now.named("eth0").unwrap().mtu == 1234).await;
            assert!(
                newest.borrow().overruns > 0,
                "no overrun: the test shows nothing"
            );
            ip("link set eth0 mtu 1235");
            until(newest, |now| now.named("eth0").unwrap().mtu == 1235).await;
        });
    });
}

#[test]
fn a_dump_of_many_datagrams_is_complete() {
    in_new_namespace("a_dump_of_many_datagrams_is_complete", || {
        for index in 0..60 {
            ip(&format!(
                "link add veth{index} type veth peer name pod{index}"
            ));
        }
        following(async |newest| {
            assert_eq!(newest.borrow().devices.len(), 121);
        });
    });
}

#[test]
fn the_follower_ends_with_its_last_receiver() {
    in_new_namespace("the_follower_ends_with_its_last_receiver", || {
        runtime().block_on(async {
            let (newest, follower) = follow().unwrap();
            drop(newest);
            let ended = tokio::time::timeout(Duration::from_secs(1), follower.run()).await;
            ended.unwrap().unwrap();
        });
    });
}

/// Runs `body` beside a follower on one thread, as in the agent.
fn following(body: impl AsyncFnOnce(&mut Newest)) {
    runtime().block_on(async {
        let (mut newest, follower): (Newest, Follower) = follow().unwrap();
        tokio::select! {
            ended = follower.run() => panic!("the follower ended: {ended:?}"),
            () = body(&mut newest) => {}
        }
    });
}

fn runtime() -> tokio::runtime::Runtime {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all().build().unwrap()
}

/// Waits until `is_reached` holds and tells how long that took.
async fn until(newest: &mut Newest, is_reached: impl Fn(&Snapshot) -> bool) -> Duration {
    let start = Instant::now();
    let reached = newest.wait_for(|now| is_reached(now));
    let waited = tokio::time::timeout(Duration::from_secs(5), reached).await;
    let in_time = waited.is_ok_and(|reached| reached.is_ok());
    assert!(in_time, "not reached: {:?}", newest.borrow());
    start.elapsed()
}

fn port_fifty(now: &Snapshot) -> Option<Device> {
    now.device(IfIndex(50)).cloned()
}

fn count_ipv4(device: &Device) -> usize {
    let addresses = device.addresses.iter();
    addresses.filter(|own| own.address().is_ipv4()).count()
}

fn roles(now: &Snapshot) -> Roles {
    let none = WantedUnderlays::default();
    assign(&now.devices, &Rules::default(), &none, &Roles::default())
}
