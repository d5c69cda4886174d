//! What the measuring test says of the programs on one kernel. Pure.

use std::collections::BTreeMap;

/// How it says them: `netpath-stack: program = bytes`.
const STACK: &str = "netpath-stack:";
const INSTRUCTIONS: &str = "netpath-instructions:";

/// Figures by program.
pub(crate) type Figures = BTreeMap<String, u32>;

/// What the programs cost on one kernel.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Measured {
    /// The kernel's release.
    pub(crate) release: String,
    /// Verified instructions; nothing where the test may not load programs.
    pub(crate) instructions: Figures,
    /// Bytes of stack.
    pub(crate) stack: Figures,
}

impl Measured {
    /// Reads the test's lines; the kernel's messages or a test's name may stand before a figure.
    pub(crate) fn read<'a>(release: &str, lines: impl Iterator<Item = &'a str>) -> Self {
        let mut measured = Self {
            release: release.to_owned(),
            ..Self::default()
        };
        for line in lines {
            measured.stack.extend(figure(line, STACK));
            measured.instructions.extend(figure(line, INSTRUCTIONS));
        }
        measured
    }
}

fn figure(line: &str, mark: &str) -> Option<(String, u32)> {
    let (_, said) = line.split_once(mark)?;
    let (program, figure) = said.trim().split_once(" = ")?;
    Some((program.to_owned(), figure.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::Measured;

    #[test]
    fn figures_are_told_from_other_lines() {
        let lines = [
            "test no_program ... netpath-stack: tunnel_in = 288",
            "[ 1.0] netpath-instructions: tunnel_in = 88841",
            "netpath-instructions: bridge_in = many",
            "test result: ok",
        ];
        let measured = Measured::read("6.1.0", lines.into_iter());
        assert_eq!(measured.stack, [("tunnel_in".to_owned(), 288)].into());
        assert_eq!(
            measured.instructions,
            [("tunnel_in".to_owned(), 88_841)].into()
        );
    }
}
