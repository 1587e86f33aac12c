//! Properties of the layers: whichever layers set a key, the right value wins.

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use super::*;

/// The layers that a test can write to, in ascending precedence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Where {
    EnvFile,
    Toml,
    Yaml,
    LaterToml,
    Environment,
}

const LAYERS: [Where; 5] =
    [Where::EnvFile, Where::Toml, Where::Yaml, Where::LaterToml, Where::Environment];

/// A key: its forms in descending precedence, and how to get its value from the settings.
struct Subject {
    forms: &'static [&'static str],
    get: fn(&Settings) -> String,
}

const SUBJECTS: &[Subject] = &[
    Subject {
        forms: &["GROUP_ID_DELIVERY", "GROUP_ID"],
        get: |settings| settings.consume.group_id.clone(),
    },
    Subject {
        forms: &["IMPORT_OBJECT_DELIVERY", "IMPORT_OBJECT"],
        get: |settings| settings.contract.import_object.clone(),
    },
    Subject {
        forms: &["BQ_TABLE_DELIVERY", "BQ_TABLE"],
        get: |settings| bigquery(settings).table.table.clone(),
    },
    Subject {
        forms: &["CONSUME__PROD__BOOTSTRAP_SERVERS"],
        get: |settings| match &settings.consume.broker {
            Broker::Servers(servers) => servers.clone(),
            Broker::Embedded => "embedded".to_owned(),
        },
    },
    Subject {
        forms: &["CONSUME__PROD__PROPERTIES__SASL_USERNAME"],
        get: |settings| settings.consume.properties["sasl.username"].expose().to_owned(),
    },
    Subject {
        forms: &["WRITE__PROD__PROJECT"],
        get: |settings| bigquery(settings).table.project.clone(),
    },
];

/// A place where a subject is set: one form of its key in one layer.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Spot {
    form: usize,
    layer: Where,
}

/// Writes a key to a layer in the syntax of that layer, in files also as a table.
fn write(sources: &mut Sources, layer: Where, key: &str, value: &str, as_table: bool) {
    let path = key.to_lowercase().replace("__", ".");
    let leaf = path.rsplit('.').next().unwrap_or_default().to_owned();
    let dotted = match path.split_once("properties.") {
        Some((head, property)) => format!("{head}properties.\"{}\"", property.replace('_', ".")),
        None => path.clone(),
    };
    let table = as_table && path.contains('.');
    let file = match layer {
        Where::EnvFile => return sources.env_file.push_str(&format!("{key}='{value}'\n")),
        Where::Environment => {
            sources.variables.insert(key.into(), value.into());
            return;
        }
        Where::Toml => 0,
        Where::Yaml => 1,
        Where::LaterToml => 2,
    };
    let line = match layer {
        Where::Yaml if table => {
            let mut text = String::new();
            for (depth, part) in path.split('.').enumerate() {
                text.push_str(&format!("{}{part}:", "  ".repeat(depth)));
                text.push_str(if part == leaf { " " } else { "\n" });
            }
            format!("{text}{value}\n")
        }
        Where::Yaml => format!("{key}: {value}\n"),
        _ if table => format!("{dotted} = \"{value}\"\n"),
        _ => format!("{key} = \"{value}\"\n"),
    };
    sources.files[file].1.push_str(&line);
}

/// A value for a key that no other spot has.
fn value(key: &str, number: usize) -> String {
    if key.ends_with("SERVERS") { format!("text{number}:9092") } else { format!("text{number}") }
}

