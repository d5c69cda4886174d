//! What a sweep's reports say of a round trip: its path, and whether another node may tell of it too.

use std::net::IpAddr;

use observer_ebpf::abi::PATH_EXTERNAL;

use super::OtherEnd;
use crate::latency::RoundTrip;
use crate::path::{Class, PathReport};

/// The report of the path from the data's source to its destination; for a flow that leaves the cluster
/// that of all such flows.
#[must_use]
pub fn path_of<'a>(paths: &'a [PathReport], trip: &RoundTrip) -> Option<&'a PathReport> {
    let is = |end: Option<IpAddr>, address| end == Some(address);
    paths.iter().find(|path| {
        if path.superseded {
            return false;
        }
        if trip.path == PATH_EXTERNAL {
            return path.class == Some(Class::External) && path.destination.address.is_none();
        }
        is(path.source.address, trip.source.0) && is(path.destination.address, trip.destination.0)
    })
}

/// Whose agent may report the far end: whether there is one, this agent does not know.
#[must_use]
pub fn other_end(trip: &RoundTrip, path: Option<&PathReport>) -> OtherEnd {
    let is_here = |path: &PathReport| path.source.node.is_some() && path.destination.node.is_some();
    if trip.path == PATH_EXTERNAL || path.is_some_and(is_here) {
        OtherEnd::Nobody
    } else {
        OtherEnd::OtherNode
    }
}
