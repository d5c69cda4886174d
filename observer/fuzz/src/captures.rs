//! Target `captures`: bytes as a pcap or pcapng file. Whatever its lengths claim, no frame is longer
//! than what stands in the file, and a damaged file ends with the byte that is wrong.

use observer::record::capture::{Capture, Head, Heading, LONGEST_FRAME, LinkType, Problem};

use crate::outcomes::{Outcome, Saw};

const READ: [&str; 6] = [
    "to_the_end",
    "frame",
    "frame_in",
    "frame_out",
    "named_interface",
    "cut_frame",
];
const LINKS: [&str; 4] = ["ethernet", "raw", "linux_sll", "linux_sll2"];
const REFUSED: [&str; 8] = [
    "truncated",
    "magic",
    "version",
    "link_type",
    "length",
    "time",
    "interface",
    "block",
];
/// Not by inputs of this length, and not by bytes in memory.
const ELSEWHERE: [&str; 2] = ["interfaces", "io"];

/// All that a corpus of captures must reach.
pub(crate) fn wanted() -> Vec<Outcome> {
    let read = READ.iter().map(|name| ("read", *name));
    let links = LINKS.iter().map(|name| ("link", *name));
    let refused = REFUSED.iter().map(|name| ("refused", *name));
    read.chain(links).chain(refused).collect()
}

/// Reads a capture to its end; panics where something is wrong.
pub(crate) fn run(input: &[u8], saw: Saw<'_>) {
    let mut capture = match Capture::open(input) {
        Ok(capture) => capture,
        Err(error) => return refused(&error, input, saw),
    };
    let (mut bytes, mut last, mut sum) = (Vec::new(), None, 0);
    loop {
        let head = match capture.take(&mut bytes) {
            Ok(Some(head)) => head,
            Ok(None) => return saw("read", READ[0]),
            Err(error) => return refused(&error, input, saw),
        };
        sum += bytes.len();
        assert!(sum <= input.len(), "frames are no longer than their file");
        assert!(
            last < Some(head.offset),
            "frames stand one behind the other"
        );
        assert!(
            head.offset < input.len() as u64,
            "a frame begins in its file"
        );
        assert!(
            bytes.len() as u64 <= u64::from(LONGEST_FRAME),
            "a frame has its limit"
        );
        assert!(
            u64::from(head.length) >= bytes.len() as u64,
            "a frame was no shorter"
        );
        last = Some(head.offset);
        let interface = capture.interfaces().get(head.interface);
        let Some(interface) = interface else {
            panic!("a frame has an interface: {head:?}");
        };
        tell(&head, bytes.len(), saw);
        saw("link", link(interface.link));
        if interface.name.is_some() {
            saw("read", READ[4]);
        }
    }
}

fn tell(head: &Head, captured: usize, saw: Saw<'_>) {
    saw("read", READ[1]);
    match head.heading {
        Some(Heading::In) => saw("read", READ[2]),
        Some(Heading::Out) => saw("read", READ[3]),
        None => {}
    }
    if u64::from(head.length) > captured as u64 {
        saw("read", READ[5]);
    }
}

const fn link(link: LinkType) -> &'static str {
    match link {
        LinkType::Ethernet => LINKS[0],
        LinkType::Raw => LINKS[1],
        LinkType::LinuxSll => LINKS[2],
        LinkType::LinuxSll2 => LINKS[3],
    }
}

fn refused(error: &observer::record::capture::CaptureError, input: &[u8], saw: Saw<'_>) {
    assert!(
        error.offset <= input.len() as u64,
        "an error is in its file: {error}"
    );
    let text = error.to_string();
    assert!(
        text.starts_with("byte ") && is_harmless(&text),
        "an error names its byte: {text:?}"
    );
    let name = match error.problem {
        Problem::Truncated { .. } => REFUSED[0],
        Problem::Magic(_) => REFUSED[1],
        Problem::Version { .. } => REFUSED[2],
        Problem::LinkType(_) => REFUSED[3],
        Problem::Length { .. } => REFUSED[4],
        Problem::Time(_) => REFUSED[5],
        Problem::Interface(_) => REFUSED[6],
        Problem::Block(_) => REFUSED[7],
        Problem::Interfaces(_) => ELSEWHERE[0],
        Problem::Io(_) => ELSEWHERE[1],
    };
    saw("refused", name);
}

/// Nothing in a text that a terminal obeys.
pub(crate) fn is_harmless(text: &str) -> bool {
    !text.chars().any(char::is_control)
}
