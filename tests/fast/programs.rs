//! `nix build` runs these tests in a sandbox, with a shell, the core utilities and little else.

use std::path::Path;

#[test]
fn tests_start_no_program_that_the_sandbox_lacks() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fast");
    let call = concat!("Command::new", "(\"");
    let mut started = 0;
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let file = entry.expect("an entry").path();
        // A folder has no text of its own.
        let Ok(text) = std::fs::read_to_string(&file) else { continue };
        for rest in text.split(call).skip(1) {
            let program = rest.split('"').next().unwrap_or_default();
            assert_eq!(program, "bash", "{} starts it", file.display());
            started += 1;
        }
    }
    assert!(started > 0, "calls are found");
}
