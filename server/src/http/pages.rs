//! The web app: the start page on `/`, GraphiQL on `/graphiql`, and the files that they load.
//!
//! The folder is what Vite builds. Names under `assets/` carry a hash of their content, so browsers may keep them for ever; the pages
//! that name them are asked for anew each time, so a new build is seen at once.

use std::path::PathBuf;

use axum::{
    Router,
    http::{
        HeaderName, HeaderValue,
        header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS},
    },
    middleware::map_response,
    response::Response,
    routing::get,
};
use tower_http::services::{ServeDir, ServeFile};

use super::compression::compression;

/// The start page needs files of this origin and the API, and nothing else.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// GraphiQL also needs workers, fonts and icons written as `data:`, and its editor writes styles into the page.
const GRAPHIQL_POLICY: &str = "default-src 'none'; script-src 'self'; worker-src 'self'; style-src 'self' 'unsafe-inline'; \
                               font-src 'self'; img-src 'self' data:; connect-src 'self'; \
                               base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const NOT_BUILT: &str = "\
paystats is running, and its GraphQL API is at /graphql.
The pages were not built: that needs Node.js, and then `make web`.
";

/// Serves the web app from `web_dir`, or a short text that says how to build it if the folder is not given or has no `index.html`.
///
/// With a folder the router has a fallback (any other file in it, such as `favicon.svg`), so it can be merged only with routers that
/// have none.
pub fn page_routes(web_dir: Option<PathBuf>) -> Router {
    let pages = match web_dir.filter(|dir| dir.join("index.html").is_file()) {
        Some(dir) => built(&dir),
        None => not_built(),
    };
    pages
        .layer(compression())
        .layer(map_response(|response| async { with_header(response, X_CONTENT_TYPE_OPTIONS, "nosniff") }))
        .layer(map_response(|response| async { with_header(response, REFERRER_POLICY, "same-origin") }))
}

fn built(dir: &std::path::Path) -> Router {
    let assets = Router::new()
        .fallback_service(ServeDir::new(dir.join("assets")))
        // Not on a 404: a page from a newer build may ask an older server for a file that it will have soon.
        .layer(map_response(|response: Response| async {
            let found = response.status().is_success() || response.status().is_redirection();
            if found { with_header(response, CACHE_CONTROL, "public, max-age=31536000, immutable") } else { response }
        }));
    let graphiql = ServeFile::new(dir.join("graphiql.html"));
    let graphiql = Router::new()
        .route_service("/graphiql", graphiql.clone())
        .route_service("/graphiql.html", graphiql)
        .layer(map_response(|response| async { with_header(response, CONTENT_SECURITY_POLICY, GRAPHIQL_POLICY) }));
    let others = Router::new()
        .fallback_service(ServeDir::new(dir))
        .layer(map_response(|response| async { with_header(response, CONTENT_SECURITY_POLICY, POLICY) }));
    let pages = graphiql
        .merge(others)
        .layer(map_response(|response| async { with_header(response, CACHE_CONTROL, "no-cache") }));
    Router::new().nest("/assets", assets).merge(pages)
}

fn not_built() -> Router {
    let text = || async { ([(CONTENT_TYPE, "text/plain; charset=utf-8"), (CACHE_CONTROL, "no-cache")], NOT_BUILT) };
    Router::new().route("/", get(text)).route("/graphiql", get(text))
}

fn with_header(mut response: Response, name: HeaderName, value: &'static str) -> Response {
    response.headers_mut().insert(name, HeaderValue::from_static(value));
    response
}

#[cfg(test)]
mod tests {
    use axum::http::StatusCode;

    use super::*;
    use crate::http::toy::get;

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
        (dir, page_routes(Some(dist)))
    }

    #[tokio::test]
    async fn pages_are_html_and_asked_for_anew() {
        let (_dir, app) = app();
        for (path, title) in [("/", "<title>dashboard</title>"), ("/graphiql", "<title>graphiql</title>")] {
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
        let strict = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
        for path in ["/", "/index.html", "/favicon.svg", "/nothing"] {
            let (_, headers, _) = get(app.clone(), path).await;
            assert_eq!(headers[CONTENT_SECURITY_POLICY], strict, "{path}");
        }
        for path in ["/graphiql", "/graphiql.html"] {
            let (_, headers, _) = get(app.clone(), path).await;
            let policy: Vec<_> = headers[CONTENT_SECURITY_POLICY].to_str().unwrap().split("; ").collect();
            let differences = strict.split("; ").filter(|directive| !policy.contains(directive));
            assert_eq!(differences.collect::<Vec<_>>(), ["style-src 'self'", "img-src 'self'"], "{path}");
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
            for path in ["/", "/graphiql"] {
                let (status, headers, body) = get(page_routes(web_dir.clone()), path).await;
                assert_eq!((status, body.as_str()), (StatusCode::OK, NOT_BUILT));
                assert_eq!(headers[CONTENT_TYPE], "text/plain; charset=utf-8");
                assert_eq!(headers[X_CONTENT_TYPE_OPTIONS], "nosniff");
            }
        }
    }
}
