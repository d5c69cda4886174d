//! Spans and metrics against a real OTLP gRPC receiver in this process, and the account of every
//! span when the receiver is away, slow, refusing, choosy, or the queue or the time is over.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use observer::export::otlp::{Drops, Exporter, Handle, Limits, NodeNames, Reason, Settings};
use observer::export::span::{Kind, Span};
use tokio::task::JoinHandle;

#[path = "export_otlp/arrival.rs"]
mod arrival;
#[path = "export_otlp/receiver.rs"]
mod receiver;
#[path = "export_otlp/shutdown.rs"]
mod shutdown;

use receiver::{Mood, Receiver};

const PATIENCE: Duration = Duration::from_secs(20);

struct Run {
    handle: Handle,
    drops: Arc<Drops>,
    task: JoinHandle<()>,
}

fn settings(endpoint: &str, limits: Limits) -> Settings {
    let names = NodeNames {
        node: "n1".to_owned(),
        host: "host-1".to_owned(),
        cluster: Some("lab".to_owned()),
    };
    let variable = |name| match name {
        "OTEL_EXPORTER_OTLP_HEADERS" => Some("x-token=s3cret".to_owned()),
        _ => None,
    };
    let settings = Settings::read(Some(endpoint), &names, limits, variable);
    settings.expect("settings").expect("an endpoint")
}

/// Impatient, so that the tests are short; without a cap on spans per second.
fn limits() -> Limits {
    Limits {
        delay: Duration::from_millis(20),
        metric_interval: Duration::from_millis(20),
        backoff: Duration::from_millis(50),
        grace: Duration::from_secs(2),
        spans_per_second: u32::MAX,
        ..Limits::default()
    }
}

fn start(endpoint: &str, limits: Limits) -> Run {
    run(settings(endpoint, limits))
}

/// For receivers that do not answer.
fn start_impatient(endpoint: &str, timeout: Duration) -> Run {
    run(Settings {
        timeout,
        ..settings(endpoint, limits())
    })
}

fn run(settings: Settings) -> Run {
    let drops = Arc::new(Drops::default());
    let (handle, task) = Exporter::start(settings, Arc::clone(&drops));
    Run {
        handle,
        drops,
        task: tokio::spawn(task),
    }
}

/// An address where nothing listens.
async fn nowhere() -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("bind");
    listener.local_addr().expect("address").to_string()
}

fn span(number: u64) -> Span {
    Span {
        trace_id: [7; 16],
        span_id: (number + 1).to_be_bytes(),
        parent: None,
        kind: Kind::Internal,
        name: "pod > bridge".into(),
        start: 1_000,
        end: 2_000,
        error: None,
        attributes: Vec::new(),
    }
}

fn send(handle: &Handle, spans: u64) {
    for number in 0..spans {
        handle.send(vec![span(number)], 0, Duration::ZERO);
    }
}

impl Run {
    /// Lets the exporter end and checks the account: every span received or dropped by name.
    async fn finish(self) -> Arc<Drops> {
        let Self {
            handle,
            drops,
            task,
        } = self;
        drop(handle);
        within(task).await.expect("the task ends well");
        let dropped: u64 = Reason::ALL
            .into_iter()
            .map(|reason| drops.dropped(reason))
            .sum();
        assert_eq!(drops.made(), drops.received() + dropped, "{drops:?}");
        drops
    }

