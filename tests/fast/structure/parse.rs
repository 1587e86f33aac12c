//! One module's code: what it defines, what it imports and which paths it names.

use proc_macro2::{TokenStream, TokenTree};
use syn::punctuated::Punctuated;
use syn::visit::{self, Visit};
use syn::{Attribute, ImplItemFn, Item, ItemMod, ItemUse, Macro, Meta, Token, UseTree, Visibility};

pub type Path = Vec<String>;

/// A leaf of a `use` tree.
pub struct Import {
    pub path: Path,
    /// The name that the import introduces; `None` for a glob and for `as _`.
    pub name: Option<String>,
    pub glob: bool,
    /// `pub`, `pub(crate)`, …: others can reach the item through this module.
    pub public: bool,
}

/// The code of one module without its test code and its child modules.
#[derive(Default)]
pub struct Code {
    pub defines: Vec<String>,
    /// The names in macros at item level: such a macro may define an item of that name.
    pub macro_words: Vec<String>,
    pub imports: Vec<Import>,
    pub paths: Vec<Path>,
}

/// The child modules that are not test code.
pub fn children(items: &[Item]) -> impl Iterator<Item = &ItemMod> {
    items.iter().filter_map(|item| match item {
        Item::Mod(child) if !is_test(&child.attrs) => Some(child),
        _ => None,
    })
}

impl Code {
    pub fn of(items: &[Item]) -> Code {
        let mut code = Code::default();
        for item in items.iter().filter(|item| !is_test(parts(item).0)) {
            if let Item::Macro(call) = item {
                code.macro_words.extend(paths_in(call.mac.tokens.clone()).concat());
            }
            code.defines.extend(parts(item).1);
            code.visit_item(item);
        }
        code
    }

    fn import(&mut self, tree: &UseTree, mut path: Path, public: bool) {
        let mut leaf = |path: Path, name: Option<String>, glob| {
            self.imports.push(Import { path, name, glob, public });
        };
        match tree {
            UseTree::Path(part) => {
                path.push(part.ident.to_string());
                self.import(&part.tree, path, public);
            }
            UseTree::Name(part) if part.ident == "self" => {
                let name = path.last().cloned();
                leaf(path, name, false);
            }
            UseTree::Name(part) => {
                path.push(part.ident.to_string());
                leaf(path, Some(part.ident.to_string()), false);
            }
            UseTree::Rename(part) => {
                let name = (part.rename != "_").then(|| part.rename.to_string());
                if part.ident != "self" {
                    path.push(part.ident.to_string());
                }
                leaf(path, name, false);
            }
            UseTree::Glob(_) => leaf(path, None, true),
            UseTree::Group(part) => {
                for tree in &part.items {
                    self.import(tree, path.clone(), public);
                }
            }
        }
    }
}

impl<'ast> Visit<'ast> for Code {
    fn visit_item(&mut self, item: &'ast Item) {
        if !is_test(parts(item).0) {
            visit::visit_item(self, item);
        }
    }

    fn visit_impl_item_fn(&mut self, function: &'ast ImplItemFn) {
        if !is_test(&function.attrs) {
            visit::visit_impl_item_fn(self, function);
        }
    }

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        if item.leading_colon.is_none() {
            let public = !matches!(item.vis, Visibility::Inherited);
            self.import(&item.tree, Vec::new(), public);
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        if path.leading_colon.is_none() {
            self.paths.push(path.segments.iter().map(|part| part.ident.to_string()).collect());
        }
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, call: &'ast Macro) {
        visit::visit_macro(self, call);
        self.paths.extend(paths_in(call.tokens.clone()));
    }

