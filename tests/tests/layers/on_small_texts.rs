//! What is read from small texts, and how lists are compared.

use crate::floors::{Floor, Floors};
use crate::imports::{self, Import};
use crate::measures::{self, Function};
use crate::ratchets::{self, Lists};
use crate::sources::{Target, Workspace, unreached};
use std::collections::{BTreeMap, BTreeSet};

/// A workspace of two packages: `a/src/lib.rs`, and `b/src/lib.rs`, which knows it as `first`.
fn workspace(files: &[(&str, &str)]) -> Workspace {
    let texts = files
        .iter()
        .map(|(path, text)| (path.to_string(), text.to_string()))
        .collect();
    let target = |root: &str, knows: &[(&str, &str)]| Target {
        root: root.to_string(),
        is_test: false,
        knows: knows
            .iter()
            .map(|(name, of)| (name.to_string(), of.to_string()))
            .collect(),
    };
    let mut targets = vec![target("a/src/lib.rs", &[])];
    if files.iter().any(|(path, _)| *path == "b/src/lib.rs") {
        targets.push(target("b/src/lib.rs", &[("first", "a/src/lib.rs")]));
    }
    Workspace::of(texts, targets)
}

/// What `a/src/from.rs` imports, where the rest of the package is as here.
fn imported(from: &str) -> Vec<String> {
    let workspace = workspace(&[
        (
            "a/src/lib.rs",
            "mod from; mod model; mod tables; pub use model::Id as Named; mod json;",
        ),
        ("a/src/from.rs", from),
        ("a/src/json.rs", "pub fn number() {}"),
        (
            "a/src/model/mod.rs",
            "mod text; mod user; pub use text::Id; pub use user::*;",
        ),
        ("a/src/model/text.rs", "bounded! { pub struct Id; }"),
        (
            "a/src/model/user.rs",
            "pub enum User { One } pub const MOST: usize = 1;",
        ),
        (
            "a/src/tables/mod.rs",
            "pub mod users; pub static ALL: usize = 1;",
        ),
        (
            "a/src/tables/users.rs",
            "pub fn load() {} pub mod inner { pub fn save() {} }",
        ),
    ]);
    let imports = imports::read(&workspace);
    let own = imports
        .iter()
        .filter(|import| import.from == "a/src/from.rs");
    let own = own.map(|import| {
        let to = import.to.strip_prefix("a/src/").unwrap();
        format!("{}: {} of {to}", import.line, import.name)
    });
    own.collect()
}

#[test]
fn a_name_belongs_to_the_file_that_defines_it() {
    let text = "use crate::model::Id;\nuse super::model::{User, MOST as M};\nuse crate::Named;";
    let id = "1: Id of model/text.rs";
    assert_eq!(
        imported(text),
        [id, "2: MOST of model/user.rs", "2: User of model/user.rs"]
    );
    assert_eq!(imported("\nuse crate::Named;"), ["2: Id of model/text.rs"]);
    assert_eq!(
        imported("use crate::model::User::*;"),
        ["1: User of model/user.rs"]
    );
}

#[test]
fn a_module_is_imported_by_what_is_reached_through_it() {
    assert!(imported("use crate::tables;").is_empty());
    let through = "use crate::tables;\nfn f() { tables::users::load() }";
    assert_eq!(imported(through), ["2: load of tables/users.rs"]);
    let inner = "use crate::tables::users::inner as i;\nfn f() { i::save() }";
    assert_eq!(imported(inner), ["2: save of tables/users.rs"]);
    let within = "fn f() {\nuse crate::tables::users;\nusers::load() }";
    assert_eq!(imported(within), ["3: load of tables/users.rs"]);
    assert_eq!(
        imported("pub use crate::tables::users;"),
        ["1: users of tables/users.rs"]
    );
    assert_eq!(
        imported("use crate::tables::*;"),
        ["1: tables of tables/mod.rs"]
    );
    assert_eq!(
        imported("use crate::tables::*;\nfn f() -> usize { ALL }").len(),
        2
    );
}

#[test]
fn names_are_found_wherever_they_stand() {
    let load = ["1: load of tables/users.rs"];
    for text in [
        "fn f() { crate::tables::users::load() }",
        "fn f() { vec![1, (crate::tables::users::load())] }",
        "macro_rules! m { () => { $crate::tables::users::load() } }",
        "m! { use crate::tables::{users::{load as other}}; }",
        "struct S { #[serde(default = \"crate::tables::users::load\")] a: u8 }",
        "struct S { #[serde(default = \"super::tables::users::load\")] a: u8 }",
        "mod inner { fn f() { super::super::tables::users::load() } }",
    ] {
        assert_eq!(imported(text), load, "{text}");
    }
    let user = ["1: User of model/user.rs"];
    for text in [
        "fn f(a: &[crate::model::User]) {}",
        "fn f<T: Into<Vec<crate::model::User>>>() {}",
        "impl crate::model::User {}",
        "fn f(u: u8) { if let crate::model::User::One = u {} }",
    ] {
        assert_eq!(imported(text), user, "{text}");
    }
}

