//! The paths of the API.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{MatchedPath, Path, Request, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use axum::http::{Response, StatusCode, Uri};
use axum::middleware::{self, Next};
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Extension, Json, Router};
use tokio::sync::Semaphore;

use super::answers::{AffectedAnswer, ClustersAnswer, ReportAnswer};
use super::caller::{Access, Caller};
use super::paging::Parameters;
use crate::error_chain::chain;
use crate::results::{Reports, StoreError};
use crate::serve::api::problem::{Advice, Problem};
use crate::telemetry::ResultsMetrics;
use crate::telemetry::metrics::RouteLabel;

pub(super) const REPORT: &str = "/api/v1/clusters/{id}/report";
pub(super) const CLUSTERS: &str = "/api/v1/organizations/{org}/clusters";
pub(super) const AFFECTED: &str = "/api/v1/rules/{id}/affected";
pub(super) const OPENAPI: &str = "/openapi.json";

/// All paths, as the metrics name them.
pub(super) const ROUTES: &[&str] = &[REPORT, CLUSTERS, AFFECTED, OPENAPI];

/// Queries at the same time. Others wait, but no longer than this.
pub(super) const MOST_AT_ONCE: usize = 8;
const WAIT: Duration = Duration::from_secs(5);

/// The most organizations that are named where a cluster's id is in several.
const MOST_NAMED: usize = 10;

/// What the routes share.
pub(super) struct Shared {
    pub access: Access,
    /// `None`: the API is switched off.
    pub reports: Option<Reports>,
    pub metrics: ResultsMetrics,
    pub openapi: String,
    pub asking: Semaphore,
}

/// The parameter of a path.
type InPath = Result<Path<String>, PathRejection>;

type Answer = Result<Response<Body>, Problem>;

pub(super) fn router(shared: Arc<Shared>) -> Router {
    Router::new()
        .route(REPORT, get(report))
        .route(CLUSTERS, get(clusters))
        .route(AFFECTED, get(affected))
        .route(OPENAPI, get(openapi))
        .method_not_allowed_fallback(method_not_allowed)
        .fallback(not_found)
        .layer(middleware::from_fn_with_state(shared.clone(), checked))
        .with_state(shared)
}

/// Finds out who asks, and counts the request by its route and status.
async fn checked(
    State(shared): State<Arc<Shared>>,
    mut request: Request,
    next: Next,
) -> Response<Body> {
    let began = Instant::now();
    let path = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
    let route = path.and_then(|path| ROUTES.iter().find(|route| **route == path));
    let route = route.copied().unwrap_or("other");
    let mut response = match shared.access.caller(request.headers()) {
        Ok(caller) => {
            request.extensions_mut().insert(caller);
            next.run(request).await
        }
        Err(problem) => problem.response(),
    };
    // What one caller reads is not for the next one.
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    let label = RouteLabel { route, status: response.status().as_u16() };
    shared.metrics.requests.get_or_create(&label).inc();
    shared.metrics.request_seconds.observe(began.elapsed().as_secs_f64());
    response
}

async fn report(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    id: InPath,
    uri: Uri,
) -> Response<Body> {
    answered(async {
        let id = named(id)?;
        let parameters = Parameters::of(&uri, &["organization"])?;
        if let Some(organization) = &parameters.organization {
            allowed(&caller, organization)?;
        }
        let organization = parameters.organization.or(caller.only().map(str::to_owned));
        let asked = id.clone();
        let query = move |reports: Reports| {
            reports.of_cluster(&asked, organization.as_deref(), MOST_NAMED + 1)
        };
        let found = shared.ask(query).await?;
        match &found[..] {
            [] => Err(no_report(&id)),
            [one] => {
                let answer = ReportAnswer::of(one).map_err(|error| broken(&error))?;
                Ok(Json(answer).into_response())
            }
            several => {
                let named = several.iter().take(MOST_NAMED);
                let named: Vec<&str> = named.map(|one| one.held.organization.as_str()).collect();
                let more = if several.len() > MOST_NAMED { ", …" } else { "" };
                let detail = format!(
                    "say which one is meant with `?organization=`: {}{more}",
                    named.join(", ")
                );
                let title = "several organizations have a cluster with this id";
                Err(Problem::new(StatusCode::CONFLICT, "ambiguous", title, detail))
            }
        }
    })
    .await
}

