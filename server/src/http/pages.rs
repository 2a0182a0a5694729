//! The web app: the dashboard on `/` and the paths that it makes pages of, GraphiQL on `/graphiql`, and the files that they load.
//!
//! The folder is what Vite builds. Names under `assets/` carry a hash of their content, so browsers may keep them for ever; the pages
//! that name them are asked for anew each time, so a new build is seen at once.

use axum::{
    Router,
    http::{
        HeaderName, HeaderValue, StatusCode,
        header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS},
    },
    middleware::map_response,
    response::Response,
    routing::get,
};
use tower_http::services::{ServeDir, ServeFile};

use super::compression::compression;
use crate::{ServerConfig, config::BaseMap};

/// Where the dashboard is: it makes its pages by itself.
const APP_PATHS: [&str; 3] = ["/", "/loads", "/loads/{id}"];

/// What a page may use: what is named here, of this origin, and nothing else. The rest holds for all pages.
macro_rules! policy {
    ($own:literal) => {
        concat!(
            "default-src 'none'; script-src 'self'; ",
            $own,
            "; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        )
    };
}

/// GraphiQL needs workers, fonts and icons written as `data:`, and its editor writes styles into the page.
const GRAPHIQL_POLICY: &str = policy!(
    "style-src 'self' 'unsafe-inline'; font-src 'self'; img-src 'self' data:; connect-src 'self'; worker-src 'self'"
);

/// The dashboard needs workers, and images that it makes itself, for its maps; what they are drawn on may come from one other origin.
const APP_POLICY: &str = policy!(
    "style-src 'self'; img-src 'self' data: blob:{map}; connect-src 'self'{map}; worker-src 'self'; manifest-src 'self'"
);

fn app_policy(base_map: Option<&BaseMap>) -> HeaderValue {
    let map = base_map.map(|map| format!(" {}", map.origin)).unwrap_or_default();
    APP_POLICY.replace("{map}", &map).parse().expect("an origin is visible text")
}

const NOT_BUILT: &str = "\
paystats is running, and its GraphQL API is at /graphql.
The pages were not built: that needs Node.js, and then `make web`.
";

/// Serves the web app from `web_dir`, or a short text that says how to build it if the folder is not given or has no `index.html`.
///
/// With a folder the router has a fallback (any other file in it, such as `favicon.svg`), so it can be merged only with routers that
/// have none. GraphiQL is left out where the schema cannot be asked for.
pub fn page_routes(server: &ServerConfig) -> Router {
    let pages = match server.web_dir.as_ref().filter(|dir| dir.join("index.html").is_file()) {
        Some(dir) => built(dir, app_policy(server.dashboard.base_map.as_ref()), server.documents.introspection),
        None => not_built(),
    };
    pages
        .layer(compression())
        .layer(map_response(|response| async { with_header(response, X_CONTENT_TYPE_OPTIONS, "nosniff") }))
        .layer(map_response(|response| async { with_header(response, REFERRER_POLICY, "same-origin") }))
}

fn built(dir: &std::path::Path, app_policy: HeaderValue, has_graphiql: bool) -> Router {
    let assets = Router::new()
        .fallback_service(ServeDir::new(dir.join("assets")))
        // Not on a 404: a page from a newer build may ask an older server for a file that it will have soon.
        .layer(map_response(|response: Response| async {
            let found = response.status().is_success() || response.status().is_redirection();
            if found { with_header(response, CACHE_CONTROL, "public, max-age=31536000, immutable") } else { response }
        }));
    let graphiql = ServeFile::new(dir.join("graphiql.html"));
    let not_found = || async { StatusCode::NOT_FOUND };
    let graphiql = match has_graphiql {
        true => Router::new().route_service("/graphiql", graphiql.clone()).route_service("/graphiql.html", graphiql),
        false => Router::new().route("/graphiql", get(not_found)).route("/graphiql.html", get(not_found)),
    };
    let graphiql = graphiql
        .layer(map_response(|response| async { with_header(response, CONTENT_SECURITY_POLICY, GRAPHIQL_POLICY) }));
    let index = ServeFile::new(dir.join("index.html"));
    let app = APP_PATHS.iter().fold(Router::new(), |app, path| app.route_service(path, index.clone()));
    let others = app.fallback_service(ServeDir::new(dir)).layer(map_response(move |mut response: Response| {
        response.headers_mut().insert(CONTENT_SECURITY_POLICY, app_policy.clone());
        async { response }
    }));
    let pages = graphiql
        .merge(others)
        .layer(map_response(|response| async { with_header(response, CACHE_CONTROL, "no-cache") }));
    Router::new().nest("/assets", assets).merge(pages)
}

fn not_built() -> Router {
    let text = || async { ([(CONTENT_TYPE, "text/plain; charset=utf-8"), (CACHE_CONTROL, "no-cache")], NOT_BUILT) };
    APP_PATHS.iter().chain(&["/graphiql"]).fold(Router::new(), |pages, path| pages.route(path, get(text)))
}

fn with_header(mut response: Response, name: HeaderName, value: &'static str) -> Response {
    response.headers_mut().insert(name, HeaderValue::from_static(value));
    response
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::http::toy::get;

    fn server(web_dir: Option<PathBuf>) -> ServerConfig {
        ServerConfig { web_dir, ..ServerConfig::at("127.0.0.1:0".parse().unwrap()) }
    }

    fn app() -> (tempfile::TempDir, Router) {
        let dir = tempfile::tempdir().unwrap();
        let dist = dir.path().join("dist");
        std::fs::create_dir_all(dist.join("assets")).unwrap();
        for (name, text) in [
            ("../secret.txt", "not to be served"),
            ("index.html", "<title>dashboard</title>"),
            ("graphiql.html", "<title>graphiql</title>"),
            ("favicon.svg", "<svg/>"),
            ("assets/index-BxY1.js", "export {}"),
            ("assets/index-Cz2d.css", "a {}"),
        ] {
            std::fs::write(dist.join(name), text).unwrap();
        }
        (dir, page_routes(&server(Some(dist))))
    }

    #[tokio::test]
    async fn pages_are_html_and_asked_for_anew() {
        let (_dir, app) = app();
        let app_paths = ["/", "/loads", "/loads/42", "/loads/Load%3A0194e3a0"];
        let pages = app_paths.map(|path| (path, "<title>dashboard</title>"));
        for (path, title) in pages.into_iter().chain([("/graphiql", "<title>graphiql</title>")]) {
            let (status, headers, body) = get(app.clone(), path).await;
            assert_eq!((status, body.as_str()), (StatusCode::OK, title));
            assert_eq!(headers[CONTENT_TYPE], "text/html");
            assert_eq!(headers[CACHE_CONTROL], "no-cache");
            assert_eq!(headers[X_CONTENT_TYPE_OPTIONS], "nosniff");
            assert_eq!(headers[REFERRER_POLICY], "same-origin");
        }
    }

    #[tokio::test]
    async fn a_page_may_use_what_it_needs_and_nothing_from_elsewhere() {
        let (_dir, app) = app();
        let strict = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; \
                      connect-src 'self'; worker-src 'self'; manifest-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
        for path in ["/", "/index.html", "/loads", "/loads/42", "/favicon.svg", "/nothing", "/loads/42/nothing"] {
            let (_, headers, _) = get(app.clone(), path).await;
            assert_eq!(headers[CONTENT_SECURITY_POLICY], strict, "{path}");
        }
        for path in ["/graphiql", "/graphiql.html"] {
            let (_, headers, _) = get(app.clone(), path).await;
            let policy: Vec<_> = headers[CONTENT_SECURITY_POLICY].to_str().unwrap().split("; ").collect();
            let differences: Vec<_> = strict.split("; ").filter(|directive| !policy.contains(directive)).collect();
            let expected = ["style-src 'self'", "img-src 'self' data: blob:", "manifest-src 'self'"];
            assert_eq!(differences, expected, "{path}");
            for directive in
                ["worker-src 'self'", "font-src 'self'", "img-src 'self' data:", "style-src 'self' 'unsafe-inline'"]
            {
                assert!(policy.contains(&directive), "{path}: {directive}");
            }
        }
        let (_, headers, _) = get(app, "/assets/index-BxY1.js").await;
        assert!(!headers.contains_key(CONTENT_SECURITY_POLICY), "a worker would be under it, not its page");
    }

    #[tokio::test]
    async fn the_origin_of_a_base_map_is_allowed_for_the_dashboard_alone() {
        let (dir, _) = app();
        let map = BaseMap::parse("https://tiles.example.org:8443/{z}/{x}/{y}.png?key=1", None).unwrap();
        let mut server = server(Some(dir.path().join("dist")));
        server.dashboard.base_map = Some(map);
        let app = page_routes(&server);
        let policy = async |path: &str| {
            let (_, headers, _) = get(app.clone(), path).await;
            headers[CONTENT_SECURITY_POLICY].to_str().unwrap().to_owned()
        };
        let origin = "https://tiles.example.org:8443";
        for path in ["/", "/loads/42"] {
            let policy = policy(path).await;
            let named: Vec<_> = policy.split("; ").filter(|directive| directive.contains("example")).collect();
            let images = format!("img-src 'self' data: blob: {origin}");
            assert_eq!(named, [images, format!("connect-src 'self' {origin}")], "{path}");
        }
        assert!(!policy("/graphiql").await.contains("example"));
    }

    #[tokio::test]
    async fn where_the_schema_cannot_be_asked_for_there_is_no_graphiql() {
        let (dir, _) = app();
        let mut server = server(Some(dir.path().join("dist")));
        server.documents.introspection = false;
        for path in ["/graphiql", "/graphiql.html"] {
            assert_eq!(get(page_routes(&server), path).await.0, StatusCode::NOT_FOUND, "{path}");
        }
    }

    #[tokio::test]
    async fn assets_have_their_types_and_are_kept_for_ever() {
        let (_dir, app) = app();
        for (path, content_type) in
            [("/assets/index-BxY1.js", "text/javascript"), ("/assets/index-Cz2d.css", "text/css")]
        {
            let (status, headers, _) = get(app.clone(), path).await;
            assert_eq!(status, StatusCode::OK);
            assert_eq!(headers[CONTENT_TYPE], content_type);
            assert_eq!(headers[CACHE_CONTROL], "public, max-age=31536000, immutable");
            assert_eq!(headers[X_CONTENT_TYPE_OPTIONS], "nosniff");
        }
    }

    #[tokio::test]
    async fn a_missing_asset_is_not_remembered() {
        let (_dir, app) = app();
        let (status, headers, _) = get(app, "/assets/index-old.js").await;
        assert_eq!(status, StatusCode::NOT_FOUND);
        assert!(!headers.contains_key(CACHE_CONTROL));
    }

    #[tokio::test]
    async fn other_files_are_served_and_nothing_outside_the_folder_is() {
        let (_dir, app) = app();
        let (status, headers, _) = get(app.clone(), "/favicon.svg").await;
        assert_eq!((status, headers[CONTENT_TYPE].to_str().unwrap()), (StatusCode::OK, "image/svg+xml"));
        for path in ["/../secret.txt", "/%2e%2e/secret.txt", "/assets/..%2f..%2fsecret.txt", "/assets/../../secret.txt"]
        {
            assert_eq!(get(app.clone(), path).await.0, StatusCode::NOT_FOUND, "{path}");
        }
    }

    #[tokio::test]
    async fn without_a_build_the_pages_say_how_to_get_one() {
        let empty = tempfile::tempdir().unwrap();
        for web_dir in [None, Some(empty.path().to_owned())] {
            for path in ["/", "/loads/42", "/graphiql"] {
                let (status, headers, body) = get(page_routes(&server(web_dir.clone())), path).await;
                assert_eq!((status, body.as_str()), (StatusCode::OK, NOT_BUILT));
                assert_eq!(headers[CONTENT_TYPE], "text/plain; charset=utf-8");
                assert_eq!(headers[X_CONTENT_TYPE_OPTIONS], "nosniff");
            }
        }
    }
}
