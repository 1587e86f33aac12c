//! The REST side: datasets, tables with etags, rows listed, legacy streaming inserts.

mod answer;
mod datasets;
mod insert_all;
mod list;
mod tables;

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::Uri;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};

use super::faults::{Fault, Faults};
use super::store::Store;
use answer::No;
use insert_all::Recent;

#[derive(Clone)]
struct Shared {
    store: Arc<Store>,
    recent: Arc<Recent>,
}

/// What is behind the longest request BigQuery takes: `insertAll` with 10 MB, and some room so that
/// our answer says so.
const LARGEST_BODY: usize = 32 << 20;

pub fn router(store: Arc<Store>, faults: Arc<Faults>) -> Router {
    let datasets = "/projects/{project}/datasets";
    let dataset = "/projects/{project}/datasets/{dataset}";
    let tables = "/projects/{project}/datasets/{dataset}/tables";
    let table = "/projects/{project}/datasets/{dataset}/tables/{table}";
    let api = Router::new()
        .route(datasets, get(datasets::list).post(datasets::insert))
        .route(
            dataset,
            get(datasets::get)
                .put(datasets::update)
                .patch(datasets::patch)
                .delete(datasets::delete),
        )
        .route(tables, get(tables::list).post(tables::insert))
        .route(
            table,
            get(tables::get).put(tables::update).patch(tables::patch).delete(tables::delete),
        )
        .route(&format!("{table}/data"), get(list::list))
        .route(&format!("{table}/insertAll"), post(insert_all::insert_all))
        .with_state(Shared { store, recent: Arc::default() });
    Router::new()
        .nest("/bigquery/v2", api)
        .fallback(unknown)
        .layer(DefaultBodyLimit::max(LARGEST_BODY))
        .layer(from_fn_with_state(faults, fail))
}

async fn unknown(uri: Uri) -> No {
    No::unimplemented(format!(
        "The embedded BigQuery has no {}: it keeps datasets, tables and rows, and runs no SQL.",
        uri.path()
    ))
}

/// The faults of REST calls.
async fn fail(State(faults): State<Arc<Faults>>, request: Request, next: Next) -> Response {
    let unavailable = || No::new(503, "backendError", "injected fault").into_response();
    if faults.strikes(Fault::Rest).is_some() {
        return unavailable();
    }
    let response = next.run(request).await;
    if faults.strikes(Fault::RestLost).is_some() { unavailable() } else { response }
}

#[derive(serde::Deserialize)]
struct InDataset {
    project: String,
    dataset: String,
}

impl InDataset {
    /// As the store names it.
    fn id(&self) -> String {
        format!("{}.{}", self.project, self.dataset)
    }

    fn missing(&self) -> No {
        No::not_found(format!("Not found: Dataset {}:{}", self.project, self.dataset))
    }
}

#[derive(serde::Deserialize)]
struct InTable {
    project: String,
    dataset: String,
    table: String,
}

impl InTable {
    /// As the store names it.
    fn id(&self) -> String {
        format!("{}.{}.{}", self.project, self.dataset, self.table)
    }

    /// As messages name it.
    fn shown(&self) -> String {
        format!("{}:{}.{}", self.project, self.dataset, self.table)
    }

    fn missing(&self) -> No {
        No::not_found(format!("Not found: Table {}", self.shown()))
    }
}
