//! A client of the public GraphQL API, for the command line: it can do what any other client can, and no more.
//!
//! It speaks the graphql-transport-ws protocol (`graphql-ws` on npm), which carries queries, mutations and subscriptions alike. Each operation
//! has a connection of its own: nothing has to be told apart by id, and whoever stops listening just hangs up. Files that the API names come
//! over plain HTTP.

use std::{io::Read as _, time::Duration};

use anyhow::{Context as _, Result, bail};
use futures_util::{SinkExt as _, StreamExt as _};
use paystats_core::config::Secret;
use serde_json::{Value, json};
use tokio::{net::TcpStream, task::spawn_blocking, time::timeout};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{ClientRequestBuilder, Message, http::Uri},
};

const PROTOCOL: &str = "graphql-transport-ws";

/// How long connecting may take, and how long the server may take to acknowledge.
const CONNECTING: Duration = Duration::from_secs(10);

/// Knows where the API is, and what to show there.
#[derive(Clone, Debug)]
pub struct Client {
    url: Uri,
    /// An API key or a token.
    key: Option<Secret>,
}

impl Client {
    /// `url`: the endpoint, such as `ws://127.0.0.1:8080/graphql`.
    pub fn new(url: &str) -> Result<Self> {
        Ok(Self { url: url.parse().with_context(|| format!("'{url}' is not a URL"))?, key: None })
    }

    /// The same, showing this API key or token.
    pub fn with_key(self, key: Option<Secret>) -> Self {
        Self { key, ..self }
    }

    fn authorization(&self) -> Option<String> {
        self.key.as_ref().map(|key| format!("Bearer {}", key.expose()))
    }

    /// Runs a query or a mutation; returns its `data`. Errors of the API are an error that carries their codes and messages.
    pub async fn query(&self, document: &str, variables: Value) -> Result<Value> {
        let mut answers = self.subscribe(document, variables).await?;
        answers.next().await?.context("the server completed the operation without an answer")
    }

    /// Starts a subscription.
    pub async fn subscribe(&self, document: &str, variables: Value) -> Result<Subscription> {
        let mut subscription =
            timeout(CONNECTING, self.connect()).await.context("the server did not answer in time")??;
        let payload = json!({ "query": document, "variables": variables });
        subscription.send(json!({ "id": "1", "type": "subscribe", "payload": payload })).await?;
        Ok(subscription)
    }

    /// Gets the file that the API names by `path`, such as `/loads/42/rejections.csv`, and hands it to `take` piece by piece, as long as that
    /// returns `true`. An error of `take`, or of the transfer, ends it: without one the file is complete.
    pub async fn download(&self, path: &str, take: impl FnMut(&[u8]) -> Result<bool> + Send + 'static) -> Result<()> {
        let api = self.url.to_string();
        let base = api.strip_suffix("/graphql").unwrap_or(&api).replacen("ws", "http", 1);
        let url = format!("{base}{path}");
        let authorization = self.authorization();
        spawn_blocking(move || transfer(&url, authorization.as_deref(), take)).await?
    }

    async fn connect(&self) -> Result<Subscription> {
        let request = ClientRequestBuilder::new(self.url.clone()).with_sub_protocol(PROTOCOL);
        let (socket, _) = connect_async(request).await.with_context(|| format!("connecting to {}", self.url))?;
        let mut connection = Subscription { socket };
        let payload = self.authorization().map(|authorization| json!({ "Authorization": authorization }));
        connection.send(json!({ "type": "connection_init", "payload": payload })).await?;
        let answer = connection.receive().await?.context("the server hung up before it acknowledged the connection")?;
        if answer["type"] != "connection_ack" {
            bail!("expected the server to acknowledge the connection, got {answer}");
        }
        Ok(connection)
    }
}

fn transfer(url: &str, authorization: Option<&str>, mut take: impl FnMut(&[u8]) -> Result<bool>) -> Result<()> {
    let config = ureq::Agent::config_builder().timeout_connect(Some(CONNECTING)).http_status_as_error(false);
    // As the WebSocket, which knows no proxy either.
    let agent = config.proxy(None).build().new_agent();
    let mut asking = agent.get(url);
    if let Some(authorization) = authorization {
        asking = asking.header("authorization", authorization);
    }
    let mut answer = asking.call().with_context(|| format!("asking for {url}"))?;
    if !answer.status().is_success() {
        let told = answer.body_mut().read_json::<Value>().ok();
        let errors = told.as_ref().and_then(|told| told["errors"].as_array()).map(Vec::as_slice).unwrap_or_default();
        bail!("{url}: {} {}", answer.status(), in_words(errors));
    }
    let mut file = answer.into_body().into_reader();
    let mut piece = vec![0; 64 << 10];
    loop {
        let length = file.read(&mut piece).context("the server broke off: the file is not complete")?;
        if length == 0 || !take(&piece[..length])? {
            return Ok(());
        }
    }
}

