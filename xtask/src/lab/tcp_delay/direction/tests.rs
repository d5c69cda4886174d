//! Time, order, bounds and ends of one direction, between a sender and a receiver in memory.

use super::*;

const LATER: Duration = Duration::from_millis(20);

/// Takes so many bytes more, then blocks.
#[derive(Default)]
struct Receiver {
    room: usize,
    bytes: Vec<u8>,
    ended: bool,
}

impl Write for Receiver {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let length = self.room.min(bytes.len());
        if length == 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.room -= length;
        self.bytes.extend(&bytes[..length]);
        Ok(length)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Sink for Receiver {
    fn end(&mut self) -> io::Result<()> {
        self.ended = true;
        Ok(())
    }
}

/// A sender whose connection is reset.
struct Broken;

impl Read for Broken {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(io::ErrorKind::ConnectionReset.into())
    }
}

#[test]
fn bytes_and_their_end_leave_at_their_time_in_order() {
    let (mut way, mut receiver) = (Direction::default(), Receiver::default());
    receiver.room = usize::MAX;
    let now = Instant::now();
    let mut sender: &[u8] = b"abcdef";
    for _ in 0..3 {
        way.take(&mut sender, &mut [0; 4], now + LATER)
            .expect("read");
    }
    assert!(!way.has_room(), "the sender has ended");
    assert_eq!(way.deliver(&mut receiver, now), None);
    assert_eq!((receiver.bytes.len(), way.wait(now)), (0, Some(LATER)));
    assert_eq!(way.deliver(&mut receiver, now + LATER), Some(End::Orderly));
    assert_eq!(
        (receiver.bytes.as_slice(), receiver.ended),
        (&b"abcdef"[..], true)
    );
}

#[test]
fn receiver_that_takes_little_gets_all_and_is_not_waited_for_by_time() {
    let (mut way, mut receiver) = (Direction::default(), Receiver::default());
    let now = Instant::now();
    let mut sender: &[u8] = b"abcdef";
    for _ in 0..3 {
        way.take(&mut sender, &mut [0; 4], now).expect("read");
    }
    for taken in 0..6 {
        assert_eq!(way.deliver(&mut receiver, now), None);
        assert_eq!((way.is_blocked(), way.wait(now)), (true, None));
        assert_eq!((receiver.bytes.len(), way.bytes), (taken, 6 - taken));
        receiver.room = 1;
    }
    assert_eq!(way.deliver(&mut receiver, now), Some(End::Orderly));
    assert_eq!(receiver.bytes, b"abcdef");
}

#[test]
fn full_direction_takes_nothing_and_loses_nothing() {
    let (mut way, mut receiver) = (Direction::default(), Receiver::default());
    let now = Instant::now();
    let large = vec![7; BYTES + 9];
    let mut sender = large.as_slice();
    let mut chunk = vec![0; BYTES / 2 + 1];
    for _ in 0..9 {
        way.take(&mut sender, &mut chunk, now).expect("read");
    }
    assert_eq!(
        way.bytes,
        2 * (BYTES / 2 + 1),
        "one read past the bound at most"
    );
    assert_eq!(sender.len(), 7, "the rest stays with the sender");
    receiver.room = usize::MAX;
    assert_eq!((way.deliver(&mut receiver, now), way.bytes), (None, 0));
    for _ in 0..2 {
        way.take(&mut sender, &mut chunk, now).expect("read");
    }
    assert_eq!(way.deliver(&mut receiver, now), Some(End::Orderly));
    assert_eq!(receiver.bytes, large);
}

#[test]
fn tiny_pieces_are_bounded_too() {
    let mut way = Direction::default();
    let mut sender = io::repeat(7);
    for _ in 0..=PIECES {
        way.take(&mut sender, &mut [0; 1], Instant::now())
            .expect("read");
    }
    assert_eq!((way.bytes, way.has_room()), (PIECES, false));
}

#[test]
fn reset_comes_after_what_was_sent_before_it() {
    let (mut way, mut receiver) = (Direction::default(), Receiver::default());
    receiver.room = usize::MAX;
    let now = Instant::now();
    let mut sender: &[u8] = b"abc";
    way.take(&mut sender, &mut [0; 4], now).expect("read");
    way.take(&mut Broken, &mut [0; 4], now + LATER)
        .expect_err("a reset");
    assert_eq!(way.deliver(&mut receiver, now), None);
    assert_eq!(receiver.bytes, b"abc");
    assert_eq!(way.deliver(&mut receiver, now + LATER), Some(End::Reset));
    assert!(!receiver.ended, "a reset is no orderly end");
}
