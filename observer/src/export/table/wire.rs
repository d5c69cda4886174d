//! A line per underlay that is observed before the stack.

use std::time::Duration;

use super::number;
use super::text::printable;
use crate::path::WireReport;

/// Lines with their ends; none without such an underlay.
#[must_use]
pub fn wire_lines(wires: &[WireReport]) -> String {
    wires.iter().map(line).collect()
}

fn line(report: &WireReport) -> String {
    let sums = &report.sums;
    let mean = report.delayed().checked_div(report.timed());
    let delay = mean.map_or_else(String::new, |mean| {
        let micros = Duration::from_nanos(mean).as_secs_f64() * 1e6;
        format!("; {micros:.1} us from arrival to stack")
    });
    format!(
        "{} ({} XDP): {} frames from the wire in {} buffers{delay}\n",
        printable(&report.device),
        report.mode,
        number::short(sums.packets),
        number::short(sums.buffers),
    )
}

#[cfg(test)]
mod tests {
    use observer_ebpf::abi::wire::WireRecord;

    use super::*;

    #[test]
    fn a_wire_is_a_line_with_its_mean_delay_if_there_is_one() {
        let mut report = WireReport {
            device: "eth0".to_owned(),
            mode: "native",
            sums: WireRecord {
                packets: 440,
                buffers: 10,
                ..WireRecord::default()
            },
        };
        let counts = "eth0 (native XDP): 440 frames from the wire in 10 buffers";
        assert_eq!(
            wire_lines(std::slice::from_ref(&report)),
            format!("{counts}\n")
        );
        report.sums.delays[8] = 2;
        report.sums.delayed = 800;
        let line = wire_lines(&[report]);
        assert_eq!(line, format!("{counts}; 25.6 us from arrival to stack\n"));
        assert_eq!(wire_lines(&[]), "");
    }
}
