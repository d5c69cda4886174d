//! `ip -j route get` as a second opinion.

use observer::routing::{MAIN_TABLE, RouteAnswer, RouteKind, RouteQuestion};
use serde_json::Value;

use crate::node::{address, devices};
use crate::world::run;

/// What both sides tell of an answer: "kind device gateway source table mtu", or only a refusal.
pub(crate) fn summary(answer: &RouteAnswer) -> String {
    let kind = match answer.kind {
        RouteKind::Unreachable => return "No route to host".to_owned(),
        RouteKind::NoRoute => return "Network is unreachable".to_owned(),
        RouteKind::Prohibited => return "Permission denied".to_owned(),
        RouteKind::Refused => return "Invalid argument".to_owned(),
        RouteKind::ReversePath => return "Invalid cross-device link".to_owned(),
        RouteKind::Unicast
        | RouteKind::Local
        | RouteKind::Broadcast
        | RouteKind::Multicast
        | RouteKind::Other(_) => format!("{:?}", answer.kind).to_lowercase(),
    };
    let device = devices()
        .into_iter()
        .find(|device| Some(device.ifindex) == answer.device);
    format!(
        "{kind} {} {:?} {:?} {:?} {:?}",
        device.unwrap().name,
        answer.gateway,
        answer.source,
        answer.table,
        answer.mtu
    )
}

/// The same line from `ip -j route get`.
pub(crate) fn oracle(question: RouteQuestion) -> String {
    let from = question.source.map(|source| format!(" from {source}"));
    let input = question.input.map_or("", |_| " iif cni0");
    let words = format!(
        "-j -d route get {} mark {}{}{input}",
        question.destination,
        question.mark,
        from.unwrap_or_default()
    );
    let output = run("ip", &words);
    if !output.status.success() {
        let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
        let (_, reason) = complaint.split_once("answers: ").unwrap();
        return reason.trim().to_owned();
    }
    let printed: Value = serde_json::from_slice(&output.stdout).unwrap();
    let route = &printed[0];
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let via = text(&route["gateway"]).or_else(|| text(&route["via"]["host"]));
    let table = text(&route["table"]).map_or(MAIN_TABLE, |table| match table.as_str() {
        "main" => MAIN_TABLE,
        "local" => 255,
        number => number.parse().unwrap(),
    });
    let mtu = route["metrics"][0]["mtu"]
        .as_u64()
        .map(|mtu| u32::try_from(mtu).unwrap());
    format!(
        "{} {} {:?} {:?} {:?} {:?}",
        text(&route["type"]).unwrap(),
        text(&route["dev"]).unwrap(),
        via.map(|via| address(&via)),
        text(&route["prefsrc"]).map(|source| address(&source)),
        Some(table),
        mtu,
    )
}