    async fn settled(&self, spans: u64) {
        let settled = || {
            let reasons = Reason::ALL.into_iter();
            self.drops.received()
                + reasons
                    .map(|reason| self.drops.dropped(reason))
                    .sum::<u64>()
        };
        within(async {
            while settled() < spans {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await;
    }
}

async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future)
        .await
        .expect("in time")
}

/// Only these reasons have drops.
fn only(drops: &Arc<Drops>, expected: &[(Reason, u64)]) {
    for reason in Reason::ALL {
        let wanted = expected
            .iter()
            .find(|(name, _)| *name == reason)
            .map_or(0, |(_, n)| *n);
        assert_eq!(
            drops.dropped(reason),
            wanted,
            "{}: {drops:?}",
            reason.name()
        );
    }
}

#[tokio::test]
async fn a_receiver_that_is_away_costs_unreachable_spans() {
    let run = start(&nowhere().await, limits());
    send(&run.handle, 1_000);
    run.settled(1_000).await;
    let trouble = run.drops.trouble().expect("a line");
    assert!(
        trouble.contains("refused") && trouble.contains("collector"),
        "{trouble}"
    );
    only(&run.finish().await, &[(Reason::Unreachable, 1_000)]);
}

#[tokio::test]
async fn a_receiver_that_comes_late_is_found_without_a_restart() {
    let address = nowhere().await;
    // It lives longer than its grace, which begins when the handle is gone.
    let grace = Duration::from_millis(20);
    let run = start(&address, Limits { grace, ..limits() });
    send(&run.handle, 10);
    run.settled(10).await;
    assert_eq!(run.drops.dropped(Reason::Unreachable), 10);
    let receiver = Receiver::start_at(&address, Mood::Willing);
    send(&run.handle, 5);
    run.settled(15).await;
    assert_eq!((run.drops.received(), receiver.spans()), (5, 5));
    assert_eq!(run.drops.trouble(), None);
    run.finish().await;
}

#[tokio::test]
async fn a_receiver_that_goes_away_and_comes_back_is_found_again() {
    let first = Receiver::start(Mood::Willing);
    let address = first.address.to_string();
    let run = start(&address, limits());
    send(&run.handle, 3);
    run.settled(3).await;
    drop(first);
    let second = Receiver::start_at(&address, Mood::Willing);
    send(&run.handle, 4);
    run.settled(7).await;
    assert_eq!(second.spans(), 4, "at the latest the retry finds it");
    only(&run.finish().await, &[]);
}

#[tokio::test]
async fn a_peer_that_died_without_a_word_is_left_for_a_new_connection() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("bind");
    let address = listener.local_addr().expect("address").to_string();
    let run = start_impatient(&address, Duration::from_secs(1));
    send(&run.handle, 5);
    let (dead, _) = listener.accept().await.expect("accept");
    run.settled(5).await;
    drop(listener);
    let receiver = Receiver::start_at(&address, Mood::Willing);
    send(&run.handle, 6);
    run.settled(11).await;
    drop(dead);
    only(&run.finish().await, &[(Reason::Timeout, 5)]);
    assert_eq!(receiver.spans(), 6);
}

#[tokio::test]
async fn a_slow_receiver_costs_timeouts_and_gets_no_second_copy() {
    let receiver = Receiver::start(Mood::Slow(Duration::from_secs(3)));
    let run = start_impatient(&receiver.address.to_string(), Duration::from_millis(300));
    send(&run.handle, 700);
    run.settled(700).await;
    let drops = run.finish().await;
    only(&drops, &[(Reason::Timeout, 700)]);
    let begun = receiver.arrived.lock().expect("lock").begun;
    assert_eq!(
        (receiver.spans(), begun),
        (0, 2),
        "two batches, none of them twice"
    );
}

#[tokio::test]
async fn a_receiver_that_refuses_for_good_costs_refused_spans() {
    for (code, tries) in [
        (tonic::Code::Unavailable, 2),
        (tonic::Code::ResourceExhausted, 1),
    ] {
        let receiver = Receiver::start(Mood::Refusing(code, usize::MAX));
        let run = start(&receiver.address.to_string(), limits());
        send(&run.handle, 40);
        run.settled(40).await;
        let trouble = run.drops.trouble().expect("a line");
        assert!(trouble.contains("not \\u{1b}[31mtoday"), "{trouble}");
        only(&run.finish().await, &[(Reason::Refused, 40)]);
        let refusals = receiver.arrived.lock().expect("lock").begun;
        assert_eq!(
            refusals, tries,
            "{code:?}: one retry at most, and only where it may help"
        );
    }
}

