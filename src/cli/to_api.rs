//! Made-up events on their way to an event API.

use std::path::Path;
use std::time::{Duration, Instant};

use reqwest::header::{CONTENT_TYPE, RETRY_AFTER};
use reqwest::redirect::Policy;
use reqwest::{Client, Response, StatusCode, Url};
use serde_json::Value;

use super::failure::{Exit, Failure};
use super::sent::Sent;
use crate::config::Secret;
use crate::record::UnsentRecord;
use crate::shutdown::Shutdown;

/// How long the API may accept nothing before the command gives up.
const SILENCE: Duration = Duration::from_secs(60);

/// When to try again, where the API does not say.
const PAUSE: Duration = Duration::from_secs(1);

/// The longest pause that the API may ask for.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// The variable with the token.
const TOKEN: &str = "GENERIC_CONSUMER_API_TOKEN";

/// Posts events to an API.
pub struct ToApi {
    url: String,
    client: Client,
    token: Option<Secret>,
    shutdown: Shutdown,
}

/// What an answer means for the events of its request.
enum Answer {
    /// How many are published, and the others with why they are refused.
    Done(u64, Vec<String>),
    /// How many are published, and the indices of those to send again after a pause.
    Again(u64, Vec<usize>, Duration),
}

impl ToApi {
    pub fn new(url: &str, token_file: Option<&Path>, shutdown: Shutdown) -> Result<Self, Failure> {
        let mut url: Url = url.parse().map_err(|error| {
            Failure::new(Exit::Usage, "--to-api is not a URL").source(Box::new(error))
        })?;
        if url.path() == "/" {
            url.set_path("/v1/events");
        }
        // One that is refused does not keep the others from being published.
        url.set_query(Some("partial=true"));
        let token = match token_file {
            Some(file) => {
                let read = std::fs::read_to_string(file).map_err(|error| {
                    Failure::new(Exit::Usage, format!("read {}", file.display())).source(error)
                })?;
                let mut lines = read.lines().map(str::trim);
                lines.find(|line| !line.is_empty() && !line.starts_with('#')).map(Secret::new)
            }
            None => std::env::var(TOKEN).ok().map(|token| Secret::new(token.trim())),
        };
        let client = Client::builder().redirect(Policy::none()).timeout(SILENCE).build();
        let client = client
            .map_err(|error| Failure::new(Exit::Stopped, "make an HTTP client").source(error))?;
        Ok(Self { url: url.into(), client, token, shutdown })
    }

    /// Where events go, for people.
    pub fn place(&self) -> String {
        self.url.split('?').next().unwrap_or_default().to_owned()
    }

    /// Returns once each event is published or refused.
    pub async fn send(
        &self,
        mut events: Vec<UnsentRecord>,
        sent: &mut Sent,
    ) -> Result<(), Failure> {
        // Events of one request share their headers.
        while !events.is_empty() {
            let headers = events[0].headers.clone();
            let (now, later) = events.into_iter().partition(|event| event.headers == headers);
            self.send_all(now, sent).await?;
            events = later;
        }
        Ok(())
    }

    async fn send_all(
        &self,
        mut events: Vec<UnsentRecord>,
        sent: &mut Sent,
    ) -> Result<(), Failure> {
        let mut since = Instant::now();
        let mut waited = false;
        while !events.is_empty() {
            let (published, again, pause) = match self.post(&events).await? {
                Answer::Done(published, refused) => {
                    sent.published += published;
                    sent.refused += refused.len() as u64;
                    for why in refused {
                        tracing::warn!(why, "an event was refused");
                    }
                    return Ok(());
                }
                Answer::Again(published, again, pause) => (published, again, pause),
            };
            sent.published += published;
            if published > 0 {
                since = Instant::now();
            }
            if since.elapsed() > SILENCE {
                let what = format!("{} accepted nothing for {} s", self.place(), SILENCE.as_secs());
                let hint = "its log and /readyz say why";
                return Err(Failure::stopped(what, hint));
            }
            if !waited {
                waited = true;
                let seconds = pause.as_secs_f64();
                tracing::warn!(events = again.len(), seconds, "the API asks to try again later");
            }
            let mut index = 0;
            events.retain(|_| {
                index += 1;
                again.contains(&(index - 1))
            });
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                // What was not accepted is not sent.
                () = self.shutdown.wait() => return Ok(()),
            }
        }
        Ok(())
    }

    async fn post(&self, events: &[UnsentRecord]) -> Result<Answer, Failure> {
        let values = events.iter().map(|event| event.value.as_deref().unwrap_or_default());
        let body = values.collect::<Vec<_>>().join(&b'\n');
        let mut request = self.client.post(&self.url).header(CONTENT_TYPE, "application/x-ndjson");
        if let Some(token) = &self.token {
            request = request.bearer_auth(token.expose());
        }
        for (name, value) in events.iter().take(1).flat_map(|event| &event.headers) {
            request = request.header(name, value.as_deref().unwrap_or_default());
        }
        let all = || (0..events.len()).collect();
        match request.body(body).send().await {
            Ok(response) => self.read(response, all()).await,
            Err(error) if error.is_builder() => {
                Err(Failure::stopped(format!("post to {}", self.place()), "--to-api names the API")
                    .source(error))
            }
            Err(error) => {
                let error = crate::error_chain::chain(&error);
                tracing::warn!(error, "the API does not answer");
                Ok(Answer::Again(0, all(), PAUSE))
            }
        }
    }

    async fn read(&self, response: Response, all: Vec<usize>) -> Result<Answer, Failure> {
        let status = response.status();
        let pause = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
        let pause = pause.and_then(|text| text.parse().ok()).map_or(PAUSE, Duration::from_secs);
        let pause = pause.min(LONGEST_PAUSE);
        let body: Value = response.json().await.unwrap_or_default();
        let events: Vec<&Value> = body["events"].as_array().into_iter().flatten().collect();
        let with = |wanted: u16| events.iter().filter(move |event| event["status"] == wanted);
        match status {
            StatusCode::ACCEPTED => Ok(Answer::Done(all.len() as u64, Vec::new())),
            StatusCode::TOO_MANY_REQUESTS => Ok(Answer::Again(0, all, pause)),
            StatusCode::SERVICE_UNAVAILABLE if events.is_empty() => {
                Ok(Answer::Again(0, all, pause))
            }
            // An event of unknown outcome is sent again: it may be on the topic twice.
            StatusCode::SERVICE_UNAVAILABLE => {
                let indices = with(503).filter_map(|event| event["index"].as_u64());
                let again = indices.map(|index| index as usize).collect();
                Ok(Answer::Again(with(202).count() as u64, again, pause))
            }
            StatusCode::MULTI_STATUS | StatusCode::UNPROCESSABLE_ENTITY => {
                let why = with(422).map(|event| {
                    let text = |name: &str| event[name].as_str().unwrap_or_default().to_owned();
                    format!("{}: {}", text("reason"), text("detail"))
                });
                Ok(Answer::Done(with(202).count() as u64, why.collect()))
            }
            _ => {
                let detail = body["detail"].as_str().unwrap_or("the answer has no detail");
                let what = format!("{} answered {status}: {detail}", self.place());
                let hint = match status {
                    StatusCode::UNAUTHORIZED => {
                        "--token-file, or the variable GENERIC_CONSUMER_API_TOKEN, has the token"
                    }
                    _ => "--to-api names the address of an event API: http://127.0.0.1:8080",
                };
                Err(Failure::stopped(what, hint))
            }
        }
    }
}
