//! What stands in the place of a struct or an enum with an attribute.

use crate::fields::{Known, Need};
use proc_macro2::{Ident, Literal, TokenStream};
use quote::quote;
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::{Attribute, Data, DeriveInput, Error, Fields, Path, Result, Token, parse2};

/// What every type derives. The paths are whole: the code beside the type may use these names for
/// something else.
const ALL: [&str; 4] = [
    "::core::clone::Clone",
    "::core::fmt::Debug",
    "::serde::Serialize",
    "::serde::Deserialize",
];
const SCHEMA: &str = "::schemars::JsonSchema";
const PARTIAL_EQ: &str = "::core::cmp::PartialEq";
const WORD: [&str; 2] = ["::core::marker::Copy", "::core::cmp::Eq"];

/// `#[request]`.
pub(crate) fn request(args: TokenStream, item: TokenStream) -> Result<TokenStream> {
    let mut item = Item::read(args, item, "#[request]")?;
    if item.is_enum() {
        return item.words();
    }
    let fields = item.fields(false)?;
    item.number_fields(|_, place| place);
    let methods = item.methods(&fields)?;
    let code = item.declared(&[SCHEMA], quote!(#[serde(deny_unknown_fields)]))?;
    Ok(quote!(#code #methods))
}

/// `#[answer]`.
pub(crate) fn answer(args: TokenStream, item: TokenStream) -> Result<TokenStream> {
    let mut item = Item::read(args, item, "#[answer]")?;
    if item.is_enum() {
        return item.words();
    }
    let fields = item.fields(false)?;
    // Whoever reads an answer looks for the id first. A record that is stored as it is shown keeps
    // the order in which its fields were always written.
    let id = fields.iter().position(|field| field.name == "id");
    item.number_fields(|name, place| match id {
        Some(_) if name == "id" => 0,
        Some(id) if place < id => place + 1,
        _ => place,
    });
    item.declared(&[SCHEMA, PARTIAL_EQ], quote!())
}

/// `#[options]`.
pub(crate) fn options(args: TokenStream, item: TokenStream) -> Result<TokenStream> {
    let mut item = Item::read(args, item, "#[options]")?;
    if item.is_enum() {
        return Err(Error::new(
            item.input.ident.span(),
            "`#[options]` stands at a struct; each option is a field of it",
        ));
    }
    let setters: Vec<TokenStream> = item.fields(true)?.iter().map(Known::setter).collect();
    if item.own_derives()?.iter().any(is_schema) {
        item.number_fields(|_, place| place);
    }
    let code = item.declared(&[], quote!(#[serde(deny_unknown_fields, default)]))?;
    let name = &item.input.ident;
    Ok(quote! {
        #code
        impl #name {
            #(#setters)*
        }
    })
}

struct Item {
    input: DeriveInput,
    /// The attribute, as it is written.
    attribute: &'static str,
}

impl Item {
    fn read(args: TokenStream, item: TokenStream, attribute: &'static str) -> Result<Item> {
        if !args.is_empty() {
            return Err(Error::new(
                args.span(),
                format!("`{attribute}` takes no arguments"),
            ));
        }
        let input: DeriveInput = parse2(item).map_err(|error| {
            Error::new(
                error.span(),
                format!("`{attribute}` stands at a struct or an enum: {error}"),
            )
        })?;
        if !input.generics.params.is_empty() {
            return Err(Error::new(
                input.generics.span(),
                format!("`{attribute}` is for types without parameters: JSON has none"),
            ));
        }
        Ok(Item { input, attribute })
    }

    fn is_enum(&self) -> bool {
        matches!(self.input.data, Data::Enum(_))
    }

    /// The fields of the struct. Those that may be none are marked for serde from here on.
    fn fields(&mut self, has_default: bool) -> Result<Vec<Known>> {
        let name = self.input.ident.span();
        match &mut self.input.data {
            Data::Struct(data) => match &mut data.fields {
                Fields::Named(named) => named
                    .named
                    .iter_mut()
                    .map(|field| Known::read(field, self.attribute, has_default))
                    .collect(),
                Fields::Unnamed(_) | Fields::Unit => Err(Error::new(
                    name,
                    format!(
                        "`{}` needs fields with names; write `{{}}` where there are none",
                        self.attribute
                    ),
                )),
            },
            Data::Enum(_) | Data::Union(_) => Err(Error::new(
                name,
                format!("`{}` stands at a struct or an enum", self.attribute),
            )),
        }
    }

    /// Writes into the schema at which place each field stands. The properties of a schema are
    /// sorted by name, and the generators of bindings write the fields in this order.
    fn number_fields(&mut self, shown_at: impl Fn(&Ident, usize) -> usize) {
        if let Data::Struct(data) = &mut self.input.data {
            for (place, field) in data.fields.iter_mut().enumerate() {
                let place = field
                    .ident
                    .as_ref()
                    .map_or(place, |name| shown_at(name, place));
                let place = Literal::usize_unsuffixed(place);
                field
                    .attrs
                    .push(syn::parse_quote!(#[schemars(extend("x-order" = #place))]));
            }
        }
    }

    /// What the type derives beside the attribute.
    fn own_derives(&self) -> Result<Vec<Path>> {
        let attrs = self.input.attrs.iter();
        let mut derives = Vec::new();
        for attr in attrs.filter(|attr| attr.path().is_ident("derive")) {
            derives.extend(attr.parse_args_with(Punctuated::<Path, Token![,]>::parse_terminated)?);
        }
        Ok(derives)
    }

    /// The type with its derives, `more` than all have, and serde's settings. The derives come
    /// before the other attributes, which may be helpers of theirs.
    fn declared(&self, more: &[&str], settings: TokenStream) -> Result<TokenStream> {
        let derives: Vec<Path> = ALL
            .iter()
            .chain(more)
            .map(|path| syn::parse_str(path))
            .collect::<Result<_>>()?;
        self.check_own(&derives)?;
        let input = &self.input;
        // For rustdoc alone: it is not part of the schema that the bindings are generated from.
        let example = link_to_example().map(|link| quote!(#[cfg_attr(doc, doc = #link)]));
        let (docs, others): (Vec<&Attribute>, Vec<&Attribute>) = input
            .attrs
            .iter()
            .partition(|attr| attr.path().is_ident("doc"));
        let input = DeriveInput {
            attrs: Vec::new(),
            ..input.clone()
        };
        Ok(quote! {
            #[derive(#(#derives),*)]
            #settings
            #[non_exhaustive]
            #(#docs)*
            #example
            #(#others)*
            #input
        })
    }

    /// An enum of plain words.
    fn words(&self) -> Result<TokenStream> {
        if let Data::Enum(data) = &self.input.data
            && let Some(other) = data
                .variants
                .iter()
                .find(|variant| !matches!(variant.fields, Fields::Unit))
        {
            return Err(Error::new(
                other.ident.span(),
                format!(
                    "`{}` is for enums of plain words; `{}` has fields, so derive what the enum \
                     needs by hand",
                    self.attribute, other.ident
                ),
            ));
        }
        let [copy, eq] = WORD;
        self.declared(
            &[SCHEMA, PARTIAL_EQ, copy, eq],
            quote!(#[serde(rename_all = "snake_case")]),
        )
    }

    /// Refuses a derive beside the attribute that the attribute adds itself: the compiler would
    /// only speak of two implementations.
    fn check_own(&self, derives: &[Path]) -> Result<()> {
        for path in &self.own_derives()? {
            let name = last_of(path);
            if derives.iter().any(|derive| last_of(derive) == name) {
                let attribute = self.attribute;
                let name = name.map(Ident::to_string).unwrap_or_default();
                return Err(Error::new(
                    path.span(),
                    format!("`{attribute}` derives `{name}` itself; leave it out here"),
                ));
            }
        }
        Ok(())
    }

    /// `new`, the setters, and a `Default` where nothing is required.
    fn methods(&self, fields: &[Known]) -> Result<TokenStream> {
        let reserved = fields.iter().find(|field| field.name == "new");
        if let Some(field) = reserved {
            return Err(Error::new(
                field.name.span(),
                "a request has a function `new`, so no field can have that name",
            ));
        }
        let (required, optional): (Vec<&Known>, Vec<&Known>) = fields
            .iter()
            .partition(|field| matches!(field.need, Need::Required));
        let name = &self.input.ident;
        let default = required.is_empty().then(|| {
            quote! {
                impl ::core::default::Default for #name {
                    fn default() -> Self {
                        Self::new()
                    }
                }
            }
        });
        let docs = docs_of_new(&required, !optional.is_empty());
        // Clippy speaks of more than seven; the names of the fields stand in the list above.
        let many = (required.len() > 7).then(|| quote!(#[allow(clippy::too_many_arguments)]));
        let names = required.iter().map(|field| &field.name);
        let types = required.iter().map(|field| &field.ty);
        let values = fields.iter().map(Known::at_first);
        let setters = optional.iter().map(|field| field.setter());
        Ok(quote! {
            impl #name {
                #(#[doc = #docs])*
                #many
                #[must_use]
                pub fn new(#(#names: #types),*) -> Self {
                    Self { #(#values),* }
                }
                #(#setters)*
            }
            #default
        })
    }
}

fn docs_of_new(required: &[&Known], has_setters: bool) -> Vec<String> {
    let first = match (required.is_empty(), has_setters) {
        (true, true) => " A value in which nothing is set. The fields have setters.",
        (true, false) => " A value; there is nothing to set.",
        (false, true) => " A value with what it needs. The other fields have setters.",
        (false, false) => " A value with what it needs.",
    };
    let mut docs = vec![first.to_owned()];
    if !required.is_empty() {
        docs.push(String::new());
        docs.extend(required.iter().map(|field| field.entry()));
    }
    docs
}

/// Where the documentation has an example of the type: each module of the core's `api` begins with
/// one, and the page of the crate has those of the types that they have in common.
fn link_to_example() -> Option<&'static str> {
    if !proc_macro::is_available() {
        return None;
    }
    let file = proc_macro::Span::call_site().file().replace('\\', "/");
    if file.contains("core/src/api/") {
        Some("\n\nThis module begins with [an example](self#example).")
    } else if file.contains("core/src/") {
        Some("\n\nThe page of the crate has [an example](crate#the-types-by-example).")
    } else {
        None
    }
}

fn is_schema(path: &Path) -> bool {
    last_of(path).is_some_and(|name| name == "JsonSchema")
}

fn last_of(path: &Path) -> Option<&Ident> {
    path.segments.last().map(|segment| &segment.ident)
}
