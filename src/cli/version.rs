//! What `--version` prints: our version, librdkafka's, and what librdkafka was built with.

use std::sync::LazyLock;

use rdkafka::ClientConfig;
use rdkafka::util::get_rdkafka_version;

/// librdkafka's version: `2.12.1`.
pub fn librdkafka() -> String {
    get_rdkafka_version().1
}

/// librdkafka's features, as it lists them: `gzip,snappy,ssl,…`.
pub fn librdkafka_features() -> String {
    ClientConfig::new()
        .create_native_config()
        .and_then(|native| native.get("builtin.features"))
        .unwrap_or_else(|error| format!("unknown: {error}"))
}

/// The whole text behind the program's name.
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
