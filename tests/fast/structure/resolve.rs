//! The modules of a crate, and the file that defines what a path names.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path as FilePath, PathBuf};

use syn::{Item, ItemMod};

use super::parse::{Code, Path, children, path_attribute};

/// The name by which `main.rs` imports the library.
const LIBRARY: &str = "generic_consumer";

type ModuleId = usize;

/// Imports that are being followed: module, path, the name looked up.
type Pending = Vec<(ModuleId, Path, String)>;

/// What a name stands for in a module.
enum Meaning {
    Module(ModuleId),
    Item,
    Import(Path),
}

/// What a path names.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Target {
    Module(ModuleId),
    Item {
        module: ModuleId,
        name: String,
    },
    /// An item of another crate, or a local name.
    Foreign,
}

pub struct Module {
    /// Relative to the source folder, with `/`.
    pub file: String,
    parent: Option<ModuleId>,
    pub code: Code,
    names: BTreeMap<String, Vec<Meaning>>,
}

/// Every module that is not test code, found by following `mod` from the crate's roots.
pub struct Tree {
    source: PathBuf,
    pub modules: Vec<Module>,
    library: ModuleId,
}

impl Tree {
    /// Reads the library (`lib.rs`) and, if there is one, the program (`main.rs`).
    pub fn read(source: &FilePath) -> Tree {
        let mut tree = Tree { source: source.to_owned(), modules: Vec::new(), library: 0 };
        for root in ["lib.rs", "main.rs"] {
            if source.join(root).exists() {
                tree.file(PathBuf::from(root), PathBuf::new(), None);
            }
        }
        tree
    }

    /// The modules that `lib.rs` declares.
    pub fn top_level(&self) -> BTreeSet<&str> {
        let children = &self.modules[self.library].names;
        let is_module = |meanings: &[Meaning]| matches!(meanings[..], [Meaning::Module(_), ..]);
        children.iter().filter(|(_, it)| is_module(it)).map(|(name, _)| name.as_str()).collect()
    }

    /// Reads one file; `folder` is where the files of its child modules are.
    fn file(&mut self, file: PathBuf, folder: PathBuf, parent: Option<ModuleId>) -> ModuleId {
        let text = fs::read_to_string(self.source.join(&file));
        let text = text.unwrap_or_else(|error| panic!("src/{}: {error}", file.display()));
        let parsed = syn::parse_file(&text);
        let parsed = parsed.unwrap_or_else(|error| panic!("src/{}: {error}", file.display()));
        self.module(&parsed.items, &file, &folder, parent)
    }

    fn module(
        &mut self,
        items: &[Item],
        file: &FilePath,
        folder: &FilePath,
        parent: Option<ModuleId>,
    ) -> ModuleId {
        let code = Code::of(items);
        let mut names: BTreeMap<String, Vec<Meaning>> = BTreeMap::new();
        for name in &code.defines {
            names.entry(name.clone()).or_default().push(Meaning::Item);
        }
        for import in &code.imports {
            if let Some(name) = &import.name {
                names.entry(name.clone()).or_default().push(Meaning::Import(import.path.clone()));
            }
        }
        for word in &code.macro_words {
            names.entry(word.clone()).or_insert_with(|| vec![Meaning::Item]);
        }
        let id = self.modules.len();
        let path = file.display().to_string();
        self.modules.push(Module { file: path, parent, code, names });
        for child in children(items) {
            let child_id = self.child(child, file, folder, id);
            let meanings = self.modules[id].names.entry(child.ident.to_string()).or_default();
            meanings.insert(0, Meaning::Module(child_id));
        }
        id
    }

