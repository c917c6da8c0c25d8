//! The catalogue as the generators see it: operations, types and errors, read from the core's
//! schemas.

use anyhow::{Context, Result, bail};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use tenantry::api::operation::{Access, Effect, Gates};
use tenantry::catalogue::CATALOGUE;
use tenantry::{Class, Code, PermissionTree};

/// All that a binding needs to know.
pub struct Catalogue {
    /// The version of the library.
    pub version: String,
    /// What a binding compares when it is loaded.
    pub hash: String,
    /// The operations, sorted by name.
    pub ops: Vec<Op>,
    /// The types that requests and answers use, sorted by name.
    pub types: Vec<TypeDef>,
    /// The error codes, sorted by number.
    pub errors: Vec<ErrorDef>,
    /// The classes of errors.
    pub classes: Vec<ClassDef>,
    /// The built-in permissions with their titles.
    pub permissions: Vec<(String, String)>,
}

/// An operation.
pub struct Op {
    /// The whole name, such as `accounts.set_x`.
    pub name: String,
    /// What stands before the dot.
    pub namespace: String,
    /// What stands after the dot.
    pub method: String,
    /// Whether it changes anything.
    pub write: bool,
    /// Who may call it.
    pub access: Access,
    /// Under which circumstances they may.
    pub gates: Gates,
    /// What it does.
    pub doc: String,
    /// The fields of the request.
    pub fields: Vec<Field>,
    /// The struct that it answers with.
    pub answer: String,
}

/// A field of a request or of a struct.
pub struct Field {
    /// The name.
    pub name: String,
    /// What it means.
    pub doc: String,
    /// Its type.
    pub ty: TypeRef,
    /// Whether it is always there.
    pub required: bool,
    /// Whether it is not to be shown: a password, a token.
    pub secret: bool,
}

/// The type of a field.
pub enum TypeRef {
    /// True or false.
    Bool,
    /// A whole number from 0 to 2^53 - 1.
    Integer,
    /// A text.
    Text,
    /// `unlimited` or a whole number.
    Limit,
    /// A list.
    List(Box<TypeRef>),
    /// One of the catalogue's types.
    Named(String),
}

/// A type of the catalogue.
pub enum TypeDef {
    /// Fields by name.
    Struct {
        /// The name.
        name: String,
        /// What it is.
        doc: String,
        /// Its fields.
        fields: Vec<Field>,
        /// How it says yes or no, where it is an answer that does.
        yes: Option<Yes>,
        /// Whether an operation answers it.
        answered: bool,
        /// Whether requests use it.
        input: bool,
        /// Whether answers use it.
        output: bool,
    },
    /// One of several texts.
    Enum {
        /// The name.
        name: String,
        /// What it is.
        doc: String,
        /// The texts, each with what it means.
        values: Vec<(String, String)>,
    },
}

/// How an answer says yes or no (R-ANS-1). The core declares it: `#[schemars(extend("x-yes" =
/// "allowed"))]`.
#[derive(Clone, PartialEq)]
pub enum Yes {
    /// By a field that is true or false.
    By(String),
    /// By a field that is there for a no alone.
    Without(String),
}

impl Yes {
    /// The sentence of the documentation.
    pub fn sentence(&self) -> String {
        match self {
            Yes::By(field) => format!("It is an answer of yes or no: yes if `{field}` is true."),
            Yes::Without(field) => {
                format!("It is an answer of yes or no: yes if `{field}` is absent.")
            }
        }
    }
}

/// An error code.
pub struct ErrorDef {
    /// The name.
    pub name: String,
    /// The number.
    pub number: i32,
    /// The name of its class.
    pub class: String,
    /// Whether a retry helps.
    pub retry: String,
    /// What a host answers in HTTP.
    pub http_status: u16,
    /// What a host answers in SMTP.
    pub smtp_reply: &'static str,
    /// What it means.
    pub doc: String,
}