#[test]
fn what_is_no_import_is_none() {
    for text in [
        "use std::fmt::Debug; use serde::Serialize; fn f() { serde::de::x() }",
        "/// See [`crate::tables::users::load`].\nfn f() { let s = \"crate::tables::ALL\"; }",
        "fn f(load: u8) -> u8 { load }",
        "pub(in crate::tables) fn f() {}",
        "mod own { pub fn f() {} } fn f() { own::f(); self::own::f() }",
        "#[cfg(test)] mod tests { use crate::tables::ALL; }",
        "#[cfg(all(test, unix))] use crate::tables::ALL;",
        "#[test] fn f() { crate::tables::ALL }",
        "fn f() { #[cfg(test)] crate::tables::users::load(); }",
        "struct S { #[cfg(test)] a: crate::model::User }",
        "impl S { #[cfg(test)] fn f() { crate::tables::users::load() } }",
        "fn f() { #[cfg(test)] let all = crate::tables::ALL; }",
        "fn f() { S { #[cfg(test)] a: crate::tables::ALL } }",
    ] {
        assert!(imported(text).is_empty(), "{text}");
    }
    assert_eq!(
        imported("#[cfg(not(test))] use crate::tables::ALL;").len(),
        1
    );
}

#[test]
fn packages_know_each_other_by_the_names_that_they_give() {
    let of = workspace(&[
        ("a/src/lib.rs", "mod model; pub use model::Id; pub mod ops;"),
        ("a/src/model.rs", "pub struct Id;"),
        ("a/src/ops/mod.rs", "pub mod users;"),
        ("a/src/ops/users.rs", "pub struct Create;"),
        (
            "b/src/lib.rs",
            "mod c; use first::Id; use first::ops::users; mod d { fn f() {} }",
        ),
        (
            "b/src/c.rs",
            "fn f() { ::first::ops::users::Create; crate::d::f() }",
        ),
        ("b/src/lost.rs", ""),
    ]);
    let all: Vec<_> = imports::read(&of)
        .into_iter()
        .map(|i| (i.from, i.to, i.name))
        .collect();
    let import = |from: &str, to: &str, name: &str| (from.into(), to.into(), name.into());
    assert_eq!(
        all,
        [
            import("a/src/lib.rs", "a/src/model.rs", "Id"),
            import("b/src/c.rs", "a/src/ops/users.rs", "Create"),
            import("b/src/c.rs", "b/src/lib.rs", "f"),
            import("b/src/lib.rs", "a/src/model.rs", "Id"),
        ]
    );
    assert_eq!(unreached(&of), BTreeSet::from(["b/src/lost.rs"]));
}

#[test]
fn modules_lie_where_rust_looks_for_them() {
    let of = workspace(&[
        (
            "a/src/lib.rs",
            "mod x; mod inner { mod y; } #[path = \"../other/z.rs\"] mod z; \
             #[cfg(test)] mod checks; mod a_tests;",
        ),
        ("a/src/x.rs", "mod below;"),
        ("a/src/x/below.rs", ""),
        ("a/src/inner/y.rs", ""),
        ("a/other/z.rs", ""),
        ("a/src/checks.rs", "use crate::x::Y; mod deep;"),
        ("a/src/checks/deep.rs", ""),
        ("a/src/a_tests.rs", ""),
    ]);
    assert!(unreached(&of).is_empty(), "{:?}", unreached(&of));
    let tests: Vec<&str> = of
        .files
        .iter()
        .filter(|file| file.is_test)
        .map(|file| file.path.as_str())
        .collect();
    assert_eq!(
        tests,
        [
            "a/src/a_tests.rs",
            "a/src/checks.rs",
            "a/src/checks/deep.rs"
        ]
    );
    assert!(imports::read(&of).is_empty());
}

fn import(from: &str, to: &str) -> Import {
    Import {
        from: from.to_string(),
        to: to.to_string(),
        name: String::from("n"),
        line: 1,
    }
}

#[test]
fn circles_are_the_files_that_reach_each_other() {
    let pairs = [
        ("a", "b"),
        ("b", "c"),
        ("c", "a"),
        ("c", "d"),
        ("d", "e"),
        ("e", "d"),
    ];
    let imports: Vec<Import> = pairs.iter().map(|(from, to)| import(from, to)).collect();
    let set = |files: &[&str]| {
        files
            .iter()
            .map(ToString::to_string)
            .collect::<BTreeSet<_>>()
    };
    assert_eq!(
        imports::circles(&imports),
        [set(&["a", "b", "c"]), set(&["d", "e"])]
    );
    let way: Vec<_> = imports::way_around(&imports, "b")
        .into_iter()
        .map(|i| i.from)
        .collect();
    assert_eq!(way, ["b", "c", "a"]);
    assert!(imports::circles(&imports[..2]).is_empty());
}

