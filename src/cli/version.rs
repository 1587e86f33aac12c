//! The text of `--version`: the versions of this program and of librdkafka, and librdkafka's
//! features.

use std::sync::LazyLock;

use rdkafka::ClientConfig;
use rdkafka::util::get_rdkafka_version;

/// The version of librdkafka: `2.12.1`.
pub fn librdkafka() -> String {
    get_rdkafka_version().1
}

/// The features that librdkafka was built with: `gzip,snappy,ssl,…`.
pub fn librdkafka_features() -> String {
    ClientConfig::new()
        .create_native_config()
        .and_then(|native| native.get("builtin.features"))
        .unwrap_or_else(|error| format!("unknown: {error}"))
}

/// The text that `--version` prints after the program's name.
pub fn text() -> &'static str {
    static TEXT: LazyLock<String> = LazyLock::new(|| {
        format!(
            "{}\nlibrdkafka {} ({})",
            env!("CARGO_PKG_VERSION"),
            librdkafka(),
            librdkafka_features()
        )
    });
    &TEXT
}
