//! Arguments → settings → run → flush telemetry.

fn main() {}
