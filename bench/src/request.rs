//! Questions as the bytes that go over the wire, made before the clock starts.

/// A question as bytes of HTTP.
pub fn request(query: &str) -> Vec<u8> {
    request_with(query, serde_json::json!({}))
}

/// The same with variables.
pub fn request_with(query: &str, variables: serde_json::Value) -> Vec<u8> {
    let body = serde_json::json!({ "query": query, "variables": variables }).to_string();
    let length = body.len();
    let head = "POST /graphql HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json";
    format!("{head}\r\ncontent-length: {length}\r\n\r\n{body}").into_bytes()
}
