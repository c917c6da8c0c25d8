//! Which file imports what of which other file, read from the syntax.
//!
//! A name belongs to the file that defines it, by however many `pub use` it is reached. What a
//! macro defines belongs to the file that calls the macro. A call of a method is no import: what
//! counts is the type or the trait that a file names.

use crate::sources::{self, Module, Named, Workspace, is_for_tests};
use proc_macro2::{Delimiter, TokenStream, TokenTree};
use std::collections::{BTreeMap, BTreeSet};
use syn::visit::{self, Visit};
use syn::{Lit, Meta, Visibility};

/// A name that one file takes from another.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Import {
    pub from: String,
    pub to: String,
    pub name: String,
    /// Where the file names it first.
    pub line: usize,
}

/// What a path leads to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    Module(usize),
    Item { file: usize, name: String },
}

/// The names whose meaning is being looked for: an import may name itself.
type Busy = Vec<(usize, String)>;

impl Workspace {
    /// What a path in a module leads to; nothing where it leads out of the workspace.
    fn resolve(&self, from: usize, path: &[String], busy: &mut Busy) -> BTreeSet<Place> {
        let Some((first, rest)) = path.split_first() else {
            return BTreeSet::new();
        };
        let mut rest = rest;
        let mut places = match first.as_str() {
            "crate" => self.root_of(from).into_iter().map(Place::Module).collect(),
            "self" => BTreeSet::from([Place::Module(from)]),
            "super" => self.modules[from]
                .parent
                .into_iter()
                .map(Place::Module)
                .collect(),
            "::" => {
                let Some((first, below)) = rest.split_first() else {
                    return BTreeSet::new();
                };
                rest = below;
                self.target(from, first)
                    .into_iter()
                    .map(Place::Module)
                    .collect()
            }
            _ => self.first(from, first, busy),
        };
        for part in rest {
            let mut next = BTreeSet::new();
            for place in places {
                match place {
                    Place::Item { .. } => _ = next.insert(place),
                    Place::Module(module) => next.extend(self.step(module, part, busy)),
                }
            }
            places = next;
        }
        places
    }

    /// What the first part of a path leads to.
    fn first(&self, from: usize, name: &str, busy: &mut Busy) -> BTreeSet<Place> {
        if let Some(places) = self.look_up(from, name, busy) {
            return places;
        }
        let here = (from, name.to_string());
        match self.modules[from].locals.get(name) {
            Some(paths) if !busy.contains(&here) => {
                busy.push(here);
                let places = paths
                    .iter()
                    .flat_map(|path| self.resolve(from, path, busy))
                    .collect();
                busy.pop();
                places
            }
            _ => self
                .target(from, name)
                .into_iter()
                .map(Place::Module)
                .collect(),
        }
    }

    /// What a name in a module leads to, from outside.
    fn step(&self, module: usize, name: &str, busy: &mut Busy) -> BTreeSet<Place> {
        match name {
            "self" => BTreeSet::from([Place::Module(module)]),
            "super" => self.modules[module]
                .parent
                .into_iter()
                .map(Place::Module)
                .collect(),
            _ => self.look_up(module, name, busy).unwrap_or_else(|| {
                // A macro defines it there.
                BTreeSet::from([Place::Item {
                    file: self.modules[module].file,
                    name: name.to_string(),
                }])
            }),
        }
    }

    /// What a name in a module leads to; none where the module does not have it.
    fn look_up(&self, module: usize, name: &str, busy: &mut Busy) -> Option<BTreeSet<Place>> {
        let Module {
            children,
            names,
            globs,
            file,
            ..
        } = &self.modules[module];
        let mut is_known = false;
        let mut found = BTreeSet::new();
        if let Some(child) = children.get(name) {
            found.insert(Place::Module(*child));
            is_known = true;
        }
        let here = (module, name.to_string());
        if busy.contains(&here) {
            return is_known.then_some(found);
        }
        busy.push(here);
        for named in names.get(name).into_iter().flatten() {
            is_known = true;
            match named {
                Named::Path(path) => found.extend(self.resolve(module, path, busy)),
                Named::Item => {
                    found.insert(Place::Item {
                        file: *file,
                        name: name.to_string(),
                    });
                }
            }
        }
        for glob in globs.iter().filter(|_| !is_known) {
            for place in self.resolve(module, glob, busy) {
                if let Place::Module(inner) = place
                    && let Some(places) = self.look_up(inner, name, busy)
                {
                    found.extend(places);
                }
            }
        }
        busy.pop();
        (is_known || !found.is_empty()).then_some(found)
    }

