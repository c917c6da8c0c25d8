//! The sources of the workspace: its files, what Cargo builds of them, and the tree of modules that
//! each target is.

use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::rc::Rc;
use syn::{Attribute, Expr, ImplItem, Item, Lit, Meta, TraitItem, UseTree};

/// The folder of the workspace.
pub fn root() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    root.canonicalize().unwrap()
}

/// A file of the workspace.
pub struct Source {
    /// From the folder of the workspace on.
    pub path: String,
    pub text: String,
    pub syntax: Rc<syn::File>,
    /// Whether it is compiled for tests alone, or is a test by its name.
    pub is_test: bool,
    /// Whether it is one of a target that is a test.
    pub is_of_test_target: bool,
    /// Whether a target has it.
    pub is_reached: bool,
}

/// What Cargo compiles as one: a library, a binary, a test.
pub struct Target {
    pub root: String,
    pub is_test: bool,
    /// By which names it knows other targets, and the root file of each.
    pub knows: BTreeMap<String, String>,
}

/// A module of a target.
#[derive(Default)]
pub struct Module {
    pub target: usize,
    pub parent: Option<usize>,
    pub file: usize,
    /// Whether its file begins with it.
    pub is_file: bool,
    pub children: BTreeMap<String, usize>,
    pub names: BTreeMap<String, Vec<Named>>,
    /// The paths of which it imports everything.
    pub globs: Vec<Vec<String>>,
    /// What functions import for themselves.
    pub locals: BTreeMap<String, Vec<Vec<String>>>,
}

/// What a name in a module stands for.
pub enum Named {
    /// Something that is defined there.
    Item,
    /// Something that is imported from there.
    Path(Vec<String>),
}

/// All files, and the modules of all targets.
pub struct Workspace {
    pub files: Vec<Source>,
    pub targets: Vec<Target>,
    pub modules: Vec<Module>,
    /// The module that a target begins with.
    pub roots: BTreeMap<String, usize>,
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    manifest_path: PathBuf,
    targets: Vec<BuiltTarget>,
    dependencies: Vec<Dependency>,
}

#[derive(Deserialize)]
struct BuiltTarget {
    name: String,
    kind: Vec<String>,
    src_path: PathBuf,
}

#[derive(Deserialize)]
struct Dependency {
    rename: Option<String>,
    path: Option<PathBuf>,
}

impl Package {
    /// The library that other packages link.
    fn library(&self) -> Option<&BuiltTarget> {
        let linked = ["lib", "rlib", "proc-macro"];
        let mut targets = self.targets.iter();
        targets.find(|target| target.kind.iter().any(|k| linked.contains(&k.as_str())))
    }
}

/// What Cargo builds in the workspace.
fn targets(root: &Path) -> Vec<Target> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| String::from("cargo"));
    let answer = Command::new(cargo)
        .args(["metadata", "--no-deps", "--format-version", "1"])
        .current_dir(root)
        .output()
        .unwrap();
    let problem = String::from_utf8_lossy(&answer.stderr);
    assert!(answer.status.success(), "cargo metadata: {problem}");
    let metadata: Metadata = serde_json::from_slice(&answer.stdout).unwrap();
    let within = |path: &Path| relative(root, path);
    let mut found = Vec::new();
    for package in &metadata.packages {
        let mut knows = BTreeMap::new();
        for dependency in &package.dependencies {
            let Some(path) = &dependency.path else {
                continue;
            };
            let manifest = path.join("Cargo.toml");
            let other = metadata
                .packages
                .iter()
                .find(|p| p.manifest_path == manifest);
            if let Some(library) = other.and_then(Package::library) {
                let name = dependency.rename.as_ref().unwrap_or(&library.name);
                knows.insert(name.replace('-', "_"), within(&library.src_path));
            }
        }
        let own = package.library();
        for target in &package.targets {
            let mut knows = knows.clone();
            if let Some(own) = own.filter(|own| own.src_path != target.src_path) {
                knows.insert(own.name.replace('-', "_"), within(&own.src_path));
            }
            found.push(Target {
                root: within(&target.src_path),
                is_test: target.kind.iter().any(|kind| kind == "test"),
                knows,
            });
        }
    }
    found
}

