//! Reads a GraphQL request out of a URL, a body, or the payload of a WebSocket message.
//!
//! The three carry the same four parameters; a request leaves here only with a `query` or the hash of one, and with parameters of the right types.

use async_graphql::{Extensions, Request, Variables};
use axum::{
    body::Body,
    extract::Query,
    http::{HeaderMap, Uri, header::CONTENT_TYPE},
};
use futures_util::StreamExt;
use mime::Mime;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::rejection::Rejection;

/// Reads the query component of a GET request's URL. `variables` and `extensions` are JSON inside it; empty is as good as absent.
pub(super) fn from_uri(uri: &Uri) -> Result<Request, Rejection> {
    let Query(pairs) = Query::<Vec<(String, String)>>::try_from_uri(uri).map_err(|_| Rejection::MissingQuery)?;
    let mut parameters = Map::new();
    for (name, text) in pairs {
        let (parameter, value) = match name.as_str() {
            "query" => ("query", Value::String(text)),
            "operationName" => ("operationName", Value::String(text)),
            "variables" => ("variables", json_in_url("variables", &text)?),
            "extensions" => ("extensions", json_in_url("extensions", &text)?),
            _ => continue,
        };
        if parameters.insert(parameter.to_owned(), value).is_some() {
            return Err(Rejection::Repeated { parameter });
        }
    }
    from_parameters(parameters)
}

/// Reads the JSON body of a POST request, never more than `limit_bytes` of it.
pub(super) async fn from_body(headers: &HeaderMap, body: Body, limit_bytes: usize) -> Result<Request, Rejection> {
    if !is_json_in_utf8(headers) {
        return Err(Rejection::UnsupportedContentType);
    }
    let body = collect(body, limit_bytes).await?;
    let value = serde_json::from_slice(&body)
        .map_err(|error| Rejection::MalformedJson { line: error.line(), column: error.column() })?;
    from_json(value)
}

/// Reads the parameters of a JSON object.
pub(super) fn from_json(value: Value) -> Result<Request, Rejection> {
    match value {
        Value::Object(parameters) => from_parameters(parameters),
        Value::Array(_) => Err(Rejection::Batch),
        _ => Err(Rejection::NotAnObject),
    }
}

/// `null` is as good as absent, and names that the specification keeps for later are ignored.
fn from_parameters(mut parameters: Map<String, Value>) -> Result<Request, Rejection> {
    let is_named = parameters.get("extensions").is_some_and(|extensions| extensions.get("persistedQuery").is_some());
    let query = match parameters.remove("query") {
        Some(Value::String(query)) => query,
        // The document is named by its hash.
        None | Some(Value::Null) if is_named => String::new(),
        None | Some(Value::Null) => return Err(Rejection::MissingQuery),
        Some(_) => return Err(Rejection::WrongType { parameter: "query", expected: "a string" }),
    };
    let mut request = Request::new(query);
    request.operation_name = match parameters.remove("operationName") {
        Some(Value::String(name)) => Some(name).filter(|name| !name.is_empty()),
        None | Some(Value::Null) => None,
        Some(_) => return Err(Rejection::WrongType { parameter: "operationName", expected: "a string" }),
    };
    request.variables = object::<Variables>(&mut parameters, "variables")?;
    request.extensions = object::<Extensions>(&mut parameters, "extensions")?;
    Ok(request)
}

fn object<T: DeserializeOwned + Default>(
    parameters: &mut Map<String, Value>,
    parameter: &'static str,
) -> Result<T, Rejection> {
    let wrong_type = Rejection::WrongType { parameter, expected: "an object" };
    match parameters.remove(parameter) {
        None | Some(Value::Null) => Ok(T::default()),
        Some(value @ Value::Object(_)) => serde_json::from_value(value).map_err(|_| wrong_type),
        Some(_) => Err(wrong_type),
    }
}

fn json_in_url(parameter: &'static str, text: &str) -> Result<Value, Rejection> {
    if text.is_empty() {
        return Ok(Value::Null);
    }
    serde_json::from_str(text).map_err(|_| Rejection::WrongType { parameter, expected: "a JSON object" })
}

/// The check that keeps other sites out, too: a browser sends `application/json` across origins only after a preflight.
fn is_json_in_utf8(headers: &HeaderMap) -> bool {
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()?.parse::<Mime>().ok());
    content_type.is_some_and(|mime| {
        mime.essence_str() == mime::APPLICATION_JSON.essence_str()
            && mime.get_param(mime::CHARSET).is_none_or(|charset| charset == mime::UTF_8)
    })
}

async fn collect(body: Body, limit_bytes: usize) -> Result<Vec<u8>, Rejection> {
    let mut chunks = body.into_data_stream();
    let mut collected = Vec::new();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|_| Rejection::BodyInterrupted)?;
        if chunk.len() > limit_bytes - collected.len() {
            return Err(Rejection::BodyTooLarge { limit_bytes });
        }
        collected.extend_from_slice(&chunk);
    }
    Ok(collected)
}

#[cfg(test)]
mod tests {
    use async_graphql::{Name, Value as GraphqlValue};
    use serde_json::json;

    use super::*;

    fn wrong(parameter: &'static str, expected: &'static str) -> Rejection {
        Rejection::WrongType { parameter, expected }
    }

