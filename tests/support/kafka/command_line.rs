//! Kafka's own tools under their usual names, for commands that a person would type.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::jars;

/// The tools, and the classes that they are.
const TOOLS: [(&str, &str); 2] = [
    ("kafka-topics", "org.apache.kafka.tools.TopicCommand"),
    ("kafka-consumer-groups", "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand"),
];

/// Writes them into a folder.
pub fn install(folder: &Path) {
    let (broker, tools) = (jars::broker(), jars::tools());
    for (name, class) in TOOLS {
        let text = format!(
            "#!/bin/sh\nexec java -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Dorg.slf4j.simpleLogger.defaultLogLevel=error \
             -cp '{}/*:{}/*' {class} \"$@\"\n",
            broker.display(),
            tools.display()
        );
        let path = folder.join(name);
        std::fs::write(&path, text).expect("written");
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).expect("set");
    }
}