fn relative(root: &Path, path: &Path) -> String {
    let below = path.strip_prefix(root).unwrap_or(path);
    below.to_str().unwrap().replace('\\', "/")
}

/// The texts of all files of Rust below a folder.
fn texts(root: &Path, folder: &Path, found: &mut BTreeMap<String, String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if path.is_dir() {
            if !name.starts_with('.') && name != "target" && name != "node_modules" {
                texts(root, &path, found);
            }
        } else if name.ends_with(".rs") {
            found.insert(relative(root, &path), fs::read_to_string(&path).unwrap());
        }
    }
}

impl Workspace {
    /// The workspace that this test is of.
    pub fn read() -> Workspace {
        let root = root();
        let mut found = BTreeMap::new();
        texts(&root, &root, &mut found);
        Workspace::of(found, targets(&root))
    }

    /// A workspace of these files and targets.
    pub fn of(texts: BTreeMap<String, String>, targets: Vec<Target>) -> Workspace {
        let files = texts.into_iter().map(|(path, text)| {
            let syntax = syn::parse_file(&text).unwrap_or_else(|problem| {
                let line = problem.span().start().line;
                panic!("{path}:{line} is no Rust: {problem}")
            });
            Source {
                is_test: is_named_as_test(&path) || is_for_tests(&syntax.attrs),
                is_of_test_target: false,
                is_reached: false,
                path,
                text,
                syntax: Rc::new(syntax),
            }
        });
        let mut workspace = Workspace {
            files: files.collect(),
            targets,
            modules: Vec::new(),
            roots: BTreeMap::new(),
        };
        for target in 0..workspace.targets.len() {
            let root = workspace.targets[target].root.clone();
            let module = workspace.load(target, None, &root, folder_of(&root), false);
            workspace.roots.insert(root, module.unwrap());
        }
        workspace
    }

    /// The index of a file.
    pub fn file(&self, path: &str) -> Option<usize> {
        self.files
            .binary_search_by(|file| file.path.as_str().cmp(path))
            .ok()
    }

    /// Reads a file as a module; its own modules lie in `folder`.
    fn load(
        &mut self,
        target: usize,
        parent: Option<usize>,
        path: &str,
        folder: String,
        for_tests: bool,
    ) -> Option<usize> {
        let file = self.file(path)?;
        let source = &mut self.files[file];
        source.is_test |= for_tests;
        source.is_reached = true;
        source.is_of_test_target |= self.targets[target].is_test;
        let (syntax, for_tests) = (Rc::clone(&source.syntax), source.is_test);
        let module = self.module(target, parent, file, true);
        self.fill(module, &syntax.items, &folder, for_tests);
        Some(module)
    }

    fn module(
        &mut self,
        target: usize,
        parent: Option<usize>,
        file: usize,
        is_file: bool,
    ) -> usize {
        self.modules.push(Module {
            target,
            parent,
            file,
            is_file,
            ..Module::default()
        });
        self.modules.len() - 1
    }

    /// Reads the items of a module.
    fn fill(&mut self, module: usize, items: &[Item], folder: &str, for_tests: bool) {
        for item in items {
            match item {
                Item::Mod(inner) => {
                    let for_tests = for_tests || is_for_tests(&inner.attrs);
                    let name = inner.ident.to_string();
                    if let Some(child) = self.child(module, inner, folder, for_tests) {
                        self.modules[module].children.insert(name, child);
                    }
                }
                _ if !for_tests && is_for_tests(attributes_of(item)) => {}
                Item::Use(import) => self.import(module, import),
                _ => {
                    let names = &mut self.modules[module].names;
                    if let Some(name) = name_of(item) {
                        names.entry(name).or_default().push(Named::Item);
                    }
                    self.import_within(module, item);
                }
            }
        }
    }

