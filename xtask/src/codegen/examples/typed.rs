//! What a JSON value is in Rust: the value is played to the type's own `Deserialize`, which asks
//! for every field by its type. So the examples are written with the types that the library has,
//! and no list of them is kept here.

use anyhow::{Context, Result};
use serde::de::value::Error;
use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, Error as _, IntoDeserializer, MapAccess,
    SeqAccess, Visitor,
};
use serde_json::{Value, json};
use std::any::type_name;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use tenantry::Operation;

/// Where the core says what others can name.
const LIBRARY: &str = include_str!("../../../../core/src/lib.rs");
const OPERATIONS: &str = include_str!("../../../../core/src/api/mod.rs");

/// The type of the request of an operation, for this request.
pub struct Request<'v>(pub &'v Value);
/// The type of the answer of an operation, for this answer.
pub struct Answer<'v>(pub &'v Value);

impl tenantry::catalogue::Visitor for Request<'_> {
    type Output = Result<TypedTree>;
    fn operation<O: Operation>(self) -> Result<TypedTree> {
        typed::<O>(self.0)
    }
}

impl tenantry::catalogue::Visitor for Answer<'_> {
    type Output = Result<TypedTree>;
    fn operation<O: Operation>(self) -> Result<TypedTree> {
        typed::<O::Answer>(self.0)
    }
}

/// A value in Rust.
#[derive(Clone)]
pub struct Typed {
    /// Its type, as `std::any::type_name` writes it.
    pub ty: String,
    /// The expression.
    pub code: String,
}

/// A value in Rust, with all that is in it by its path.
#[derive(Default)]
pub struct TypedTree {
    /// What stands at each path, such as `messages.0.token`.
    pub at: BTreeMap<String, Typed>,
    /// The paths of the fields that the value could do without.
    optional: BTreeSet<String>,
}

impl TypedTree {
    /// The whole value.
    pub fn root(&self) -> Result<&Typed> {
        self.at.get("").context("the type asked for nothing")
    }
}

fn typed<T: DeserializeOwned>(value: &Value) -> Result<TypedTree> {
    let mut optional = BTreeSet::new();
    for path in fields_of(value, "") {
        let mut without = value.clone();
        remove(&mut without, &path);
        if serde_json::from_value::<T>(without).is_ok() {
            optional.insert(path);
        }
    }
    let tree = Rc::new(RefCell::new(TypedTree {
        optional,
        ..TypedTree::default()
    }));
    T::deserialize(Player {
        value: Some(value),
        ty: type_name::<T>().to_owned(),
        path: String::new(),
        tree: Rc::clone(&tree),
    })
    .with_context(|| format!("as {}: {value}", type_name::<T>()))?;
    Ok(tree.take())
}

/// The paths of all fields in a value.
fn fields_of(value: &Value, path: &str) -> Vec<String> {
    let below = |name: &str| match path {
        "" => name.to_owned(),
        _ => format!("{path}.{name}"),
    };
    match value {
        Value::Object(fields) => fields
            .iter()
            .flat_map(|(name, value)| {
                let path = below(name);
                let mut paths = fields_of(value, &path);
                paths.push(path);
                paths
            })
            .collect(),
        Value::Array(items) => (0..)
            .zip(items)
            .flat_map(|(at, item): (usize, _)| fields_of(item, &below(&at.to_string())))
            .collect(),
        _ => Vec::new(),
    }
}

fn remove(value: &mut Value, path: &str) {
    let (first, rest) = path.split_once('.').unwrap_or((path, ""));
    let below = match value {
        Value::Object(fields) if rest.is_empty() => {
            fields.remove(first);
            None
        }
        Value::Object(fields) => fields.get_mut(first),
        Value::Array(items) => first.parse().ok().and_then(|at: usize| items.get_mut(at)),
        _ => None,
    };
    if let Some(below) = below {
        remove(below, rest);
    }
}

/// The types that the core exports by themselves.
pub fn exported() -> impl Iterator<Item = &'static str> {
    let statements = LIBRARY
        .split(';')
        .filter(|statement| statement.contains("pub use "));
    let words =
        statements.flat_map(|statement| statement.split(|c: char| !c.is_ascii_alphanumeric()));
    words.filter(|word| word.starts_with(|c: char| c.is_ascii_uppercase()))
}

