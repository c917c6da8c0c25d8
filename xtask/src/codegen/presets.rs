//! What each preset sets, as a platform with it answers.

use anyhow::{Context, Result};
use serde_json::Value;
use std::collections::BTreeMap;
use tenantry::api::policies;
use tenantry::{Actor, OpenOptions, PolicySource, Preset, Tenantry};

const PRESETS: [Preset; 5] = [
    Preset::Packages,
    Preset::Groups,
    Preset::Access,
    Preset::Teams,
    Preset::Essentials,
];

/// The presets.
pub(super) struct Presets {
    names: Vec<String>,
    /// The policies that presets set, in the order of their declaration.
    pub(super) policies: Vec<PresetPolicy>,
}

/// A policy that presets set, with its values as they are read.
pub(super) struct PresetPolicy {
    /// The name.
    pub(super) name: String,
    /// The value without a preset.
    pub(super) default: String,
    /// The value of each preset, by its name.
    pub(super) values: BTreeMap<String, String>,
}

impl Presets {
    /// Asks a platform.
    pub(super) fn read() -> Result<Presets> {
        let t = Tenantry::open(":memory:", OpenOptions::default())?;
        let report = |preset| {
            let mut request = policies::Preset::new();
            request.preset = preset;
            t.call(&Actor::System, request)
        };
        let defaults = serde_json::to_value(report(None)?.policies)?;
        let mut presets = Presets {
            names: Vec::new(),
            policies: Vec::new(),
        };
        for preset in PRESETS {
            let name = serde_json::to_value(preset)?;
            let name = name.as_str().context("a preset without a name")?.to_owned();
            let report = report(Some(preset))?;
            let values = serde_json::to_value(&report.policies)?;
            let set = report
                .sources
                .iter()
                .filter(|origin| origin.source == PolicySource::Preset);
            let set: Vec<_> = set.map(|origin| &origin.policy).collect();
            if presets.names.is_empty() {
                presets.policies = set
                    .iter()
                    .map(|policy| PresetPolicy {
                        name: (*policy).clone(),
                        default: plain(&defaults[policy.as_str()]),
                        values: BTreeMap::new(),
                    })
                    .collect();
            }
            for policy in &mut presets.policies {
                let value = plain(&values[policy.name.as_str()]);
                policy.values.insert(name.clone(), value);
            }
            presets.names.push(name);
        }
        t.close()?;
        Ok(presets)
    }

    /// The names of the presets.
    pub(super) fn columns(&self) -> Vec<&str> {
        self.names.iter().map(String::as_str).collect()
    }
}

/// A value of a policy as it is read.
fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(plain).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}
