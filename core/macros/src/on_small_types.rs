//! What the attributes make of small types, and what they say to those that they refuse.

use crate::item;
use proc_macro2::TokenStream;
use quote::quote;

type Attribute = fn(TokenStream, TokenStream) -> syn::Result<TokenStream>;

/// The code that stands in the place of the type, with one space between tokens.
fn code(attribute: Attribute, item: TokenStream) -> String {
    match attribute(quote!(), item) {
        Ok(code) => code.to_string(),
        Err(error) => format!("refused: {error}"),
    }
}

#[track_caller]
fn holds(code: &str, part: TokenStream) {
    let part = part.to_string();
    assert!(code.contains(&part), "no `{part}` in `{code}`");
}

#[track_caller]
fn refuses(attribute: Attribute, item: TokenStream, message: &str) {
    assert_eq!(code(attribute, item), format!("refused: {message}"));
}

fn rename() -> TokenStream {
    quote! {
        /// Renames a group.
        pub struct Rename {
            /// The name: the one
            /// that people see.
            ///
            /// Not here.
            pub name: Name,
            /// The language.
            pub language: Option<Language>,
            /// The group.
            pub group: Id,
            #[serde(default)]
            pub tell: bool,
        }
    }
}

#[test]
fn new_takes_what_is_required_in_its_order() {
    let code = code(item::request, rename());
    holds(
        &code,
        quote! {
            #[doc = " A value with what it needs. The other fields have setters."]
            #[doc = ""]
            #[doc = " - `name`: The name: the one that people see."]
            #[doc = " - `group`: The group."]
            #[must_use]
            pub fn new(name: Name, group: Id) -> Self {
                Self {
                    name,
                    language: ::core::option::Option::None,
                    group,
                    tell: ::core::default::Default::default()
                }
            }
        },
    );
    assert!(!code.contains("for Rename"), "something is required");
}

#[test]
fn setters_take_what_is_in_the_option_and_are_documented() {
    let code = code(item::request, rename());
    holds(
        &code,
        quote! {
            #[doc = r" The language."]
            #[must_use]
            pub fn language(mut self, language: impl ::core::convert::Into<Language>) -> Self {
                self.language = ::core::option::Option::Some(language.into());
                self
            }
        },
    );
    holds(
        &code,
        quote!(
            pub fn tell(mut self, tell: bool) -> Self {
                self.tell = tell;
                self
            }
        ),
    );
    assert!(!code.contains("fn group"), "what is required has no setter");
}