/// A class of errors.
pub struct ClassDef {
    /// The name.
    pub name: String,
    /// What it means.
    pub doc: String,
    /// The class of the exceptions that Python and Node throw for it.
    pub exception: &'static str,
}

impl TypeDef {
    /// The name of the type.
    pub fn name(&self) -> &str {
        match self {
            TypeDef::Struct { name, .. } | TypeDef::Enum { name, .. } => name,
        }
    }

    fn is_the_same_as(&self, other: &TypeDef) -> bool {
        let label = |field: &Field| {
            (
                field.name.clone(),
                field.ty.label(),
                field.required,
                field.doc.clone(),
            )
        };
        match (self, other) {
            (
                TypeDef::Struct { doc, fields, .. },
                TypeDef::Struct {
                    doc: other_doc,
                    fields: other_fields,
                    ..
                },
            ) => doc == other_doc && fields.iter().map(label).eq(other_fields.iter().map(label)),
            (
                TypeDef::Enum { doc, values, .. },
                TypeDef::Enum {
                    doc: other_doc,
                    values: other_values,
                    ..
                },
            ) => doc == other_doc && values == other_values,
            _ => false,
        }
    }
}

#[derive(Clone, Copy)]
enum Side {
    Input,
    Output,
}

/// Reads the core's catalogue. What the generators would not understand is refused here.
pub fn read() -> Result<Catalogue> {
    let mut types = BTreeMap::new();
    let mut ops = Vec::new();
    for entry in CATALOGUE {
        let mut read_op = || -> Result<Op> {
            let request = (entry.request)().to_value();
            let answer = (entry.answer)().to_value();
            let (namespace, method) = entry
                .name
                .split_once('.')
                .context("an operation is named `namespace.method`")?;
            let fields = fields(&request, &request, Side::Input, &mut types)?;
            let answer_name = text(&answer, "title")?;
            add_type(&answer_name, &answer, &answer, Side::Output, &mut types)?;
            if let Some(TypeDef::Struct { answered, .. }) = types.get_mut(&answer_name) {
                *answered = true;
            }
            Ok(Op {
                name: entry.name.to_owned(),
                namespace: namespace.to_owned(),
                method: method.to_owned(),
                write: entry.effect != Effect::Read,
                access: entry.access,
                gates: entry.gates,
                doc: text(&request, "description")?,
                fields,
                answer: answer_name,
            })
        };
        ops.push(read_op().with_context(|| format!("in operation `{}`", entry.name))?);
    }
    let errors = Code::all().iter().map(|code| ErrorDef {
        name: code.name().to_owned(),
        number: code.number(),
        class: code.class().name().to_owned(),
        retry: code.retry().name().to_owned(),
        http_status: code.http_status(),
        smtp_reply: code.smtp_reply(),
        doc: code.sentence().to_owned(),
    });
    let classes = Class::ALL.iter().map(|class| {
        Ok(ClassDef {
            name: class.name().to_owned(),
            doc: class.sentence().to_owned(),
            exception: exception(*class)?,
        })
    });
    let tree = PermissionTree::new(&[]);
    Ok(Catalogue {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        hash: tenantry::catalogue::hash().to_owned(),
        ops,
        types: types.into_values().collect(),
        errors: errors.collect(),
        classes: classes.collect::<Result<_>>()?,
        permissions: tree
            .nodes()
            .iter()
            .map(|node| (node.id.clone(), node.title.clone()))
            .collect(),
    })
}

/// What the exceptions of a class of errors are called in Python and Node.
fn exception(class: Class) -> Result<&'static str> {
    Ok(match class {
        Class::Invalid => "InvalidArgument",
        Class::NotFound => "NotFound",
        Class::Conflict => "Conflict",
        Class::Refused => "Refused",
        Class::Limit => "LimitReached",
        Class::State => "WrongState",
        Class::Store => "StoreFailure",
        Class::Handle => "HandleUnusable",
        Class::Internal => "InternalError",
        _ => bail!(
            "the class of errors `{}` has no exception yet: name it in codegen/ir.rs",
            class.name()
        ),
    })
}

