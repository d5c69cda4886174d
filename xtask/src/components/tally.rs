//! The table at the end of a build, as text. It prints nothing.

use std::fmt::Write;
use std::time::Duration;

use super::build::Built;
use crate::report;

/// One row per component, the sum, and where the programs are.
pub(super) fn render(built: &[Built], elapsed: Duration) -> String {
    let mut text = format!(
        "{:<10}  {:<9}  {:>11}  {:>6}  programs\n",
        "component", "version", "time", "MB"
    );
    for built in built {
        let time = built
            .took
            .map_or_else(|| "was there".to_owned(), report::seconds);
        row(
            &mut text,
            [built.component.name, built.component.version, &time],
            built.size,
            &built.folder.display().to_string(),
        );
    }
    let size = built.iter().map(|built| built.size).sum();
    row(&mut text, ["all", "", &report::seconds(elapsed)], size, "");
    text.truncate(text.trim_end().len());
    text
}

fn row(text: &mut String, [name, version, time]: [&str; 3], bytes: u64, rest: &str) {
    // Rounded to a tenth of a megabyte.
    let tenths = (bytes + 50_000) / 100_000;
    let size = format!("{}.{}", tenths / 10, tenths % 10);
    let line = format!("{name:<10}  {version:<9}  {time:>11}  {size:>6}  {rest}");
    // Writing into a string cannot fail.
    writeln!(text, "{}", line.trim_end()).unwrap_or_default();
}

#[cfg(test)]
mod tests {
    use super::super::table::{CNI, TAILSCALE};
    use super::*;

    #[test]
    fn rows_are_aligned_and_summed() {
        let row = |component, took, size| Built {
            component,
            folder: "/cache/x/bin".into(),
            took,
            size,
        };
        let took = Some(Duration::from_secs(158));
        let built = [
            row(&TAILSCALE, took, 70_516_722),
            row(&CNI, None, 6_960_000),
        ];
        let text = render(&built, Duration::from_secs(159));
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(
            lines,
            [
                "component   version           time      MB  programs",
                "tailscale   v1.102.3    2 min 38 s    70.5  /cache/x/bin",
                "cni         v1.9.1       was there     7.0  /cache/x/bin",
                "all                     2 min 39 s    77.5",
            ]
        );
    }
}