    // Not imports: a child module, an attribute, the path in `pub(in path)`.
    fn visit_item_mod(&mut self, _: &'ast ItemMod) {}
    fn visit_attribute(&mut self, _: &'ast Attribute) {}
    fn visit_visibility(&mut self, _: &'ast Visibility) {}
}

/// Paths among the tokens of a macro, whose syntax is unknown: `name`, `name::name`, …, except
/// after a dot or a `$` (`$crate` counts as `crate`).
fn paths_in(tokens: TokenStream) -> Vec<Path> {
    let mut paths = Vec::new();
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let is = |at: usize, sign| matches!(tokens.get(at), Some(TokenTree::Punct(p)) if p.as_char() == sign);
    let mut at = 0;
    while at < tokens.len() {
        match &tokens[at] {
            TokenTree::Group(group) => paths.extend(paths_in(group.stream())),
            TokenTree::Ident(first) => {
                let before = at.checked_sub(1);
                let foreign = before.is_some_and(|it| is(it, '.') || is(it, '$') || is(it, ':'));
                let mut path = vec![first.to_string()];
                while is(at + 1, ':') && is(at + 2, ':') {
                    let Some(TokenTree::Ident(next)) = tokens.get(at + 3) else { break };
                    path.push(next.to_string());
                    at += 3;
                }
                if !foreign || path[0] == "crate" {
                    paths.push(path);
                }
            }
            _ => {}
        }
        at += 1;
    }
    paths
}

/// An item's attributes and the name it defines (`mod` and `use` are handled elsewhere).
fn parts(item: &Item) -> (&[Attribute], Option<String>) {
    let (attributes, name) = match item {
        Item::Const(it) => (&it.attrs, Some(&it.ident)),
        Item::Enum(it) => (&it.attrs, Some(&it.ident)),
        Item::Fn(it) => (&it.attrs, Some(&it.sig.ident)),
        Item::Macro(it) => (&it.attrs, it.ident.as_ref()),
        Item::Static(it) => (&it.attrs, Some(&it.ident)),
        Item::Struct(it) => (&it.attrs, Some(&it.ident)),
        Item::Trait(it) => (&it.attrs, Some(&it.ident)),
        Item::Type(it) => (&it.attrs, Some(&it.ident)),
        Item::Union(it) => (&it.attrs, Some(&it.ident)),
        Item::Impl(it) => (&it.attrs, None),
        Item::Mod(it) => (&it.attrs, None),
        Item::Use(it) => (&it.attrs, None),
        Item::ForeignMod(it) => (&it.attrs, None),
        _ => return (&[], None),
    };
    (attributes, name.map(ToString::to_string))
}

/// Whether a `#[cfg(…)]` holds in builds for tests or for the fuzzer only.
fn is_test(attributes: &[Attribute]) -> bool {
    attributes.iter().filter(|it| it.path().is_ident("cfg")).any(|attribute| {
        attribute.parse_args::<Meta>().is_ok_and(|predicate| holds(&predicate) == Some(false))
    })
}

/// Whether the predicate holds in any other build; `None` if that depends on other settings.
fn holds(predicate: &Meta) -> Option<bool> {
    let Meta::List(list) = predicate else {
        let path = predicate.path();
        return (path.is_ident("test") || path.is_ident("fuzzing")).then_some(false);
    };
    let parts = list.parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated).ok()?;
    let parts: Vec<Option<bool>> = parts.iter().map(holds).collect();
    let decisive = list.path.is_ident("any");
    if list.path.is_ident("not") {
        return parts[0].map(|it| !it);
    }
    if parts.contains(&Some(decisive)) {
        return Some(decisive);
    }
    parts.iter().all(Option::is_some).then_some(!decisive)
}

/// The value of `#[path = "…"]`.
pub fn path_attribute(attributes: &[Attribute]) -> Option<String> {
    attributes.iter().find_map(|attribute| match &attribute.meta {
        Meta::NameValue(it) if it.path.is_ident("path") => match &it.value {
            syn::Expr::Lit(syn::ExprLit { lit: syn::Lit::Str(text), .. }) => Some(text.value()),
            _ => None,
        },
        _ => None,
    })
}
