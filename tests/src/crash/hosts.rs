//! Starts hosts, listens to them and kills them.

use super::Said;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// When a host is killed.
#[derive(Clone, Copy, Debug)]
pub enum Moment {
    AfterStart(Duration),
    AfterFirstAcknowledgement(Duration),
}

/// A running host, for [`kill`].
struct Host {
    child: Child,
    lines: Receiver<String>,
    errors: std::thread::JoinHandle<String>,
}

impl Host {
    fn start(command: &mut Command) -> Host {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the host starts");
        let (sender, lines) = channel();
        let output = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || {
            output
                .lines()
                .map_while(Result::ok)
                .try_for_each(|line| sender.send(line))
        });
        let mut stderr = child.stderr.take().unwrap();
        let errors = std::thread::spawn(move || {
            let mut text = String::new();
            stderr
                .read_to_string(&mut text)
                .map_or_else(|error| error.to_string(), |_| text)
        });
        Host {
            child,
            lines,
            errors,
        }
    }

    /// Listens until the instant, or until a line that is wanted; false when the host has ended.
    fn listen(
        &self,
        lines: &mut Vec<String>,
        until: Instant,
        wanted: impl Fn(&str) -> bool,
    ) -> bool {
        loop {
            match self
                .lines
                .recv_timeout(until.saturating_duration_since(Instant::now()))
            {
                Ok(line) => {
                    lines.push(line);
                    if lines.last().is_some_and(|line| wanted(line)) {
                        return true;
                    }
                }
                Err(RecvTimeoutError::Timeout) => return true,
                Err(RecvTimeoutError::Disconnected) => return false,
            }
        }
    }
}

/// Starts a host and kills it; answers its lines. A host that ends by itself, or complains, is an
/// error.
pub fn kill_after(
    command: &mut Command,
    moment: Moment,
    acknowledges: impl Fn(&str) -> bool,
) -> Result<Vec<String>, String> {
    let mut host = Host::start(command);
    let mut lines = Vec::new();
    let delay = match moment {
        Moment::AfterStart(delay) => delay,
        Moment::AfterFirstAcknowledgement(delay) => {
            host.listen(
                &mut lines,
                Instant::now() + Duration::from_secs(60),
                &acknowledges,
            );
            if !lines.last().is_some_and(|line| acknowledges(line)) {
                host.child
                    .kill()
                    .map_err(|error| format!("cannot kill the host: {error}"))?;
                return Err(format!(
                    "the host acknowledged nothing: {}",
                    host.errors.join().expect("reading a pipe does not panic")
                ));
            }
            delay
        }
    };
    let lives = host.listen(&mut lines, Instant::now() + delay, |_| false);
    host.child
        .kill()
        .map_err(|error| format!("cannot kill the host: {error}"))?;
    let status = host
        .child
        .wait()
        .map_err(|error| format!("cannot wait for the host: {error}"))?;
    lines.extend(host.lines.iter());
    let errors = host.errors.join().expect("reading a pipe does not panic");
    if lives && errors.is_empty() {
        Ok(lines)
    } else {
        Err(format!("the host ended by itself ({status}): {errors}"))
    }
}

/// Starts `crash_host` and kills it; answers what it said.
pub fn kill(command: &mut Command, moment: Moment) -> Result<Said, String> {
    let lines = kill_after(command, moment, |line| line.starts_with("ack"))?;
    Ok(Said::hear_all(lines))
}

/// Lets a host work to its end; answers what it said.
pub fn finish(command: &mut Command) -> Said {
    let mut host = Host::start(command);
    let said = Said::hear_all(host.lines.iter());
    let status = host.child.wait().unwrap();
    let errors = host.errors.join().unwrap();
    assert!(errors.is_empty(), "the host: {status} {errors}");
    said
}

/// The command for a host that works on the store until it is killed, or until each thread has made
/// `effects` changes: then it is closed, or it aborts, as `end` says (`close` or `abort`).
pub fn host(program: &str, store: &Path, seed: u64, run: u64, end: Option<(&str, u64)>) -> Command {
    let mut command = Command::new(program);
    let (end, effects) = end.unwrap_or(("never", u64::MAX));
    command.arg("work").arg(store).args([
        &seed.to_string(),
        &run.to_string(),
        end,
        &effects.to_string(),
    ]);
    command
}
