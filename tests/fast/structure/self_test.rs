//! Runs the structure test on small made-up crates, each with one kind of fault, to show that it
//! fails when it should.

use super::graph::{Exception, Graph, Tier};
use super::resolve::Tree;

const TIERS: &[Tier] = &[(&["top"], "above"), (&["left", "right"], "below, side by side")];

const LIB: (&str, &str) = ("lib.rs", "mod top; mod left; mod right;");

fn faults_in(files: &[(&str, &str)], tiers: &[Tier], exceptions: &[Exception]) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    for (file, text) in files {
        let path = folder.path().join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    let tree = Tree::read(folder.path());
    super::faults(&tree, &Graph::of(&tree), tiers, exceptions)
}

fn faults_with(files: &[(&str, &str)], exceptions: &[Exception]) -> Vec<String> {
    let empty = [LIB, ("top.rs", ""), ("left.rs", ""), ("right.rs", "")];
    let missing = empty.iter().filter(|(file, _)| !is_given(file, files));
    let all: Vec<(&str, &str)> = missing.chain(files).copied().collect();
    faults_in(&all, TIERS, exceptions)
}

/// Whether the test brings this file itself; `left/mod.rs` stands for `left.rs`.
fn is_given(file: &str, by: &[(&str, &str)]) -> bool {
    let folder = file.replace(".rs", "/mod.rs");
    by.iter().any(|(other, _)| *other == file || *other == folder)
}

fn faults(files: &[(&str, &str)]) -> Vec<String> {
    faults_with(files, &[])
}

#[test]
fn imports_downward_are_allowed() {
    let top = "use crate::left::Left; fn f() -> crate::right::Right { Left::new() }";
    let none: [String; 0] = [];
    assert_eq!(
        faults(&[("top.rs", top), ("left.rs", "struct Left;"), ("right.rs", "struct Right;")]),
        none
    );
}

#[test]
fn two_files_that_import_each_other_through_their_parent() {
    let found = faults(&[
        ("left/mod.rs", "mod a; mod b; pub use a::A; pub use b::B;"),
        ("left/a.rs", "use super::B; pub struct A;"),
        ("left/b.rs", "pub struct B; fn f(_: super::A) {}"),
    ]);
    let text = "cycle of 2 files:\n    left/a.rs → left/b.rs (B)\n    left/b.rs → left/a.rs (A)";
    assert_eq!(found, [text]);
}

#[test]
fn a_parent_and_a_child_that_use_each_others_items() {
    let child = ("left/a.rs", "use super::Shared; pub fn a(_: Shared) {}");
    for parent in ["use a::a;", "pub use a::a; fn f() { a(Shared) }", "fn f() { a::a(Shared) }"] {
        let parent = format!("mod a; pub struct Shared; {parent}");
        let found = faults(&[("left/mod.rs", &parent), child]);
        assert_eq!(found.len(), 1, "{parent}: {found:?}");
        assert!(found[0].starts_with("cycle of 2 files"), "{found:?}");
    }
    let reexport = "mod a; pub struct Shared; pub use a::a;";
    assert!(faults(&[("left/mod.rs", reexport), child]).is_empty());
}

#[test]
fn a_cycle_of_three_files() {
    let found = faults(&[
        ("left/mod.rs", "mod a; mod b; mod c;"),
        ("left/a.rs", "use super::b; pub fn a() { b::b() }"),
        ("left/b.rs", "pub fn b() { super::c::c() }"),
        ("left/c.rs", "pub fn c() { log!(\"{}\", crate::left::a::a()) }"),
    ]);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(
        found[0].starts_with("cycle of 3 files:\n    left/a.rs → left/b.rs (b)\n"),
        "{found:?}"
    );
}

