//! Subscriptions over plain HTTP, read as they come.

use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
    time::timeout,
};

use crate::{Api, PATIENCE};

/// The body of an answer. Dropped, its connection is closed.
#[derive(Debug)]
pub struct Stream(BufReader<TcpStream>);

/// What stands between two empty lines of an event stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// `next` or `complete`.
    pub event: String,
    /// Its number.
    pub id: Option<u64>,
    /// A result.
    pub data: Value,
}

impl Api {
    /// Asks for a stream of events, after the one that was seen last.
    pub async fn events(&self, query: &str, variables: Value, last_event_id: Option<u64>) -> Stream {
        let resume = last_event_id.map(|id| format!("last-event-id: {id}\r\n")).unwrap_or_default();
        self.stream(&format!("accept: text/event-stream\r\n{resume}"), query, variables).await
    }

    /// Asks for a stream of parts.
    pub async fn parts(&self, query: &str, variables: Value) -> Stream {
        let accept = "accept: multipart/mixed;subscriptionSpec=\"1.0\", application/json\r\n";
        self.stream(accept, query, variables).await
    }

    /// Asks with these headers, each of which ends its line. By HTTP/1.0, where a body is everything up to the end of the connection.
    pub async fn stream(&self, headers: &str, query: &str, variables: Value) -> Stream {
        let address = self.url("").strip_prefix("http://").unwrap().to_owned();
        let body = json!({ "query": query, "variables": variables }).to_string();
        let mut stream = BufReader::new(TcpStream::connect(&address).await.unwrap());
        let head = format!(
            "POST /graphql HTTP/1.0\r\nhost: {address}\r\n{headers}content-type: application/json\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all((head + &body).as_bytes()).await.unwrap();
        let mut stream = Stream(stream);
        let status = stream.line().await.unwrap();
        assert!(status.contains(" 200 "), "{status}");
        while stream.line().await.is_some_and(|line| !line.is_empty()) {}
        stream
    }
}

impl Stream {
    /// A whole line; `None` when the connection has ended or was cut.
    async fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        let read = timeout(PATIENCE, self.0.read_line(&mut line)).await.expect("a stream goes on");
        (read.is_ok() && line.ends_with('\n')).then(|| line.trim_end().to_owned())
    }

    /// The next event; `None` when the connection has ended.
    pub async fn event(&mut self) -> Option<Event> {
        let mut event = Event { event: String::new(), id: None, data: Value::Null };
        loop {
            let line = self.line().await?;
            match line.split_once(':') {
                None if event.event.is_empty() => {}
                None => return Some(event),
                Some(("event", value)) => event.event = value.trim().to_owned(),
                Some(("id", value)) => event.id = Some(value.trim().parse().unwrap()),
                Some(("data", "") | ("retry", _)) => {}
                Some(("data", value)) => event.data = serde_json::from_str(value).unwrap(),
                Some((name, comment)) => assert_eq!((name, comment), ("", "")),
            }
        }
    }

    /// The next part that is no heartbeat; `None` after the last one.
    pub async fn part(&mut self) -> Option<Value> {
        loop {
            match self.line().await.expect("a last delimiter comes before the end").as_str() {
                "--graphql--" => return None,
                "" | "--graphql" | "content-type: application/json" | "{}" => {}
                part => return Some(serde_json::from_str(part).unwrap()),
            }
        }
    }

    /// Waits for the end of the connection, before which nothing more may come.
    pub async fn ends(mut self) {
        let mut rest = String::new();
        timeout(PATIENCE, self.0.read_to_string(&mut rest)).await.expect("the connection ends").unwrap();
        assert_eq!(rest, "");
    }
}
