//! `/dashboard.json`: what the dashboard is configured with.

use axum::{
    Json, Router,
    http::header::{CACHE_CONTROL, X_CONTENT_TYPE_OPTIONS},
    routing::get,
};
use serde_json::json;

use crate::{actions::Uploads, config::DashboardConfig};

/// Serves the dashboard's settings, which do not change while the server runs.
pub fn dashboard_routes(dashboard: &DashboardConfig, uploads: &Uploads) -> Router {
    let base_map = dashboard.base_map.as_ref().map(|map| json!({ "url": map.url, "attribution": map.attribution }));
    let settings = json!({
        "currency": dashboard.currency,
        "baseMap": base_map,
        "upload": { "maxBytes": uploads.max_bytes(), "inPieces": uploads.takes_pieces() },
    });
    let answer = move || async { ([(CACHE_CONTROL, "no-cache"), (X_CONTENT_TYPE_OPTIONS, "nosniff")], Json(settings)) };
    Router::new().route("/dashboard.json", get(answer))
}

#[cfg(test)]
mod tests {
    use axum::http::{StatusCode, header::CONTENT_TYPE};
    use paystats_core::{config::DatalakeConfig, datalake::Datalake};

    use super::*;
    use crate::{config::BaseMap, http::toy};

    fn uploads(max_bytes: u64) -> Uploads {
        Uploads::new(Datalake::new(&DatalakeConfig::folder("/nowhere")), max_bytes)
    }

    #[tokio::test]
    async fn the_dashboard_is_told_what_it_is_configured_with() {
        let plain = dashboard_routes(&DashboardConfig::default(), &uploads(5));
        let (status, headers, body) = toy::get(plain, "/dashboard.json").await;
        assert_eq!((status, &headers[CACHE_CONTROL]), (StatusCode::OK, &"no-cache".parse().unwrap()));
        assert_eq!(headers[CONTENT_TYPE], "application/json");
        let expected = json!({ "currency": "EUR", "baseMap": null, "upload": { "maxBytes": 5, "inPieces": true } });
        assert_eq!(body.parse::<serde_json::Value>().unwrap(), expected);

        let url = "https://tiles.example.org/{z}/{x}/{y}.png";
        let base_map = BaseMap::parse(url, Some("© somebody".to_owned())).unwrap();
        let config = DashboardConfig { currency: "USD".to_owned(), base_map: Some(base_map) };
        let (_, _, body) = toy::get(dashboard_routes(&config, &uploads(0)), "/dashboard.json").await;
        let expected = json!({
            "currency": "USD",
            "baseMap": { "url": url, "attribution": "© somebody" },
            "upload": { "maxBytes": 0, "inPieces": false },
        });
        assert_eq!(body.parse::<serde_json::Value>().unwrap(), expected);
    }
}
