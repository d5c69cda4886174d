//! The end of the exporter: what is queued is sent or has a name, within the grace.

use std::time::{Duration, Instant};

use observer::export::otlp::{Limits, Reason};

use super::receiver::{Mood, Receiver};
use super::{limits, only, send, start, within};

#[tokio::test]
async fn shutdown_sends_what_is_queued() {
    let receiver = Receiver::start(Mood::Willing);
    let limits = Limits {
        delay: Duration::from_hours(1),
        ..limits()
    };
    let run = start(&receiver.address.to_string(), limits);
    send(&run.handle, 1_300);
    let begin = Instant::now();
    only(&run.finish().await, &[]);
    assert!(
        begin.elapsed() < Duration::from_secs(2),
        "the delay is not waited for"
    );
    assert_eq!(receiver.spans(), 1_300);
}

#[tokio::test]
async fn shutdown_ends_within_its_grace_and_counts_what_is_left() {
    let receiver = Receiver::start(Mood::Slow(Duration::from_hours(1)));
    let limits = Limits {
        grace: Duration::from_millis(100),
        ..limits()
    };
    let run = start(&receiver.address.to_string(), limits);
    send(&run.handle, 1_300);
    let begin = Instant::now();
    let drops = run.finish().await;
    assert!(
        begin.elapsed() < Duration::from_secs(5),
        "{:?}",
        begin.elapsed()
    );
    only(&drops, &[(Reason::Shutdown, 1_300)]);
}

#[tokio::test]
async fn a_task_that_is_torn_down_leaves_no_span_without_a_name() {
    let receiver = Receiver::start(Mood::Slow(Duration::from_hours(1)));
    let run = start(&receiver.address.to_string(), limits());
    send(&run.handle, 600);
    tokio::time::sleep(Duration::from_millis(100)).await;
    run.task.abort();
    assert!(
        within(run.task)
            .await
            .expect_err("torn down")
            .is_cancelled()
    );
    send(&run.handle, 7);
    drop(run.handle);
    only(&run.drops, &[(Reason::Shutdown, 607)]);
}
