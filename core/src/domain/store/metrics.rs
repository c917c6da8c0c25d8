//! What is counted, as OpenMetrics text.

use super::stats::backlog;
use crate::access::operation::Operation;
use crate::access::request::Ctx;
use crate::api::store::{Metrics, StoreMetrics};
use crate::error::Error;
use std::fmt::{Display, Write};
use tenantry_store::SharedStore;

impl Operation for Metrics {
    type Answer = StoreMetrics;

    fn run(self, ctx: &mut Ctx<'_>) -> Result<StoreMetrics, Error> {
        let waiting = backlog(ctx)?;
        let kernel = &ctx.engine.kernel;
        let (counted, space) = (&kernel.metrics, kernel.backend.space()?);
        let mut text = Text::default();
        text.counter("calls", "Operations that were answered.", counted.done());
        text.family(
            "refusals",
            "counter",
            "Operations that were refused, by code.",
        );
        for (code, times) in counted.refused() {
            text.sample(
                "refusals_total",
                &format!("{{code=\"{}\"}}", code.name()),
                times,
            );
        }
        text.counter(
            "draws",
            "Times that meters drew from the store.",
            counted.draws(),
        );
        text.counter(
            "commits",
            "Commits since the store was created.",
            kernel.backend.last_commit(),
        );
        text.gauge(
            "cached_accounts",
            "Accounts in the memory of this process.",
            ctx.engine.views.cells.ids().len(),
        );
        text.gauge(
            "outbox_backlog",
            "Messages that the slowest consumer has not been given yet.",
            waiting,
        );
        text.gauge(
            "processes",
            "Processes that have the store open.",
            kernel.backend.shared().map_or(1, SharedStore::processes),
        );
        text.gauge(
            "disk_bytes",
            "What the files of the store take.",
            space.bytes,
        );
        if let Some(free) = space.free {
            text.gauge("disk_free_bytes", "What is left on that disk.", free);
        }
        Ok(StoreMetrics {
            text: text.finish(),
        })
    }
}

/// Text that is being written; each name begins with `tenantry_`.
#[derive(Default)]
struct Text(String);

impl Text {
    fn counter(&mut self, name: &str, help: &str, value: impl Display) {
        self.family(name, "counter", help);
        self.sample(&format!("{name}_total"), "", value);
    }

    fn gauge(&mut self, name: &str, help: &str, value: impl Display) {
        self.family(name, "gauge", help);
        self.sample(name, "", value);
    }

    fn family(&mut self, name: &str, kind: &str, help: &str) {
        // Writing to a text does not fail.
        let _ = writeln!(
            self.0,
            "# TYPE tenantry_{name} {kind}\n# HELP tenantry_{name} {help}"
        );
    }

    fn sample(&mut self, name: &str, labels: &str, value: impl Display) {
        let _ = writeln!(self.0, "tenantry_{name}{labels} {value}");
    }

    fn finish(self) -> String {
        self.0 + "# EOF\n"
    }
}