#[test]
fn an_option_is_left_out_and_the_rest_is_as_it_was() {
    let default = quote!(default,);
    let placed = quote!(#[schemars(extend("x-order" = 1))]);
    for (attribute, default, placed) in [
        (item::request as Attribute, Some(&default), Some(&placed)),
        (item::answer, Some(&default), Some(&placed)),
        // Serde takes it from the default of the whole.
        (item::options, None, None),
    ] {
        let code = code(attribute, rename());
        holds(
            &code,
            quote! {
                #[serde(#default skip_serializing_if = "::core::option::Option::is_none")]
                #placed
                pub language: Option<Language>
            },
        );
        holds(&code, quote!(#[non_exhaustive]));
        assert_eq!(code.matches("skip_serializing_if").count(), 1);
    }
}

#[test]
fn a_schema_says_at_which_place_each_field_stands() {
    for attribute in [item::request as Attribute, item::answer] {
        let code = code(attribute, rename());
        holds(
            &code,
            quote!(#[schemars(extend("x-order" = 0))] pub name: Name),
        );
        holds(
            &code,
            quote!(#[schemars(extend("x-order" = 2))] pub group: Id),
        );
    }
    // Only the options that a request or an answer holds have a schema.
    let options = quote!(
        pub struct Cache {
            pub mib: u64,
        }
    );
    let with_schema = quote!(#[derive(JsonSchema)] #options);
    holds(
        &code(item::options, with_schema),
        quote!(#[schemars(extend("x-order" = 0))] pub mib: u64),
    );
    assert!(!code(item::options, options).contains("schemars"));
}

#[test]
fn a_request_without_required_fields_has_a_default() {
    let code = code(
        item::request,
        quote!(
            pub struct List {
                pub after: Option<Id>,
            }
        ),
    );
    holds(&code, quote!(impl ::core::default::Default for List));
    holds(&code, quote!(pub fn new() -> Self));
}

#[test]
fn a_default_may_have_a_function() {
    let code = code(
        item::request,
        quote!(
            pub struct List {
                #[serde(default = "fifty")]
                pub limit: u64,
            }
        ),
    );
    holds(&code, quote!(Self { limit: fifty() }));
}

#[test]
fn other_attributes_stand_below_the_derives() {
    let code = code(
        item::answer,
        quote! {
            #[derive(Eq)]
            #[schemars(extend("x-yes" = "done"))]
            pub struct Done { pub done: bool }
        },
    );
    let at = |part: &str| code.find(part);
    assert!(at("JsonSchema") < at("schemars (extend"), "{code}");
    holds(&code, quote!(#[derive(Eq)]));
}

#[test]
fn options_set_every_field_and_keep_their_default() {
    let code = code(
        item::options,
        quote!(
            pub struct Cache {
                pub mib: u64,
                pub path: Option<String>,
            }
        ),
    );
    holds(&code, quote!(#[serde(deny_unknown_fields, default)]));
    holds(
        &code,
        quote!(
            pub fn mib(mut self, mib: u64) -> Self {
                self.mib = mib;
                self
            }
        ),
    );
    assert!(!code.contains("fn new"), "{code}");
}

#[test]
fn an_enum_of_words_is_written_in_snake_case() {
    for attribute in [item::request as Attribute, item::answer] {
        let code = code(
            attribute,
            quote!(
                pub enum Order {
                    Name,
                    Email,
                }
            ),
        );
        holds(&code, quote!(#[serde(rename_all = "snake_case")]));
        holds(&code, quote!(::core::marker::Copy, ::core::cmp::Eq));
    }
}

#[test]
fn a_refusal_says_what_to_do() {
    let refused = item::request(quote!(debug), rename()).map_err(|error| error.to_string());
    assert_eq!(
        refused.err().as_deref(),
        Some("`#[request]` takes no arguments")
    );
    refuses(
        item::request,
        quote!(
            pub struct Pair(pub u64);
        ),
        "`#[request]` needs fields with names; write `{}` where there are none",
    );
    refuses(
        item::answer,
        quote!(
            pub struct Page<T> {
                pub items: Vec<T>,
            }
        ),
        "`#[answer]` is for types without parameters: JSON has none",
    );
    refuses(
        item::request,
        quote!(
            pub struct Get {
                id: Id,
            }
        ),
        "`id` must be `pub`: callers read and set it",
    );
    refuses(
        item::request,
        quote!(
            pub struct Get {
                pub new: Id,
            }
        ),
        "a request has a function `new`, so no field can have that name",
    );
    refuses(
        item::request,
        quote! {
            pub struct Get {
                #[serde(skip_serializing_if = "Option::is_none")]
                pub id: Option<Id>,
            }
        },
        "`#[request]` has serde leave `id` out when it is none; remove `skip_serializing_if`",
    );
    refuses(
        item::answer,
        quote!(
            #[derive(Clone)]
            pub struct Group {
                pub id: Id,
            }
        ),
        "`#[answer]` derives `Clone` itself; leave it out here",
    );
    refuses(
        item::request,
        quote!(
            pub enum Who {
                User(Id),
            }
        ),
        "`#[request]` is for enums of plain words; `User` has fields, so derive what the enum \
         needs by hand",
    );
    refuses(
        item::options,
        quote!(
            pub enum Who {
                User,
            }
        ),
        "`#[options]` stands at a struct; each option is a field of it",
    );
}
