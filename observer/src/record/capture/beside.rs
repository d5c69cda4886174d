//! What a kernel knows of a frame beside its bytes, as the comment of a pcapng packet: words such as
//! `gso_size=1348 mark=0x80000`. Anybody may comment a packet: other words mean nothing here.

/// What stood beside a frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Beside {
    /// Payload per segment if it is an aggregate, else 0.
    pub gso_size: u32,
    /// Socket buffer mark.
    pub mark: u32,
}

impl Beside {
    /// The comment; none if there is nothing to say.
    #[must_use]
    pub fn comment(&self) -> Option<String> {
        let mut words = Vec::new();
        if self.gso_size > 0 {
            words.push(format!("gso_size={}", self.gso_size));
        }
        if self.mark > 0 {
            words.push(format!("mark={:#x}", self.mark));
        }
        (!words.is_empty()).then(|| words.join(" "))
    }

    /// Takes what a comment says.
    pub(super) fn take(&mut self, comment: &[u8]) {
        let words = str::from_utf8(comment).unwrap_or_default();
        for word in words.split_ascii_whitespace() {
            let (name, value) = word.split_once('=').unwrap_or_default();
            match name {
                "gso_size" => self.gso_size = value.parse().unwrap_or(self.gso_size),
                "mark" => {
                    let digits = value.strip_prefix("0x").unwrap_or("-");
                    self.mark = u32::from_str_radix(digits, 16).unwrap_or(self.mark);
                }
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(comment: &[u8]) -> Beside {
        let mut beside = Beside::default();
        beside.take(comment);
        beside
    }

    #[test]
    fn a_comment_is_read_as_it_was_written() {
        for (gso_size, mark) in [(0, 0), (1_348, 0), (0, 0x8_0000), (u32::MAX, u32::MAX)] {
            let beside = Beside { gso_size, mark };
            let comment = beside.comment().unwrap_or_default();
            assert_eq!(read(comment.as_bytes()), beside, "{comment}");
        }
    }

    #[test]
    fn peoples_comments_say_nothing() {
        for comment in [
            &b"gso_size is large"[..],
            b"gso_size=-1 mark=80000 mark=0xfffffffff",
            b"= == gso_size= mark=0x",
            b"\xff\xfe gso_size=7",
        ] {
            assert_eq!(read(comment), Beside::default());
        }
    }
}
