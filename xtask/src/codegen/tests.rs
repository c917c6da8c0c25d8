//! Fields stand everywhere in the order in which the core declares them. What is expected comes
//! from serde, which asks for the fields of a struct in their order, and not from the schemas that
//! the generators read.

use super::ir::{self, Catalogue, Field, TypeDef};
use super::node::identifier;
use anyhow::{Context, Result, bail, ensure};
use serde::de::value::Error;
use serde::de::{DeserializeOwned, Deserializer, Error as _, Visitor};
use std::collections::BTreeMap;
use std::path::Path;
use tenantry::Operation;
use tenantry::catalogue::visit;

#[test]
fn the_catalogue_has_every_field_where_its_struct_has_it() -> Result<()> {
    let catalogue = ir::read()?;
    for op in &catalogue.ops {
        let (request, mut answer) = visit(&op.name, Structs).context("no such operation")?;
        assert_eq!(names(&op.fields), request, "the request of `{}`", op.name);
        // Answers show the id first, wherever the struct has it.
        answer.sort_by_key(|name| *name != "id");
        let fields = fields_of(&catalogue, &op.answer)?;
        assert_eq!(names(fields), answer, "the answer of `{}`", op.name);
    }
    Ok(())
}

#[test]
fn every_output_lists_the_fields_as_they_are_declared() -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let files = super::files(&root, &ir::read()?)?.into_iter().collect();
    let (request, answer) = visit("groups.create", Structs).context("no such operation")?;
    assert_eq!(request, ["account", "id", "name", "caps"]);
    assert!(!answer.is_sorted(), "{answer:?}");
    let in_node = answer.iter().map(|name| identifier(name));
    let in_node = in_node.collect::<Result<Vec<_>>>()?;
    let answer_in_node: Vec<&str> = in_node.iter().map(String::as_str).collect();
    // Where Python takes keywords, it takes those first that are required.
    let keywords = ["account", "name", "id", "caps"];

    let json = Output::new(&files, "include/tenantry.json");
    json.lists(
        &request,
        &[r#""name": "groups.create""#],
        "\n    }",
        r#""name": "{}""#,
    )?;
    json.lists(
        &answer,
        &[r#""doc": "A group of users.""#],
        "\n      ]",
        r#""name": "{}""#,
    )?;

    let page = Output::new(&files, "docs/reference/groups.md");
    page.lists(&request, &["\n## groups.create\n"], "\n## ", "\n| `{}` |")?;
    page.lists(&answer, &["\n### Group\n"], "\n### ", "\n| `{}` |")?;

    let python = Output::new(&files, "bindings/python/python/tenantry/_generated.py");
    let create = ["class GroupsOperations(", "def create("];
    python.lists(&keywords, &create, "->", " {}: ")?;
    python.lists(&keywords, &create, "return", "- `{}`: ")?;
    let model = Output::new(&files, "bindings/python/python/tenantry/model.py");
    model.lists(&answer, &["\nclass Group:"], "@classmethod", "\n    {}: ")?;
    model.lists(&answer, &["\nclass Group:", "def _from("], "\n\n", " {}=")?;
    let terms = ["message_class", "over", "burst"];
    model.lists(
        &terms,
        &["\nclass LimitTermsInput("],
        "\n\n\n",
        "\n    {}: ",
    )?;

    let types = Output::new(&files, "bindings/node/lib/generated.d.cts");
    types.lists(
        &request,
        &["interface GroupsCreateRequest {"],
        "\n}",
        "\n  {}",
    )?;
    types.lists(&answer_in_node, &["interface Group {"], "\n}", "\n  {}")?;
    let tables = Output::new(&files, "bindings/node/lib/generated.cjs");
    tables.lists(&request, &["\n  GroupsCreateRequest: {"], "}", " {}: [")?;
    tables.lists(&answer_in_node, &["\n  Group: {"], "}", " {}: [")?;

    // The owner of an account, as the examples pass it.
    let owner = ["user", "email"];
    let c = Output::new(&files, "examples/c/domains.c");
    c.lists(&owner, &[r#""owner": {"#], "}", r#""{}": "#)?;
    let python = Output::new(&files, "examples/python/domains.py");
    python.lists(&owner, &["owner={"], "}", r#""{}": "#)?;
    let node = Output::new(&files, "examples/node/domains.mjs");
    node.lists(&owner, &["owner: {"], "}", " {}: ")?;
    Ok(())
}

/// A generated file.
struct Output<'a> {
    file: &'a str,
    text: &'a str,
}

impl<'a> Output<'a> {
    fn new(files: &'a BTreeMap<String, String>, file: &'a str) -> Output<'a> {
        let text = files.get(file).map_or("", String::as_str);
        Output { file, text }
    }

    /// Behind `heads`, one after the other, and before the `end`, each name stands once and behind
    /// the one before it; `written` says what is around a name.
    fn lists(&self, names: &[&str], heads: &[&str], end: &str, written: &str) -> Result<()> {
        let file = self.file;
        let mut list = self.text;
        for head in heads {
            let (_, behind) = list
                .split_once(head)
                .with_context(|| format!("no `{head}` in {file}"))?;
            list = behind;
        }
        list = list.split_once(end).map_or(list, |(list, _)| list);
        let mut places = Vec::new();
        for name in names {
            let field = written.replace("{}", name);
            let place = list
                .find(&field)
                .with_context(|| format!("no `{field}` behind {heads:?} in {file}: {list}"))?;
            places.push(place);
        }
        ensure!(
            places.is_sorted(),
            "{file} does not have {names:?} in this order behind {heads:?}: {list}"
        );
        Ok(())
    }
}

/// The fields of the request and of the answer of an operation, as their structs have them.
struct Structs;

impl tenantry::catalogue::Visitor for Structs {
    type Output = (Vec<&'static str>, Vec<&'static str>);
    fn operation<O: Operation>(self) -> Self::Output {
        (declared::<O>(), declared::<O::Answer>())
    }
}

fn declared<T: DeserializeOwned>() -> Vec<&'static str> {
    let mut fields = Vec::new();
    // It ends with an error where serde has said which fields it wants.
    let _ = T::deserialize(Asked(&mut fields));
    fields
}

/// Writes down which fields a struct asks for.
struct Asked<'a>(&'a mut Vec<&'static str>);

impl<'de> Deserializer<'de> for Asked<'_> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Error> {
        Err(Error::custom("not a struct"))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, Error> {
        self.0.extend(fields);
        Err(Error::custom("only the names are asked for"))
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option
        unit unit_struct newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

fn names(fields: &[Field]) -> Vec<&str> {
    fields.iter().map(|field| field.name.as_str()).collect()
}

fn fields_of<'a>(catalogue: &'a Catalogue, name: &str) -> Result<&'a [Field]> {
    match catalogue.types.iter().find(|def| def.name() == name) {
        Some(TypeDef::Struct { fields, .. }) => Ok(fields),
        _ => bail!("the catalogue has no struct `{name}`"),
    }
}
