//! The events of the library, for a function of JavaScript (docs/adr/0062).

use napi::bindgen_prelude::{AsyncTask, Env, Function, Task};
use napi::threadsafe_function::ThreadsafeFunctionCallMode;
use napi_derive::napi;
use tenantry_logs::LevelFilter;

/// So many events wait for the event loop; after that, they wait in the queue of the library.
const ON_THE_WAY: usize = 100;

/// Calls `take` with each event, as JSON, up to this level; with none, nothing is called any more.
/// It keeps no process and no worker alive.
#[napi]
pub fn set_logger(take: Option<Function<'_, String, ()>>, level: String) -> napi::Result<()> {
    let Some(take) = take else {
        tenantry_logs::silence();
        return Ok(());
    };
    let most = match level.as_str() {
        "error" => LevelFilter::ERROR,
        "warn" => LevelFilter::WARN,
        "info" => LevelFilter::INFO,
        _ => LevelFilter::DEBUG,
    };
    let take = take
        .build_threadsafe_function::<String>()
        .weak::<true>()
        .max_queue_size::<ON_THE_WAY>()
        .build()?;
    tenantry_logs::listen(most, move |event| {
        // The thread of the library waits where the event loop is busy, and nobody else. Where the
        // environment has ended, nobody listens.
        take.call(event.to_json(), ThreadsafeFunctionCallMode::Blocking);
    });
    Ok(())
}

/// Waits until the events that came before are on their way to JavaScript, off its thread.
pub struct Flush;

impl Task for Flush {
    type Output = ();
    type JsValue = ();

    fn compute(&mut self) -> napi::Result<()> {
        tenantry_logs::flush();
        Ok(())
    }

    fn resolve(&mut self, _: Env, (): ()) -> napi::Result<()> {
        Ok(())
    }
}

/// Resolved when the events that came before are on their way to JavaScript.
#[napi]
pub fn flush_log() -> AsyncTask<Flush> {
    AsyncTask::new(Flush)
}