#[tokio::test]
async fn a_receiver_that_refuses_once_gets_the_batch_at_the_retry() {
    let receiver = Receiver::start(Mood::Refusing(tonic::Code::Unavailable, 1));
    let run = start(&receiver.address.to_string(), limits());
    send(&run.handle, 40);
    run.settled(40).await;
    only(&run.finish().await, &[]);
    assert_eq!(receiver.spans(), 40);
}

#[tokio::test]
async fn partial_success_counts_what_was_rejected_and_lies_are_bounded() {
    for (rejected, expected) in [(3, 3), (1_000_000, 10), (-5, 0)] {
        let receiver = Receiver::start(Mood::Choosy(rejected));
        let run = start(&receiver.address.to_string(), limits());
        send(&run.handle, 10);
        run.settled(10).await;
        let drops = run.finish().await;
        only(&drops, &[(Reason::Partial, expected)]);
        assert_eq!(drops.received(), 10 - expected);
    }
}

#[tokio::test]
async fn a_round_trip_that_finds_no_room_is_dropped_whole() {
    let receiver = Receiver::start(Mood::Willing);
    let limits = Limits {
        queue: 10,
        ..limits()
    };
    let run = start(&receiver.address.to_string(), limits);
    for _ in 0..5 {
        run.handle
            .send((0..4).map(span).collect(), 0, Duration::ZERO);
    }
    let drops = run.finish().await;
    only(&drops, &[(Reason::QueueFull, 12)]);
    assert_eq!(receiver.spans(), 8);
}

#[tokio::test]
async fn more_spans_than_the_cap_are_counted_as_rate() {
    let receiver = Receiver::start(Mood::Willing);
    let limits = Limits {
        spans_per_second: 100,
        ..limits()
    };
    let run = start(&receiver.address.to_string(), limits);
    send(&run.handle, 1_000);
    let drops = run.finish().await;
    only(&drops, &[(Reason::Rate, 200)]);
    assert_eq!((drops.received(), receiver.spans()), (800, 800));
}

#[tokio::test]
async fn nobody_waits_for_a_dead_collector_and_memory_stays_bounded() {
    let run = start(&nowhere().await, limits());
    // The attributes of a real root span weigh about 2 kB.
    let heavy = |number| Span {
        name: "x".repeat(2_000).into(),
        ..span(number)
    };
    let spans: Vec<_> = (0..1_000).map(heavy).collect();
    let before = resident();
    let mut slowest = Duration::ZERO;
    let begin = Instant::now();
    for _ in 0..100 {
        for span in &spans {
            let span = span.clone();
            let at = Instant::now();
            run.handle.send(vec![span], 0, Duration::ZERO);
            slowest = at.elapsed().max(slowest);
        }
        // The task gets its turns, as it would on a busy runtime.
        tokio::task::yield_now().await;
    }
    let took = begin.elapsed();
    let grown = resident().saturating_sub(before);
    println!(
        "100,000 spans in {took:?}, slowest {slowest:?}, {} kB more",
        grown / 1_024
    );
    assert!(took < Duration::from_secs(1), "{took:?}");
    assert!(grown < 32 << 20, "{grown} bytes; all spans would be 200 MB");
    let drops = run.finish().await;
    assert_eq!((drops.made(), drops.received()), (100_000, 0));
    assert!(drops.dropped(Reason::QueueFull) > 90_000, "{drops:?}");
}

/// Bytes of resident memory (`proc_pid_statm`, section 5).
fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").expect("statm");
    let pages: usize = statm
        .split(' ')
        .nth(1)
        .and_then(|n| n.parse().ok())
        .expect("pages");
    pages * 4_096
}
