//! The messages of errors as they are written: what no scenario brings about is read here.
//!
//! Read are the texts that stand where an error is made, and those that are called `message`. The
//! store's are read within the sentence that `StoreError` puts around them. What comes from
//! elsewhere is read where it is answered (`tenantry_tests::messages`).

use crate::sources::{self, Source, is_for_tests};
use proc_macro2::TokenTree;
use syn::visit::{self, Visit};
use tenantry_tests::messages::misshapen;

/// In whose place a value of this length is thought: that much of each value is told at least.
const VALUE: &str = "`value…`";

/// What stands before and after a text in the message.
type Frame = (&'static str, &'static str);

const WHOLE: Frame = ("", "");
const FAILED: Frame = ("The store failed: ", ". Open it again.");
/// What the system says of it comes behind.
const FAILED_SO: Frame = ("The store failed: ", ": value…. Open it again.");
const DAMAGED: Frame = ("The store is damaged: ", ". Restore a backup.");

/// The number of messages that were read, and what is wrong with some of them.
#[derive(Default)]
pub struct Messages {
    pub read: usize,
    pub problems: Vec<String>,
    path: String,
}

impl Messages {
    /// Those of the files of a library.
    pub fn of<'a>(files: impl IntoIterator<Item = &'a Source>) -> Messages {
        let mut messages = Messages::default();
        for file in files {
            messages.path.clone_from(&file.path);
            messages.visit_file(&file.syntax);
        }
        messages
    }

    fn check(&mut self, text: &syn::LitStr, (before, after): Frame) {
        self.read += 1;
        let line = text.span().start().line;
        let message = format!("{before}{}{after}", filled(&text.value()));
        if let Some(why) = misshapen(&message) {
            let problem = format!("{}:{line}: {why}: {}", self.path, text.value());
            self.problems.push(problem);
        }
    }
}

/// A text of `format!` with values in it. A sentence of its own may come last.
fn filled(template: &str) -> String {
    let template = template
        .strip_suffix(". {}")
        .map_or(template.to_owned(), |first| format!("{first}."));
    let mut parts = template.split('{');
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        text.push_str(VALUE.trim_matches('`'));
        text.push_str(part.split_once('}').map_or("", |(_, rest)| rest));
    }
    text
}

/// The texts that an expression has for its value.
struct Values<'a>(&'a mut Messages, Frame);

impl<'a> Visit<'a> for Values<'_> {
    fn visit_expr_lit(&mut self, literal: &'a syn::ExprLit) {
        if let syn::Lit::Str(text) = &literal.lit {
            self.0.check(text, self.1);
        }
    }

    fn visit_expr_macro(&mut self, call: &'a syn::ExprMacro) {
        if !call.mac.path.is_ident("format") {
            return;
        }
        if let Some(TokenTree::Literal(first)) = call.mac.tokens.clone().into_iter().next()
            && let syn::Lit::Str(text) = syn::Lit::new(first)
        {
            self.0.check(&text, self.1);
        }
    }

    // What is given to a function is no value of the expression.
    fn visit_expr_call(&mut self, _: &'a syn::ExprCall) {}

    fn visit_expr_method_call(&mut self, call: &'a syn::ExprMethodCall) {
        self.visit_expr(&call.receiver);
    }
}

impl<'a> Visit<'a> for Messages {
    fn visit_item(&mut self, item: &'a syn::Item) {
        if !is_for_tests(sources::attributes_of(item)) {
            visit::visit_item(self, item);
        }
    }

    fn visit_expr_call(&mut self, call: &'a syn::ExprCall) {
        if let syn::Expr::Path(function) = &*call.func {
            let names: Vec<String> = function
                .path
                .segments
                .iter()
                .map(|part| part.ident.to_string())
                .collect();
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            let (place, frame) = match names.as_slice() {
                [.., "Error", "new" | "invalid"] => (1, WHOLE),
                [.., "Error", "busy" | "corrupt" | "internal"] => (0, WHOLE),
                [.., "StoreError", "invalid"] => (0, WHOLE),
                [.., "StoreError", "failed"] => (0, FAILED),
                [.., "StoreError", "io"] => (0, FAILED_SO),
                [.., "StoreError", "corrupt"] => (0, DAMAGED),
                _ => (usize::MAX, WHOLE),
            };
            if let Some(message) = call.args.get(place) {
                Values(self, frame).visit_expr(message);
            }
        }
        visit::visit_expr_call(self, call);
    }

    fn visit_local(&mut self, local: &'a syn::Local) {
        let is_message = matches!(&local.pat, syn::Pat::Ident(name) if name.ident == "message");
        if let (true, Some(init)) = (is_message, &local.init) {
            Values(self, WHOLE).visit_expr(&init.expr);
        }
        visit::visit_local(self, local);
    }
}
