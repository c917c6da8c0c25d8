//! The events of the library for the log of a host that is not written in Rust (docs/adr/0062).
//!
//! A host in Rust gives `tracing` a subscriber of its own. For all others there is one here: it
//! makes plain values of an event and puts them into a queue, which takes no lock but its own and
//! waits for nothing. A thread takes them out and calls what the host has named ([`listen`]), so
//! the host's code runs where the library holds no lock, and however long it takes, no call of the
//! library waits for it. Where the queue is full, events are counted and dropped, and the host is
//! told how many.
//!
//! The thread starts with the first event and ends when none came for a while. A forked child
//! begins with an empty queue and no thread, and starts one of its own with its first event.

mod event;
mod queue;

pub use event::Event;
pub use tracing::Level;
pub use tracing::level_filters::LevelFilter;

use arc_swap::ArcSwapOption;
use queue::Queue;
use std::sync::{Arc, OnceLock};
use tenantry_fork::PerProcess;
use tracing::Metadata;
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::{self, Interest, Subscriber};

/// What the host has named to take events.
struct Sink {
    /// How much it wants to know.
    most: LevelFilter,
    take: Box<dyn Fn(&Event) + Send + Sync>,
}

/// Read without a lock: in a forked child, whoever held one would not exist.
static SINK: ArcSwapOption<Sink> = ArcSwapOption::const_empty();
static QUEUE: PerProcess<Queue> = PerProcess::new();

/// From now on, `take` is given every event up to this level, one at a time, in the order in which
/// they came, by a thread of the library, in the place of whoever was given them before; that one
/// may still be being given one when this returns.
pub fn listen(most: LevelFilter, take: impl Fn(&Event) + Send + Sync + 'static) {
    static IS_SET: OnceLock<()> = OnceLock::new();
    // First, so that no fork afterwards goes unnoticed.
    QUEUE.get();
    let take = Box::new(take);
    SINK.store(Some(Arc::new(Sink { most, take })));
    IS_SET.get_or_init(|| {
        // Only who has set one elsewhere in the process is refused, and is given the events there.
        let _ = subscriber::set_global_default(Bridge);
    });
}

/// Ends listening and waits for nothing; whoever listened may still be being given an event.
pub fn silence() {
    SINK.store(None);
}

/// Gives what waits to whoever listens, and ends listening: when this returns, nobody is being
/// given an event, and nobody will be. Whoever calls it while being given one is not waited for.
pub fn stop() {
    if SINK.load().is_some() {
        QUEUE.get().wait_until_given();
        SINK.store(None);
        QUEUE.get().wait_until_idle();
    }
}

/// Waits until all events that came before are given, but not for long.
pub fn flush() {
    if SINK.load().is_some() {
        QUEUE.get().wait_until_given();
    }
}

/// Gives an event to whoever listens; a thread of the library calls it.
fn give(event: &Event) {
    if let Some(sink) = SINK.load_full() {
        (sink.take)(event);
    }
}

struct Bridge;

impl Bridge {
    fn is_ours(metadata: &Metadata<'_>) -> bool {
        let rest = metadata.target().strip_prefix("tenantry");
        metadata.is_event() && rest.is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
    }
}

impl Subscriber for Bridge {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        match Bridge::is_ours(metadata) {
            // Who listens, and to how much, changes.
            true => Interest::sometimes(),
            false => Interest::never(),
        }
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(LevelFilter::DEBUG)
    }

    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        let is_wanted = |sink: &Arc<Sink>| *metadata.level() <= sink.most;
        Bridge::is_ours(metadata) && SINK.load().as_ref().is_some_and(is_wanted)
    }

    fn event(&self, event: &tracing::Event<'_>) {
        QUEUE.get().push(Event::of(event), give);
    }

    // The library has no spans.
    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }
    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use parking_lot::Mutex;
    use std::sync::mpsc::channel;
    use std::time::Duration;
    use tracing::{debug, error, info, warn};

    /// One listens at a time.
    static ONE: Mutex<()> = Mutex::new(());

    /// The texts of what is given while `work` runs.
    fn heard(most: LevelFilter, work: impl FnOnce()) -> Vec<String> {
        let _one = ONE.lock();
        let texts = Arc::new(Mutex::new(Vec::new()));
        let told = texts.clone();
        listen(most, move |event| {
            let target = event.target();
            told.lock()
                .push(format!("{} {target}: {}", event.level(), event.text()));
        });
        work();
        stop();
        texts.lock().clone()
    }

    #[test]
    fn events_arrive_in_order_as_plain_values_up_to_a_level() {
        let texts = heard(LevelFilter::INFO, || {
            info!(target: "tenantry::store", kind = "folder", took_ms = 3, whole = true, "Opened.");
            debug!(target: "tenantry::store", "too much");
            warn!(target: "tenantry", path = %"/srv/a b", "Slow.");
            error!(target: "tenantry_other", "of somebody else");
            error!(target: "elsewhere", "of somebody else");
            error!(target: "tenantry::operations", code = "store_full", "Refused.");
        });
        assert_eq!(
            texts,
            [
                "INFO tenantry.store: Opened. (kind=folder, took_ms=3, whole=true)",
                "WARN tenantry: Slow. (path=/srv/a b)",
                "ERROR tenantry.operations: Refused. (code=store_full)",
            ]
        );
        assert!(heard(LevelFilter::DEBUG, || debug!(target: "tenantry", "now")).len() == 1);
    }

    #[test]
    fn nobody_waits_for_who_is_slow_and_what_is_lost_is_counted() {
        let _one = ONE.lock();
        let (go, goes) = channel::<()>();
        let (tell, told) = channel();
        let goes = Mutex::new(goes);
        listen(LevelFilter::INFO, move |event| {
            tell.send(event.to_json()).unwrap();
            let _ = goes.lock().recv_timeout(Duration::from_secs(60));
        });
        info!(target: "tenantry", number = 0, "first");
        told.recv().unwrap();
        // It is held up with the first one.
        for number in 1..=queue::MOST + 7 {
            info!(target: "tenantry", number, "more");
        }
        drop(go);
        stop();
        let all: Vec<String> = told.iter().collect();
        assert_eq!(all.len(), queue::MOST + 1);
        assert!(all[0].contains(r#""fields":{"number":1}"#), "{}", all[0]);
        let last = all.last().unwrap();
        assert!(last.contains(r#""fields":{"lost":7}"#), "{last}");
    }

    #[test]
    fn who_panics_or_stops_while_being_told_is_not_waited_for() {
        let count = |panics: bool| {
            let _one = ONE.lock();
            let count = Arc::new(Mutex::new(0));
            let own = count.clone();
            listen(LevelFilter::INFO, move |_| {
                *own.lock() += 1;
                match panics {
                    true => std::panic::resume_unwind(Box::new("of the host")),
                    false => stop(),
                }
            });
            info!(target: "tenantry", "one");
            info!(target: "tenantry", "two");
            queue_is_empty();
            stop();
            *count.lock()
        };
        assert_eq!(count(true), 2);
        assert_eq!(count(false), 1);
    }

    fn queue_is_empty() {
        QUEUE.get().wait_until_given();
    }
}
