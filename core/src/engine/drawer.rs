//! Draws the next blocks in the background, so that a steady flow of messages does not wait for the disk.

use super::Engine;
use super::meters::Prepared;
use parking_lot::{Condvar, Mutex};
use std::collections::VecDeque;
use std::sync::{Arc, Weak};

/// What is to be drawn, and the thread that does it. The thread starts with the first request and ends with the engine.
#[derive(Default)]
pub(crate) struct Drawer {
    queue: Arc<Queue>,
}

#[derive(Default)]
struct Queue {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    asked: VecDeque<Arc<Prepared>>,
    running: bool,
    ended: bool,
}

impl Drawer {
    /// Asks for the next blocks of these counters. Where no thread can be had, whoever sends next draws for themselves.
    pub(crate) fn ask(&self, engine: &Weak<Engine>, prepared: &Arc<Prepared>) {
        let mut state = self.queue.state.lock();
        if state.ended {
            return;
        }
        if !state.running {
            let (queue, engine) = (self.queue.clone(), engine.clone());
            let started = std::thread::Builder::new().name("tenantry-draw".to_owned()).spawn(move || run(&queue, &engine));
            if started.is_err() {
                return;
            }
            state.running = true;
        }
        state.asked.push_back(prepared.clone());
        self.queue.changed.notify_one();
    }

    /// Nothing more is drawn.
    pub(crate) fn end(&self) {
        let mut state = self.queue.state.lock();
        state.ended = true;
        state.asked.clear();
        self.queue.changed.notify_one();
    }
}

fn run(queue: &Queue, engine: &Weak<Engine>) {
    loop {
        let prepared = {
            let mut state = queue.state.lock();
            loop {
                if state.ended {
                    return;
                }
                match state.asked.pop_front() {
                    Some(prepared) => break prepared,
                    None => queue.changed.wait(&mut state),
                }
            }
        };
        // Gone when the last handle was dropped without closing: nobody is left to draw for.
        let Some(engine) = engine.upgrade() else { return };
        // A failure of the store poisons the engine, and whoever sends next is told; a panic does the same.
        let drawn = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| engine.draw_ahead(&prepared)));
        if let Err(panic) = drawn {
            engine.poison();
            // Dropping the payload of a panic may itself panic.
            std::mem::forget(panic);
        }
    }
}
