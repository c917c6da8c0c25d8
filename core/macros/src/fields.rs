//! The fields of a struct: which of them a caller has to name, and what callers set the others by.

use proc_macro2::{Ident, TokenStream};
use quote::quote;
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::{
    Attribute, Error, Expr, Field, GenericArgument, Lit, LitStr, Meta, Path, PathArguments, Result,
    Token, Type, Visibility,
};

/// A field with all that the attributes ask of it.
pub(crate) struct Known {
    pub name: Ident,
    pub ty: Type,
    docs: Vec<Attribute>,
    pub need: Need,
}

/// Whether a caller has to name a field.
pub(crate) enum Need {
    /// They have to.
    Required,
    /// They need not: it is none then. This is what stands in the `Option`.
    Option(Box<Type>),
    /// They need not: this expression says what it is then.
    Default(TokenStream),
}

impl Known {
    /// Reads a field, and has serde leave it out where it is none.
    ///
    /// `attribute` is the attribute at the struct, for the messages. Where the whole struct
    /// `has_default`, serde takes from it what is absent, so that a field says nothing of its own.
    pub fn read(field: &mut Field, attribute: &str, has_default: bool) -> Result<Known> {
        let Some(name) = field.ident.clone() else {
            return Err(Error::new(field.span(), "every field needs a name"));
        };
        if !matches!(field.vis, Visibility::Public(_)) {
            return Err(Error::new(
                name.span(),
                format!("`{name}` must be `pub`: callers read and set it"),
            ));
        }
        let serde = Serde::read(&field.attrs)?;
        let need = match (inner_of_option(&field.ty), serde.default) {
            (Some(inner), default) => {
                if let Some(place) = default.map(|found| found.place).or(serde.skip) {
                    return Err(Error::new(
                        place.span(),
                        format!(
                            "`{attribute}` has serde leave `{name}` out when it is none; remove \
                             `{}`",
                            place.get_ident().map(Ident::to_string).unwrap_or_default()
                        ),
                    ));
                }
                let default = (!has_default).then(|| quote!(default,));
                field.attrs.push(syn::parse_quote!(
                    #[serde(#default skip_serializing_if = "::core::option::Option::is_none")]
                ));
                Need::Option(Box::new(inner.clone()))
            }
            (None, Some(default)) => Need::Default(default.value),
            (None, None) => Need::Required,
        };
        Ok(Known {
            name,
            ty: field.ty.clone(),
            docs: docs(&field.attrs).cloned().collect(),
            need,
        })
    }

    /// The setter, with the documentation of the field.
    pub fn setter(&self) -> TokenStream {
        let Known { name, ty, docs, .. } = self;
        let inner = match &self.need {
            Need::Option(inner) => inner,
            Need::Required | Need::Default(_) => ty,
        };
        let (taken, value) = match is_primitive(inner) {
            true => (quote!(#inner), quote!(#name)),
            false => (
                quote!(impl ::core::convert::Into<#inner>),
                quote!(#name.into()),
            ),
        };
        let value = match &self.need {
            Need::Option(_) => quote!(::core::option::Option::Some(#value)),
            Need::Required | Need::Default(_) => value,
        };
        quote! {
            #(#docs)*
            #[must_use]
            pub fn #name(mut self, #name: #taken) -> Self {
                self.#name = #value;
                self
            }
        }
    }

    /// What the field is in a value that `new` makes.
    pub fn at_first(&self) -> TokenStream {
        let name = &self.name;
        match &self.need {
            Need::Required => quote!(#name),
            Need::Option(_) => quote!(#name: ::core::option::Option::None),
            Need::Default(value) => quote!(#name: #value),
        }
    }

    /// The field as an entry of a list, with the first paragraph of its documentation.
    pub fn entry(&self) -> String {
        let lines = self.docs.iter().filter_map(text_of);
        let paragraph: Vec<String> = lines
            .map(|line| line.trim().to_owned())
            .take_while(|line| !line.is_empty())
            .collect();
        format!(" - `{}`: {}", self.name, paragraph.join(" "))
    }
}

/// What serde is told about a field.
#[derive(Default)]
struct Serde {
    default: Option<DefaultOf>,
    /// `skip_serializing_if`, where it stands.
    skip: Option<Path>,
}

/// `#[serde(default)]` or `#[serde(default = "path")]`.
struct DefaultOf {
    place: Path,
    value: TokenStream,
}

impl Serde {
    fn read(attrs: &[Attribute]) -> Result<Serde> {
        let mut found = Serde::default();
        for attr in attrs.iter().filter(|attr| attr.path().is_ident("serde")) {
            let metas = attr.parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated)?;
            for meta in metas {
                let place = meta.path().clone();
                if place.is_ident("default") {
                    let value = default_value(&meta)?;
                    found.default = Some(DefaultOf { place, value });
                } else if place.is_ident("skip_serializing_if") {
                    found.skip = Some(place);
                }
            }
        }
        Ok(found)
    }
}

fn default_value(meta: &Meta) -> Result<TokenStream> {
    let Meta::NameValue(pair) = meta else {
        return Ok(quote!(::core::default::Default::default()));
    };
    let path: Path = string_of(&pair.value)
        .ok_or_else(|| Error::new(pair.value.span(), "serde takes a path as a text here"))?
        .parse()?;
    Ok(quote!(#path()))
}

/// What stands in an `Option`; none for every other type.
fn inner_of_option(ty: &Type) -> Option<&Type> {
    let Type::Path(path) = ty else {
        return None;
    };
    let last = path.path.segments.last()?;
    match &last.arguments {
        PathArguments::AngleBracketed(args) if last.ident == "Option" => {
            args.args.iter().find_map(|arg| match arg {
                GenericArgument::Type(inner) => Some(inner),
                _ => None,
            })
        }
        _ => None,
    }
}

/// Whether it is a number or a `bool`. A setter takes these as they are: the compiler takes the
/// literal `64` for an `i32` where several types would do.
fn is_primitive(ty: &Type) -> bool {
    const PRIMITIVE: [&str; 8] = ["bool", "u8", "u16", "u32", "u64", "usize", "i64", "f64"];
    match ty {
        Type::Path(path) => PRIMITIVE.iter().any(|name| path.path.is_ident(name)),
        _ => false,
    }
}

fn docs(attrs: &[Attribute]) -> impl Iterator<Item = &Attribute> {
    attrs.iter().filter(|attr| attr.path().is_ident("doc"))
}

fn text_of(doc: &Attribute) -> Option<String> {
    match &doc.meta {
        Meta::NameValue(pair) => string_of(&pair.value).map(LitStr::value),
        _ => None,
    }
}

fn string_of(value: &Expr) -> Option<&LitStr> {
    match value {
        Expr::Lit(lit) => match &lit.lit {
            Lit::Str(text) => Some(text),
            _ => None,
        },
        _ => None,
    }
}
