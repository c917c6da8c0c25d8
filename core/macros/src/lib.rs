//! The attributes with which the core declares what callers hand in and what they get back.
//!
//! | attribute | stands at | adds |
//! |---|---|---|
//! | [`macro@request`] | what a caller asks | derives, `new`, a setter for each optional field |
//! | [`macro@answer`] | what a caller is told | derives |
//! | [`macro@options`] | what a caller may set | derives, a setter for each field |
//!
//! All three make the type `#[non_exhaustive]`, so that a new field breaks no caller, and leave
//! fields that are `None` out of the JSON. A schema says as `x-order` at which place each field
//! stands, since its properties are sorted by name. An enum of plain words may carry
//! [`macro@request`] or [`macro@answer`]: its words are written in snake case.
//!
//! A derive beyond those that the attribute adds is written below it: `#[derive(PartialEq)]`.
//! docs/adr/0046 says why the core has attributes of its own.

mod fields;
mod item;
#[cfg(test)]
mod on_small_types;

use proc_macro::TokenStream;

/// Declares a request: what a caller asks, or a part of it.
///
/// A struct gets `Clone`, `Debug`, `Serialize`, `Deserialize` and `JsonSchema`, and refuses
/// fields that it does not know. A field is optional when its type is an `Option` or when it has
/// `#[serde(default)]`; every other field is required. `new` takes the required fields in their
/// order, and each optional field has a setter of its name, which takes what is in the `Option`.
/// A request without required fields has a `Default` too.
///
/// ```
/// use tenantry_macros::request;
///
/// /// Renames a group.
/// #[request]
/// #[derive(PartialEq)]
/// pub struct Rename {
///     /// The group.
///     pub group: u64,
///     /// The name that people see; it stays as it was when absent.
///     pub name: Option<String>,
///     /// Whether its members are told.
///     #[serde(default)]
///     pub tell: bool,
/// }
///
/// let rename = Rename::new(7).name("Sales").tell(true);
/// assert_eq!(rename.name.as_deref(), Some("Sales"));
/// assert_eq!(
///     serde_json::to_string(&Rename::new(7))?,
///     r#"{"group":7,"tell":false}"#
/// );
/// # Ok::<(), serde_json::Error>(())
/// ```
#[proc_macro_attribute]
pub fn request(args: TokenStream, item: TokenStream) -> TokenStream {
    written(item::request(args.into(), item.into()))
}

/// Declares an answer: what a caller is told, or a part of it.
///
/// A struct gets `Clone`, `Debug`, `PartialEq`, `Serialize`, `Deserialize` and `JsonSchema`. Only
/// the library makes one, so it has no `new`.
///
/// ```
/// use tenantry_macros::answer;
///
/// /// A group.
/// #[answer]
/// pub struct Group {
///     /// The id.
///     pub id: u64,
///     /// When it was last renamed.
///     pub renamed_at_ms: Option<u64>,
/// }
///
/// let group: Group = serde_json::from_str(r#"{"id":7}"#)?;
/// assert_eq!(group.renamed_at_ms, None);
/// assert_eq!(serde_json::to_string(&group)?, r#"{"id":7}"#);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[proc_macro_attribute]
pub fn answer(args: TokenStream, item: TokenStream) -> TokenStream {
    written(item::answer(args.into(), item.into()))
}

/// Declares options: what a caller may set, and what has a default otherwise.
///
/// A struct gets `Clone`, `Debug`, `Serialize` and `Deserialize`, refuses fields that it does not
/// know, and takes those that are absent from its `Default`, which is derived or written beside
/// it. Each field has a setter of its name, which takes what is in an `Option`.
///
/// ```
/// use tenantry_macros::options;
///
/// /// How a cache is made.
/// #[options]
/// #[derive(Default)]
/// pub struct CacheOptions {
///     /// How large it is, in MiB.
///     pub mib: u64,
///     /// Where it lies; in memory when absent.
///     pub path: Option<String>,
/// }
///
/// let options = CacheOptions::default().mib(64).path("/var/cache");
/// assert_eq!(options.path.as_deref(), Some("/var/cache"));
/// ```
#[proc_macro_attribute]
pub fn options(args: TokenStream, item: TokenStream) -> TokenStream {
    written(item::options(args.into(), item.into()))
}

fn written(code: syn::Result<proc_macro2::TokenStream>) -> TokenStream {
    code.unwrap_or_else(|error| error.to_compile_error()).into()
}
