//! Writes to standard output from a thread of its own, so that a reader who does not read holds up
//! nothing: what finds the queue full is dropped whole, line by line never torn, and counted.

use std::io::{self, Write, stdout};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use tokio::sync::oneshot;

use super::AgentError;

/// Bytes that may wait for the reader; a single text may be longer.
const ROOM: usize = 4 << 20;

/// The queue before standard output.
#[derive(Debug)]
pub(super) struct Printer {
    texts: Sender<String>,
    waiting: Arc<AtomicUsize>,
    end: oneshot::Receiver<io::Result<()>>,
    dropped: u64,
}

impl Printer {
    pub(super) fn start() -> Result<Self, AgentError> {
        Self::onto(stdout())
    }

    fn onto(out: impl Write + Send + 'static) -> Result<Self, AgentError> {
        let (texts, queue) = channel();
        let waiting = Arc::new(AtomicUsize::new(0));
        let (tell, end) = oneshot::channel();
        let own = Arc::clone(&waiting);
        thread::Builder::new()
            .name("observer-print".to_owned())
            .spawn(move || drop(tell.send(write_all(&queue, &own, out))))
            .map_err(AgentError::Thread)?;
        Ok(Self {
            texts,
            waiting,
            end,
            dropped: 0,
        })
    }

    /// Queues a text of whole lines. Fails once nobody reads any more.
    pub(super) fn print(&mut self, text: String) -> Result<(), AgentError> {
        let waiting = self.waiting.load(Ordering::Relaxed);
        if waiting > 0 && waiting + text.len() > ROOM {
            self.dropped += 1;
            return Ok(());
        }
        self.waiting.fetch_add(text.len(), Ordering::Relaxed);
        self.texts
            .send(text)
            .map_err(|_| match self.end.try_recv() {
                Ok(Err(cause)) => AgentError::Output(cause),
                Ok(Ok(())) | Err(_) => printer_ended(),
            })
    }

    /// Texts that were dropped.
    pub(super) const fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Waits until everything is written.
    pub(super) async fn finish(self) -> Result<(), AgentError> {
        drop(self.texts);
        match self.end.await {
            Ok(written) => written.map_err(AgentError::Output),
            Err(_) => Err(printer_ended()),
        }
    }
}

fn printer_ended() -> AgentError {
    AgentError::Ended {
        task: "the printer",
        why: "it panicked".to_owned(),
    }
}

fn write_all(
    queue: &Receiver<String>,
    waiting: &AtomicUsize,
    mut out: impl Write,
) -> io::Result<()> {
    for text in queue {
        out.write_all(text.as_bytes())?;
        out.flush()?;
        waiting.fetch_sub(text.len(), Ordering::Relaxed);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::mpsc::sync_channel;

    use super::*;

    /// A reader who reads once he is told to.
    struct Slow(Receiver<()>, Arc<Mutex<Vec<u8>>>);

    impl Write for Slow {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            // Told or forgotten: both let him read.
            let _told = self.0.recv();
            self.1.lock().expect("one writer").extend(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[tokio::test]
    async fn a_reader_who_does_not_read_costs_counted_texts_alone() {
        let (read, told) = sync_channel(0);
        let written = Arc::new(Mutex::new(Vec::new()));
        let mut printer = Printer::onto(Slow(told, Arc::clone(&written))).expect("thread");
        let text = format!("{}\n", "x".repeat(ROOM / 4 - 1));
        for _ in 0..7 {
            printer.print(text.clone()).expect("a queue");
        }
        assert_eq!(printer.dropped(), 3);
        drop(read);
        printer.finish().await.expect("written");
        assert_eq!(written.lock().expect("one writer").len(), ROOM);
    }

    #[tokio::test]
    async fn the_end_of_the_reader_is_an_error_by_its_name() {
        struct Gone;
        impl Write for Gone {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::BrokenPipe.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let mut printer = Printer::onto(Gone).expect("thread");
        let failed = loop {
            if let Err(error) = printer.print("a\n".to_owned()) {
                break error;
            }
            tokio::task::yield_now().await;
        };
        assert!(failed.is_reader_gone(), "{failed}");
        let printer = Printer::onto(Gone).expect("thread");
        printer.texts.send("a\n".to_owned()).expect("a queue");
        let failed = printer.finish().await.expect_err("nobody reads");
        assert!(failed.is_reader_gone(), "{failed}");
    }
}