/// The modules of the operations.
pub fn modules() -> impl Iterator<Item = &'static str> {
    OPERATIONS
        .lines()
        .filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';'))
        .filter(|module| *module != "operation")
}

/// How others name a type of the core: `members::Add`, `Id`; none where they cannot.
fn public_name(ty: &str) -> Option<String> {
    if let Some(path) = ty.strip_prefix("tenantry::api::") {
        return Some(path.to_owned());
    }
    let name = ty.rsplit("::").next()?;
    exported().any(|word| word == name).then(|| name.to_owned())
}

/// `quota_exceeded` as `QuotaExceeded`.
pub fn pascal(name: &str) -> String {
    name.split('_')
        .map(|word| {
            word.chars()
                .take(1)
                .map(|first| first.to_ascii_uppercase())
                .chain(word.chars().skip(1))
                .collect::<String>()
        })
        .collect()
}

/// Plays one value, and writes down what it is.
struct Player<'v> {
    /// Absent where the request says nothing.
    value: Option<&'v Value>,
    ty: String,
    path: String,
    tree: Rc<RefCell<TypedTree>>,
}

impl<'v> Player<'v> {
    fn write(&self, code: String) {
        self.tree.borrow_mut().at.insert(
            self.path.clone(),
            Typed {
                ty: self.ty.clone(),
                code,
            },
        );
    }

    fn written(&self, path: &str) -> String {
        self.tree
            .borrow()
            .at
            .get(path)
            .map(|typed| typed.code.clone())
            .unwrap_or_default()
    }

