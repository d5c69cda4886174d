//! One route look-up: what `ip route get` asks and is told.

use std::io;
use std::net::IpAddr;

use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteFlags, RouteMessage, RouteMetric, RouteType, RouteVia,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};

use super::Routing;
use crate::interfaces::netlink::{Question, unreadable};
use crate::interfaces::{IfIndex, NetlinkError, Prefix};

/// A packet whose way is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RouteQuestion {
    /// Its destination.
    pub destination: IpAddr,
    /// Its source.
    pub source: Option<IpAddr>,
    /// The device it came in by, for forwarded packets. Needs the source as well.
    pub input: Option<IfIndex>,
    /// The device its socket is bound to.
    pub output: Option<IfIndex>,
    /// Its mark.
    pub mark: u32,
}

impl RouteQuestion {
    /// A packet of this host, unmarked, from whatever address the kernel chooses.
    #[must_use]
    pub const fn to(destination: IpAddr) -> Self {
        Self {
            destination,
            source: None,
            input: None,
            output: None,
            mark: 0,
        }
    }

    fn message(self) -> RouteMessage {
        let mut message = RouteMessage::default();
        let header = &mut message.header;
        header.address_family = family(self.destination);
        if self.destination.is_ipv4() {
            // IPv6 always tells the table and refuses the flag (`inet6_rtm_valid_getroute_req`).
            header.flags = RouteFlags::LookupTable;
        }
        header.destination_prefix_length = Prefix::host(self.destination).length();
        let destination = RouteAttribute::Destination(self.destination.into());
        message.attributes.push(destination);
        if let Some(source) = self.source {
            message.header.source_prefix_length = Prefix::host(source).length();
            message
                .attributes
                .push(RouteAttribute::Source(source.into()));
        }
        let input = self.input.map(|device| RouteAttribute::Iif(device.0));
        let output = self.output.map(|device| RouteAttribute::Oif(device.0));
        let mark = (self.mark != 0).then_some(RouteAttribute::Mark(self.mark));
        let optional = [input, output, mark].into_iter().flatten();
        message.attributes.extend(optional);
        message
    }
}

/// What the kernel would do with a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteAnswer {
    /// What kind of route it found.
    pub kind: RouteKind,
    /// The device the packet leaves by.
    pub device: Option<IfIndex>,
    /// The next hop, if that is not the destination itself.
    pub gateway: Option<IpAddr>,
    /// The source address the kernel chose.
    pub source: Option<IpAddr>,
    /// The table the route stands in.
    pub table: Option<u32>,
    /// The path MTU that the route holds, bytes. The device's MTU counts when there is none.
    pub mtu: Option<u32>,
}

impl RouteAnswer {
    /// True if the destination is a neighbour on the device's link.
    #[must_use]
    pub fn is_on_link(&self) -> bool {
        self.kind == RouteKind::Unicast && self.gateway.is_none()
    }

    fn refused(kind: RouteKind) -> Self {
        Self {
            kind,
            device: None,
            gateway: None,
            source: None,
            table: None,
            mtu: None,
        }
    }
}

/// Kinds of routes, the kernel's refusals among them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RouteKind {
    /// To another host.
    Unicast,
    /// To this host.
    Local,
    /// To all hosts of a link.
    Broadcast,
    /// To a group.
    Multicast,
    /// A route of type unreachable (EHOSTUNREACH).
    Unreachable,
    /// No route, a rule of type unreachable, for IPv6 a route of that type, or a source address
    /// that is not this host's (ENETUNREACH; EINVAL on older kernels).
    NoRoute,
    /// A rule or route of type prohibit (EACCES).
    Prohibited,
    /// A blackhole, or a source address that cannot be one or cannot come in there (EINVAL).
    Refused,
    /// The reverse path filter drops it (EXDEV).
    ReversePath,
    /// Any other type, by its number.
    Other(u8),
}

impl From<RouteType> for RouteKind {
    fn from(kind: RouteType) -> Self {
        match kind.into() {
            libc::RTN_UNICAST => Self::Unicast,
            libc::RTN_LOCAL => Self::Local,
            libc::RTN_BROADCAST => Self::Broadcast,
            libc::RTN_MULTICAST => Self::Multicast,
            libc::RTN_UNREACHABLE => Self::Unreachable,
            libc::RTN_PROHIBIT => Self::Prohibited,
            libc::RTN_BLACKHOLE => Self::Refused,
            number => Self::Other(number),
        }
    }
}

