//! Draws the next blocks in the background, so that a steady flow of messages does not wait for the
//! disk. What was asked for while a draw was under way is drawn in one commit.
//!
//! Its locks are those of the standard library: parking_lot keeps all who wait in one table of the
//! process, and a forked child whose parent was just using that table would wait for ever.

use crate::meters::draw::draw_ahead;
use crate::meters::prepared::Prepared;
use crate::meters::store::MeterStore;
use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};

/// For how many trees of accounts blocks are drawn in one commit.
const AT_ONCE: usize = 64;

/// What is to be drawn, and the thread that does it. The thread starts with the first request and
/// ends with the store.
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

impl Queue {
    /// Nothing that panics is done under the lock.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// What is to be drawn next: of each tree of accounts what was asked for first, since its lock
    /// is taken once.
    fn next(&mut self) -> Vec<Arc<Prepared>> {
        let mut next: Vec<Arc<Prepared>> = Vec::new();
        while let Some(prepared) = self.asked.pop_front_if(|prepared| {
            next.len() < AT_ONCE && !next.iter().any(|other| other.is_of_team_of(prepared))
        }) {
            next.push(prepared);
        }
        next
    }
}

impl Drawer {
    /// Asks for the next blocks of these counters. Where no thread can be had, whoever sends next
    /// draws for themselves.
    pub(crate) fn ask<S>(&self, store: &Weak<S>, prepared: &Arc<Prepared>)
    where
        S: MeterStore + Send + Sync + 'static,
    {
        let mut state = self.queue.state();
        if state.ended {
            return;
        }
        if !state.running {
            let (queue, store) = (self.queue.clone(), store.clone());
            let started = std::thread::Builder::new()
                .name("tenantry-draw".to_owned())
                .spawn(move || run(&queue, &store));
            if started.is_err() {
                return;
            }
            state.running = true;
        }
        state.asked.push_back(prepared.clone());
        self.queue.changed.notify_one();
    }

    /// What would be drawn next, for whoever waits for the disk and draws it in the same commit.
    pub(crate) fn asked(&self) -> Vec<Arc<Prepared>> {
        self.queue.state().next()
    }

    /// Nothing more is drawn.
    pub(crate) fn end(&self) {
        let mut state = self.queue.state();
        state.ended = true;
        state.asked.clear();
        self.queue.changed.notify_one();
    }
}

fn run<S: MeterStore>(queue: &Queue, store: &Weak<S>) {
    loop {
        let asked = {
            let waits = |state: &mut State| state.asked.is_empty() && !state.ended;
            let waited = queue.changed.wait_while(queue.state(), waits);
            let mut state = waited.unwrap_or_else(PoisonError::into_inner);
            if state.ended {
                return;
            }
            state.next()
        };
        // Gone when the last handle was dropped without closing: nobody is left to draw for.
        let Some(store) = store.upgrade() else {
            return;
        };
        // A failure of the store poisons the store, and whoever sends next is told; a panic does
        // the same.
        let draw = std::panic::AssertUnwindSafe(|| draw_ahead(&*store, &asked));
        if let Err(panic) = std::panic::catch_unwind(draw) {
            store.kernel().poison();
            // Dropping the payload of a panic may itself panic.
            std::mem::forget(panic);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::state::Engine;
    use crate::meters::Ask;
    use crate::model::{Actor, Channel};
    use serde_json::json;
    use std::path::Path;

    /// Accounts that have sent so much that each of them needs its next block, and another sender
    /// of the first one.
    fn senders(engine: &Arc<Engine>) -> Vec<Arc<Prepared>> {
        let create = crate::catalogue::find("accounts.create").unwrap();
        let prepare = |account: &str, user: Option<&str>| {
            engine
                .cell_by_text(account)
                .unwrap()
                .sending(engine, user, Channel::Email, &Default::default())
                .unwrap()
        };
        let mut senders = Vec::new();
        for id in ["a", "b", "c"] {
            let owner = json!({"user": format!("of-{id}"), "email": format!("{id}@t.example")});
            let request = json!({"id": id, "name": id, "owner": owner});
            (create.run_json)(engine, &Actor::System, request.to_string().as_bytes()).unwrap();
            senders.push(prepare(id, None));
        }
        // Blocks of 1, 2, 4, 8, 16 and 32, of which 8 are left.
        for prepared in &senders {
            send(engine, prepared, 55);
        }
        senders.push(prepare("a", Some("of-a")));
        senders
    }

    fn send(engine: &Engine, prepared: &Arc<Prepared>, times: usize) {
        (0..times)
            .for_each(|_| assert_eq!(prepared.charge(engine, Ask::exact(1)).unwrap().granted, 1));
    }

    fn engine() -> Arc<Engine> {
        let options = serde_json::from_value(
            json!({"clock": {"manual_ms": 1_781_524_800_000_u64}, "seed": 1}),
        )
        .unwrap();
        Engine::on(
            tenantry_store::memory().unwrap(),
            Path::new(":memory:"),
            &options,
        )
        .unwrap()
    }

    #[test]
    fn blocks_of_many_accounts_are_drawn_in_one_commit() {
        let engine = engine();
        let senders = senders(&engine);
        let before = engine.kernel.backend.last_commit();
        draw_ahead(&*engine, &senders[..3]).unwrap();
        assert_eq!(engine.kernel.backend.last_commit(), before + 1);
        for prepared in &senders {
            send(
                &engine,
                prepared,
                8 + 56
                    - if prepared.is_of_team_of(&senders[0]) {
                        32
                    } else {
                        0
                    },
            );
        }
        assert_eq!(engine.kernel.backend.last_commit(), before + 1);
        send(&engine, &senders[2], 1);
        assert_eq!(engine.kernel.backend.last_commit(), before + 2);
    }

    /// 20.11: one wait for the disk is one for all whose blocks run low.
    #[test]
    fn whoever_waits_draws_for_all_who_have_asked() {
        let engine = engine();
        let senders = senders(&engine);
        // As if the thread were busy.
        engine.drawer.queue.state().running = true;
        senders[1..]
            .iter()
            .for_each(|prepared| engine.drawer.ask(&engine.this, prepared));
        let before = engine.kernel.backend.last_commit();
        send(&engine, &senders[0], 8 + 1);
        assert_eq!(engine.kernel.backend.last_commit(), before + 1);
        for prepared in &senders[1..3] {
            send(&engine, prepared, 8 + 56);
        }
        assert_eq!(engine.kernel.backend.last_commit(), before + 1);
        assert!(engine.drawer.asked().is_empty());
    }

    #[test]
    fn each_tree_is_drawn_for_once_at_a_time() {
        let [a, b, c, of_a] = senders(&engine()).try_into().ok().unwrap();
        let mut state = State {
            asked: [&b, &a, &of_a, &c].map(Arc::clone).into(),
            ..State::default()
        };
        let mut order = Vec::new();
        while !state.asked.is_empty() {
            order.push(state.next());
        }
        assert_eq!(order.iter().map(Vec::len).collect::<Vec<_>>(), [2, 2]);
        let asked = order.concat();
        assert!(
            [b, a, of_a, c]
                .iter()
                .zip(&asked)
                .all(|(one, other)| Arc::ptr_eq(one, other))
        );
    }
}
