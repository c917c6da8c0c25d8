//! The stores that this process has open; a second handle shares the store that the first one
//! opened.

use crate::access::state::Engine;
use crate::error::{Code, Error};
use crate::options::OpenOptions;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};
use tenantry_fork::PerProcess;
use tenantry_store::At;
use tracing::info;

struct Shared {
    engine: Weak<Engine>,
    handles: usize,
}

/// What is open, by its absolute path.
static OPEN: PerProcess<Mutex<HashMap<PathBuf, Shared>>> = PerProcess::new();

/// How often to try again while another process has the store.
const LOOK: Duration = Duration::from_millis(20);

/// Opens a store, and waits as long as the options say while another process has it. Between two
/// attempts, this process can open and close other stores.
pub(crate) fn open(path: &Path, options: &OpenOptions) -> Result<Arc<Engine>, Error> {
    let until = Instant::now() + Duration::from_millis(options.lock_wait_ms);
    let mut waits = false;
    loop {
        match open_now(path, options) {
            Err(error) if error.code() == Code::StoreLocked => {
                let left = until.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    return Err(error);
                }
                if !waits {
                    waits = true;
                    info!(
                        target: "tenantry::store",
                        path = At::new(path).shown(),
                        pid = error.details()["pid"].as_u64(),
                        lock_wait_ms = options.lock_wait_ms,
                        "Another process has the store open; opening waits for it."
                    );
                }
                std::thread::sleep(left.min(LOOK));
            }
            outcome => return outcome,
        }
    }
}

fn open_now(path: &Path, options: &OpenOptions) -> Result<Arc<Engine>, Error> {
    let at = At::new(path);
    let key = match (at.server()?, at.path()) {
        // It begins with no slash, as every absolute path does.
        (Some(server), _) => PathBuf::from(server),
        (None, Some(kept)) => absolute(kept)?,
        (None, None) => return Engine::open(path, options),
    };
    let mut open = OPEN.get().lock();
    if let Some(shared) = open.get_mut(&key)
        && let Some(engine) = shared
            .engine
            .upgrade()
            .filter(|engine| !engine.kernel.is_shut())
    {
        if engine.kernel.has_manual_clock() != options.clock.is_some() {
            return Err(Error::invalid(
                "/clock",
                "This process has the store open with another kind of clock; use the same, or \
                 close it first.",
            ));
        }
        if engine.kernel.edition != options.edition {
            return Err(Error::invalid(
                "/edition",
                "This process has the store open with another edition; use the same, or close it \
                 first.",
            ));
        }
        if options
            .token_key
            .as_ref()
            .is_some_and(|key| !engine.auth.tokens.is(&key.bytes()))
        {
            return Err(Error::invalid(
                "/token_key",
                "This process has the store open with another token key; use the same, or close it \
                 first.",
            ));
        }
        if !engine.auth.hasher.has_peppers(&options.peppers) {
            return Err(Error::invalid(
                "/peppers",
                "This process has the store open with other peppers; use the same, or close it \
                 first.",
            ));
        }
        shared.handles += 1;
        return Ok(engine);
    }
    let engine = Engine::open(path, options)?;
    open.insert(
        key,
        Shared {
            engine: Arc::downgrade(&engine),
            handles: 1,
        },
    );
    Ok(engine)
}

/// Removes one handle; the last one closes the store.
pub(crate) fn close(engine: &Arc<Engine>) -> Result<(), Error> {
    let mut open = OPEN.get().lock();
    let known = open
        .iter_mut()
        .find(|(_, shared)| std::ptr::eq(shared.engine.as_ptr(), Arc::as_ptr(engine)));
    if let Some((path, shared)) = known {
        shared.handles -= 1;
        if shared.handles > 0 {
            return Ok(());
        }
        let path = path.clone();
        open.remove(&path);
    }
    engine.shut_down()
}

/// The one absolute name of a folder or file that may not exist yet.
fn absolute(path: &Path) -> Result<PathBuf, Error> {
    let path = std::path::absolute(path).map_err(|error| {
        Error::invalid(
            "/path",
            format!(
                "The path `{}` cannot be used ({error}); name another.",
                path.display()
            ),
        )
    })?;
    if let Ok(real) = path.canonicalize() {
        return Ok(real);
    }
    Ok(
        match (
            path.parent().and_then(|above| above.canonicalize().ok()),
            path.file_name(),
        ) {
            (Some(above), Some(name)) => above.join(name),
            _ => path,
        },
    )
}

