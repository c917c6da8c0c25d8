//! Thresholds that are reached because a limit is lower than before: the host is told at once
//! (R-QTA-8).
//!
//! What was used is looked for in the store: it has a record of each counter, and never counts less
//! than memory does. Only those that reach a threshold there are looked at more closely.

use crate::access::state::Engine;
use crate::access::view::{AccountCell, View};
use crate::error::{Code, Error};
use crate::kernel::{Lowered, keys};
use crate::meters::{Ask, Prepared, ROUNDS, Wanted};
use crate::model::{Channel, Id, LimitName, Meter};
use crate::sending::counters::wanted_of;
use std::sync::Arc;

/// How many records are read at once.
const STEP: usize = 500;

/// Looks again where what a look was prepared for was changed meanwhile.
fn again_where_overtaken(alert: impl Fn() -> Result<(), Error>) -> Result<(), Error> {
    for _ in 1..ROUNDS {
        match alert() {
            Err(error) if error.code() == Code::Busy => {}
            done => return done,
        }
    }
    alert()
}

impl Engine {
    /// Tells the host of the thresholds that are reached by now.
    pub(crate) fn alert(&self, lowered: &Lowered) -> Result<(), Error> {
        match lowered {
            Lowered::Platform => again_where_overtaken(|| self.alert_platform()),
            Lowered::Everybody => {
                self.each_descendant(keys::ACCOUNT, &[], |account| self.alert_account(account))
            }
            Lowered::Package(package) => {
                self.each_descendant(keys::PACKAGE_ACCOUNT, &[package.as_str()], |account| {
                    self.alert(&Lowered::Account(account.clone()))
                })
            }
            Lowered::Account(account) => {
                self.alert_account(account)?;
                self.each_descendant(keys::TEAM_ACCOUNT, &[account.as_str(), "id"], |child| {
                    self.alert_account(child)
                })
            }
        }
    }

    /// Goes through the ids at the end of some keys, a bounded number at a time.
    pub(crate) fn each_descendant(
        &self,
        prefix: keys::Prefix,
        parts: &[&str],
        run: impl Fn(&Id) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let (mut from, until) = keys::range(prefix, parts);
        loop {
            let rows = self
                .kernel
                .tx()
                .range::<serde::de::IgnoredAny>(&from, &until, STEP)?;
            rows.iter()
                .filter_map(|(key, _)| keys::last_id(key))
                .try_for_each(|id| run(&id))?;
            match rows.last() {
                Some((last, _)) if rows.len() == STEP => from = [last.as_slice(), &[0]].concat(),
                _ => return Ok(()),
            }
        }
    }

    fn alert_account(&self, account: &Id) -> Result<(), Error> {
        again_where_overtaken(|| self.alert_account_now(account))
    }

    fn alert_account_now(&self, account: &Id) -> Result<(), Error> {
        let cell = match self.cell(account) {
            // It was deleted meanwhile.
            Err(error) if error.code() == Code::NotFound => return Ok(()),
            cell => cell?,
        };
        let view = cell.view(self)?;
        self.alert_meters_of(Some(account), &cell, &view, |scope, subject, name| {
            self.wanted_at(&cell, &view, scope, subject, name)
        })
    }

    /// The counters of the platform's caps lie with those of every account.
    fn alert_platform(&self) -> Result<(), Error> {
        // Any will do that is not being erased: those are listed nowhere.
        let (from, until) = match self.background.is_under_way() {
            true => keys::range(keys::ACCOUNT_ORDER, &["created"]),
            false => keys::range(keys::ACCOUNT, &[]),
        };
        let rows = self
            .kernel
            .tx()
            .range::<serde::de::IgnoredAny>(&from, &until, 1)?;
        let Some(account) = rows.first().and_then(|(key, _)| keys::last_id(key)) else {
            return Ok(());
        };
        let cell = self.cell(&account)?;
        let view = cell.view(self)?;
        self.alert_meters_of(None, &cell, &view, |scope, subject, _| {
            let cap = view
                .platform
                .caps
                .iter()
                .find(|cap| keys::of_cap(&cap.id) == scope);
            Ok(cap.map(|cap| view.platform.frame.wanted_of_cap(cap, subject)))
        })
    }

    /// What bounds a counter of an account today, by the scope, the subject and the name in its
    /// key; none where nothing does.
    fn wanted_at(
        &self,
        cell: &Arc<AccountCell>,
        view: &View,
        scope: &str,
        subject: &str,
        name: &str,
    ) -> Result<Option<Wanted>, Error> {
        match scope {
            "" => Ok(LimitName::find(name).and_then(|limit| {
                wanted_of(cell, view, None, [limit], None)
                    .into_iter()
                    .next()
            })),
            "group" => {
                let Some(channel) = Channel::ALL
                    .into_iter()
                    .find(|channel| name.starts_with(channel.name()))
                else {
                    return Ok(None);
                };
                let Ok(group) = Id::new(subject) else {
                    return Ok(None);
                };
                self.wanted_of_group(view, &group, channel, view.group_cap_period)
            }
            _ => {
                let cap = view.caps.iter().find(|cap| keys::of_cap(&cap.id) == scope);
                Ok(cap.map(|cap| view.frame.wanted_of_cap(cap, subject)))
            }
        }
    }

    fn alert_meters_of(
        &self,
        owner: Option<&Id>,
        cell: &AccountCell,
        view: &View,
        wanted_at: impl Fn(&str, &str, &str) -> Result<Option<Wanted>, Error>,
    ) -> Result<(), Error> {
        let (mut from, until) = keys::range(keys::METER, &[keys::account_or_platform(owner)]);
        loop {
            let rows = self.kernel.tx().range::<Meter>(&from, &until, STEP)?;
            let mut reached = Vec::new();
            for (key, meter) in &rows {
                let (Some(scope), Some(subject), Some(name)) =
                    (keys::part(key, 2), keys::part(key, 3), keys::part(key, 4))
                else {
                    continue;
                };
                let wanted = wanted_at(scope, subject, name)?;
                reached.extend(
                    wanted.filter(|wanted| wanted.has_key(key) && wanted.needs_alert(meter)),
                );
            }
            if !reached.is_empty() {
                let prepared =
                    Prepared::new(cell, view, reached).hold_places(self.kernel.clock.now_ms())?;
                let prepared = Arc::new(prepared);
                prepared.charge_with_credits(self, Ask::exact(0), 0)?;
            }
            match rows.last() {
                Some((last, _)) if rows.len() == STEP => from = [last.as_slice(), &[0]].concat(),
                _ => return Ok(()),
            }
        }
    }
}