    fn child(
        &mut self,
        child: &ItemMod,
        file: &FilePath,
        folder: &FilePath,
        parent: ModuleId,
    ) -> ModuleId {
        let below = folder.join(child.ident.to_string());
        if let Some((_, items)) = &child.content {
            return self.module(items, file, &below, Some(parent));
        }
        if let Some(path) = path_attribute(&child.attrs) {
            let path = file.with_file_name(path);
            let folder = path.parent().map(FilePath::to_owned).unwrap_or_default();
            return self.file(path, folder, Some(parent));
        }
        let own = below.join("mod.rs");
        let file = if self.source.join(&own).exists() { own } else { below.with_extension("rs") };
        self.file(file, below, Some(parent))
    }

    /// What `path` names in `module`; an error if it is a path of this crate that
    /// leads to no item.
    pub fn resolve(&self, module: ModuleId, path: &Path) -> Result<Vec<Target>, String> {
        self.walk(module, path, &mut Pending::new())
    }

    fn walk(
        &self,
        from: ModuleId,
        path: &Path,
        pending: &mut Pending,
    ) -> Result<Vec<Target>, String> {
        let mut at = from;
        let mut rest = path.as_slice();
        let unknown =
            || format!("src/{}: {} cannot be resolved", self.modules[from].file, path.join("::"));
        match rest[0].as_str() {
            "crate" => (at, rest) = (self.root(from), &rest[1..]),
            LIBRARY if self.root(from) != self.library => (at, rest) = (self.library, &rest[1..]),
            "self" => rest = &rest[1..],
            "super" => {
                while rest.first().is_some_and(|it| it == "super") {
                    at = self.modules[at].parent.ok_or_else(unknown)?;
                    rest = &rest[1..];
                }
            }
            name if self.lookup(at, name, pending).is_empty() => {
                return Ok(vec![Target::Foreign]);
            }
            _ => {}
        }
        while let Some((name, after)) = rest.split_first() {
            let found = self.lookup(at, name, pending);
            let module = found.iter().find_map(|it| match it {
                Target::Module(module) => Some(*module),
                _ => None,
            });
            match module {
                _ if found.is_empty() => return Err(unknown()),
                Some(module) if !after.is_empty() => (at, rest) = (module, after),
                // The rest is a variant or an associated item, or there is none.
                _ => return Ok(found),
            }
        }
        Ok(vec![Target::Module(at)])
    }

    /// Everything that `name` stands for in `module`, with imports and globs followed. `pending`
    /// holds the imports that are being followed, so that a cycle of re-exports ends.
    fn lookup(&self, module: ModuleId, name: &str, pending: &mut Pending) -> Vec<Target> {
        let mut found = Vec::new();
        for meaning in self.modules[module].names.get(name).into_iter().flatten() {
            match meaning {
                Meaning::Module(child) => found.push(Target::Module(*child)),
                Meaning::Item => found.push(Target::Item { module, name: name.to_owned() }),
                Meaning::Import(path) => found.extend(self.follow(module, path, name, pending)),
            }
        }
        if found.is_empty() {
            for glob in self.modules[module].code.imports.iter().filter(|it| it.glob) {
                for source in self.follow(module, &glob.path, name, pending) {
                    match source {
                        Target::Module(source) => found.extend(self.lookup(source, name, pending)),
                        // A glob import of another crate may define the name.
                        Target::Foreign => found.push(Target::Foreign),
                        Target::Item { .. } => {}
                    }
                }
            }
        }
        found
    }

    fn follow(
        &self,
        module: ModuleId,
        path: &Path,
        name: &str,
        pending: &mut Pending,
    ) -> Vec<Target> {
        let import = (module, path.clone(), name.to_owned());
        if pending.contains(&import) {
            return Vec::new();
        }
        pending.push(import);
        // An import that cannot be resolved is reported for the file it stands in.
        let found = self.walk(module, path, pending).unwrap_or_default();
        pending.pop();
        found
    }

    fn root(&self, module: ModuleId) -> ModuleId {
        self.modules[module].parent.map_or(module, |parent| self.root(parent))
    }

    pub fn is_inside(&self, module: ModuleId, outer: ModuleId) -> bool {
        let parent = self.modules[module].parent;
        parent.is_some_and(|parent| parent == outer || self.is_inside(parent, outer))
    }
}
