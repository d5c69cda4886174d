//! Releases of Go, as `go version` prints them. Pure.

use std::fmt;

/// Major, minor and patch of a release of Go; a beta or release candidate counts as its release.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version(pub u32, pub u32, pub u32);

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.0, self.1, self.2)
    }
}

impl Version {
    /// Reads what `go version` prints, such as `go version go1.26.8 linux/amd64`.
    #[must_use]
    pub fn parse(said: &str) -> Option<Self> {
        said.split_whitespace().find_map(|word| {
            let mut parts = word.strip_prefix("go")?.split('.');
            let major = leading_number(parts.next()?)?;
            let minor = leading_number(parts.next()?)?;
            let patch = parts.next().and_then(leading_number).unwrap_or(0);
            Some(Self(major, minor, patch))
        })
    }
}

fn leading_number(text: &str) -> Option<u32> {
    let end = text.find(|c: char| !c.is_ascii_digit());
    text[..end.unwrap_or(text.len())].parse().ok()
}