fn text(schema: &Value, key: &str) -> Result<String> {
    let text = schema
        .get(key)
        .and_then(Value::as_str)
        .with_context(|| format!("a schema has no `{key}`: {schema}"))?;
    Ok(text
        .split('\n')
        .map(str::trim_end)
        .collect::<Vec<_>>()
        .join("\n"))
}

fn fields(
    schema: &Value,
    root: &Value,
    side: Side,
    types: &mut BTreeMap<String, TypeDef>,
) -> Result<Vec<Field>> {
    let empty = Map::new();
    let properties = schema
        .get("properties")
        .and_then(Value::as_object)
        .unwrap_or(&empty);
    let required: Vec<&str> = schema
        .get("required")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let mut fields = Vec::new();
    for (name, property) in in_order(properties)? {
        let mut field = || -> Result<Field> {
            let ty = type_ref(property, root, side, types)?;
            let (doc, required) = (
                text(property, "description")?,
                required.contains(&name.as_str()),
            );
            Ok(Field {
                name: name.clone(),
                doc,
                ty,
                required,
                secret: is_secret(property),
            })
        };
        fields.push(field().with_context(|| format!("in field `{name}`"))?);
    }
    Ok(fields)
}

/// The properties as the struct declares its fields: a schema has them sorted by name, and the
/// attributes of the core write into each at which place it stands.
fn in_order(properties: &Map<String, Value>) -> Result<Vec<(&String, &Value)>> {
    let mut placed = properties
        .iter()
        .map(|(name, property)| {
            let place = property.get("x-order").and_then(Value::as_u64);
            let place = place.with_context(|| {
                format!(
                    "the schema of the field `{name}` does not say at which place it stands: \
                     declare its type with `#[request]`, `#[answer]` or `#[options]`, or add \
                     `#[schemars(extend(\"x-order\" = 0))]`"
                )
            })?;
            Ok((place, (name, property)))
        })
        .collect::<Result<Vec<_>>>()?;
    placed.sort_by_key(|(place, _)| *place);
    if let Some(twice) = placed.windows(2).find(|pair| pair[0].0 == pair[1].0) {
        bail!(
            "the fields `{}` and `{}` stand at the same place {}",
            twice[0].1.0,
            twice[1].1.0,
            twice[0].0
        );
    }
    Ok(placed.into_iter().map(|(_, field)| field).collect())
}

/// Whether this is the schema of `Secret`, or of a list of them.
fn is_secret(schema: &Value) -> bool {
    schema
        .get("format")
        .is_some_and(|format| format == "password")
        || schema.get("items").is_some_and(is_secret)
}

fn type_ref(
    schema: &Value,
    root: &Value,
    side: Side,
    types: &mut BTreeMap<String, TypeDef>,
) -> Result<TypeRef> {
    if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
        let name = reference
            .strip_prefix("#/$defs/")
            .with_context(|| format!("a reference to `{reference}`"))?;
        if name == "Limit" {
            return Ok(TypeRef::Limit);
        }
        let target = root
            .get("$defs")
            .and_then(|all| all.get(name))
            .with_context(|| format!("no definition of `{name}`"))?;
        add_type(name, target, root, side, types)?;
        return Ok(TypeRef::Named(name.to_owned()));
    }
    if let Some(options) = schema.get("anyOf").and_then(Value::as_array) {
        let real: Vec<_> = options
            .iter()
            .filter(|option| **option != json!({"type": "null"}))
            .collect();
        let [only] = real.as_slice() else {
            bail!("a choice of several types: {schema}")
        };
        return type_ref(only, root, side, types);
    }
    let kind = match schema.get("type") {
        Some(Value::String(kind)) => kind.as_str(),
        Some(Value::Array(kinds)) => kinds
            .iter()
            .filter_map(Value::as_str)
            .find(|kind| *kind != "null")
            .context("a type that is only null")?,
        _ => bail!("a schema without type: {schema}"),
    };
    Ok(match kind {
        "boolean" => TypeRef::Bool,
        "integer" => TypeRef::Integer,
        "string" => TypeRef::Text,
        "array" => {
            let items = schema.get("items").context("a list without items")?;
            TypeRef::List(Box::new(type_ref(items, root, side, types)?))
        }
        other => bail!("the type `{other}`: {schema}"),
    })
}