async fn clusters(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    organization: InPath,
    uri: Uri,
) -> Response<Body> {
    answered(async {
        let organization = named(organization)?;
        allowed(&caller, &organization)?;
        let parameters = Parameters::of(&uri, &["limit", "after"])?;
        let asked = organization.clone();
        let query = move |reports: Reports| {
            let after = parameters.after.as_ref().map(|after| after.cluster.as_str());
            reports.of_organization(&asked, after, parameters.limit())
        };
        let page = shared.ask(query).await?;
        Ok(Json(ClustersAnswer::of(&organization, &page)).into_response())
    })
    .await
}

async fn affected(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    rule: InPath,
    uri: Uri,
) -> Response<Body> {
    answered(async {
        let rule = named(rule)?;
        let parameters = Parameters::of(&uri, &["limit", "after", "organization"])?;
        if let Some(organization) = &parameters.organization {
            allowed(&caller, organization)?;
        }
        let asked = rule.clone();
        let query = move |reports: Reports| {
            let after = parameters.after.as_ref();
            let after = after.map(|after| (after.organization.as_str(), after.cluster.as_str()));
            let organization = parameters.organization.as_deref().or(caller.only());
            reports.affected(&asked, organization, after, parameters.limit())
        };
        let page = shared.ask(query).await?;
        Ok(Json(AffectedAnswer::of(&rule, &page)).into_response())
    })
    .await
}

async fn openapi(State(shared): State<Arc<Shared>>) -> Response<Body> {
    ([(CONTENT_TYPE, "application/json")], shared.openapi.clone()).into_response()
}

async fn answered(answer: impl Future<Output = Answer>) -> Response<Body> {
    answer.await.unwrap_or_else(|problem| problem.response())
}

impl Shared {
    /// Asks the store on a thread that may block.
    async fn ask<T: Send + 'static>(
        &self,
        query: impl FnOnce(Reports) -> Result<Option<T>, StoreError> + Send + 'static,
    ) -> Result<T, Problem> {
        let reports = self.reports.clone().ok_or_else(disabled)?;
        // The semaphore is never closed.
        let place = tokio::time::timeout(WAIT, self.asking.acquire()).await;
        let _place = place.map_err(|_| later("busy", "too many requests at once"))?;
        match tokio::task::spawn_blocking(move || query(reports)).await {
            Ok(Ok(Some(found))) => Ok(found),
            Ok(Ok(None)) => Err(later(
                "incomplete",
                "the topic is being read from its beginning: `/readyz` says when that is done",
            )),
            Ok(Err(error)) => Err(broken(&error)),
            Err(error) => Err(broken(&error)),
        }
    }
}

fn named(path: InPath) -> Result<String, Problem> {
    path.map(|Path(name)| name).map_err(|_| {
        let (title, detail) = ("the path cannot be read", "it is not percent-encoded UTF-8");
        Problem::new(StatusCode::BAD_REQUEST, "bad-path", title, detail)
    })
}

fn allowed(caller: &Caller, organization: &str) -> Result<(), Problem> {
    if caller.may_read(organization) {
        return Ok(());
    }
    let title = "this is another organization";
    let detail = "an identity reads its own organization alone";
    Err(Problem::new(StatusCode::FORBIDDEN, "forbidden", title, detail))
}

fn no_report(id: &str) -> Problem {
    let title = "there is no report of this cluster";
    let detail = format!("no organization that you may read has a report of cluster {id:?}");
    Problem::new(StatusCode::NOT_FOUND, "no-report", title, detail)
}

fn later(kind: &'static str, detail: &str) -> Problem {
    let title = "the reports cannot be read at the moment";
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, kind, title, detail).advice(Advice::Retry)
}

fn disabled() -> Problem {
    let title = "the results are switched off";
    let detail = "DISABLE is set: nothing is read";
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "disabled", title, detail).advice(Advice::Retry)
}

fn broken(error: &dyn std::error::Error) -> Problem {
    tracing::error!(error = chain(error), "a request could not be answered from the store");
    let title = "the store cannot be read";
    let detail = "the log of the process says why";
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "store", title, detail)
}

async fn method_not_allowed() -> Response<Body> {
    Problem::method_not_allowed("GET,HEAD").response()
}

async fn not_found() -> Response<Body> {
    Problem::not_found(format!("the paths are {}", ROUTES.join(", "))).response()
}
