//! How long functions and files are, and how wide lines are.

use crate::sources::{self, Source, is_for_tests};
use proc_macro2::{Delimiter, TokenStream, TokenTree};
use std::collections::BTreeMap;
use syn::visit::{self, Visit};

/// Lines that a function may have, from `fn` to its brace.
pub const FUNCTION: usize = 70;
/// Lines that a file may have without its tests.
pub const FILE: usize = 600;
/// Characters that a line may have.
pub const WIDTH: usize = 100;

/// A function, and how long it is.
#[derive(Debug, PartialEq, Eq)]
pub struct Function {
    /// With the type that it is of.
    pub name: String,
    pub line: usize,
    pub lines: usize,
}

/// The functions of a file that are no tests.
pub fn functions(syntax: &syn::File) -> Vec<Function> {
    let mut reader = Functions::default();
    reader.visit_file(syntax);
    reader.found
}

/// How many lines a file has without its tests.
pub fn length(text: &str, syntax: &syn::File) -> usize {
    struct Tests(usize);
    impl<'a> Visit<'a> for Tests {
        fn visit_item_mod(&mut self, inner: &'a syn::ItemMod) {
            if !is_for_tests(&inner.attrs) {
                visit::visit_item_mod(self, inner);
            } else if let Some((brace, _)) = &inner.content {
                let first = inner
                    .attrs
                    .iter()
                    .map(|attribute| attribute.pound_token.spans[0].start().line)
                    .min();
                let last = brace.span.close().end().line;
                self.0 += last - first.unwrap_or(last) + 1;
            }
        }
    }
    let mut tests = Tests(0);
    tests.visit_file(syntax);
    text.lines().count() - tests.0
}

/// The numbers of the lines that are too wide.
pub fn wide(text: &str) -> Vec<usize> {
    let lines = (1..).zip(text.lines());
    let wide = lines.filter(|(_, line)| line.chars().count() > WIDTH);
    wide.map(|(number, _)| number).collect()
}

/// The functions above the limit: the length of each by file and name, and where it begins.
pub fn long_functions(files: &[Source]) -> BTreeMap<String, (usize, String)> {
    let mut found = BTreeMap::new();
    for file in files.iter().filter(|file| !is_test(file)) {
        for function in functions(&file.syntax) {
            if function.lines > FUNCTION {
                let key = format!("{}: {}", file.path, function.name);
                let place = format!("{}:{}", file.path, function.line);
                let longest = found.entry(key).or_insert((0, String::new()));
                if longest.0 < function.lines {
                    *longest = (function.lines, place);
                }
            }
        }
    }
    found
}

/// The files above the limit.
pub fn long_files(files: &[Source]) -> BTreeMap<String, usize> {
    let code = files.iter().filter(|file| !is_test(file));
    let lengths = code.map(|file| (file.path.clone(), length(&file.text, &file.syntax)));
    lengths.filter(|(_, lines)| *lines > FILE).collect()
}

/// The files with lines that are too wide, tests too.
pub fn wide_lines(files: &[Source]) -> BTreeMap<String, Vec<usize>> {
    let lines = files
        .iter()
        .map(|file| (file.path.clone(), wide(&file.text)));
    lines.filter(|(_, wide)| !wide.is_empty()).collect()
}

/// A file that has nothing but tests has no length.
fn is_test(file: &Source) -> bool {
    file.is_test || file.is_of_test_target
}

#[derive(Default)]
struct Functions {
    /// The type whose functions these are.
    of: Option<String>,
    found: Vec<Function>,
}

impl Functions {
    fn add(&mut self, name: &str, first: usize, last: usize) {
        let name = match &self.of {
            Some(of) => format!("{of}::{name}"),
            None => name.to_string(),
        };
        self.found.push(Function {
            name,
            line: first,
            lines: last + 1 - first,
        });
    }

    fn function(&mut self, signature: &syn::Signature, block: &syn::Block) {
        let first = signature.fn_token.span.start().line;
        let last = block.brace_token.span.close().end().line;
        self.add(&signature.ident.to_string(), first, last);
    }

    /// The functions that a macro is given or defines.
    fn scan(&mut self, tokens: TokenStream) {
        let mut begun: Option<(String, usize)> = None;
        let mut is_named = false;
        for token in tokens {
            match token {
                TokenTree::Ident(ident) if ident == "fn" => {
                    begun = Some((String::new(), ident.span().start().line));
                    is_named = false;
                }
                TokenTree::Ident(ident) => {
                    if let Some((name, _)) = &mut begun
                        && !is_named
                    {
                        *name = ident.to_string();
                        is_named = true;
                    }
                }
                TokenTree::Punct(punct) if punct.as_char() == ';' => begun = None,
                TokenTree::Group(group) => {
                    if group.delimiter() == Delimiter::Brace
                        && let Some((name, first)) = begun.take().filter(|_| is_named)
                    {
                        self.add(&name, first, group.span_close().end().line);
                    }
                    // The type `fn(…)`.
                    if !is_named {
                        begun = None;
                    }
                    self.scan(group.stream());
                }
                _ => {}
            }
        }
    }
}

impl<'a> Visit<'a> for Functions {
    fn visit_item(&mut self, item: &'a syn::Item) {
        if !is_for_tests(sources::attributes_of(item)) {
            visit::visit_item(self, item);
        }
    }

    fn visit_impl_item(&mut self, item: &'a syn::ImplItem) {
        if !is_for_tests(sources::attributes_of_impl_item(item)) {
            visit::visit_impl_item(self, item);
        }
    }

    fn visit_item_impl(&mut self, inner: &'a syn::ItemImpl) {
        let of = match &*inner.self_ty {
            syn::Type::Path(of) => of.path.segments.last().map(|part| part.ident.to_string()),
            _ => None,
        };
        let outer = std::mem::replace(&mut self.of, of);
        visit::visit_item_impl(self, inner);
        self.of = outer;
    }

    fn visit_item_trait(&mut self, inner: &'a syn::ItemTrait) {
        let outer = self.of.replace(inner.ident.to_string());
        visit::visit_item_trait(self, inner);
        self.of = outer;
    }

    fn visit_item_fn(&mut self, inner: &'a syn::ItemFn) {
        self.function(&inner.sig, &inner.block);
        visit::visit_item_fn(self, inner);
    }

    fn visit_impl_item_fn(&mut self, inner: &'a syn::ImplItemFn) {
        self.function(&inner.sig, &inner.block);
        visit::visit_impl_item_fn(self, inner);
    }

    fn visit_trait_item_fn(&mut self, inner: &'a syn::TraitItemFn) {
        if let Some(block) = &inner.default {
            self.function(&inner.sig, block);
        }
        visit::visit_trait_item_fn(self, inner);
    }

    fn visit_macro(&mut self, call: &'a syn::Macro) {
        self.scan(call.tokens.clone());
    }
}
