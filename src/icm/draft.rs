//! The settings that entries become, the two files with them, and the check of both.

use super::template::Template;
use crate::config::keys::{self, Key};
use crate::config::{self, Mistake};

/// A setting, and the entry whose value it is.
#[derive(Debug, Clone)]
pub struct Setting {
    pub target: Target,
    /// Several for a list.
    pub values: Vec<Template>,
    /// The number of its entry; `None` for a key that the file has no entry for.
    pub entry: Option<usize>,
}

/// Which key a setting is of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A key of the domain.
    Key(&'static Key),
    /// A key of the domain, named by a variable.
    KeyEnv(&'static Key),
    /// A key below a section: `consume.ccx`, `write.ccx.kafka`, `consume.ccx.properties`.
    Section { section: String, leaf: String },
}

/// What the files will have.
#[derive(Debug, Clone)]
pub struct Draft {
    pub domain: String,
    pub settings: Vec<Setting>,
}

impl Target {
    /// The name of the key as mistakes have it.
    pub fn name(&self, domain: &str) -> String {
        match self {
            Self::Key(key) => key.name_in(domain),
            Self::KeyEnv(key) => format!("{}_env", key.name_in(domain)),
            Self::Section { section, leaf } => format!("{section}.{leaf}"),
        }
    }

    /// The variable of the process that sets the same key.
    pub fn variable(&self, domain: &str) -> String {
        match self {
            Self::Key(key) | Self::KeyEnv(key) => key.name_in(domain),
            Self::Section { .. } => {
                let (head, tail) = match self.name(domain).split_once(".properties.") {
                    Some((head, tail)) => (format!("{head}.properties"), tail.replace('.', "_")),
                    None => (self.name(domain), String::new()),
                };
                let tail = if tail.is_empty() { tail } else { format!("__{tail}") };
                format!("{}{tail}", head.replace('.', "__")).to_ascii_uppercase()
            }
        }
    }
}

impl Draft {
    /// The environment that is read from and written to has the domain's name.
    pub fn environment(&self) -> String {
        self.domain.to_ascii_lowercase()
    }

    pub fn of(&self, target: &Target) -> Option<&Setting> {
        self.settings.iter().find(|setting| setting.target == *target)
    }

    /// The `.env`: keys of the domain without variables. `notes` has a comment for some of them.
    pub fn env_file(&self, head: &str, notes: &[(String, String)]) -> String {
        let mut text = format!("{head}\n");
        for (name, setting) in self.of_domain() {
            let Some(value) = in_env_file(setting) else { continue };
            if let Some((_, note)) = notes.iter().find(|(key, _)| *key == name) {
                text.push_str(&format!("# To do: {note}\n"));
            }
            text.push_str(&format!("{name}='{value}'\n"));
        }
        let set = |name: &str| self.settings.iter().any(|it| it.target.name(&self.domain) == name);
        for (name, note) in
            notes.iter().filter(|(name, _)| !set(name) && keys::named(name).is_some())
        {
            text.push_str(&format!("# To do: {note}\n# {name}=''\n"));
        }
        text
    }

    /// The configuration file: environments, and keys of the domain with variables.
    pub fn toml(&self, head: &str) -> String {
        self.toml_of(head, |_| true)
    }

    fn toml_of(&self, head: &str, keep: fn(&Setting) -> bool) -> String {
        let mut text = format!("{head}\n");
        for (name, setting) in self.of_domain() {
            if in_env_file(setting).is_none() && keep(setting) {
                text.push_str(&format!("{name} = {}\n", toml_value(&setting.values)));
            }
        }
        let environment = self.environment();
        for section in [
            format!("consume.{environment}"),
            format!("consume.{environment}.properties"),
            format!("write.{environment}"),
            format!("write.{environment}.kafka"),
            format!("write.{environment}.kafka.properties"),
        ] {
            let lines: Vec<String> = self
                .settings
                .iter()
                .filter(|setting| keep(setting))
                .filter_map(|setting| match &setting.target {
                    Target::Section { section: of, leaf } if *of == section => {
                        let leaf =
                            if leaf.contains('.') { format!("{leaf:?}") } else { leaf.clone() };
                        Some(format!("{leaf} = {}\n", toml_value(&setting.values)))
                    }
                    Target::Section { .. } | Target::Key(_) | Target::KeyEnv(_) => None,
                })
                .collect();
            // The two environments are there even if nothing is known of them.
            if !lines.is_empty() || section.split('.').count() == 2 {
                text.push_str(&format!("\n[{section}]\n{}", lines.concat()));
            }
        }
        text
    }

    /// What the program does not accept in these files, and which keys it misses. Values that are
    /// known only where the program runs are not looked at.
    pub fn mistakes(&self) -> Vec<Mistake> {
        let is_known = |setting: &Setting| {
            let is_env = setting.target.name("").ends_with("_env");
            !is_env && !setting.values.iter().any(Template::is_open)
        };
        let env_file = self.env_file("", &[]);
        let toml = self.toml_of("", is_known);
        let mistakes = config::check_texts(&self.domain, &env_file, &toml);
        let has = |name: &str| {
            self.settings.iter().any(|setting| {
                let own = setting.target.name(&self.domain);
                own == name || own.strip_suffix("_env") == Some(name)
            })
        };
        mistakes.into_iter().filter(|mistake| mistake.at.is_some() || !has(&mistake.key)).collect()
    }

    /// The keys of the domain in the order of the reference, with their names.
    fn of_domain(&self) -> impl Iterator<Item = (String, &Setting)> {
        keys::ALL.iter().flat_map(|key| {
            let of_key = move |setting: &&Setting| match &setting.target {
                Target::Key(of) | Target::KeyEnv(of) => of == key,
                Target::Section { .. } => false,
            };
            let settings = self.settings.iter().filter(of_key);
            settings.map(|setting| (setting.target.name(&self.domain), setting))
        })
    }
}

/// The value between single quotes of the `.env`; `None` where it belongs into the other file.
fn in_env_file(setting: &Setting) -> Option<&str> {
    let [value] = &setting.values[..] else { return None };
    let text = value.as_plain().filter(|_| matches!(setting.target, Target::Key(_)))?;
    let fits = !text.contains(['\'', '\\']) && !text.contains(char::is_control);
    fits.then_some(text)
}

fn toml_value(values: &[Template]) -> String {
    let texts = values.iter().map(|value| {
        let text = value.written().unwrap_or_default();
        toml::Value::String(text).to_string()
    });
    let texts: Vec<String> = texts.collect();
    match &texts[..] {
        [text] => text.clone(),
        texts => format!("[{}]", texts.join(", ")),
    }
}
