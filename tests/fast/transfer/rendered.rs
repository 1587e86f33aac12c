//! The transfers that `kustomize/` has: the program reads the file that their pods get, in the environment
//! of their cluster, and compiles their contract.

use std::path::{Path, PathBuf};

use generic_consumer::app::transfer_domain;
use generic_consumer::config::{Inputs, Variables, load_transfer};
use generic_consumer::remote::Fetcher;

/// The folders of all transfers: `kustomize/overlays/<cluster>/transfers/transfer-<name>`.
fn folders() -> Vec<PathBuf> {
    let overlays = Path::new(env!("CARGO_MANIFEST_DIR")).join("kustomize/overlays");
    let entries = |folder: &Path| -> Vec<PathBuf> {
        let read = std::fs::read_dir(folder).into_iter().flatten();
        read.map(|entry| entry.expect("an entry").path()).collect()
    };
    entries(&overlays).iter().flat_map(|cluster| entries(&cluster.join("transfers"))).collect()
}

/// The variables of the pods of a cluster, without the secret ones.
fn variables(transfer: &Path) -> Vec<(String, String)> {
    let file = transfer.join("../../_transfer/kustomization.yaml");
    let text = std::fs::read_to_string(file).expect("the component of the transfers");
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let pair = |lines: &[&str]| {
        let value = lines[1].strip_prefix("value: ")?.trim_matches('"');
        Some((lines[0].strip_prefix("- name: ")?.to_owned(), value.to_owned()))
    };
    lines.windows(2).filter_map(pair).collect()
}

#[tokio::test]
async fn the_program_reads_each_rendered_transfer() {
    let folders = folders();
    // The flake's build of the program does not see kustomize/, so that a deployment does not rebuild it.
    if !Path::new(env!("CARGO_MANIFEST_DIR")).join("kustomize").exists() {
        return;
    }
    assert!(folders.len() >= 4, "{folders:?}");
    for folder in folders {
        let files = folder.join("files");
        let name = folder.file_name().and_then(|name| name.to_str()).expect("a name");
        let name = name.strip_prefix("transfer-").expect("transfer-<name>");
        // As in the pod: its working directory has these files, and the environments are elsewhere.
        let environments = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/environments.toml");
        let mut inputs = Inputs::at(&files)
            .file(environments)
            .transfer_file(files.join("transfer.toml"))
            .variable("CONTRACTS_DIR", files.join("contracts"));
        let given = variables(&folder);
        assert!(given.iter().any(|(name, _)| name == "WRITE_ENV"), "{given:?}");
        for (variable, value) in given {
            inputs = inputs.variable(variable, value);
        }
        let settings = load_transfer(name, &inputs, &mut |_, _, _| Vec::new());
        let settings = settings.unwrap_or_else(|mistakes| panic!("{folder:?}: {mistakes}"));
        let domain = transfer_domain(&settings, &Fetcher::new(Variables::new())).await;
        let domain = domain.unwrap_or_else(|error| panic!("{folder:?}: {error}"));
        domain.plan(&domain.columns).unwrap_or_else(|error| panic!("{folder:?}: {error}"));
        let has = |column: &String| domain.columns.columns.iter().any(|one| one.name == *column);
        assert!(settings.key.iter().chain(&settings.date_column).all(has), "{folder:?}");
    }
}