fn add_type(
    name: &str,
    schema: &Value,
    root: &Value,
    side: Side,
    types: &mut BTreeMap<String, TypeDef>,
) -> Result<()> {
    let doc = text(schema, "description").with_context(|| format!("in type `{name}`"))?;
    if let Some(options) = schema.get("oneOf").and_then(Value::as_array) {
        let value = |option: &Value| Ok((text(option, "const")?, text(option, "description")?));
        let values = options
            .iter()
            .map(value)
            .collect::<Result<_>>()
            .with_context(|| format!("in type `{name}`"))?;
        let def = TypeDef::Enum {
            name: name.to_owned(),
            doc,
            values,
        };
        return keep(def, types);
    }
    if schema.get("type").and_then(Value::as_str) != Some("object") {
        bail!(
            "the type `{name}` is neither a struct nor an enum whose every variant is documented: \
             {schema}"
        );
    }
    let (known_input, known_output, answered) = match types.get(name) {
        Some(TypeDef::Struct {
            input,
            output,
            answered,
            ..
        }) => (*input, *output, *answered),
        _ => (false, false, false),
    };
    let (input, output) = match side {
        Side::Input => (true, known_output),
        Side::Output => (known_input, true),
    };
    let fields = fields(schema, root, side, types).with_context(|| format!("in type `{name}`"))?;
    let yes = yes(schema, &fields).with_context(|| format!("in type `{name}`"))?;
    let doc = yes
        .iter()
        .fold(doc, |doc, yes| format!("{doc}\n\n{}", yes.sentence()));
    keep(
        TypeDef::Struct {
            name: name.to_owned(),
            doc,
            fields,
            yes,
            answered,
            input,
            output,
        },
        types,
    )
}

/// How a type says yes or no, if it declares that it does.
fn yes(schema: &Value, fields: &[Field]) -> Result<Option<Yes>> {
    let Some(name) = schema.get("x-yes").and_then(Value::as_str) else {
        return Ok(None);
    };
    let field = fields
        .iter()
        .find(|field| field.name == name)
        .with_context(|| format!("it says yes by `{name}`, which it does not have"))?;
    Ok(Some(match (&field.ty, field.required) {
        (TypeRef::Bool, true) => Yes::By(name.to_owned()),
        (_, false) => Yes::Without(name.to_owned()),
        _ => bail!("`{name}` is neither true or false nor absent"),
    }))
}

/// Two types of one name would overwrite each other in every language.
fn keep(def: TypeDef, types: &mut BTreeMap<String, TypeDef>) -> Result<()> {
    if let Some(known) = types.get(def.name())
        && !known.is_the_same_as(&def)
    {
        bail!(
            "two types are called `{}`: give one of them another name",
            def.name()
        );
    }
    types.insert(def.name().to_owned(), def);
    Ok(())
}

impl TypeRef {
    /// The type as `tenantry.json` writes it: `text`, `list<Hold>`.
    pub fn label(&self) -> String {
        match self {
            TypeRef::Bool => "bool".to_owned(),
            TypeRef::Integer => "integer".to_owned(),
            TypeRef::Text => "text".to_owned(),
            TypeRef::Limit => "limit".to_owned(),
            TypeRef::List(item) => format!("list<{}>", item.label()),
            TypeRef::Named(name) => name.clone(),
        }
    }
}
