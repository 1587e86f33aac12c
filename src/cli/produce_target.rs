//! Where `produce` publishes.

use super::failure::{Exit, Failure};
use crate::config::{Broker, Settings};

/// The broker to write to, unless it is protected or not there.
pub fn target(to: Option<&str>, settings: &Settings) -> Result<String, Failure> {
    let consume = &settings.consume;
    let environment = &consume.environment;
    if let Some(named) = to.filter(|named| *named != environment) {
        let what = format!("--to {named}, but {} reads from {environment}", settings.domain);
        let hint = format!("set CONSUME_ENV_{}={named}, or leave --to out", settings.domain);
        return Err(Failure::new(Exit::Usage, what).hint(hint));
    }
    if consume.protected && to.is_none() {
        let what = format!("the environment {environment} is protected");
        let hint = format!("name it to write to it: --to {environment}");
        return Err(Failure::new(Exit::Usage, what).hint(hint));
    }
    match &consume.broker {
        Broker::Servers(servers) => Ok(servers.clone()),
        Broker::Embedded => {
            let what = "the embedded broker lives inside `run` alone, so nothing can be sent to it";
            let domain = &settings.domain;
            let hint = format!(
                "`generic-consumer {domain} --events FILE` fills it with your events; to publish, \
                 name an environment with a broker: CONSUME__DEV__BOOTSTRAP_SERVERS=localhost:9092 \
                 and CONSUME_ENV_{domain}=dev"
            );
            Err(Failure::new(Exit::Configuration, what).hint(hint))
        }
    }
}
