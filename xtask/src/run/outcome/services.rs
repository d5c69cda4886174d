//! What went through the Services of a lab: one row per pod that answered, and what the counts of
//! observers, sockets and servers say together, in one sentence. Pure.

use serde::Serialize;
use serde_json::Value;

use super::{PodEnd, pod_end};
use crate::lab::LabError;
use crate::lab::topology::Family;
use crate::run::number::grouped;
use crate::run::services::{Behind, Served};
use crate::run::site::Ended;

/// What went through the Services of a lab.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub(in crate::run) struct ServicesOutcome {
    /// One for each pod behind each Service.
    pub(in crate::run) backends: Vec<BackendOutcome>,
    /// Packets on paths to the Services' own addresses: of no pod.
    pub(in crate::run) to_service_addresses: u64,
    /// In one sentence.
    pub(in crate::run) conclusion: String,
}

/// What one pod has answered behind one Service. Counts are of the same requests, from a moment
/// without traffic to the next.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub(in crate::run) struct BackendOutcome {
    pub(in crate::run) from: PodEnd,
    /// Address and port that the requests were sent to.
    pub(in crate::run) service: String,
    /// The pod that answered.
    pub(in crate::run) to: PodEnd,
    pub(in crate::run) class: Option<String>,
    pub(in crate::run) connections: u64,
    /// As the client counts those that were answered.
    pub(in crate::run) requests: u64,
    /// As the pod's server counts them.
    pub(in crate::run) requests_at_server: u64,
    /// From pod to pod, as the sender's observer counts them at the pod point.
    pub(in crate::run) packets: u64,
    /// The same by the receiver's observer.
    pub(in crate::run) packets_at_receiver: u64,
    /// Segments that the client's sockets sent on the connections which this pod answered.
    pub(in crate::run) tcp_segments: u64,
    /// The sender's observer's last object of the path between the pods, as it came.
    pub(in crate::run) path: Value,
}

/// Puts together what was counted of one lab's Services.
pub(in crate::run) fn outcome(site: &Ended, served: &Served) -> Result<ServicesOutcome, LabError> {
    let rows = served.backends.iter();
    let backends = rows
        .map(|behind| backend(site, &served.from, behind))
        .collect::<Result<Vec<_>, _>>()?;
    let conclusion = conclusion(&backends, served.to_services);
    Ok(ServicesOutcome {
        backends,
        to_service_addresses: served.to_services,
        conclusion,
    })
}

fn backend(site: &Ended, from: &str, behind: &Behind) -> Result<BackendOutcome, LabError> {
    let path = site.path(from, &behind.to, Family::Four);
    let counts = behind.counts;
    Ok(BackendOutcome {
        from: pod_end(&site.topology, from, Family::Four)?,
        service: behind.service.to_string(),
        to: pod_end(&site.topology, &behind.to, Family::Four)?,
        class: path.and_then(|path| path.class.clone()),
        connections: behind.connections,
        requests: counts.asked,
        requests_at_server: counts.answered,
        packets: counts.packets,
        packets_at_receiver: counts.arrived,
        tcp_segments: counts.segments,
        path: path.map_or(Value::Null, |path| path.raw.clone()),
    })
}

/// What the counts say.
fn conclusion(backends: &[BackendOutcome], to_services: u64) -> String {
    let agrees = |row: &&BackendOutcome| {
        row.class.is_some()
            && row.requests == row.requests_at_server
            && row.packets == row.tcp_segments
            && row.packets_at_receiver == row.tcp_segments
    };
    let right = backends.iter().filter(agrees).count();
    let segments: u64 = backends.iter().map(|row| row.tcp_segments).sum();
    if right == backends.len() && segments > 0 && to_services == 0 {
        return format!(
            "A Service is no end of a path: each of the {right} pods that answered has one path of \
             its own from the client, the same on both nodes, and every packet sent to a Service's \
             address is on the path of the pod that it reached."
        );
    }
    let on_path: u64 = backends
        .iter()
        .map(|row| row.packets.min(row.tcp_segments))
        .sum();
    format!(
        "Not all is on the paths of the pods that answered: counts agree for {right} of {} pods; of {} \
         packets {} are there and {} on a path to a Service's own address.",
        backends.len(),
        grouped(segments),
        grouped(on_path),
        grouped(to_services),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_pods_are_claimed_where_all_counts_agree() {
        let said = conclusion(&[row(7), row(9)], 0);
        assert!(said.contains("each of the 2 pods"), "{said}");
    }

    #[test]
    fn one_count_that_differs_is_no_claim() {
        let change: [fn(&mut BackendOutcome); 5] = [
            |row| row.class = None,
            |row| row.requests_at_server += 1,
            |row| row.packets -= 1,
            |row| row.packets_at_receiver += 1,
            |row| row.tcp_segments += 1,
        ];
        for change in change {
            let mut rows = [row(7), row(9)];
            change(&mut rows[1]);
            let said = conclusion(&rows, 0);
            assert!(said.contains("agree for 1 of 2 pods"), "{said}");
        }
        let astray = conclusion(&[row(7)], 3);
        assert!(astray.contains("3 on a path to a Service's"), "{astray}");
        let idle = conclusion(&[], 0);
        assert!(idle.starts_with("Not all"), "{idle}");
    }

    fn row(packets: u64) -> BackendOutcome {
        BackendOutcome {
            class: Some("vxlan-vmnet".to_owned()),
            requests: packets,
            requests_at_server: packets,
            packets,
            packets_at_receiver: packets,
            tcp_segments: packets,
            ..BackendOutcome::default()
        }
    }
}