    /// What stands below it, of the type that is asked for.
    fn below<T>(&self, name: &str, value: Option<&'v Value>) -> Player<'v> {
        let path = if self.path.is_empty() {
            name.to_owned()
        } else {
            format!("{}.{name}", self.path)
        };
        Player {
            value,
            ty: type_name::<T>().to_owned(),
            path,
            tree: Rc::clone(&self.tree),
        }
    }

    /// A struct as a caller builds it: `new` takes what is required, and setters the rest.
    fn built(&self, name: &str, fields: &[&str], value: &Value, prefix: &str) -> String {
        let is_optional = |field: &str| {
            let tree = self.tree.borrow();
            tree.optional.contains(&format!("{prefix}{field}"))
        };
        let given = fields
            .iter()
            .filter(|field| value.get(field).is_some_and(|value| !value.is_null()));
        let (optional, required): (Vec<&str>, Vec<&str>) =
            given.copied().partition(|field| is_optional(field));
        let written = |field: &str| self.written(&format!("{prefix}{field}"));
        let arguments: Vec<String> = required.iter().map(|field| written(field)).collect();
        let setters = optional.iter().map(|field| {
            let code = written(field);
            let inner = code
                .strip_prefix("Some(")
                .and_then(|rest| rest.strip_suffix(')'));
            format!(".{field}({})", inner.unwrap_or(&code))
        });
        let made = match arguments.as_slice() {
            [] => format!("{name}::default()"),
            _ => format!("{name}::new({})", arguments.join(", ")),
        };
        made + &setters.collect::<String>()
    }

    /// The expression for a single value. A type that has no public name can only be read.
    fn single(&self, value: &Value) -> String {
        let read = format!("from_value(json!({value}))?");
        let name = public_name(&self.ty);
        match (self.ty.as_str(), name.as_deref(), value) {
            (_, Some("Limit"), Value::String(_)) => "Limit::Unlimited".to_owned(),
            (_, Some("Limit"), _) => format!("Limit::At(Count::new({value})?)"),
            (_, Some("Code"), Value::String(code)) => format!("Code::{}", pascal(code)),
            ("alloc::string::String", ..) => format!("{value}.to_owned()"),
            (_, Some(name), _) => format!("{name}::new({value})?"),
            (ty, None, _) if ty.contains("::") => read,
            _ => value.to_string(),
        }
    }
}

impl<'de> Deserializer<'de> for Player<'_> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let value = self.value.ok_or_else(|| {
            Error::custom(format!(
                "`{}` is absent and has no default that is known here",
                self.path
            ))
        })?;
        self.write(self.single(value));
        match value {
            Value::Bool(value) => visitor.visit_bool(*value),
            Value::Number(number) => visitor.visit_u64(
                number
                    .as_u64()
                    .ok_or_else(|| Error::custom("a number that is not whole"))?,
            ),
            Value::String(text) => visitor.visit_str(text),
            other => Err(Error::custom(format!("`{}` is {other}", self.path))),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.value {
            Some(_) => self.deserialize_any(visitor),
            None => {
                self.write("false".to_owned());
                visitor.visit_bool(false)
            }
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if self.value.is_none_or(Value::is_null) {
            self.write("None".to_owned());
            return visitor.visit_none();
        }
        let inner = self
            .ty
            .split_once('<')
            .and_then(|(_, inner)| inner.strip_suffix('>'))
            .unwrap_or(&self.ty)
            .to_owned();
        let inner = Player {
            value: self.value,
            ty: inner,
            path: self.path.clone(),
            tree: Rc::clone(&self.tree),
        };
        let value = visitor.visit_some(inner)?;
        self.write(format!("Some({})", self.written(&self.path)));
        Ok(value)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let items = self
            .value
            .and_then(Value::as_array)
            .map_or(&[][..], Vec::as_slice);
        let value = visitor.visit_seq(Items {
            player: &self,
            items: items.iter().enumerate(),
        })?;
        let prefix = if self.path.is_empty() {
            String::new()
        } else {
            format!("{}.", self.path)
        };
        let codes: Vec<String> = (0..items.len())
            .map(|at| self.written(&format!("{prefix}{at}")))
            .collect();
        self.write(format!("vec![{}]", codes.join(", ")));
        Ok(value)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        let value = visitor.visit_map(Fields {
            player: &self,
            fields: fields.iter().copied(),
            field: "",
        })?;
        let prefix = if self.path.is_empty() {
            String::new()
        } else {
            format!("{}.", self.path)
        };
        let code = match (public_name(&self.ty), self.value) {
            (Some(name), None) => format!("{name}::default()"),
            (None, None) => "Default::default()".to_owned(),
            (None, Some(value)) => format!("from_value(json!({value}))?"),
            (Some(name), Some(value)) => self.built(&name, fields, value, &prefix),
        };
        self.write(code);
        Ok(value)
    }

    /// A struct of which a part is flattened: it does not say which fields that part has.
    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let given = self.value.and_then(Value::as_object);
        let fields: Vec<&str> = given
            .into_iter()
            .flatten()
            .map(|(name, _)| name.as_str())
            .collect();
        let value = visitor.visit_map(Fields {
            player: &self,
            fields: fields.iter().copied(),
            field: "",
        })?;
        self.write(format!("from_value(json!({}))?", json!(self.value)));
        Ok(value)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        let given = self.value.and_then(Value::as_str);
        self.write(match (public_name(&self.ty), given) {
            (Some(name), Some(text)) => format!("{name}::{}", pascal(text)),
            (Some(name), None) => format!("{name}::default()"),
            (None, Some(text)) => format!("from_value(json!({}))?", json!(text)),
            (None, None) => "Default::default()".to_owned(),
        });
        // Where nothing is given, any of them lets the request be built: only the expression
        // matters.
        let text = given
            .or(variants.first().copied())
            .ok_or_else(|| Error::custom("an enum without variants"))?;
        visitor.visit_enum(text.into_deserializer())
    }

    serde::forward_to_deserialize_any! {
        i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit
        unit_struct newtype_struct tuple tuple_struct identifier ignored_any
    }
}

struct Items<'p, 'v> {
    player: &'p Player<'v>,
    items: std::iter::Enumerate<std::slice::Iter<'v, Value>>,
}

impl<'de> SeqAccess<'de> for Items<'_, '_> {
    type Error = Error;
    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Error> {
        let Some((at, item)) = self.items.next() else {
            return Ok(None);
        };
        seed.deserialize(self.player.below::<S::Value>(&at.to_string(), Some(item)))
            .map(Some)
    }
}

/// Every field that the struct has, given or not.
struct Fields<'p, 'v> {
    player: &'p Player<'v>,
    fields: std::iter::Copied<std::slice::Iter<'p, &'p str>>,
    field: &'p str,
}

impl<'de> MapAccess<'de> for Fields<'_, '_> {
    type Error = Error;
    fn next_key_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Error> {
        let Some(field) = self.fields.next() else {
            return Ok(None);
        };
        self.field = field;
        seed.deserialize(IntoDeserializer::<Error>::into_deserializer(field))
            .map(Some)
    }
    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Error> {
        let value = self.player.value.and_then(|value| value.get(self.field));
        seed.deserialize(self.player.below::<S::Value>(self.field, value))
    }
}
