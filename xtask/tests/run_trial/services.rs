//! What the trial shows of Services: one path per real pod, and counts that three parties agree on.

use std::collections::BTreeSet;

use serde_json::Value;

use super::bench::{Trial, assert_nothing_left, possible};

/// Two pods behind one Service, one behind the other.
const ROWS: usize = 3;

#[test]
fn the_scenario_alone_shows_its_services_besides_its_pairs() {
    if !possible("services::the_scenario_alone_shows_its_services_besides_its_pairs") {
        return;
    }
    let arguments = ["--for", "2s", "--scenario", "h2c", "--format", "json"];
    let trial = Trial::start("svc", &arguments);
    let name = trial.name.clone();
    let ended = trial.wait();
    assert_eq!(ended.code, Some(0), "{}", ended.complaints);
    let document: Value = serde_json::from_str(&ended.output).expect("one document");
    let lab = &document["labs"][0];
    assert!(
        lab["pairs"]
            .as_array()
            .is_some_and(|pairs| pairs.len() >= 30)
    );
    assert_one_path_per_pod(lab);
    assert_nothing_left(&name);
}

/// Observers of both nodes, sockets and servers agree for every pod behind a Service.
pub(crate) fn assert_one_path_per_pod(lab: &Value) {
    let services = &lab["services"];
    let rows = services["backends"].as_array().expect("rows");
    assert_eq!(rows.len(), ROWS, "{services}");
    for row in rows {
        let count = |name: &str| {
            row[name]
                .as_u64()
                .unwrap_or_else(|| panic!("{name}: {row}"))
        };
        assert_eq!(row["class"], "vxlan-vmnet", "{row}");
        assert!(count("requests") >= 10 * count("connections"), "{row}");
        assert!(count("connections") >= 20, "{row}");
        assert_eq!(count("requests_at_server"), count("requests"), "{row}");
        assert!(count("tcp_segments") >= count("requests"), "{row}");
        for side in ["packets", "packets_at_receiver"] {
            assert_eq!(count(side), count("tcp_segments"), "{side}: {row}");
        }
        let path = &row["path"];
        assert_eq!(
            path["destination"]["address"], row["to"]["address"],
            "{path}"
        );
        let named = &path["destination"]["services"];
        assert_eq!(named, &Value::from(vec![row["service"].clone()]), "{path}");
    }
    assert_eq!(services["to_service_addresses"], 0);
    let said = services["conclusion"].as_str().unwrap_or_default();
    assert!(
        said.starts_with("A Service is no end of a path: each of the 3"),
        "{said}"
    );
    let distinct = |end: &str| {
        let ends = rows.iter().map(|row| row[end].to_string());
        ends.collect::<BTreeSet<_>>().len()
    };
    assert_eq!(
        ["from", "service", "to"].map(distinct),
        [1, 2, 3],
        "{services}"
    );
}

/// The rows of the same in the table: where they go, and equal counts.
pub(crate) fn assert_table(output: &str) {
    let lines = output.lines().skip_while(|line| !line.starts_with("H2C "));
    let rows: Vec<Vec<&str>> = lines
        .map(|line| line.split_whitespace().collect::<Vec<_>>())
        .filter(|words| words.get(2).is_some_and(|word| word.starts_with("10.43.")))
        .collect();
    assert_eq!(rows.len(), ROWS, "{output}");
    for row in rows {
        let [_, from, _, _, to, class, requests, packets, segments] = row[..] else {
            panic!("nine words: {row:?}");
        };
        assert!(
            from.starts_with("10.42.") && to.starts_with("10.42."),
            "{row:?}"
        );
        assert_eq!(class, "vxlan-vmnet");
        assert_ne!(requests, "0");
        assert_eq!(packets, segments, "{output}");
    }
    let said = output
        .lines()
        .any(|line| line.starts_with("A Service is no end of a path"));
    assert!(said, "{output}");
}