prop_compose! {
    /// At least one spot for every subject.
    fn assignment()(
        spots in vec(
            btree_map((0..2usize, select(LAYERS.to_vec())), any::<bool>(), 1..10),
            SUBJECTS.len(),
        ),
        order in subsequence((0..SUBJECTS.len()).collect::<Vec<_>>(), SUBJECTS.len()).prop_shuffle(),
    ) -> Vec<(usize, Spot, bool)> {
        let mut all = Vec::new();
        for subject in order {
            for ((form, layer), as_table) in &spots[subject] {
                let form = form % SUBJECTS[subject].forms.len();
                if !all.iter().any(|(s, spot, _)| (*s, spot) == (subject, &Spot { form, layer: *layer })) {
                    all.push((subject, Spot { form, layer: *layer }, *as_table));
                }
            }
        }
        all
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// `BASE_DOMAIN` in any layer wins over `BASE` in any layer, and of one form the strongest layer
    /// wins. `config` shows the place of the value that won.
    #[test]
    fn the_right_spot_wins(spots in assignment()) {
        let mut sources = Sources::default()
            .env("IMPORT_PATH='a.b'\nCONSUME_ENV=prod\nWRITE_ENV=prod\nWRITE__PROD__DATASET=d")
            .file("a.toml", "")
            .file("b.yaml", "")
            .file("c.toml", "");
        // Two YAML tables of one section would repeat its name, so at most one is written.
        let mut yaml_table = false;
        for (number, (subject, spot, as_table)) in spots.iter().enumerate() {
            let key = SUBJECTS[*subject].forms[spot.form];
            let as_table = *as_table && !(spot.layer == Where::Yaml && yaml_table);
            yaml_table |= as_table && spot.layer == Where::Yaml && key.contains("__");
            write(&mut sources, spot.layer, key, &value(key, number), as_table);
        }
        let loaded = sources.load();
        prop_assert!(loaded.is_ok(), "{}", loaded.unwrap_err());
        let loaded = loaded.unwrap();
        for (index, subject) in SUBJECTS.iter().enumerate() {
            let winner = spots
                .iter()
                .enumerate()
                .filter(|(_, (of, ..))| *of == index)
                .min_by_key(|(_, (_, spot, _))| (spot.form, std::cmp::Reverse(spot.layer)));
            let (number, (_, spot, _)) = winner.expect("each subject has a spot");
            let expected = value(subject.forms[spot.form], number);
            prop_assert_eq!((subject.get)(&loaded.settings), expected.clone());
            let shown = loaded.resolved.iter().find(|resolved| resolved.value == expected);
            let shown = shown.expect("every value that wins is shown");
            let place = shown.place.to_string();
            let right = match spot.layer {
                Where::EnvFile => place.starts_with(".env:"),
                Where::Toml => place.starts_with("a.toml:"),
                Where::Yaml => place.starts_with("b.yaml:"),
                Where::LaterToml => place.starts_with("c.toml:"),
                Where::Environment => place == format!("variable {}", subject.forms[spot.form]),
            };
            prop_assert!(right, "{} is shown at {place}", subject.forms[spot.form]);
            // The shown line contains the text.
            let text = match spot.layer {
                Where::EnvFile => Some(&sources.env_file),
                Where::Toml => Some(&sources.files[0].1),
                Where::Yaml => Some(&sources.files[1].1),
                Where::LaterToml => Some(&sources.files[2].1),
                Where::Environment => None,
            };
            if let (Some(text), Some((_, line))) = (text, place.rsplit_once(':')) {
                let line: usize = line.parse().expect("a line");
                let line = text.lines().nth(line - 1).unwrap_or_default();
                prop_assert!(line.contains(&expected), "{place} is {line:?}");
            }
        }
    }

    /// Keys of other domains in a shared file do not change the settings of this one.
    #[test]
    fn keys_of_other_domains_are_ignored(
        others in vec(("[A-Z][A-Z0-9]{0,8}(_[A-Z0-9]{1,5})?", "[ -&(-\\[\\]-~]{0,20}"), 0..20),
        key in select(keys::ALL.iter().map(|key| key.base).collect::<Vec<_>>()),
    ) {
        let mut sources = Sources::valid();
        let mut taken = std::collections::BTreeSet::new();
        for (domain, value) in others {
            let own = domain == "DELIVERY" || domain.ends_with("_DELIVERY");
            if !own && taken.insert(domain.clone()) {
                sources = sources.env(&format!("{key}_{domain}='{value}'"));
            }
        }
        let loaded = sources.load();
        prop_assert!(loaded.is_ok(), "{}", loaded.unwrap_err());
        prop_assert_eq!(loaded.unwrap().resolved, Sources::valid().load().unwrap().resolved);
    }
}
