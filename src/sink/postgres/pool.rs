//! Connections to the server: a bounded pool, whose connections are given back only when nothing is
//! under way on them.

use std::ops::Deref;
use std::time::Duration;

use deadpool_postgres::{Hook, Manager, ManagerConfig, Object, Pool, RecyclingMethod, Runtime};
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres::{Config, NoTls};

use super::errors::PgError;
use super::tls;
use crate::config::PostgresServer;
use crate::stop::Stop;

/// How long connecting may take.
const CONNECT: Duration = Duration::from_secs(10);

/// What every connection begins with. A statement that waits longer than this, for a lock or for the
/// disk, is given up by the server; so is a transaction whose client is frozen.
const SESSION: &str = "SET standard_conforming_strings = on; SET lock_timeout = '20s'; \
                       SET statement_timeout = '50s'; \
                       SET idle_in_transaction_session_timeout = '60s'; \
                       SET client_encoding = 'UTF8'; SET DateStyle = 'ISO'; SET TimeZone = 'UTC'";

/// The connections of an instance.
#[derive(Clone)]
pub struct Connections(Pool);

impl Connections {
    /// Opens none yet. `proxy` is where a proxy of the server listens, `host:port` or a folder of
    /// sockets; it is asked in the server's place.
    pub fn new(server: &PostgresServer, proxy: Option<&str>) -> Result<Self, Stop> {
        let hint = "check the write environment's `postgres` section";
        let mut config: Config =
            server.url.expose().parse().map_err(|error: tokio_postgres::Error| {
                Stop::new("read the URL of PostgreSQL", hint, error)
            })?;
        if let Some(proxy) = proxy {
            config = through(&config, proxy);
        }
        if let Some(user) = &server.user {
            config.user(user);
        }
        if let Some(password) = &server.password {
            config.password(password.expose());
        }
        config
            .application_name("generic-consumer")
            .connect_timeout(CONNECT)
            .tcp_user_timeout(Duration::from_secs(30))
            .keepalives_idle(Duration::from_secs(30))
            .ssl_mode(tls::asked(&server.tls));
        let recycling = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        // A socket has no name for a certificate to be checked against, and stays on this machine.
        let is_socket = matches!(config.get_hosts(), [Host::Unix(_)]);
        let manager = match is_socket {
            true => {
                config.ssl_mode(SslMode::Disable);
                Manager::from_config(config, NoTls, recycling)
            }
            false => Manager::from_config(config, tls::connector(&server.tls)?, recycling),
        };
        let set_up = Hook::async_fn(|client: &mut deadpool_postgres::ClientWrapper, _| {
            Box::pin(async move {
                client.batch_execute(SESSION).await.map_err(deadpool_postgres::HookError::Backend)
            })
        });
        let pool = Pool::builder(manager)
            .max_size(server.connections)
            .post_create(set_up)
            .runtime(Runtime::Tokio1)
            .create_timeout(Some(CONNECT))
            .build()
            .map_err(|error| Stop::new("set up connections to PostgreSQL", hint, error))?;
        Ok(Self(pool))
    }

    /// Waits until one of the pool's connections is free.
    pub async fn get(&self) -> Result<Connection, PgError> {
        self.0.get().await.map(|object| Connection(Some(object))).map_err(PgError::pool)
    }
}

/// The same database as the same user, at another address.
fn through(config: &Config, proxy: &str) -> Config {
    let mut through = Config::new();
    if let Some(user) = config.get_user() {
        through.user(user);
    }
    if let Some(password) = config.get_password() {
        through.password(password);
    }
    if let Some(database) = config.get_dbname() {
        through.dbname(database);
    }
    if let Some(options) = config.get_options() {
        through.options(options);
    }
    match proxy.rsplit_once(':') {
        Some((host, port)) if !proxy.starts_with('/') && port.parse::<u16>().is_ok() => {
            through.host(host).port(port.parse().unwrap_or(5_432));
        }
        _ => _ = through.host(proxy),
    }
    through
}

/// How long an operation may take. The server gives a statement up before.
const ANSWER: Duration = Duration::from_secs(60);

/// What comes of an operation, unless there is no answer in time.
pub(super) async fn within<T>(
    operation: &'static str,
    of: impl Future<Output = Result<T, PgError>>,
) -> Result<T, PgError> {
    let answer = tokio::time::timeout(ANSWER, of).await;
    answer.map_err(|_| PgError::NoAnswer { operation })?
}

/// A connection that is closed when it is dropped, so that a transaction that was begun on it ends
/// with whoever began it, unless it is given back.
pub struct Connection(Option<Object>);

impl Connection {
    /// Gives the connection back to the pool: nothing is under way on it.
    pub fn give_back(mut self) {
        drop(self.0.take());
    }
}

impl Deref for Connection {
    type Target = Object;

    #[expect(clippy::expect_used, reason = "it is taken by give_back and drop alone, which end it")]
    fn deref(&self) -> &Object {
        self.0.as_ref().expect("a connection")
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        if let Some(object) = self.0.take() {
            drop(Object::take(object));
        }
    }
}