/// A running operation. Dropping it ends it.
#[derive(Debug)]
pub struct Subscription {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
}

impl Subscription {
    /// The `data` of the next answer; `None` when the operation is complete.
    pub async fn next(&mut self) -> Result<Option<Value>> {
        let Some(mut message) = self.receive().await? else {
            bail!("the server hung up before the operation was complete")
        };
        match message["type"].as_str() {
            Some("next") => {
                let mut payload = message["payload"].take();
                if let Some(errors) = payload["errors"].as_array().filter(|errors| !errors.is_empty()) {
                    bail!(in_words(errors));
                }
                Ok(Some(payload["data"].take()))
            }
            Some("complete") => Ok(None),
            Some("error") => bail!(in_words(message["payload"].as_array().map(Vec::as_slice).unwrap_or_default())),
            _ => bail!("the server sent a message that the protocol does not have: {message}"),
        }
    }

    /// The next message that is not about keeping the connection alive; `None` when the server hung up.
    async fn receive(&mut self) -> Result<Option<Value>> {
        while let Some(message) = self.socket.next().await {
            match message.context("receiving from the server")? {
                Message::Text(text) => {
                    let message: Value =
                        serde_json::from_str(&text).context("the server sent something other than JSON")?;
                    match message["type"].as_str() {
                        Some("ping") => self.send(json!({ "type": "pong" })).await?,
                        Some("pong") => {}
                        _ => return Ok(Some(message)),
                    }
                }
                Message::Close(Some(frame)) if !frame.reason.is_empty() => {
                    bail!("the server closed the connection: {} ({})", frame.reason, frame.code)
                }
                Message::Close(_) => return Ok(None),
                _ => {}
            }
        }
        Ok(None)
    }

    async fn send(&mut self, message: Value) -> Result<()> {
        self.socket.send(Message::text(message.to_string())).await.context("sending to the server")
    }
}

