//! Whether this process has root's rights, and what to type when it does not. It never raises
//! rights by itself.

use crate::report;

/// The effective user is root.
#[must_use]
pub fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

/// The command that repeats `arguments` of `cargo xtask` with root's rights.
#[must_use]
pub fn with_root(arguments: &[String]) -> String {
    let words: Vec<String> = arguments.iter().map(|word| report::quoted(word)).collect();
    format!("sudo -E env \"PATH=$PATH\" cargo xtask {}", words.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_to_type_repeats_the_arguments() {
        let arguments = ["run", "--for", "20s", "--", "a b"].map(str::to_owned);
        assert_eq!(
            with_root(&arguments),
            "sudo -E env \"PATH=$PATH\" cargo xtask run --for 20s -- 'a b'"
        );
    }
}