    async fn post(content_type: &str, body: &'static str) -> Result<Request, Rejection> {
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, content_type.parse().unwrap())]);
        from_body(&headers, Body::from(body), 64).await
    }

    #[test]
    fn all_parameters_are_read_from_json() {
        let request = from_json(json!({
            "query": "query Q($a: Int) { a }",
            "operationName": "Q",
            "variables": {"a": 1},
            "extensions": {"trace": true},
            "future": [],
        }))
        .unwrap();
        assert_eq!(request.query, "query Q($a: Int) { a }");
        assert_eq!(request.operation_name.as_deref(), Some("Q"));
        assert_eq!(request.variables[&Name::new("a")], GraphqlValue::from(1));
        assert_eq!(request.extensions["trace"], GraphqlValue::from(true));
    }

    #[test]
    fn null_means_absent() {
        let request = from_json(json!({"query": "{a}", "operationName": null, "variables": null, "extensions": null}));
        let request = request.unwrap();
        assert!(request.operation_name.is_none() && request.variables.is_empty() && request.extensions.is_empty());
    }

    #[test]
    fn an_empty_operation_name_means_absent() {
        let request = from_json(json!({"query": "{a}", "operationName": ""})).unwrap();
        assert_eq!(request.operation_name, None);
    }

    #[test]
    fn parameters_of_the_wrong_type_are_named() {
        assert_eq!(from_json(json!({"query": 1})).unwrap_err(), wrong("query", "a string"));
        assert_eq!(
            from_json(json!({"query": "", "operationName": {}})).unwrap_err(),
            wrong("operationName", "a string")
        );
        assert_eq!(from_json(json!({"query": "", "variables": [7]})).unwrap_err(), wrong("variables", "an object"));
        assert_eq!(from_json(json!({"query": "", "extensions": "x"})).unwrap_err(), wrong("extensions", "an object"));
    }

    #[test]
    fn a_missing_query_a_batch_and_a_scalar_are_told_apart() {
        assert_eq!(from_json(json!({"qeury": "{a}"})).unwrap_err(), Rejection::MissingQuery);
        assert_eq!(from_json(json!([{"query": "{a}"}])).unwrap_err(), Rejection::Batch);
        assert_eq!(from_json(json!("query")).unwrap_err(), Rejection::NotAnObject);
    }

    #[test]
    fn all_parameters_are_read_from_a_url() {
        let uri = "/graphql?query=query+Q%28%24a%3AInt%29%7Ba%7D&operationName=Q&variables=%7B%22a%22%3A1%7D&extensions=%7B%7D&x=1";
        let request = from_uri(&uri.parse().unwrap()).unwrap();
        assert_eq!(request.query, "query Q($a:Int){a}");
        assert_eq!(request.operation_name.as_deref(), Some("Q"));
        assert_eq!(request.variables[&Name::new("a")], GraphqlValue::from(1));
    }

    #[test]
    fn a_url_may_leave_parameters_empty() {
        let request =
            from_uri(&"/graphql?query=%7Ba%7D&operationName=&variables=&extensions=".parse().unwrap()).unwrap();
        assert!(request.operation_name.is_none() && request.variables.is_empty());
    }

    #[test]
    fn what_is_wrong_in_a_url_is_named() {
        let error = |uri: &str| from_uri(&uri.parse().unwrap()).unwrap_err();
        assert_eq!(error("/graphql"), Rejection::MissingQuery);
        assert_eq!(error("/graphql?query=%7Ba%7D&variables=%7B"), wrong("variables", "a JSON object"));
        assert_eq!(error("/graphql?query=%7Ba%7D&variables=7"), wrong("variables", "an object"));
        assert_eq!(error("/graphql?query=a&query=b"), Rejection::Repeated { parameter: "query" });
    }

    #[tokio::test]
    async fn the_content_type_must_be_json_in_utf8() {
        for accepted in ["application/json", "application/json; charset=utf-8", "Application/JSON;charset=\"UTF-8\""] {
            assert!(post(accepted, r#"{"query": "{a}"}"#).await.is_ok(), "{accepted}");
        }
        for refused in ["text/plain", "application/json; charset=latin1", "application/graphql", "x", ""] {
            let error = post(refused, r#"{"query": "{a}"}"#).await.unwrap_err();
            assert_eq!(error, Rejection::UnsupportedContentType, "{refused}");
        }
    }

    #[tokio::test]
    async fn malformed_json_is_located() {
        let error = post("application/json", "{\n  \"query\": }").await.unwrap_err();
        assert_eq!(error, Rejection::MalformedJson { line: 2, column: 12 });
    }

    #[tokio::test]
    async fn a_body_may_fill_the_limit_but_not_pass_it() {
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, "application/json".parse().unwrap())]);
        let body = r#"{"query": "{a}"}"#;
        let read = |limit_bytes| from_body(&headers, Body::from(body), limit_bytes);
        assert!(read(body.len()).await.is_ok());
        assert_eq!(read(body.len() - 1).await.unwrap_err(), Rejection::BodyTooLarge { limit_bytes: body.len() - 1 });
    }

    #[tokio::test]
    async fn a_body_that_breaks_off_is_told_apart_from_malformed_json() {
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, "application/json".parse().unwrap())]);
        let chunks = [Ok("{\"query\""), Err(std::io::Error::other("connection reset"))];
        let body = Body::from_stream(futures_util::stream::iter(chunks));
        assert_eq!(from_body(&headers, body, 64).await.unwrap_err(), Rejection::BodyInterrupted);
    }
}