/// GraphQL errors as a sentence: `no such file (NOT_FOUND); …`.
fn in_words(errors: &[Value]) -> String {
    let words = |error: &Value| {
        let message = error["message"].as_str().unwrap_or("an error without a message");
        match error["extensions"]["code"].as_str() {
            Some(code) => format!("{message} ({code})"),
            None => message.to_owned(),
        }
    };
    errors.iter().map(words).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::TcpListener,
    };
    use tokio_tungstenite::{
        accept_hdr_async,
        tungstenite::handshake::server::{ErrorResponse, Request, Response},
    };

    use super::*;

    /// Serves one connection by the script: what the server sends after it got `connection_init` and `subscribe`.
    async fn serve_once(script: Vec<Value>) -> (Client, tokio::task::JoinHandle<Vec<Value>>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = Client::new(&format!("ws://{}/graphql", listener.local_addr().unwrap())).unwrap();
        let server = tokio::spawn(async move {
            #[expect(clippy::result_large_err, reason = "the type is tungstenite's")]
            let agree = |request: &Request, mut response: Response| -> Result<Response, ErrorResponse> {
                assert_eq!(request.headers()["sec-websocket-protocol"], PROTOCOL);
                response.headers_mut().insert("sec-websocket-protocol", PROTOCOL.parse().unwrap());
                Ok(response)
            };
            let mut socket = accept_hdr_async(listener.accept().await.unwrap().0, agree).await.unwrap();
            let mut received = vec![];
            let mut script = script.into_iter();
            while let Some(Ok(Message::Text(text))) = socket.next().await {
                let message: Value = serde_json::from_str(&text).unwrap();
                let answers = match message["type"].as_str().unwrap() {
                    "connection_init" => vec![json!({ "type": "ping" }), json!({ "type": "connection_ack" })],
                    "subscribe" => script.by_ref().collect(),
                    _ => vec![],
                };
                received.push(message);
                for answer in answers {
                    socket.send(Message::text(answer.to_string())).await.unwrap();
                }
            }
            received
        });
        (client, server)
    }

    #[tokio::test]
    async fn a_query_returns_its_data() {
        let data = json!({ "loads": { "totalCount": 0 } });
        let answers = vec![
            json!({ "id": "1", "type": "next", "payload": { "data": data } }),
            json!({ "id": "1", "type": "complete" }),
        ];
        let (client, server) = serve_once(answers).await;
        assert_eq!(client.query("{ loads { totalCount } }", json!({ "a": 1 })).await.unwrap(), data);

        let received = server.await.unwrap();
        let kinds: Vec<_> = received.iter().map(|message| message["type"].as_str().unwrap()).collect();
        assert_eq!(kinds, ["connection_init", "pong", "subscribe"]);
        assert_eq!(received[2]["payload"], json!({ "query": "{ loads { totalCount } }", "variables": { "a": 1 } }));
    }

    #[tokio::test]
    async fn a_subscription_yields_until_it_is_complete() {
        let next = |seq: u64| json!({ "id": "1", "type": "next", "payload": { "data": { "seq": seq } } });
        let (client, _server) = serve_once(vec![next(1), next(2), json!({ "id": "1", "type": "complete" })]).await;
        let mut subscription = client.subscribe("subscription { seq }", json!({})).await.unwrap();
        let mut seen = vec![];
        while let Some(data) = subscription.next().await.unwrap() {
            seen.push(data["seq"].as_u64().unwrap());
        }
        assert_eq!(seen, [1, 2]);
    }

    #[tokio::test]
    async fn errors_of_the_api_are_told_with_their_code() {
        let error = json!([{ "message": "no such file", "extensions": { "code": "NOT_FOUND" } }]);
        for answer in [
            json!({ "id": "1", "type": "error", "payload": error }),
            json!({ "id": "1", "type": "next", "payload": { "data": null, "errors": error } }),
        ] {
            let (client, _server) = serve_once(vec![answer]).await;
            let told = client.query("mutation { startLoad }", json!({})).await.unwrap_err().to_string();
            assert_eq!(told, "no such file (NOT_FOUND)");
        }
    }

    /// Answers one HTTP request with `answer`, and hangs up.
    async fn serve_file_once(answer: &'static str) -> (Client, tokio::task::JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = Client::new(&format!("ws://{}/stats/graphql", listener.local_addr().unwrap())).unwrap();
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = vec![0; 4096];
            let length = stream.read(&mut request).await.unwrap();
            stream.write_all(answer.as_bytes()).await.unwrap();
            String::from_utf8(request[..length].to_vec()).unwrap()
        });
        (client, server)
    }

    /// What was taken of a file, and how its transfer ended.
    async fn download(client: &Client) -> (String, Result<()>) {
        let taken = Arc::new(Mutex::new(String::new()));
        let take = {
            let taken = taken.clone();
            move |piece: &[u8]| {
                taken.lock().unwrap().push_str(str::from_utf8(piece)?);
                Ok(true)
            }
        };
        let ended = client.download("/a.csv", take).await;
        (taken.lock().unwrap().clone(), ended)
    }

    #[tokio::test]
    async fn a_file_is_asked_for_beside_the_api() {
        let (client, server) =
            serve_file_once("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\na,b\r\n1\r\n\n\r\n0\r\n\r\n")
                .await;
        let (taken, ended) = download(&client).await;
        ended.unwrap();
        assert_eq!(taken, "a,b\n");
        let request = server.await.unwrap();
        assert!(request.starts_with("GET /stats/a.csv HTTP/1.1\r\n"), "{request}");
    }

    #[tokio::test]
    async fn a_file_that_breaks_off_is_an_error() {
        let (client, _server) =
            serve_file_once("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\na,b\r\n").await;
        let (taken, ended) = download(&client).await;
        assert_eq!(taken, "a,b");
        assert_eq!(ended.unwrap_err().to_string(), "the server broke off: the file is not complete");
    }

    #[tokio::test]
    async fn a_file_that_is_refused_is_told_by_its_error() {
        let (client, _server) = serve_file_once(
            "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 77\r\n\r\n\
             {\"errors\":[{\"extensions\":{\"code\":\"UNAVAILABLE\"},\"message\":\"try again soon\"}]}",
        )
        .await;
        let (taken, ended) = download(&client).await;
        let told = ended.unwrap_err().to_string();
        assert!(taken.is_empty() && told.ends_with("503 Service Unavailable try again soon (UNAVAILABLE)"), "{told}");
    }
}