    /// A module that is declared in another.
    fn child(
        &mut self,
        module: usize,
        inner: &syn::ItemMod,
        folder: &str,
        for_tests: bool,
    ) -> Option<usize> {
        let (target, file) = (self.modules[module].target, self.modules[module].file);
        let name = inner.ident.to_string();
        if let Some((_, items)) = &inner.content {
            let child = self.module(target, Some(module), file, false);
            self.fill(child, items, &format!("{folder}/{name}"), for_tests);
            return Some(child);
        }
        if let Some(path) = text_of(&inner.attrs, "path") {
            let own = folder_of(&self.files[file].path);
            let path = plain(&format!("{own}/{path}"));
            let below = folder_of(&path);
            return self.load(target, Some(module), &path, below, for_tests);
        }
        let below = format!("{folder}/{name}");
        let of_its_own = format!("{below}.rs");
        let within = format!("{below}/mod.rs");
        self.load(target, Some(module), &of_its_own, below.clone(), for_tests)
            .or_else(|| self.load(target, Some(module), &within, below, for_tests))
    }

    fn import(&mut self, module: usize, import: &syn::ItemUse) {
        for leaf in leaves(import) {
            let module = &mut self.modules[module];
            match leaf.name {
                Some(name) => {
                    let names = module.names.entry(name).or_default();
                    names.push(Named::Path(leaf.path));
                }
                None => module.globs.push(leaf.path),
            }
        }
    }

    /// What the functions of an item import for themselves.
    fn import_within(&mut self, module: usize, item: &Item) {
        struct Within(Vec<Leaf>);
        impl<'a> syn::visit::Visit<'a> for Within {
            fn visit_item_use(&mut self, import: &'a syn::ItemUse) {
                self.0.extend(leaves(import));
            }
        }
        let mut within = Within(Vec::new());
        syn::visit::Visit::visit_item(&mut within, item);
        for leaf in within.0 {
            if let Some(name) = leaf.name {
                let locals = &mut self.modules[module].locals;
                locals.entry(name).or_default().push(leaf.path);
            }
        }
    }
}

/// One name of a `use`; no name where it imports everything.
pub struct Leaf {
    pub path: Vec<String>,
    pub name: Option<String>,
    pub line: usize,
}

/// The names that a `use` imports. A path that begins with `::` has that as its first part.
pub fn leaves(import: &syn::ItemUse) -> Vec<Leaf> {
    fn below(tree: &UseTree, path: &[String], found: &mut Vec<Leaf>) {
        let and = |ident: &syn::Ident| match ident.to_string() {
            own if own == "self" && !path.is_empty() => path.to_vec(),
            part => [path, &[part]].concat(),
        };
        match tree {
            UseTree::Path(step) => below(&step.tree, &and(&step.ident), found),
            UseTree::Group(group) => {
                for tree in &group.items {
                    below(tree, path, found);
                }
            }
            UseTree::Name(name) => {
                let path = and(&name.ident);
                found.push(Leaf {
                    name: path.last().cloned(),
                    path,
                    line: name.ident.span().start().line,
                });
            }
            UseTree::Rename(name) => found.push(Leaf {
                path: and(&name.ident),
                name: Some(name.rename.to_string()),
                line: name.ident.span().start().line,
            }),
            UseTree::Glob(glob) => found.push(Leaf {
                path: path.to_vec(),
                name: None,
                line: glob.star_token.spans[0].start().line,
            }),
        }
    }
    let start: &[String] = match import.leading_colon {
        Some(_) => &[String::from("::")],
        None => &[],
    };
    let mut found = Vec::new();
    below(&import.tree, start, &mut found);
    found
}

/// Whether a file is a test by its name.
fn is_named_as_test(path: &str) -> bool {
    path.ends_with("/tests.rs") || path.ends_with("_tests.rs")
}