#[test]
fn functions_are_as_long_as_from_fn_to_brace() {
    let text = "/// Doc.\n#[inline]\npub fn\nf()\n{\n}\nimpl T {\n fn g() { fn h() {\n } } }\n\
                trait U { fn i(); fn j() {} }\n#[cfg(test)] mod tests { fn k() {} }\n\
                #[test] fn l() {}\nm! { fn n(a: fn(u8) -> u8) {\n\n} struct S { f: fn(u8) } }";
    let found = measures::functions(&syn::parse_file(text).unwrap());
    let function = |name: &str, line, lines| Function {
        name: name.to_string(),
        line,
        lines,
    };
    assert_eq!(
        found,
        [
            function("f", 3, 4),
            function("T::g", 8, 2),
            function("T::h", 8, 2),
            function("U::j", 10, 1),
            function("n", 13, 3),
        ]
    );
}

#[test]
fn files_are_as_long_as_without_their_tests() {
    let text = "fn f() {}\n\n#[cfg(test)]\n#[allow(x)]\nmod tests {\n\n}\nmod b {\n\
                #[cfg(test)] mod c {\n} }\n#[cfg(test)]\nmod d;\n";
    assert_eq!(
        measures::length(text, &syn::parse_file(text).unwrap()),
        12 - 5 - 2
    );
    assert_eq!(
        measures::wide(&format!("{}\n{}\n", "é".repeat(100), "é".repeat(101))),
        [2]
    );
}

#[test]
fn the_longest_place_says_the_floor() {
    let floor = |name: &str, places: &[&str]| Floor {
        name: name.to_string(),
        places: places.iter().map(ToString::to_string).collect(),
    };
    let floors = Floors::of(vec![
        floor("low", &["a/users", "a/engine/clock.rs"]),
        floor("high", &["a/mod.rs", "a/engine", "a/gone"]),
    ]);
    let of = |file: &str| floors.of_file(file).map(|number| floors.name(number));
    assert_eq!(of("a/users.rs"), Some("low"));
    assert_eq!(of("a/users/show.rs"), Some("low"));
    assert_eq!(of("a/engine/clock.rs"), Some("low"));
    assert_eq!(of("a/engine/mod.rs"), Some("high"));
    assert_eq!(of("a/users_csv.rs"), None);
    assert_eq!(of("a/other/users.rs"), None);
    let files = ["a/users.rs", "a/mod.rs", "a/engine/clock.rs"].map(String::from);
    assert_eq!(floors.left(&files), ["a/gone"]);
}

fn lists(long: &[(&str, usize)], circles: &[&[&str]]) -> Lists {
    Lists {
        long_files: long
            .iter()
            .map(|(file, lines)| (file.to_string(), *lines))
            .collect(),
        circles: circles
            .iter()
            .map(|circle| circle.iter().map(ToString::to_string).collect())
            .collect(),
        ..Lists::default()
    }
}

#[test]
fn lists_only_shrink() {
    let listed = lists(&[("a", 700), ("b", 800)], &[&["a", "b", "c"]]);
    let same = listed.compare(&listed);
    assert!(same.worse.is_empty() && same.better.is_empty());

    let worse = |found: &Lists| {
        let differences = listed.compare(found);
        differences
            .worse
            .into_iter()
            .map(|(list, name, _)| (list, name))
            .collect::<Vec<_>>()
    };
    let longer = lists(&[("a", 701), ("b", 800), ("d", 601)], &[&["a", "b", "c"]]);
    assert_eq!(
        worse(&longer),
        [("long_files", "a".into()), ("long_files", "d".into())]
    );
    let wider = lists(
        &[("a", 700), ("b", 800)],
        &[&["a", "b", "c", "d"], &["x", "y"]],
    );
    assert_eq!(
        worse(&wider),
        [("circles", "d".into()), ("circles", "x".into())]
    );

    let better = |found: &Lists| {
        let differences = listed.compare(found);
        assert!(differences.worse.is_empty());
        differences.better.len()
    };
    assert_eq!(better(&lists(&[("a", 699)], &[&["a", "b", "c"]])), 2);
    assert_eq!(better(&lists(&[("a", 700), ("b", 800)], &[&["a", "b"]])), 1);
    assert_eq!(better(&lists(&[("a", 700), ("b", 800)], &[])), 1);
}

#[test]
fn entries_follow_files_that_move() {
    let listed = Lists {
        upward_imports: BTreeMap::from([(String::from("ops/a.rs -> ops/mod.rs"), 2)]),
        long_functions: BTreeMap::from([(String::from("ops/a.rs: A::run"), 80)]),
        ..lists(&[("ops/abc.rs", 700)], &[&["ops/a.rs", "store/b.rs"]])
    };
    let moves = ratchets::moves("ops=api, ops/a.rs=domain/x.rs").unwrap();
    let moved = listed.moved(&moves);
    assert_eq!(
        moved.upward_imports,
        BTreeMap::from([("domain/x.rs -> api/mod.rs".into(), 2)])
    );
    assert_eq!(
        moved.long_functions,
        BTreeMap::from([("domain/x.rs: A::run".into(), 80)])
    );
    let rest = lists(&[("api/abc.rs", 700)], &[&["domain/x.rs", "store/b.rs"]]);
    assert_eq!(
        (moved.long_files, moved.circles),
        (rest.long_files, rest.circles)
    );
    assert!(ratchets::moves("a=b,c").is_err());
    assert!(ratchets::moves("").unwrap().is_empty());
}
