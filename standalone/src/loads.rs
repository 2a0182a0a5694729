//! Starts loads, repeats them, takes them back and watches them, through the public API: what the commands and the demo have in common.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use paystats_core::load::LoadState;
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use crate::{client::Client, progress::ProgressDisplay};

const START: &str = "mutation ($input: StartLoadInput!) {
    done: startLoad(input: $input) { load { id number entity source dryRun state } }
}";

const RETRY: &str = "mutation ($input: RetryLoadInput!) {
    done: retryLoad(input: $input) { load { id number entity source dryRun state } }
}";

const CANCEL: &str = "mutation ($input: CancelLoadInput!) {
    done: cancelLoad(input: $input) { load { id number entity source dryRun state } }
}";

const UNDO: &str = "mutation ($input: UndoLoadInput!) {
    done: undoLoad(input: $input) { load { id number entity source dryRun state } }
}";

const WATCH: &str = "subscription ($id: ID!, $afterSeq: Int) {
    loadProgress(id: $id, afterSeq: $afterSeq) {
        seq state error rowsRead rowsInserted rowsUpdated rowsUnchanged rowsRejected rowsReverted rowsKept
        fraction rowsPerSecond etaSeconds
    }
}";

/// How long a lost connection is tried to be replaced.
const PATIENCE: Duration = Duration::from_secs(15);

/// A connection that was held for so long is a new one to lose, even if the load said nothing on it.
const HELD: Duration = Duration::from_secs(1);

/// Between two tries.
const PAUSE: Duration = Duration::from_millis(250);

/// After this time without a change the subscription is made anew: a connection that broke without a word looks the same as a load that waits.
const SILENCE: Duration = Duration::from_secs(30);

/// A load that the server accepted, and where it stood when the server spoke of it.
#[derive(Debug)]
pub(crate) struct AcceptedLoad {
    pub(crate) id: String,
    pub(crate) number: i64,
    /// One of the API's `LoadEntity`.
    pub(crate) entity: String,
    /// Path inside the data lake.
    pub(crate) source: String,
    pub(crate) is_dry_run: bool,
    pub(crate) state: LoadState,
}

/// Starts a load; `input` is the API's `StartLoadInput`.
pub(crate) async fn start(client: &Client, input: Value) -> Result<AcceptedLoad> {
    change(client, START, input).await
}

/// Repeats a load as a new one; `input` is the API's `RetryLoadInput`.
pub(crate) async fn retry(client: &Client, input: Value) -> Result<AcceptedLoad> {
    change(client, RETRY, input).await
}

/// Stops the load with this id or number.
pub(crate) async fn cancel(client: &Client, id: &str) -> Result<AcceptedLoad> {
    change(client, CANCEL, json!({ "id": id })).await
}

/// Takes back the load with this id or number.
pub(crate) async fn undo(client: &Client, id: &str) -> Result<AcceptedLoad> {
    change(client, UNDO, json!({ "id": id })).await
}

async fn change(client: &Client, mutation: &str, input: Value) -> Result<AcceptedLoad> {
    let mut answer = client.query(mutation, json!({ "input": input })).await?;
    let mut load = answer["done"]["load"].take();
    let mut text = |field: &str| match load[field].take() {
        Value::String(text) => Ok(text),
        other => bail!("the server answered with a load whose {field} is {other}"),
    };
    let (id, entity, source) = (text("id")?, text("entity")?, text("source")?);
    let number = load["number"].as_i64().context("the server answered with a load without a number")?;
    let state = serde_json::from_value(load["state"].take()).context("the server answered with a state of its own")?;
    Ok(AcceptedLoad { id, number, entity, source, is_dry_run: load["dryRun"] == true, state })
}

/// Shows the progress of a load until it ends; returns its last `LoadProgress`. A lost connection is replaced, within limits, and the new one
/// goes on after what was seen.
pub(crate) async fn watch(client: &Client, load: &AcceptedLoad, display: &mut ProgressDisplay) -> Result<Value> {
    let mut watcher = Watcher { client, load, display, seen: None, connected: None, lost_since: None };
    loop {
        let error = match watcher.listen().await {
            Ok(Some(last)) => return Ok(last),
            Ok(None) => {
                watcher.lost_since = None;
                continue;
            }
            Err(error) => error,
        };
        if watcher.connected.is_some_and(|since| since.elapsed() >= HELD) {
            watcher.lost_since = None;
        }
        let is_first = watcher.lost_since.is_none();
        if watcher.lost_since.get_or_insert_with(Instant::now).elapsed() > PATIENCE {
            let what = format!("load #{} may still be running, but the server is not heard any more", load.number);
            return Err(error.context(what));
        }
        if is_first {
            watcher.display.interrupted();
        }
        sleep(PAUSE).await;
    }
}

