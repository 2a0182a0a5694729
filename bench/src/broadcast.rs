//! The ceiling of `make bench-watch`: what the same HTTP and WebSocket libraries can do that do nothing else. A socket's first two messages are taken
//! for `connection_init` and `subscribe`, whatever they say; from then on it is sent the newest text of one channel, which is what was last
//! posted to `/broadcast`.

use std::{env, sync::Arc};

use anyhow::{Context, Result};
use axum::{
    Router,
    extract::{
        State,
        ws::{Message, Utf8Bytes, WebSocket, WebSocketUpgrade},
    },
    response::Response,
    routing::{get, post},
    serve::ListenerExt,
};
use tokio::{net::TcpListener, sync::watch};

type Newest = Arc<watch::Sender<Utf8Bytes>>;

#[tokio::main]
async fn main() -> Result<()> {
    let address = env::var("PAYSTATS_HTTP_ADDR").context("PAYSTATS_HTTP_ADDR")?;
    let listener = TcpListener::bind(address).await?.tap_io(|stream| drop(stream.set_nodelay(true)));
    let routes = Router::new()
        .route("/readyz", get(async || "ready"))
        .route(
            "/broadcast",
            post(async |State(newest): State<Newest>, text: String| drop(newest.send_replace(text.into()))),
        )
        .route("/graphql", get(upgrade))
        .with_state(Newest::default());
    axum::serve(listener, routes).await?;
    Ok(())
}

async fn upgrade(State(newest): State<Newest>, upgrade: WebSocketUpgrade) -> Response {
    // The library zeroes its read buffer before every read; with the 128 KiB that it has by default, that would be all that is measured.
    let upgrade = upgrade.protocols(["graphql-transport-ws"]).read_buffer_size(1_024).write_buffer_size(0);
    upgrade.on_upgrade(async move |mut socket| {
        // Fails when the watcher is gone.
        let _ = tell(&mut socket, newest.subscribe()).await;
    })
}

async fn tell(socket: &mut WebSocket, mut newest: watch::Receiver<Utf8Bytes>) -> Result<()> {
    socket.recv().await.context("no connection_init")??;
    socket.send(Message::text("{\"type\":\"connection_ack\"}")).await?;
    socket.recv().await.context("no subscribe")??;
    loop {
        let text = newest.borrow_and_update().clone();
        socket.send(Message::Text(text)).await?;
        newest.changed().await?;
    }
}