/// Whether something is compiled for tests alone.
pub fn is_for_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| match &attribute.meta {
        Meta::List(list) if list.path.is_ident("cfg") => {
            let condition: Vec<String> = list
                .tokens
                .clone()
                .into_iter()
                .map(|token| token.to_string())
                .collect();
            match condition.as_slice() {
                [test] => test == "test",
                [all, rest] if all == "all" => rest
                    .trim_matches(['(', ')'])
                    .split(',')
                    .any(|part| part.trim() == "test"),
                _ => false,
            }
        }
        Meta::Path(path) => path.is_ident("test"),
        _ => false,
    })
}

/// The text that an attribute `#[name = "text"]` gives.
fn text_of(attributes: &[Attribute], name: &str) -> Option<String> {
    attributes
        .iter()
        .find_map(|attribute| match &attribute.meta {
            Meta::NameValue(pair) if pair.path.is_ident(name) => match &pair.value {
                Expr::Lit(syn::ExprLit {
                    lit: Lit::Str(text),
                    ..
                }) => Some(text.value()),
                _ => None,
            },
            _ => None,
        })
}

fn folder_of(path: &str) -> String {
    path.rsplit_once('/')
        .map_or("", |(folder, _)| folder)
        .to_string()
}

/// A path without `..`.
fn plain(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            ".." => drop(parts.pop()),
            "." => {}
            _ => parts.push(part),
        }
    }
    parts.join("/")
}

/// The name that an item defines in its module.
fn name_of(item: &Item) -> Option<String> {
    let ident = match item {
        Item::Const(item) => &item.ident,
        Item::Enum(item) => &item.ident,
        Item::ExternCrate(item) => &item.ident,
        Item::Fn(item) => &item.sig.ident,
        Item::Macro(item) => item.ident.as_ref()?,
        Item::Static(item) => &item.ident,
        Item::Struct(item) => &item.ident,
        Item::Trait(item) => &item.ident,
        Item::TraitAlias(item) => &item.ident,
        Item::Type(item) => &item.ident,
        Item::Union(item) => &item.ident,
        _ => return None,
    };
    Some(ident.to_string())
}

pub fn attributes_of(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::ExternCrate(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::ForeignMod(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::TraitAlias(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Union(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

pub fn attributes_of_impl_item(item: &ImplItem) -> &[Attribute] {
    match item {
        ImplItem::Const(item) => &item.attrs,
        ImplItem::Fn(item) => &item.attrs,
        ImplItem::Type(item) => &item.attrs,
        ImplItem::Macro(item) => &item.attrs,
        _ => &[],
    }
}

pub fn attributes_of_trait_item(item: &TraitItem) -> &[Attribute] {
    match item {
        TraitItem::Const(item) => &item.attrs,
        TraitItem::Fn(item) => &item.attrs,
        TraitItem::Type(item) => &item.attrs,
        TraitItem::Macro(item) => &item.attrs,
        _ => &[],
    }
}

/// The attributes of what stands as a statement.
pub fn attributes_of_expression(expression: &Expr) -> &[Attribute] {
    match expression {
        Expr::Assign(inner) => &inner.attrs,
        Expr::Block(inner) => &inner.attrs,
        Expr::Call(inner) => &inner.attrs,
        Expr::ForLoop(inner) => &inner.attrs,
        Expr::If(inner) => &inner.attrs,
        Expr::Let(inner) => &inner.attrs,
        Expr::Loop(inner) => &inner.attrs,
        Expr::Macro(inner) => &inner.attrs,
        Expr::Match(inner) => &inner.attrs,
        Expr::MethodCall(inner) => &inner.attrs,
        Expr::Return(inner) => &inner.attrs,
        Expr::Struct(inner) => &inner.attrs,
        Expr::Unsafe(inner) => &inner.attrs,
        Expr::While(inner) => &inner.attrs,
        _ => &[],
    }
}

/// The files that no target has.
pub fn unreached(workspace: &Workspace) -> BTreeSet<&str> {
    let files = workspace.files.iter();
    let lost = files.filter(|file| !file.is_reached);
    lost.map(|file| file.path.as_str()).collect()
}