struct Watcher<'a> {
    client: &'a Client,
    load: &'a AcceptedLoad,
    display: &'a mut ProgressDisplay,
    /// The `seq` of the last change.
    seen: Option<u64>,
    /// When the last subscription was made, if it was.
    connected: Option<Instant>,
    lost_since: Option<Instant>,
}

impl Watcher<'_> {
    /// Shows what one subscription yields. Returns the load's end, or `None` after a silence.
    async fn listen(&mut self) -> Result<Option<Value>> {
        self.connected = None;
        let variables = json!({ "id": self.load.id, "afterSeq": self.seen });
        let mut changes = self.client.subscribe(WATCH, variables).await?;
        self.connected = Some(Instant::now());
        loop {
            let Ok(change) = timeout(SILENCE, changes.next()).await else { return Ok(None) };
            let Some(mut change) = change? else {
                // Whatever was seen, the next subscription tells the state now.
                self.seen = None;
                bail!("the server ended the subscription before the load was over");
            };
            let progress = change["loadProgress"].take();
            self.lost_since = None;
            self.seen = progress["seq"].as_u64();
            self.display.show(&progress);
            let state = serde_json::from_value::<LoadState>(progress["state"].clone());
            if state.is_ok_and(LoadState::is_final) {
                return Ok(Some(progress));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::{SinkExt as _, StreamExt as _};
    use tokio::net::TcpListener;
    use tokio_tungstenite::{
        accept_hdr_async,
        tungstenite::{
            Message,
            handshake::server::{ErrorResponse, Request, Response},
        },
    };

    use super::*;

    /// Takes a connection, answers the subscription by one change and hangs up; returns the subscription's variables.
    async fn answer_once(listener: &TcpListener, progress: Value) -> Value {
        #[expect(clippy::result_large_err, reason = "the type is tungstenite's")]
        let agree = |_: &Request, mut response: Response| -> Result<Response, ErrorResponse> {
            response.headers_mut().insert("sec-websocket-protocol", "graphql-transport-ws".parse().unwrap());
            Ok(response)
        };
        let mut socket = accept_hdr_async(listener.accept().await.unwrap().0, agree).await.unwrap();
        socket.next().await.unwrap().unwrap();
        socket.send(Message::text(json!({ "type": "connection_ack" }).to_string())).await.unwrap();
        let subscribe = socket.next().await.unwrap().unwrap().into_text().unwrap();
        let next = json!({ "id": "1", "type": "next", "payload": { "data": { "loadProgress": progress } } });
        socket.send(Message::text(next.to_string())).await.unwrap();
        serde_json::from_str::<Value>(&subscribe).unwrap()["payload"]["variables"].take()
    }

    #[tokio::test]
    async fn a_watcher_whose_connection_is_lost_goes_on_after_what_it_saw() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = Client::new(&format!("ws://{}/graphql", listener.local_addr().unwrap())).unwrap();
        let load = AcceptedLoad {
            id: "Load:a".to_owned(),
            number: 1,
            entity: "PAYSTATS".to_owned(),
            source: "a.csv".to_owned(),
            is_dry_run: false,
            state: LoadState::Queued,
        };
        let mut display = ProgressDisplay::new("test".to_owned());
        let (last, asked) = tokio::join!(watch(&client, &load, &mut display), async {
            let first = answer_once(&listener, json!({ "seq": 3, "state": "LOADING" })).await;
            [first, answer_once(&listener, json!({ "seq": 5, "state": "SUCCEEDED" })).await]
        });
        assert_eq!(last.unwrap()["seq"], 5);
        assert_eq!(asked, [json!({ "id": "Load:a", "afterSeq": null }), json!({ "id": "Load:a", "afterSeq": 3 })]);
    }
}
