//! What is at a device's clsact hooks, and how our part of it is taken away.

use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::tc::{
    TcAttribute, TcFilterBpf, TcFilterBpfOption, TcHandle, TcHeader, TcMessage, TcOption,
};
use observer_ebpf::abi::point::{Hook, Point};

use super::{HANDLE, HANDLE_IN_OURS, PRIORITY};
use crate::interfaces::NetlinkError;
use crate::interfaces::netlink::{Dump, Netlink, Question, Removal};
use crate::kernel::program_name;

/// `ETH_P_ALL` (kernel: `include/uapi/linux/if_ether.h`).
const EVERY_PROTOCOL: u16 = 3;
/// The qdisc's own handle.
const QDISC: TcHandle = TcHandle {
    major: u16::MAX,
    minor: 0,
};
const KIND: &str = "clsact";

/// A filter of some device, or (handle 0) the list of all of one priority.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Found {
    hook: Hook,
    handle: u32,
    is_ours: bool,
}

impl Found {
    /// Ours, and so is the qdisc.
    pub(super) fn is_in_our_qdisc(self) -> bool {
        self.is_ours && self.handle == HANDLE_IN_OURS
    }

    pub(super) fn is_ours(self) -> bool {
        self.is_ours
    }
}

/// A socket for these questions.
pub(super) struct Questions(Netlink);

impl Questions {
    pub(super) fn open() -> Result<Self, NetlinkError> {
        Netlink::open().map(Self)
    }

    /// Devices with a clsact qdisc, by number.
    pub(super) fn devices(&mut self) -> Result<Vec<u32>, NetlinkError> {
        let question = Question::QueueDisciplines(TcMessage::default());
        let dump = self.0.dump("queueing disciplines", question)?;
        let device = |entry| {
            let RouteNetlinkMessage::NewQueueDiscipline(found) = entry else {
                return None;
            };
            let is_meant = kind(&found) == Some(KIND);
            is_meant.then(|| found.header.index.cast_unsigned())
        };
        Ok(dump.entries.into_iter().filter_map(device).collect())
    }

    /// Everything at both hooks of a device. What cannot be read is another's.
    pub(super) fn filters(&mut self, ifindex: u32) -> Result<Vec<Found>, NetlinkError> {
        let mut found = Vec::new();
        for hook in Hook::ALL {
            let header = header(ifindex, parent(hook));
            let question = Question::Filters(TcMessage::from_parts(header, Vec::new()));
            let Dump {
                entries,
                interrupted,
                unreadable,
            } = self.0.dump("filters of a device", question)?;
            let others = Found {
                hook,
                handle: 0,
                is_ours: false,
            };
            if interrupted || unreadable > 0 {
                found.push(others);
            }
            found.extend(entries.into_iter().filter_map(|entry| {
                let RouteNetlinkMessage::NewTrafficFilter(filter) = entry else {
                    return None;
                };
                Some(Found {
                    handle: filter.header.handle.into(),
                    is_ours: is_ours(&filter),
                    ..others
                })
            }));
        }
        Ok(found)
    }

    /// Removes one of our filters.
    pub(super) fn remove(&mut self, ifindex: u32, found: Found) -> Result<(), NetlinkError> {
        let header = TcHeader {
            handle: found.handle.into(),
            info: u32::from(PRIORITY) << 16 | u32::from(EVERY_PROTOCOL.to_be()),
            ..header(ifindex, parent(found.hook))
        };
        let kind = TcAttribute::Kind(TcFilterBpf::KIND.to_owned());
        let filter = Removal::Filter(TcMessage::from_parts(header, vec![kind]));
        self.0.remove("removal of a filter of ours", filter)
    }

    /// Removes the qdisc of a device if nothing is at its hooks.
    pub(super) fn remove_empty_qdisc(&mut self, ifindex: u32) -> Result<(), NetlinkError> {
        if !self.filters(ifindex)?.is_empty() {
            return Ok(());
        }
        let header = TcHeader {
            handle: QDISC,
            ..header(ifindex, TcHandle::CLSACT)
        };
        let qdisc = Removal::QueueDiscipline(TcMessage::from_parts(header, Vec::new()));
        self.0.remove("removal of a clsact qdisc of ours", qdisc)
    }
}

fn header(ifindex: u32, parent: TcHandle) -> TcHeader {
    TcHeader {
        index: ifindex.cast_signed(),
        parent,
        ..TcHeader::default()
    }
}

fn parent(hook: Hook) -> TcHandle {
    TcHandle {
        major: u16::MAX,
        minor: match hook {
            Hook::Ingress => TcHandle::MIN_INGRESS,
            Hook::Egress => TcHandle::MIN_EGRESS,
        },
    }
}

fn kind(message: &TcMessage) -> Option<&str> {
    message.attributes.iter().find_map(|attribute| {
        if let TcAttribute::Kind(kind) = attribute {
            Some(kind.as_str())
        } else {
            None
        }
    })
}

/// By priority, handle, kind and the name of the program.
fn is_ours(filter: &TcMessage) -> bool {
    let is_placed = filter.header.info >> 16 == u32::from(PRIORITY);
    let is_known = [HANDLE, HANDLE_IN_OURS].contains(&filter.header.handle.into());
    is_placed && is_known && kind(filter) == Some(TcFilterBpf::KIND) && is_named(filter)
}

fn is_named(filter: &TcMessage) -> bool {
    filter.attributes.iter().any(|attribute| {
        let TcAttribute::Options(options) = attribute else {
            return false;
        };
        options.iter().any(|option| {
            matches!(option, TcOption::Bpf(TcFilterBpfOption::ProgName(name)) if is_program(name))
        })
    })
}

fn is_program(name: &str) -> bool {
    let hooks = |point| Hook::ALL.map(|hook| program_name(point, hook));
    Point::ALL
        .into_iter()
        .flat_map(hooks)
        .any(|own| own == name)
}
