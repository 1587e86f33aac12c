//! The page and what it loads, as parts of the program.

use std::sync::LazyLock;

use axum::body::Body;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use axum::http::{HeaderMap, Response, StatusCode};
use axum::response::IntoResponse;
use sha2::{Digest, Sha256};

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";

struct Asset {
    /// Below `/assets/`; empty for the page.
    name: &'static str,
    content_type: &'static str,
    text: &'static str,
    etag: String,
}

macro_rules! assets {
    ($($name:literal, $content_type:expr, $file:literal;)*) => {
        static ASSETS: LazyLock<Vec<Asset>> = LazyLock::new(|| vec![$({
            let text = include_str!(concat!("page/", $file));
            let digest = Sha256::digest(text);
            let etag = digest.iter().take(12).map(|byte| format!("{byte:02x}")).collect::<String>();
            Asset { name: $name, content_type: $content_type, text, etag: format!("\"{etag}\"") }
        },)*]);
    };
}

assets! {
    "", HTML, "index.html";
    "api.js", SCRIPT, "api.js";
    "chart.js", SCRIPT, "chart.js";
    "dashboard.css", CSS, "dashboard.css";
    "dom.js", SCRIPT, "dom.js";
    "favicon.svg", "image/svg+xml", "favicon.svg";
    "fleet.js", SCRIPT, "fleet.js";
    "format.js", SCRIPT, "format.js";
    "frame.js", SCRIPT, "frame.js";
    "main.js", SCRIPT, "main.js";
    "series.js", SCRIPT, "series.js";
    "theme.js", SCRIPT, "theme.js";
    "uPlot-LICENSE.txt", "text/plain; charset=utf-8", "uplot/LICENSE";
    "uPlot.iife.min.js", SCRIPT, "uplot/uPlot.iife.min.js";
    "uPlot.min.css", CSS, "uplot/uPlot.min.css";
}

/// The asset of this name, or 304 if the browser has it. `None`: there is none. Browsers ask each
/// time, so that an upgrade is seen at once.
pub(super) fn answer(name: &str, request: &HeaderMap) -> Option<Response<Body>> {
    let asset = ASSETS.iter().find(|asset| asset.name == name)?;
    let headers = [(CACHE_CONTROL, "no-cache"), (ETAG, asset.etag.as_str())];
    let known = request.get(IF_NONE_MATCH).and_then(|known| known.to_str().ok());
    if known.is_some_and(|known| known.split(',').any(|one| one.trim() == asset.etag)) {
        return Some((StatusCode::NOT_MODIFIED, headers).into_response());
    }
    Some((headers, [(CONTENT_TYPE, asset.content_type)], asset.text).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_of_the_page_is_served() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/serve/dashboard/page");
        let mut files: Vec<String> = std::fs::read_dir(folder)
            .expect("the page")
            .map(|entry| entry.expect("an entry").file_name().into_string().expect("UTF-8"))
            .map(|name| if name == "index.html" { String::new() } else { name })
            .filter(|name| name != "uplot")
            .collect();
        files
            .extend(["uPlot-LICENSE.txt", "uPlot.iife.min.js", "uPlot.min.css"].map(str::to_owned));
        files.sort();
        let mut served: Vec<&str> = ASSETS.iter().map(|asset| asset.name).collect();
        served.sort_unstable();
        assert_eq!(served, files);
    }
}
