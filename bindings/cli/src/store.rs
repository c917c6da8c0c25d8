//! The store that the command line names.

use clap::ArgMatches;
use serde_json::{Map, Value};
use tenantry::Tenantry;

use crate::failure::Failure;

/// An open store, and as whom it is asked.
pub(crate) struct Store {
    open: Tenantry,
    actor: String,
}

impl Store {
    pub(crate) fn in_memory() -> Result<Store, Failure> {
        Ok(Store {
            open: Tenantry::open_json(":memory:", b"")?,
            actor: String::new(),
        })
    }

    /// The one that is named, at an address or by an option; none is made unless that is asked for.
    pub(crate) fn open(matches: &ArgMatches, address: Option<&String>) -> Result<Store, Failure> {
        let named = address.or_else(|| matches.get_one::<String>("store"));
        let path = named.ok_or_else(|| {
            Failure::Usage(
                "name the store: `--store PATH`, or the variable TENANTRY_STORE".to_owned(),
            )
        })?;
        let mut options = match matches.get_one::<String>("options") {
            Some(file) => options_in(file)?,
            None => Map::new(),
        };
        options
            .entry("create")
            .or_insert(matches.get_flag("create").into());
        let actor = matches.get_one::<String>("actor").cloned();
        Ok(Store {
            open: Tenantry::open_json(path, Value::from(options).to_string().as_bytes())?,
            actor: actor.unwrap_or_default(),
        })
    }

    pub(crate) fn call(&self, operation: &str, request: &Value) -> Result<Value, Failure> {
        let answer = self.open.call_json(
            self.actor.as_bytes(),
            operation.as_bytes(),
            request.to_string().as_bytes(),
        )?;
        serde_json::from_str(&answer)
            .map_err(|error| Failure::Usage(format!("the answer cannot be read: {error}")))
    }

    pub(crate) fn close(self) -> Result<(), Failure> {
        Ok(self.open.close()?)
    }
}

/// Options of opening, in a file and not in the command line, which everybody can see: the key of
/// the tokens is one of them.
fn options_in(file: &str) -> Result<Map<String, Value>, Failure> {
    let wrong = |what: String| Failure::Usage(format!("the options in `{file}`: {what}"));
    let text = std::fs::read_to_string(file).map_err(|error| wrong(error.to_string()))?;
    serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))
}