impl Routing {
    /// Asks which way a packet goes, with all policy rules applied. A refusal is an answer too.
    pub fn route(&mut self, question: RouteQuestion) -> Result<RouteAnswer, NetlinkError> {
        let what = format!("the route to {}", question.destination);
        let asked = Question::Route(question.message());
        match self.netlink.one(&what, asked)? {
            Ok(RouteNetlinkMessage::NewRoute(message)) => Ok(answer(&message)),
            Ok(_) => Err(unreadable(&what, "no route in it")),
            Err(refusal) => match refusal_kind(&refusal) {
                Some(kind) => Ok(RouteAnswer::refused(kind)),
                None => Err(NetlinkError::Ask {
                    what,
                    cause: refusal,
                }),
            },
        }
    }
}

impl Routing {
    /// How many bits of the destination the route was found by, with all policy rules applied: 0 for a
    /// default route, `None` if there is none.
    pub fn matched(&mut self, question: RouteQuestion) -> Result<Option<u8>, NetlinkError> {
        let what = format!("the route that fits {}", question.destination);
        let mut message = question.message();
        message.header.flags = RouteFlags::FibMatch;
        match self.netlink.one(&what, Question::Route(message))? {
            Ok(RouteNetlinkMessage::NewRoute(found)) => {
                let is_unicast = found.header.kind == RouteType::Unicast;
                Ok(is_unicast.then_some(found.header.destination_prefix_length))
            }
            Ok(_) => Err(unreadable(&what, "no route in it")),
            Err(refusal) if refusal_kind(&refusal).is_some() => Ok(None),
            Err(cause) => Err(NetlinkError::Ask { what, cause }),
        }
    }
}

/// The kind that an error number stands for (`fib_props` and `fib4_rule_action`, Linux 6.12).
fn refusal_kind(refusal: &io::Error) -> Option<RouteKind> {
    match refusal.raw_os_error()? {
        libc::EHOSTUNREACH => Some(RouteKind::Unreachable),
        libc::ENETUNREACH => Some(RouteKind::NoRoute),
        libc::EACCES => Some(RouteKind::Prohibited),
        libc::EINVAL => Some(RouteKind::Refused),
        libc::EXDEV => Some(RouteKind::ReversePath),
        _ => None,
    }
}

fn answer(message: &RouteMessage) -> RouteAnswer {
    let mut answer = RouteAnswer::refused(message.header.kind.into());
    answer.table = Some(u32::from(message.header.table));
    for attribute in &message.attributes {
        if let RouteAttribute::Oif(device) = attribute {
            answer.device = Some(IfIndex(*device));
        } else if let RouteAttribute::PrefSource(source) = attribute {
            answer.source = address(source);
        } else if let RouteAttribute::Table(table) = attribute {
            answer.table = Some(*table);
        } else if let RouteAttribute::Metrics(metrics) = attribute {
            answer.mtu = mtu(metrics);
        }
        answer.gateway = answer.gateway.or(gateway(attribute));
    }
    answer
}

fn mtu(metrics: &[RouteMetric]) -> Option<u32> {
    metrics.iter().find_map(|metric| {
        if let RouteMetric::Mtu(mtu) = metric {
            Some(*mtu)
        } else {
            None
        }
    })
}

/// The next hop, if `attribute` tells one.
pub(super) fn gateway(attribute: &RouteAttribute) -> Option<IpAddr> {
    if let RouteAttribute::Gateway(gateway) = attribute {
        address(gateway)
    } else if let RouteAttribute::Via(RouteVia::Inet(gateway)) = attribute {
        Some(IpAddr::V4(*gateway))
    } else if let RouteAttribute::Via(RouteVia::Inet6(gateway)) = attribute {
        Some(IpAddr::V6(*gateway))
    } else {
        None
    }
}

/// An IP address.
pub(super) fn address(address: &RouteAddress) -> Option<IpAddr> {
    if let RouteAddress::Inet(address) = address {
        Some(IpAddr::V4(*address))
    } else if let RouteAddress::Inet6(address) = address {
        Some(IpAddr::V6(*address))
    } else {
        None
    }
}

/// The family of an address.
pub(super) const fn family(address: IpAddr) -> AddressFamily {
    match address {
        IpAddr::V4(_) => AddressFamily::Inet,
        IpAddr::V6(_) => AddressFamily::Inet6,
    }
}