    fn root_of(&self, module: usize) -> Option<usize> {
        let target = &self.targets[self.modules[module].target];
        self.roots.get(&target.root).copied()
    }

    /// The module that another target begins with.
    fn target(&self, from: usize, name: &str) -> Option<usize> {
        let target = &self.targets[self.modules[from].target];
        self.roots.get(target.knows.get(name)?).copied()
    }
}

/// All imports of files that are no tests.
pub fn read(workspace: &Workspace) -> Vec<Import> {
    let mut found = BTreeMap::new();
    for (module, of) in workspace.modules.iter().enumerate() {
        let source = &workspace.files[of.file];
        if of.is_file && !source.is_test {
            let mut reader = Reader {
                workspace,
                module,
                found: &mut found,
            };
            reader.visit_file(&source.syntax);
        }
    }
    let name = |file: usize| workspace.files[file].path.clone();
    let imports = found.into_iter().map(|((from, to, item), line)| Import {
        from: name(from),
        to: name(to),
        name: item,
        line,
    });
    imports.collect()
}

/// Reads one file.
struct Reader<'w> {
    workspace: &'w Workspace,
    module: usize,
    /// The line of each name that one file takes from another.
    found: &'w mut BTreeMap<(usize, usize, String), usize>,
}

impl Reader<'_> {
    /// The file imports what this path leads to. A module by itself is nothing: what counts is what
    /// is reached through it, unless it is handed on (`pub use`) or taken as a whole (`*`).
    fn import(&mut self, path: &[String], line: usize, is_module_meant: bool) {
        let from = self.workspace.modules[self.module].file;
        for place in self.workspace.resolve(self.module, path, &mut Busy::new()) {
            let (to, name) = match place {
                Place::Item { file, name } => (file, name),
                Place::Module(module) if is_module_meant => (
                    self.workspace.modules[module].file,
                    path.last().cloned().unwrap_or_default(),
                ),
                Place::Module(_) => continue,
            };
            if to != from {
                let first = self.found.entry((from, to, name)).or_insert(line);
                *first = line.min(*first);
            }
        }
    }

    /// The paths in the tokens of a macro or an attribute.
    fn scan(&mut self, tokens: TokenStream, below: &[String], has_texts: bool) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        let mut at = 0;
        while let Some(token) = tokens.get(at) {
            at += 1;
            match token {
                TokenTree::Group(group) => self.scan(group.stream(), &[], has_texts),
                TokenTree::Literal(literal) if has_texts => {
                    if let Lit::Str(text) = Lit::new(literal.clone())
                        && let Ok(path) = text.parse::<syn::Path>()
                    {
                        let path: Vec<String> = path
                            .segments
                            .iter()
                            .map(|part| part.ident.to_string())
                            .collect();
                        if path.len() > 1 {
                            self.import(&path, literal.span().start().line, false);
                        }
                    }
                }
                TokenTree::Ident(ident) if ident == "as" && !below.is_empty() => at += 1,
                TokenTree::Ident(ident) => {
                    let mut path = [below, &[ident.to_string()]].concat();
                    let mut is_open = false;
                    while is_colons(&tokens, at) {
                        match tokens.get(at + 2) {
                            Some(TokenTree::Ident(part)) => path.push(part.to_string()),
                            Some(TokenTree::Group(g)) if g.delimiter() == Delimiter::Brace => {
                                self.scan(g.stream(), &path, has_texts);
                                is_open = true;
                            }
                            _ => break,
                        }
                        at += 3;
                    }
                    if path.len() > 1 && !is_open {
                        self.import(&path, ident.span().start().line, false);
                    }
                }
                _ => {}
            }
        }
    }
}

/// Whether `::` stands at a place.
fn is_colons(tokens: &[TokenTree], at: usize) -> bool {
    let is_colon = |at: usize| match tokens.get(at) {
        Some(TokenTree::Punct(punct)) => punct.as_char() == ':',
        _ => false,
    };
    is_colon(at) && is_colon(at + 1)
}

