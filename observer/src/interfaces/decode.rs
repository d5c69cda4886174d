//! Devices from link and address messages. Pure; a missing attribute never fails.

use std::collections::BTreeMap;
use std::net::IpAddr;

use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::address::{AddressAttribute, AddressMessage};
use netlink_packet_route::link::{
    InfoData, InfoKind, InfoVxlan, LinkAttribute, LinkInfo, LinkLayerType, LinkMessage, State,
};

use super::device::{Device, IfIndex, Kind, Vxlan};
use super::prefix::Prefix;

/// Joins the entries of a link dump and of an address dump, sorted by device number. Addresses of
/// devices that are not in the link dump are left out.
#[must_use]
pub fn devices(
    links: Vec<RouteNetlinkMessage>,
    addresses: Vec<RouteNetlinkMessage>,
) -> Vec<Device> {
    let mut devices = BTreeMap::new();
    for entry in links {
        if let RouteNetlinkMessage::NewLink(link) = entry {
            let device = device(link);
            devices.insert(device.ifindex, device);
        }
    }
    for entry in addresses {
        if let RouteNetlinkMessage::NewAddress(message) = entry {
            let holder = devices.get_mut(&IfIndex(message.header.index));
            if let (Some(device), Some(prefix)) = (holder, prefix(&message)) {
                device.addresses.push(prefix);
            }
        }
    }
    devices.into_values().collect()
}

fn device(link: LinkMessage) -> Device {
    let ifindex = IfIndex(link.header.index);
    let hardware = link.header.link_layer_type;
    let mut device = Device {
        ifindex,
        incarnation: 0,
        name: format!("if{ifindex}"),
        kind: if hardware == LinkLayerType::Loopback {
            Kind::Loopback
        } else {
            Kind::Physical
        },
        mtu: 0,
        master: None,
        up: false,
        link_layer: hardware == LinkLayerType::Ether,
        addresses: Vec::new(),
    };
    for attribute in link.attributes {
        if let LinkAttribute::IfName(name) = attribute {
            device.name = name;
        } else if let LinkAttribute::Mtu(mtu) = attribute {
            device.mtu = mtu;
        } else if let LinkAttribute::Controller(master) = attribute {
            device.master = Some(IfIndex(master)).filter(|master| master.0 != 0);
        } else if let LinkAttribute::OperState(state) = attribute {
            device.up = matches!(state, State::Up | State::Unknown);
        } else if let LinkAttribute::LinkInfo(infos) = attribute {
            device.kind = kind(&infos).unwrap_or(device.kind);
        }
    }
    device
}

fn kind(infos: &[LinkInfo]) -> Option<Kind> {
    let vxlan = infos.iter().find_map(|info| {
        if let LinkInfo::Data(InfoData::Vxlan(settings)) = info {
            Some(Kind::Vxlan(vxlan(settings)))
        } else {
            None
        }
    });
    let named = infos.iter().find_map(|info| {
        if let LinkInfo::Kind(kind) = info {
            Some(kind)
        } else {
            None
        }
    });
    vxlan.or_else(|| Some(named_kind(named?)))
}

fn named_kind(kind: &InfoKind) -> Kind {
    match kind.to_string().as_str() {
        "veth" => Kind::Veth,
        "bridge" => Kind::Bridge,
        "tun" => Kind::Tun,
        "wireguard" => Kind::WireGuard,
        name => Kind::Other(name.to_owned()),
    }
}

fn vxlan(settings: &[InfoVxlan]) -> Vxlan {
    let mut vxlan = Vxlan {
        id: 0,
        port: 0,
        local: None,
        lower: None,
    };
    for setting in settings {
        if let InfoVxlan::Id(id) = setting {
            vxlan.id = *id;
        } else if let InfoVxlan::Port(port) = setting {
            vxlan.port = *port;
        } else if let InfoVxlan::Local(address) = setting {
            vxlan.local = Some(IpAddr::V4(*address));
        } else if let InfoVxlan::Local6(address) = setting {
            vxlan.local = Some(IpAddr::V6(*address));
        } else if let InfoVxlan::Link(lower) = setting {
            vxlan.lower = Some(IfIndex(*lower)).filter(|lower| lower.0 != 0);
        }
    }
    vxlan
}

/// The device's own address: `IFA_LOCAL`, which on point-to-point links is not `IFA_ADDRESS`.
fn prefix(message: &AddressMessage) -> Option<Prefix> {
    let mut own = None;
    let mut any = None;
    for attribute in &message.attributes {
        if let AddressAttribute::Local(address) = attribute {
            own = Some(*address);
        } else if let AddressAttribute::Address(address) = attribute {
            any = Some(*address);
        }
    }
    Prefix::new(own.or(any)?, message.header.prefix_len).ok()
}
