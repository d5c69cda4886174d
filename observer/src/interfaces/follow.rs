//! Follows the devices of this network namespace. An event is only a reason to look again: what is
//! told is always what a fresh dump says, so a lost event loses no state.
//!
//! Never: an unbounded queue. The kernel's socket buffer holds the events, and a watch channel the
//! newest snapshot.

use std::future::poll_fn;
use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::time::Duration;

use netlink_packet_route::address::AddressMessage;
use netlink_packet_route::link::{LinkAttribute, LinkExtentMask, LinkMessage};
use netlink_sys::protocols::NETLINK_ROUTE;
use netlink_sys::{AsyncSocket, SocketAddr, TokioSocket};
use tokio::sync::watch;

use super::decode;
use super::device::{Device, IfIndex};
use super::incarnation::Incarnations;
use super::netlink::{DATAGRAM, Netlink, NetlinkError, Question};

/// Events within this time after the first lead to one dump. Bounds the work under a storm of
/// events to ten dumps per second.
const GATHER: Duration = Duration::from_millis(100);

/// `RTMGRP_LINK`, `RTMGRP_IPV4_IFADDR` and `RTMGRP_IPV6_IFADDR`.
const GROUPS: u32 = 0x1 | 0x10 | 0x100;

/// The devices at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// All devices, sorted by number.
    pub devices: Vec<Device>,
    /// Times that the kernel dropped events since the start. State is complete nevertheless.
    pub overruns: u64,
    /// Devices and addresses in the dump that could not be read.
    pub unreadable: u64,
}

impl Snapshot {
    /// The device with this number.
    #[must_use]
    pub fn device(&self, ifindex: IfIndex) -> Option<&Device> {
        self.devices.iter().find(|device| device.ifindex == ifindex)
    }

    /// The device with this name.
    #[must_use]
    pub fn named(&self, name: &str) -> Option<&Device> {
        self.devices.iter().find(|device| device.name == name)
    }
}

/// The task that keeps the snapshot true: [`Follower::run`].
pub struct Follower {
    events: TokioSocket,
    buffer: Vec<u8>,
    questions: Netlink,
    snapshots: watch::Sender<Arc<Snapshot>>,
    incarnations: Incarnations,
    overruns: u64,
    settled: bool,
}

/// Subscribes to device and address events, then takes the first snapshot, which is empty if a
/// change fell into its dump. Needs a tokio runtime
/// with its IO driver; the namespace is that of the calling thread.
pub fn follow() -> Result<(watch::Receiver<Arc<Snapshot>>, Follower), NetlinkError> {
    let mut events = TokioSocket::new(NETLINK_ROUTE).map_err(NetlinkError::Open)?;
    let groups = SocketAddr::new(0, GROUPS);
    let subscribed = events.socket_mut().bind(&groups);
    subscribed.map_err(NetlinkError::Follow)?;
    let (snapshots, newest) = watch::channel(Arc::default());
    let mut follower = Follower {
        events,
        buffer: Vec::with_capacity(DATAGRAM),
        questions: Netlink::open()?,
        snapshots,
        incarnations: Incarnations::default(),
        overruns: 0,
        settled: false,
    };
    follower.look()?;
    Ok((newest, follower))
}

impl Follower {
    /// Runs until every receiver is gone. May be dropped at any time.
    pub async fn run(mut self) -> Result<(), NetlinkError> {
        loop {
            if self.settled {
                let first = tokio::select! {
                    () = self.snapshots.closed() => return Ok(()),
                    first = arrival(&self.events, &mut self.buffer) => first,
                };
                self.take(first)?;
            }
            tokio::time::sleep(GATHER).await;
            self.drain()?;
            self.look()?;
        }
    }

    /// Takes all events that are there.
    fn drain(&mut self) -> Result<(), NetlinkError> {
        loop {
            self.buffer.clear();
            let received = self.events.socket_ref().recv(&mut self.buffer, 0).map(drop);
            if received
                .as_ref()
                .is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
            {
                return Ok(());
            }
            self.take(received)?;
        }
    }

    /// Notes one datagram, or that the kernel had to drop some.
    fn take(&mut self, received: io::Result<()>) -> Result<(), NetlinkError> {
        match received {
            Ok(()) => self.incarnations.note(&self.buffer),
            Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => self.overruns += 1,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(NetlinkError::Follow(error)),
        }
        Ok(())
    }

    /// Dumps, and tells if something differs. A dump that a change fell into tells nothing.
    fn look(&mut self) -> Result<(), NetlinkError> {
        let mut link = LinkMessage::default();
        let without_statistics = LinkAttribute::ExtMask(vec![LinkExtentMask::SkipStats]);
        link.attributes.push(without_statistics);
        let links = self.questions.dump("all devices", Question::Link(link))?;
        let address = Question::Address(AddressMessage::default());
        let addresses = self.questions.dump("all addresses", address)?;
        self.settled = !links.interrupted && !addresses.interrupted;
        if !self.settled {
            return Ok(());
        }
        let mut devices = decode::devices(links.entries, addresses.entries);
        self.incarnations.tell(&mut devices);
        let snapshot = Arc::new(Snapshot {
            devices,
            overruns: self.overruns,
            unreadable: links.unreadable + addresses.unreadable,
        });
        self.snapshots.send_if_modified(|newest| {
            let differs = *newest != snapshot;
            *newest = snapshot;
            differs
        });
        Ok(())
    }
}

/// Waits for a datagram and receives it into `buffer`.
async fn arrival(events: &TokioSocket, buffer: &mut Vec<u8>) -> io::Result<()> {
    buffer.clear();
    poll_fn(|context| events.poll_recv_from(context, buffer))
        .await
        .map(drop)
}
