//! The routes of the REST API.

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::Uri;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};

use super::api::ApiError;
use super::insert_all::insert_all;
use super::list_rows::list_rows;
use super::paths::{DatasetPath, TablePath};
use super::resource::{patch, update};
use super::state::RestState;
use super::{datasets, jobs, tables};
use crate::config::Variables;
use crate::local::bigquery::faults::{Faults, InjectedFault};
use crate::local::bigquery::new_tables::NewTables;
use crate::local::bigquery::store::Store;

/// Above the largest request that BigQuery accepts (`insertAll` with 10 MB), so that a larger one
/// gets BigQuery's error and not axum's.
const LARGEST_BODY: usize = 32 << 20;

/// The largest request with a file for a load job. The file is in memory.
const LARGEST_UPLOAD: usize = 1 << 30;

/// The routes. The `variables` name the buckets from which load jobs read.
pub fn router(
    store: Arc<Store>,
    faults: Arc<Faults>,
    new_tables: Arc<NewTables>,
    variables: Variables,
) -> Router {
    let datasets = "/projects/{project}/datasets";
    let dataset = format!("{datasets}/{{dataset}}");
    let tables = format!("{dataset}/tables");
    let table = format!("{tables}/{{table}}");
    let all_jobs = "/projects/{project}/jobs";
    let job = format!("{all_jobs}/{{job}}");
    let uploads = "/upload/bigquery/v2/projects/{project}/jobs";
    let state = RestState {
        store,
        new_tables,
        insert_ids: Arc::default(),
        faults: faults.clone(),
        uploads: Arc::default(),
        objects: Arc::new(jobs::Objects::new(variables)),
    };
    jobs::resume(&state);
    let api = Router::new()
        .route(datasets, get(datasets::list).post(datasets::insert))
        .route(
            &dataset,
            get(datasets::get)
                .put(update::<DatasetPath>)
                .patch(patch::<DatasetPath>)
                .delete(datasets::delete),
        )
        .route(&tables, get(tables::list).post(tables::insert))
        .route(
            &table,
            get(tables::get)
                .put(update::<TablePath>)
                .patch(patch::<TablePath>)
                .delete(tables::delete),
        )
        .route(&format!("{table}/data"), get(list_rows))
        .route(&format!("{table}/insertAll"), post(insert_all))
        .route(all_jobs, get(jobs::list).post(jobs::insert))
        .route(&job, get(jobs::get))
        .route(&format!("{job}/cancel"), post(jobs::cancel))
        .route(&format!("{job}/delete"), delete(jobs::delete))
        .route("/projects/{project}/queries", post(jobs::query))
        .route("/projects/{project}/queries/{job}", get(jobs::get_results))
        .with_state(state.clone());
    let uploads = Router::new()
        .route(uploads, post(jobs::begin).put(jobs::proceed))
        .layer(DefaultBodyLimit::max(LARGEST_UPLOAD))
        .with_state(state);
    Router::new()
        .nest("/bigquery/v2", api)
        .merge(uploads)
        .fallback(unknown)
        .layer(DefaultBodyLimit::max(LARGEST_BODY))
        .layer(from_fn_with_state(faults, inject_faults))
}

async fn unknown(uri: Uri) -> ApiError {
    ApiError::unimplemented(format!(
        "The embedded BigQuery does not implement {}: it has datasets, tables, rows and jobs.",
        uri.path()
    ))
}

/// Fails a call before or after its effect, as the faults say.
async fn inject_faults(
    State(faults): State<Arc<Faults>>,
    request: Request,
    next: Next,
) -> Response {
    let unavailable = || ApiError::new(503, "backendError", "injected fault").into_response();
    if faults.draw(InjectedFault::Rest).is_some() {
        return unavailable();
    }
    let response = next.run(request).await;
    if faults.draw(InjectedFault::RestLost).is_some() { unavailable() } else { response }
}
