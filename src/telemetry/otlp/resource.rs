//! What this process is, by the semantic conventions: the attributes of all that it sends.

use opentelemetry::KeyValue;
use opentelemetry_sdk::Resource;

use crate::config::Settings;

/// What is known of the process besides the variables.
#[derive(Debug, Clone, Copy, Default)]
pub struct Service<'a> {
    pub domain: Option<&'a str>,
    /// The environment that is written to.
    pub environment: Option<&'a str>,
}

impl<'a> Service<'a> {
    /// An instance of a domain.
    pub fn of(settings: &'a Settings) -> Self {
        let environment = Some(settings.write.environment.as_str());
        Self { domain: Some(&settings.domain), environment }
    }
}

/// The resource. What the variables say wins.
pub(super) fn of(service: &Service<'_>, attributes: &[(String, String)]) -> Resource {
    let known = [
        ("service.name", Some("generic-consumer".to_owned())),
        ("service.version", Some(env!("CARGO_PKG_VERSION").to_owned())),
        ("service.instance.id", Some(instance())),
        ("deployment.environment.name", service.environment.map(str::to_owned)),
        ("generic_consumer.domain", service.domain.map(str::to_owned)),
        ("telemetry.sdk.name", Some("opentelemetry".to_owned())),
        ("telemetry.sdk.language", Some("rust".to_owned())),
    ];
    let is_set = |name: &str| attributes.iter().any(|(set, _)| set == name);
    let known = known.into_iter().filter(|(name, _)| !is_set(name));
    let known = known.filter_map(|(name, value)| Some(KeyValue::new(name, value?)));
    let set = attributes.iter().map(|(name, value)| KeyValue::new(name.clone(), value.clone()));
    Resource::builder_empty().with_attributes(known.chain(set)).build()
}

/// A UUID of version 4, as the conventions recommend.
fn instance() -> String {
    let random: u128 = rand::random();
    let bits = random & !(0xf << 76) & !(0b11 << 62) | 4 << 76 | 0b10 << 62;
    let text = format!("{bits:032x}");
    format!("{}-{}-{}-{}-{}", &text[..8], &text[8..12], &text[12..16], &text[16..20], &text[20..])
}

#[cfg(test)]
mod tests {
    use opentelemetry::Key;

    use super::*;

    #[test]
    fn what_the_variables_say_wins() {
        let service = Service { domain: Some("DELIVERY"), environment: Some("prod") };
        let set = [("service.name".to_owned(), "deliveries".to_owned())];
        let resource = of(&service, &set);
        let value = |name: &'static str| resource.get(&Key::new(name)).map(|it| it.to_string());
        assert_eq!(value("service.name").as_deref(), Some("deliveries"));
        assert_eq!(value("deployment.environment.name").as_deref(), Some("prod"));
        assert_eq!(value("generic_consumer.domain").as_deref(), Some("DELIVERY"));
        let id = value("service.instance.id").expect("an id");
        let parts: Vec<usize> = id.split('-').map(str::len).collect();
        assert_eq!(parts, [8, 4, 4, 4, 12], "{id}");
        assert_eq!(&id[14..15], "4", "{id}");
        assert!("89ab".contains(&id[19..20]), "{id}");
        assert_ne!(id, instance());
    }
}
