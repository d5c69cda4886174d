//! What tcpdump says on its standard error. Pure.

use super::Captured;

/// Whether it captures by now.
pub(super) fn has_begun(said: &str) -> bool {
    said.contains("listening on ")
}

/// Its last words; none if they are not there.
pub(super) fn summary(said: &str) -> Option<Captured> {
    let number = |words: [&str; 2]| {
        let mut lines = said.lines().filter_map(|line| {
            let (number, what) = line.trim().split_once(' ')?;
            words.contains(&what).then(|| number.parse().ok())?
        });
        lines.next()
    };
    Some(Captured {
        packets: number(["packets captured", "packet captured"])?,
        dropped: number(["packets dropped by kernel", "packet dropped by kernel"])?,
    })
}

#[cfg(test)]
mod tests {
    use super::{Captured, has_begun, summary};

    const BEGUN: &str = "tcpdump: listening on lima0, link-type EN10MB (Ethernet), \
        snapshot length 262144 bytes\n";

    #[test]
    fn last_words_are_read() {
        let words =
            "1 packet captured\n12 packets received by filter\n3 packets dropped by kernel\n";
        let said = format!("{BEGUN}{words}");
        let found = Captured {
            packets: 1,
            dropped: 3,
        };
        assert!(has_begun(&said));
        assert_eq!(summary(&said), Some(found));
    }

    #[test]
    fn refusal_is_neither_a_beginning_nor_an_end() {
        let said = "tcpdump: lima7: No such device exists\n";
        assert_eq!((has_begun(said), summary(said)), (false, None));
        assert_eq!(summary(BEGUN), None);
    }
}
