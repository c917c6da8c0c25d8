//! Writes `include/tenantry.json`: the catalogue for programs that generate or check something
//! themselves.

use super::ir::{Catalogue, Field, TypeDef, Yes};
use anyhow::Result;
use serde_json::{Value, json};
use tenantry::api::operation::{Access, Gates};

/// The catalogue as one JSON document.
pub fn files(catalogue: &Catalogue) -> Result<Vec<(String, String)>> {
    let document = json!({
        "generated": "by `cargo xtask codegen` from the catalogue: do not edit",
        "version": catalogue.version,
        "hash": catalogue.hash,
        "operations": catalogue.ops.iter().map(|op| json!({
            "name": op.name,
            "write": op.write,
            "access": access(op.access),
            "gates": gates(op.gates),
            "doc": op.doc,
            "request": fields(&op.fields),
            "answer": op.answer,
        })).collect::<Vec<_>>(),
        "types": catalogue.types.iter().map(type_def).collect::<Vec<_>>(),
        "errors": catalogue.errors.iter().map(|error| json!({
            "name": error.name,
            "number": error.number,
            "class": error.class,
            "retry": error.retry,
            "http_status": error.http_status,
            "smtp_reply": error.smtp_reply,
            "doc": error.doc,
        })).collect::<Vec<_>>(),
        "permissions": catalogue.permissions.iter().map(|(id, title)| json!({"permission": id,
            "title": title})).collect::<Vec<_>>(),
    });
    Ok(vec![(
        "include/tenantry.json".to_owned(),
        format!("{document:#}\n"),
    )])
}

/// What others than the host need: permissions, or a rule in words. Nothing where the host alone
/// may call it.
fn access(access: Access) -> Value {
    match access {
        Access::System => json!({}),
        Access::Operator(permission) => json!({"operators": permission}),
        Access::Account {
            user,
            operator: None,
        } => json!({"users": user}),
        Access::Account {
            user,
            operator: Some(operator),
        } => json!({"users": user, "operators": operator}),
        Access::Rule(rule) => json!({"rule": rule}),
        other => panic!("the catalogue in JSON has no form for {other:?}"),
    }
}

/// Under which circumstances those may call it.
fn gates(gates: Gates) -> Value {
    json!({
        "on_hold": gates.on_hold,
        "api_key": gates.api_key,
        "log_in_as": gates.log_in_as,
        "needs_recent_log_in": gates.needs_recent_log_in,
        "before_second_factor": gates.before_second_factor,
    })
}

fn fields(fields: &[Field]) -> Vec<Value> {
    fields
        .iter()
        .map(|field| {
            json!({"name": field.name, "type": field.ty.label(),
        "required": field.required, "doc": field.doc})
        })
        .collect()
}

fn type_def(def: &TypeDef) -> Value {
    match def {
        TypeDef::Struct {
            name,
            doc,
            fields: all,
            yes,
            input,
            output,
            ..
        } => {
            let mut def = json!({"name": name, "doc": doc, "fields": fields(all), "input": input,
                "output": output});
            if let Some(yes) = yes {
                def["yes"] = match yes {
                    Yes::By(field) => json!({"by": field}),
                    Yes::Without(field) => json!({"without": field}),
                };
            }
            def
        }
        TypeDef::Enum { name, doc, values } => {
            json!({"name": name, "doc": doc, "values": values.iter().map(|(value,
                doc)| json!({"value": value, "doc": doc})).collect::<Vec<_>>()})
        }
    }
}
