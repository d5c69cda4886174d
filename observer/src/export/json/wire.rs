//! The object of an underlay that is observed before the stack.

use serde::Serialize;

use super::millis;
use crate::path::WireReport;

#[derive(Serialize)]
pub(super) struct Line<'a> {
    r#type: &'static str,
    device: &'a str,
    mode: &'static str,
    packets: u64,
    bytes: u64,
    buffers: u64,
    segments: u64,
    segment_bytes: u64,
    noted: u64,
    unmet: u64,
    delay_ms: Option<Delay>,
}

#[derive(Serialize)]
struct Delay {
    count: u64,
    mean: f64,
    p50: Option<f64>,
    p99: Option<f64>,
}

impl<'a> Line<'a> {
    pub(super) fn of(report: &'a WireReport) -> Self {
        let (sums, count) = (&report.sums, report.timed());
        Self {
            r#type: "wire",
            device: &report.device,
            mode: report.mode,
            packets: sums.packets,
            bytes: sums.bytes,
            buffers: sums.buffers,
            segments: sums.segments,
            segment_bytes: sums.segment_bytes,
            noted: sums.noted,
            unmet: sums.unmet,
            delay_ms: report.delayed().checked_div(count).map(|mean| Delay {
                count,
                mean: millis(mean),
                p50: report.delay_within(50).map(millis),
                p99: report.delay_within(99).map(millis),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use observer_ebpf::abi::wire::WireRecord;

    use super::*;
    use crate::export::json::{wire_fields, wire_line};

    fn report() -> WireReport {
        WireReport {
            device: "eth0".to_owned(),
            mode: "native",
            sums: WireRecord {
                packets: 50,
                bytes: 70_000,
                buffers: 5,
                segments: 49,
                segment_bytes: 69_000,
                noted: 3,
                unmet: 1,
                ..WireRecord::default()
            },
        }
    }

    #[test]
    fn a_wire_is_the_object_of_the_reference_page() {
        let mut report = report();
        let counts = r#"{"type":"wire","device":"eth0","mode":"native","packets":50,"bytes":70000,"buffers":5,"segments":49,"segment_bytes":69000,"noted":3,"unmet":1,"delay_ms":"#;
        let line = wire_line(&report).expect("a line");
        assert_eq!(line, format!("{counts}null}}"));
        report.sums.delays[5] = 2;
        report.sums.delayed = 50;
        let line = wire_line(&report).expect("a line");
        let delay = r#"{"count":2,"mean":0.0016,"p50":0.002048,"p99":0.002048}}"#;
        assert_eq!(line, format!("{counts}{delay}"));
        let read: serde_json::Value = serde_json::from_str(&line).expect("JSON");
        for field in wire_fields() {
            let pointer = format!("/{}", field.name.replace('.', "/"));
            assert!(read.pointer(&pointer).is_some(), "{}", field.name);
        }
    }
}
