//! The layers merged by figment, which is fed texts only; the place of each text is kept beside.

use figment::value::{Dict, Map, Value};
use figment::{Figment, Metadata, Profile, Provider, Source};

use super::layer::{Entry, Layer, LayerKind};

/// All layers, the weakest first.
pub struct Layers {
    layers: Vec<Layer>,
    figment: Figment,
}

/// Hands one layer's texts to figment; the layer's number goes along as the source.
struct Texts<'a> {
    number: usize,
    layer: &'a Layer,
}

impl Provider for Texts<'_> {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.layer.kind.to_string()).source(Source::Custom(self.number.to_string()))
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        let mut dict = Dict::new();
        for (path, entry) in &self.layer.entries {
            let path: Vec<&str> = path.split('.').collect();
            insert(&mut dict, &path, &entry.text);
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
        let figment = layers.iter().enumerate().fold(Figment::new(), |figment, (number, layer)| {
            figment.merge(Texts { number, layer })
        });
        Self { layers, figment }
    }

    /// The strongest layer's text under a path, with its place.
    pub fn find(&self, path: &str) -> Option<(LayerKind, &Entry)> {
        let value = self.figment.find_value(path).ok()?;
        let number: usize =
            self.figment.get_metadata(value.tag())?.source.as_ref()?.custom()?.parse().ok()?;
        let layer = self.layers.get(number)?;
        Some((layer.kind, layer.entries.get(path)?))
    }

    /// The names directly under a path: environments under `consume`, properties under
    /// `consume.prod.properties`.
    pub fn names(&self, path: &str) -> Vec<String> {
        match self.figment.find_value(path) {
            Ok(Value::Dict(_, dict)) => dict.keys().cloned().collect(),
            _ => Vec::new(),
        }
    }
}