#[test]
fn an_import_upward_by_every_kind_of_path() {
    for text in [
        "use crate::top::Top;",
        "use crate::top::Top as _;",
        "use crate::top::*;",
        "use crate::{top::{self, Top as Renamed}};",
        "fn f() { use crate::top::Top; }",
        "use crate::top; fn f(_: top::Top) {}",
        "fn f(_: &dyn Iterator<Item = super::top::Top>) {}",
        "impl From<crate::top::Top> for u8 {}",
        "mod inner { fn f(_: super::super::top::Top) {} }",
        "fn f() { let _ = vec![Some(crate::top::Top::new())]; }",
        "macro_rules! make { () => { $crate::top::Top } }",
        "pub use crate::top::Top;",
        "#[cfg(any(test, unix))] use crate::top::Top;",
    ] {
        let found = faults(&[("top.rs", "pub struct Top;"), ("left.rs", text)]);
        assert_eq!(found.len(), 1, "{text}: {found:?}");
        assert!(found[0].starts_with("upward: left.rs → top.rs ("), "{text}: {found:?}");
    }
}

#[test]
fn items_from_macros_and_globs_are_found() {
    let upper = [("top.rs", "keys! { FIRST: 1; }"), ("left.rs", "use crate::top::FIRST;")];
    assert_eq!(faults(&upper), ["upward: left.rs → top.rs (FIRST)"]);
    let glob = [
        ("top/mod.rs", "mod settings; pub use settings::*;"),
        ("top/settings.rs", "pub struct Settings;"),
        ("left.rs", "use crate::top::Settings;"),
    ];
    assert_eq!(faults(&glob), ["upward: left.rs → top/settings.rs (Settings)"]);
}

#[test]
fn modules_of_one_tier_need_an_exception() {
    let files = [("left.rs", "use crate::right::R;"), ("right.rs", "pub struct R;")];
    assert_eq!(faults(&files), ["upward: left.rs → right.rs (R)"]);
    let exception = [("left", "right", "why")];
    assert!(faults_with(&files, &exception).is_empty());
    assert_eq!(faults_with(&[], &exception), ["no import needs left → right: remove it"]);
}

#[test]
fn test_code_may_import_anything() {
    for text in [
        "#[cfg(test)] mod tests { use crate::top::Top; }",
        "#[cfg(test)] #[path = \"left_tests.rs\"] mod tests;",
        "#[cfg(any(test, fuzzing))] use crate::top::Top;",
        "#[cfg(all(test, unix))] fn f(_: crate::top::Top) {}",
        "struct S; impl S { #[cfg(test)] fn f(_: crate::top::Top) {} }",
        "fn f() { #[cfg(test)] use crate::top::Top; }",
    ] {
        let files = [("top.rs", "struct Top;"), ("left_tests.rs", "use crate::top::Top;")];
        let found = faults(&[files[0], files[1], ("left.rs", text)]);
        assert!(found.is_empty(), "{text}: {found:?}");
    }
}

#[test]
fn a_path_that_cannot_be_resolved_is_a_fault() {
    for path in ["crate::right::Missing", "super::missing::Thing", "self::Missing"] {
        let found = faults(&[("left.rs", &format!("fn f(_: {path}) {{}}"))]);
        assert_eq!(found, [format!("src/left.rs: {path} cannot be resolved")]);
    }
    // Items of other crates, also by way of a glob import, which may define any name.
    let left = ("left.rs", "use rdkafka::bindings::*; use ::other::x; fn f(_: serde::Value) {}");
    assert!(faults(&[left, ("top.rs", "use crate::left::Anything;")]).is_empty());
}

#[test]
fn every_module_of_the_library_is_on_a_tier() {
    let found = faults(&[("lib.rs", "mod top; mod left; mod new;"), ("new.rs", "")]);
    let expected =
        ["module new is not on any tier", "lib.rs has no module right, which a tier names"];
    assert_eq!(found, expected);
}

#[test]
fn the_program_imports_the_library_by_its_name() {
    let tiers: &[Tier] = &[(&["low"], "upside down"), (&["main"], "on purpose")];
    let files = [
        ("lib.rs", "pub mod low;"),
        ("low.rs", "pub fn start() {}"),
        ("main.rs", "use generic_consumer::low; fn main() { low::start() }"),
    ];
    let found = faults_in(&files, tiers, &[]);
    assert_eq!(found, ["upward: main.rs → low.rs (start)"]);
}
