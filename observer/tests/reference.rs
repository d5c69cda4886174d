//! The reference pages are written from the code: a page that says something else is a failed test.
//! `NETPATH_WRITE_REFERENCE=1 cargo test -p observer --test reference` writes them anew.

use std::fmt::Write;
use std::path::Path;

use observer::config::File;
use observer::export::json::{Field, path_fields, wire_fields};
use observer::export::names::{Kind, Place, attribute_table, metric_table};

#[test]
fn the_configuration_page_is_the_default_file() {
    let page = format!(
        "# Settings\n\nWhat `observer config` prints: every key, its default and its meaning. A file \
         may leave any of them out; unknown keys and durations without a unit are refused.\n\n\
         ```toml\n{}```\n",
        // On a machine with more than 16 CPUs the default is 1,024 per CPU.
        File {
            flow_entries: 16_384,
            ..File::default()
        }
        .to_toml()
    );
    check("configuration.md", &page);
}

#[test]
fn the_telemetry_page_lists_every_metric_and_attribute() {
    check("telemetry.md", &telemetry());
}

#[test]
fn the_page_of_paths_lists_every_field_of_their_lines() {
    let mut page = String::from(
        "# Paths as JSON\n\nWhat `observer run --format json` prints for every ordered pair of pods and \
         class, one line per report. What is not known is null.\n\n\
         | field | value | meaning |\n|---|---|---|\n",
    );
    let wires = "\n## Underlays before the stack\n\nWith the setting `xdp`, one line per underlay that has an \
                 XDP program and report.\n\n| field | value | meaning |\n|---|---|---|\n";
    for (head, fields) in [("", path_fields()), (wires, wire_fields())] {
        page.push_str(head);
        write_fields(&mut page, fields);
    }
    check("paths.md", &page);
}

fn write_fields(page: &mut String, fields: &[Field]) {
    for row in fields {
        let (name, value, meaning) = (row.name, row.value, row.meaning);
        writeln!(page, "| `{name}` | {value} | {meaning} |").expect("write to a string");
    }
}

fn telemetry() -> String {
    let mut page = String::from(
        "# Telemetry\n\nOTLP over gRPC. Labels of metrics are bounded; addresses, ports and pod names \
         stand on spans only.\n\n## Metrics\n\n| name | kind | unit | meaning | labels |\n\
         |---|---|---|---|---|\n",
    );
    for row in metric_table() {
        let kind = match row.kind {
            Kind::Counter => "counter",
            Kind::Histogram => "histogram",
            Kind::Gauge => "gauge",
        };
        let labels: Vec<_> = row
            .labels
            .iter()
            .map(|label| format!("`{label}`"))
            .collect();
        writeln!(
            page,
            "| `{}` | {kind} | {} | {} | {} |",
            row.name,
            row.unit,
            row.meaning,
            labels.join(", ")
        )
        .expect("write to a string");
    }
    page.push_str("\n## Attributes\n\n| name | value | where | meaning |\n|---|---|---|---|\n");
    for row in attribute_table() {
        let place = match row.place {
            Place::Resource => "resource",
            Place::Span => "spans",
            Place::Metric => "metrics",
            Place::SpanAndMetric => "spans, metrics",
        };
        writeln!(
            page,
            "| `{}` | {} | {place} | {} |",
            row.name, row.value, row.meaning
        )
        .expect("write to a string");
    }
    page
}

fn check(name: &str, page: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../docs/reference")
        .join(name);
    if std::env::var_os("NETPATH_WRITE_REFERENCE").is_some() {
        std::fs::write(&path, page).expect("write the page");
    }
    let held = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        held == page,
        "{} differs from the code: see this file's first lines",
        path.display()
    );
}
