//! Clients that watch loads over WebSockets, as many as wanted. They share the machine with the server, so they are cheap: a message is
//! searched for its number and state, not parsed, and noted with the time of its receipt.

use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, bail, ensure};
use futures_util::{SinkExt, Stream, StreamExt, TryStreamExt, stream};
use paystats_core::load::LoadId;
use serde_json::json;
use tokio::{net::TcpStream, task::JoinHandle, time::timeout};
use tokio_tungstenite::{
    WebSocketStream, client_async_with_config,
    tungstenite::{ClientRequestBuilder, Message, Utf8Bytes, protocol::WebSocketConfig},
};
use uuid::Uuid;

/// Watchers that connect at the same time: with many more, a server would refuse some.
const CONNECTING: usize = 200;
/// Longest that the last message of any watcher may take once its load has ended.
const PATIENCE: Duration = Duration::from_secs(120);
/// The client zeroes this much before every read, so it is hardly more than a message has.
const READ_BUFFER_BYTES: usize = 1_024;

const QUERY: &str = "subscription($id: ID!) { loadProgress(id: $id) { \
    seq state rowsRead rowsInserted rowsUpdated rowsUnchanged rowsRejected fraction rowsPerSecond etaSeconds } }";

/// One watcher of one load.
pub struct Watcher {
    socket: WebSocketStream<TcpStream>,
    /// What it was told, in this order.
    pub told: Vec<Told>,
    /// The message with the newest state, if that is final.
    pub end: Option<Utf8Bytes>,
}

/// One message with a state of the load.
#[derive(Clone, Copy)]
pub struct Told {
    /// When it was received.
    pub at: SystemTime,
    /// The number of the event that it is of; zero before the first event.
    pub seq: u64,
}

/// Watchers that watch until their loads end.
#[derive(Default)]
pub struct Watching(Vec<JoinHandle<Result<Watcher>>>);

impl Watching {
    /// Subscribes a watcher for each of these loads, and returns once each one knows its load's first state.
    pub async fn start(port: u16, loads: impl IntoIterator<Item = LoadId>) -> Result<Self> {
        let watchers = subscribe(port, loads).map_ok(|watcher| tokio::spawn(watcher.until_complete()));
        Ok(Self(watchers.try_collect().await?))
    }

    /// The watchers, once all of them were told the end. Their sockets are still open.
    pub async fn ended(self) -> Result<Vec<Watcher>> {
        let ended = async {
            let mut watchers = Vec::with_capacity(self.0.len());
            for watcher in self.0 {
                watchers.push(watcher.await??);
            }
            Ok(watchers)
        };
        timeout(PATIENCE, ended).await.with_context(|| format!("not all watchers heard the end in {PATIENCE:?}"))?
    }
}

/// A watcher for each of these loads, with its first state.
pub fn subscribe(port: u16, loads: impl IntoIterator<Item = LoadId>) -> impl Stream<Item = Result<Watcher>> {
    stream::iter(loads).map(move |load| Watcher::subscribe(port, load)).buffer_unordered(CONNECTING)
}

impl Watcher {
    async fn subscribe(port: u16, load: LoadId) -> Result<Self> {
        let uri = format!("ws://127.0.0.1:{port}/graphql").parse()?;
        let request = ClientRequestBuilder::new(uri).with_sub_protocol("graphql-transport-ws");
        let stream = TcpStream::connect(("127.0.0.1", port)).await.context("connecting a watcher")?;
        stream.set_nodelay(true)?;
        let config = WebSocketConfig::default().read_buffer_size(READ_BUFFER_BYTES).write_buffer_size(0);
        let (socket, _) = client_async_with_config(request, stream, Some(config)).await?;
        let mut watcher = Self { socket, told: Vec::new(), end: None };
        watcher.socket.send(Message::text(json!({ "type": "connection_init" }).to_string())).await?;
        let answer = watcher.receive().await?;
        ensure!(answer.contains("\"connection_ack\""), "instead of an acknowledgement: {answer}");
        let payload = json!({ "query": QUERY, "variables": { "id": format!("Load:{load}") } });
        let subscribe = json!({ "type": "subscribe", "id": Uuid::new_v4(), "payload": payload });
        watcher.socket.send(Message::text(subscribe.to_string())).await?;
        ensure!(watcher.next().await?, "a watcher was told no state");
        Ok(watcher)
    }

    /// Watches until the server says that this was all; it must have told the end before.
    async fn until_complete(mut self) -> Result<Self> {
        while self.next().await? {
            if let [.., before, last] = self.told[..] {
                ensure!(before.seq < last.seq, "a watcher was told event {} after {}", last.seq, before.seq);
            }
        }
        ensure!(self.end.is_some(), "a watcher was not told the end of its load");
        Ok(self)
    }

    /// Waits for the next state, and notes it. `false` where there is none any more.
    pub async fn next(&mut self) -> Result<bool> {
        loop {
            let text = self.receive().await?;
            if let Some((_, state)) = text.split_once("\"seq\":") {
                let at = SystemTime::now();
                let (seq, state) = state.split_once(',').with_context(|| format!("no state: {text}"))?;
                self.told.push(Told { at, seq: seq.parse()? });
                let is_final = state.starts_with("\"state\":\"SUCCEEDED\"");
                self.end = is_final.then_some(text);
                return Ok(true);
            }
            if text.contains("\"type\":\"complete\"") {
                return Ok(false);
            }
            ensure!(text.contains("\"type\":\"ping\""), "a watcher was told: {text}");
            self.socket.send(Message::text(json!({ "type": "pong" }).to_string())).await?;
        }
    }

    async fn receive(&mut self) -> Result<Utf8Bytes> {
        loop {
            match self.socket.next().await.context("the server hung up on a watcher")?? {
                Message::Text(text) => return Ok(text),
                Message::Close(reason) => bail!("the server closed a watcher's socket: {reason:?}"),
                // What the WebSocket protocol itself says is answered by the library.
                _ => {}
            }
        }
    }
}