impl<'a> Visit<'a> for Reader<'_> {
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

    fn visit_trait_item(&mut self, item: &'a syn::TraitItem) {
        if !is_for_tests(sources::attributes_of_trait_item(item)) {
            visit::visit_trait_item(self, item);
        }
    }

    fn visit_field(&mut self, field: &'a syn::Field) {
        if !is_for_tests(&field.attrs) {
            visit::visit_field(self, field);
        }
    }

    fn visit_field_value(&mut self, field: &'a syn::FieldValue) {
        if !is_for_tests(&field.attrs) {
            visit::visit_field_value(self, field);
        }
    }

    fn visit_variant(&mut self, variant: &'a syn::Variant) {
        if !is_for_tests(&variant.attrs) {
            visit::visit_variant(self, variant);
        }
    }

    fn visit_arm(&mut self, arm: &'a syn::Arm) {
        if !is_for_tests(&arm.attrs) {
            visit::visit_arm(self, arm);
        }
    }

    fn visit_stmt(&mut self, statement: &'a syn::Stmt) {
        let attributes = match statement {
            syn::Stmt::Local(local) => &local.attrs,
            syn::Stmt::Macro(call) => &call.attrs,
            _ => &Vec::new(),
        };
        if !is_for_tests(attributes) {
            visit::visit_stmt(self, statement);
        }
    }

    fn visit_expr(&mut self, expression: &'a syn::Expr) {
        if !is_for_tests(sources::attributes_of_expression(expression)) {
            visit::visit_expr(self, expression);
        }
    }

    fn visit_item_mod(&mut self, inner: &'a syn::ItemMod) {
        let outer = self.module;
        let child = self.workspace.modules[outer]
            .children
            .get(&inner.ident.to_string());
        // What lies in a file of its own is read with that file.
        if let (Some(child), Some((_, items))) = (child, &inner.content) {
            self.module = *child;
            for item in items {
                self.visit_item(item);
            }
            self.module = outer;
        }
    }

    fn visit_item_use(&mut self, import: &'a syn::ItemUse) {
        let is_handed_on = !matches!(import.vis, Visibility::Inherited);
        for leaf in sources::leaves(import) {
            let is_module_meant = is_handed_on || leaf.name.is_none();
            self.import(&leaf.path, leaf.line, is_module_meant);
        }
    }

    fn visit_path(&mut self, path: &'a syn::Path) {
        let mut parts: Vec<String> = path
            .segments
            .iter()
            .map(|part| part.ident.to_string())
            .collect();
        if path.leading_colon.is_some() {
            parts.insert(0, String::from("::"));
        }
        if let Some(first) = path.segments.first() {
            self.import(&parts, first.ident.span().start().line, false);
        }
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, call: &'a syn::Macro) {
        self.visit_path(&call.path);
        self.scan(call.tokens.clone(), &[], false);
    }

    fn visit_attribute(&mut self, attribute: &'a syn::Attribute) {
        self.visit_path(attribute.meta.path());
        match &attribute.meta {
            // Such as `#[serde(with = "crate::json::number")]`.
            Meta::List(list) => self.scan(list.tokens.clone(), &[], true),
            Meta::NameValue(pair) if !pair.path.is_ident("doc") => self.visit_expr(&pair.value),
            _ => {}
        }
    }

    /// `pub(in crate::a)` imports nothing.
    fn visit_visibility(&mut self, _: &'a Visibility) {}
}

/// Files that import each other in a circle: the largest sets of files that all reach each other.
pub fn circles(imports: &[Import]) -> Vec<BTreeSet<String>> {
    let mut next: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for import in imports {
        next.entry(&import.from).or_default().insert(&import.to);
    }
    let reached = |from: &str| {
        let mut found = BTreeSet::new();
        let mut open: Vec<&str> = vec![from];
        while let Some(file) = open.pop() {
            for to in next.get(file).into_iter().flatten() {
                if found.insert(*to) {
                    open.push(to);
                }
            }
        }
        found
    };
    let reached: BTreeMap<&str, BTreeSet<&str>> =
        next.keys().map(|file| (*file, reached(file))).collect();
    let mut circles = BTreeSet::new();
    for (file, others) in &reached {
        if others.contains(file) {
            let back = |other: &&&str| reached.get(**other).is_some_and(|r| r.contains(file));
            circles.insert(
                others
                    .iter()
                    .filter(back)
                    .map(ToString::to_string)
                    .collect(),
            );
        }
    }
    circles.into_iter().collect()
}

/// One of the shortest ways from a file back to itself.
pub fn way_around(imports: &[Import], file: &str) -> Vec<Import> {
    let mut came: BTreeMap<&str, &Import> = BTreeMap::new();
    let mut open = vec![file];
    while !open.is_empty() && !came.contains_key(file) {
        let mut further = Vec::new();
        for import in imports
            .iter()
            .filter(|import| open.contains(&import.from.as_str()))
        {
            if !came.contains_key(import.to.as_str()) {
                came.insert(&import.to, import);
                further.push(import.to.as_str());
            }
        }
        open = further;
    }
    let mut way = Vec::new();
    let mut at = file;
    while let Some(import) = came.get(at) {
        way.push((*import).clone());
        at = &import.from;
        if at == file {
            break;
        }
    }
    way.reverse();
    way
}