#[cfg(test)]
mod tests {
    use crate::{Code, Id, OpenOptions, Pepper, Tenantry};
    use std::fs::File;
    use std::time::{Duration, Instant};

    #[test]
    fn who_opens_waits_for_the_lock_as_long_as_told_and_learns_who_has_it() {
        let folder = std::env::temp_dir().join(format!("tenantry-wait-{}", std::process::id()));
        let path = folder.to_str().unwrap();
        let open = |lock_wait_ms| {
            let options = OpenOptions {
                lock_wait_ms,
                ..OpenOptions::default()
            };
            let began = Instant::now();
            (Tenantry::open(path, options), began.elapsed())
        };
        open(0).0.unwrap().close().unwrap();
        // As another process would have it.
        std::fs::write(folder.join("lock"), "4321      \n").unwrap();
        let held = File::open(folder.join("lock")).unwrap();
        held.lock().unwrap();
        for (wait, least, most) in [(0, 0, 150), (200, 200, 2_000)] {
            let (refused, took) = open(wait);
            let error = refused.err().unwrap();
            assert_eq!(error.code(), Code::StoreLocked);
            assert_eq!(error.details()["pid"], 4321);
            assert_eq!(error.details()["folder"], path);
            let said = error.message();
            assert!(
                said.starts_with("The store in `") && said.contains("process 4321"),
                "{said}"
            );
            assert!(
                took >= Duration::from_millis(least) && took < Duration::from_millis(most),
                "{took:?}"
            );
        }
        std::thread::scope(|scope| {
            scope.spawn(|| {
                std::thread::sleep(Duration::from_millis(150));
                held.unlock().unwrap();
            });
            let (opened, took) = open(60_000);
            opened.unwrap().close().unwrap();
            assert!(took < Duration::from_secs(30), "{took:?}");
        });
        let error = open(600_001).0.err().unwrap();
        assert_eq!(error.field(), Some("/lock_wait_ms"));
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn a_second_handle_with_another_token_key_is_refused() {
        let folder = std::env::temp_dir().join(format!("tenantry-registry-{}", std::process::id()));
        let path = folder.to_str().unwrap();
        let with = |digit: &str| OpenOptions {
            token_key: Some(digit.repeat(64).try_into().unwrap()),
            ..OpenOptions::default()
        };
        let first = Tenantry::open(path, with("1")).unwrap();
        let field = |options| {
            Tenantry::open(path, options)
                .map(drop)
                .map_err(|error| error.field().unwrap_or_default().to_owned())
        };
        assert_eq!(field(with("2")), Err("/token_key".to_owned()));
        assert_eq!(field(with("1")), Ok(()));
        first.close().unwrap();
        assert_eq!(field(with("2")), Err("/token_key".to_owned()));
        assert_eq!(field(with("1")), Ok(()));
        assert!(!folder.join("token.key").exists());
        std::fs::remove_dir_all(folder).unwrap();
    }

    /// S4
    #[test]
    fn a_second_handle_with_other_peppers_is_refused() {
        let folder =
            std::env::temp_dir().join(format!("tenantry-registry-peppers-{}", std::process::id()));
        let path = folder.to_str().unwrap();
        let pepper = |digit: &str| Pepper {
            id: Id::new("one").unwrap(),
            key: digit.repeat(64).try_into().unwrap(),
        };
        let with = |digit: &str| OpenOptions {
            peppers: vec![pepper(digit)],
            ..OpenOptions::default()
        };
        let first = Tenantry::open(path, with("1")).unwrap();
        let field = |options| {
            Tenantry::open(path, options)
                .map(drop)
                .map_err(|error| error.field().unwrap_or_default().to_owned())
        };
        assert_eq!(field(with("2")), Err("/peppers".to_owned()));
        assert_eq!(field(OpenOptions::default()), Err("/peppers".to_owned()));
        assert_eq!(field(with("1")), Ok(()));
        assert_eq!(
            field(OpenOptions {
                peppers: vec![pepper("1"), pepper("2")],
                ..OpenOptions::default()
            }),
            Err("/peppers/1/id".to_owned())
        );
        first.close().unwrap();
        std::fs::remove_dir_all(folder).unwrap();
    }
}
