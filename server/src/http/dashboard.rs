//! `/dashboard.json`: what the dashboard is configured with.

use axum::{
    Json, Router,
    http::header::{CACHE_CONTROL, X_CONTENT_TYPE_OPTIONS},
    routing::get,
};
use serde_json::json;

use crate::{ServerConfig, access::Access, actions::Uploads};

/// Serves the dashboard's settings, which do not change while the server runs.
pub fn dashboard_routes(server: &ServerConfig, uploads: &Uploads, access: &Access) -> Router {
    let dashboard = &server.dashboard;
    let base_map = dashboard.base_map.as_ref().map(|map| json!({ "url": map.url, "attribution": map.attribution }));
    let settings = json!({
        "currency": dashboard.currency,
        "baseMap": base_map,
        "asksWho": !access.is_open(),
        "graphiql": server.documents.introspection,
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
    use crate::{BaseMap, DashboardConfig, http::toy};

    fn uploads(max_bytes: u64) -> Uploads {
        Uploads::new(Datalake::new(&DatalakeConfig::folder("/nowhere")), max_bytes)
    }

    #[tokio::test]
    async fn the_dashboard_is_told_what_it_is_configured_with() {
        let mut server = ServerConfig::at("127.0.0.1:0".parse().unwrap());
        let plain = dashboard_routes(&server, &uploads(5), &Access::open());
        let (status, headers, body) = toy::get(plain, "/dashboard.json").await;
        assert_eq!((status, &headers[CACHE_CONTROL]), (StatusCode::OK, &"no-cache".parse().unwrap()));
        assert_eq!(headers[CONTENT_TYPE], "application/json");
        let upload = json!({ "maxBytes": 5, "inPieces": true });
        let expected =
            json!({ "currency": "EUR", "baseMap": null, "asksWho": false, "graphiql": true, "upload": upload });
        assert_eq!(body.parse::<serde_json::Value>().unwrap(), expected);

        let url = "https://tiles.example.org/{z}/{x}/{y}.png";
        let base_map = BaseMap::parse(url, Some("© somebody".to_owned())).unwrap();
        server.dashboard = DashboardConfig { currency: "USD".to_owned(), base_map: Some(base_map) };
        server.documents.introspection = false;
        let (_, _, body) = toy::get(dashboard_routes(&server, &uploads(0), &Access::open()), "/dashboard.json").await;
        let expected = json!({
            "currency": "USD",
            "baseMap": { "url": url, "attribution": "© somebody" },
            "asksWho": false,
            "graphiql": false,
            "upload": { "maxBytes": 0, "inPieces": false },
        });
        assert_eq!(body.parse::<serde_json::Value>().unwrap(), expected);
    }
}
