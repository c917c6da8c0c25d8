//! One record that `store.verify` looks at, and what a table asks of it.

use super::Tx;
use super::keys::{self, Prefix};
use super::page::Span;
use super::replaced::{self, Replacement};
use super::snapshot::Reads;
use crate::error::Error;
use crate::model::{BuiltIn, Id, Replaceable, Role, User};
use serde::de::DeserializeOwned;
use tenantry_store::Order;

/// How many records are read at once.
pub(crate) const STEP: usize = 500;

/// One record that is looked at.
pub(crate) struct Look<'a> {
    pub(crate) reads: Reads<'a>,
    pub(crate) tx: Tx<'a>,
    /// Its bytes.
    pub(crate) value: &'a [u8],
    /// What a count counts, from the parts of its key, as the tables declare it.
    pub(crate) counted: fn(&[&str]) -> Option<Span>,
    /// What does not fit.
    pub(crate) found: Vec<String>,
}

pub(crate) fn broken(what: impl Into<String>) -> Error {
    Error::corrupt(what)
}

impl Look<'_> {
    /// A key of this kind has other parts.
    pub(crate) fn no_such_key(&self) -> Result<(), Error> {
        Err(broken("its key is none of its kind"))
    }

    pub(crate) fn id(&self, text: &str) -> Result<Id, Error> {
        Id::new(text).map_err(|_| broken(format!("`{text}` is no id")))
    }

    /// The bytes at a key.
    pub(crate) fn stored(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        Ok(self.reads.get(key)?.map(|record| record.value))
    }

    /// The record itself.
    pub(crate) fn record<T: DeserializeOwned>(&self) -> Result<T, Error> {
        serde_json::from_slice(self.value)
            .map_err(|error| broken(format!("cannot be read: {error}")))
    }

    pub(crate) fn user(&mut self, id: &Id) -> Result<User, Error> {
        let user: Option<User> = self.tx.get(&keys::user(id))?;
        user.ok_or_else(|| broken("its user is gone"))
    }

    pub(crate) fn must(&mut self, fits: bool, what: &str) {
        if !fits {
            self.found.push(what.to_owned());
        }
    }

    pub(crate) fn must_have(&mut self, key: Vec<u8>, what: &str) -> Result<(), Error> {
        let there = self.tx.has(&key)?;
        self.must(there, what);
        Ok(())
    }

    /// What took the place of something that is gone, or the thing itself.
    pub(crate) fn now(&mut self, kind: Replaceable, id: &Id) -> Result<Id, Error> {
        let replaced: Option<Replacement> = self.tx.get(&replaced::key(kind, id))?;
        Ok(replaced.map_or_else(|| id.clone(), |replaced| replaced.new))
    }

    /// The account whose own a role is, or what took its place, and whether it is one of
    /// administrators.
    pub(crate) fn role_kind(&mut self, id: &Id) -> Result<Option<(Option<Id>, bool)>, Error> {
        let id = &self.now(Replaceable::Role, id)?;
        match BuiltIn::named(id.as_str()) {
            Some(role) => Ok(Some((None, role.is_administrator()))),
            None => Ok(self
                .tx
                .get::<Role>(&keys::role(id))?
                .map(|role| (role.account, role.administrator))),
        }
    }

    pub(crate) fn must_be_role(&mut self, role: &Id) -> Result<(), Error> {
        let there = self.role_kind(role)?.is_some();
        self.must(there, &format!("the role `{role}` is gone"));
        Ok(())
    }

    /// What a record counts must be what is there.
    pub(crate) fn must_count(&mut self, counted: u64, there: u64, what: &str) {
        self.must(
            counted == there,
            &format!("it counts {counted} {what}, there are {there}"),
        );
    }

    /// The record is a count: it must be of what is there, and is not kept where there is nothing.
    pub(crate) fn must_be_count(&mut self, there: u64) -> Result<(), Error> {
        let counted: u64 = self.record()?;
        self.must(
            counted == there && there > 0,
            &format!("it counts {counted}, there are {there}"),
        );
        Ok(())
    }

    /// How many records there are below these ids.
    pub(crate) fn count(&mut self, prefix: Prefix, parts: &[&str]) -> Result<u64, Error> {
        self.count_in(keys::range(prefix, parts))
    }

    pub(crate) fn count_in(&mut self, span: Span) -> Result<u64, Error> {
        let mut counted = 0;
        self.each(span, |_, _, _| {
            counted += 1;
            Ok(())
        })?;
        Ok(counted)
    }

    pub(crate) fn is_empty(&self, (from, until): Span) -> Result<bool, Error> {
        let first = self.reads.range(&from, &until, Order::Ascending, 1)?;
        Ok(first.is_empty())
    }

    /// Looks at each record of a span, by key and bytes.
    pub(crate) fn each(
        &self,
        (mut from, until): Span,
        mut look: impl FnMut(&mut Tx<'_>, &[u8], &[u8]) -> Result<(), Error>,
    ) -> Result<(), Error> {
        loop {
            let rows = self.reads.range(&from, &until, Order::Ascending, STEP)?;
            for (key, record) in &rows {
                // Each with a transaction of its own, which remembers what it read.
                look(
                    &mut Tx::on(self.reads.clone(), self.tx.now_ms),
                    key,
                    &record.value,
                )?;
            }
            match rows.last() {
                Some((last, _)) if rows.len() == STEP => from = [last.as_slice(), &[0]].concat(),
                _ => return Ok(()),
            }
        }
    }
}
