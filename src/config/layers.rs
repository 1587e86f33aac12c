//! All layers, merged by figment. Figment gets only the texts; the layers keep the places.

use figment::value::{Dict, Map, Value};
use figment::{Figment, Metadata, Profile, Provider, Source};

use super::layer::{Layer, LayerKind, RawSetting};

/// All layers, in ascending precedence.
pub struct Layers {
    layers: Vec<Layer>,
    figment: Figment,
}

/// Gives figment the texts of one layer, with the layer's index as their source.
struct Texts<'a> {
    index: usize,
    layer: &'a Layer,
}

impl Provider for Texts<'_> {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.layer.kind.to_string()).source(Source::Custom(self.index.to_string()))
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        let mut dict = Dict::new();
        for (path, setting) in &self.layer.settings {
            let path: Vec<&str> = path.split('.').collect();
            insert(&mut dict, &path, &setting.text);
        }
        Ok(Profile::Default.collect(dict))
    }
}

fn insert(dict: &mut Dict, path: &[&str], text: &str) {
    match path {
        [] => {}
        [leaf] => {
            dict.insert((*leaf).to_owned(), Value::from(text));
        }
        [head, rest @ ..] => {
            let inner = dict.entry((*head).to_owned()).or_insert_with(|| Value::from(Dict::new()));
            if let Value::Dict(_, inner) = inner {
                insert(inner, rest, text);
            }
        }
    }
}

impl Layers {
    pub fn new(layers: Vec<Layer>) -> Self {
        let figment = layers
            .iter()
            .enumerate()
            .fold(Figment::new(), |figment, (index, layer)| figment.merge(Texts { index, layer }));
        Self { layers, figment }
    }

    /// The setting at a path in the strongest layer that has one.
    pub fn find(&self, path: &str) -> Option<&RawSetting> {
        let value = self.figment.find_value(path).ok()?;
        let index: usize =
            self.figment.get_metadata(value.tag())?.source.as_ref()?.custom()?.parse().ok()?;
        self.layers.get(index)?.settings.get(path)
    }

    /// The settings of the layers of one kind, with their paths.
    pub fn settings_of(&self, kind: LayerKind) -> impl Iterator<Item = (&str, &RawSetting)> {
        let layers = self.layers.iter().filter(move |layer| layer.kind == kind);
        layers.flat_map(|layer| &layer.settings).map(|(path, setting)| (path.as_str(), setting))
    }

    /// The names directly below a path: the properties below `consume.prod.properties`.
    pub fn names(&self, path: &str) -> Vec<String> {
        match self.figment.find_value(path) {
            Ok(Value::Dict(_, dict)) => dict.keys().cloned().collect(),
            _ => Vec::new(),
        }
    }
}
