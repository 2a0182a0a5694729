//! Connections as the server takes them: small messages leave at once, little waits in the kernel, and who reads nothing is given up.

use std::{net::SocketAddr, pin::Pin, time::Duration};

use axum::{
    extract::connect_info::Connected,
    serve::{IncomingStream, Listener},
};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use socket2::SockRef;
use tokio::net::{TcpListener, TcpStream};
use tokio_io_timeout::TimeoutStream;
use tracing::{debug, warn};

/// How long a client may take nothing while there is something for it. A WebSocket is told so before, where that is possible: it was by one and a
/// half times its `write_timeout`.
const PATIENCE: Duration = Duration::from_secs(60);

/// Bytes that the kernel may hold of a connection before it sends them. What waits there cannot be replaced by something newer.
const UNSENT: u32 = 64 * 1024;

/// Takes connections.
pub struct Connections {
    listener: TcpListener,
    patience: Duration,
}

impl Connections {
    /// Those that come to this listener.
    pub fn of(listener: TcpListener) -> Self {
        Self { listener, patience: PATIENCE }
    }
}

impl Listener for Connections {
    type Io = Pin<Box<TimeoutStream<TcpStream>>>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, SocketAddr) {
        let (stream, address) = Listener::accept(&mut self.listener).await;
        if let Err(error) = set_options(&stream) {
            debug!(%error, "a connection keeps its options");
        }
        let mut stream = TimeoutStream::new(stream);
        stream.set_write_timeout(Some(self.patience));
        (Box::pin(stream), address)
    }

    fn local_addr(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// Where a request comes from.
#[derive(Clone, Copy, Debug)]
pub struct Peer(pub SocketAddr);

impl Connected<IncomingStream<'_, Connections>> for Peer {
    fn connect_info(stream: IncomingStream<'_, Connections>) -> Self {
        Self(*stream.remote_addr())
    }
}

fn set_options(stream: &TcpStream) -> std::io::Result<()> {
    // Small messages of subscriptions would otherwise wait for each other's acknowledgement.
    stream.set_nodelay(true)?;
    #[cfg(target_os = "linux")]
    SockRef::from(stream).set_tcp_notsent_lowat(UNSENT)?;
    Ok(())
}

/// Raises this process's limit of open files as far as it goes: each connection is one, and the usual limit is 1,024.
pub fn raise_limit() {
    let raised = getrlimit(Resource::RLIMIT_NOFILE)
        .and_then(|(_, most)| setrlimit(Resource::RLIMIT_NOFILE, most, most).map(|()| most));
    match raised {
        Ok(open_files) => debug!(open_files, "so many files and connections may be open"),
        Err(error) => warn!(%error, "the limit of open files stays as it is"),
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;
    use crate::http::{GraphqlOptions, graphql_routes, toy};

    #[tokio::test]
    async fn a_client_that_reads_nothing_of_a_stream_is_given_up() {
        let toy = toy::toy();
        let routes = graphql_routes(toy.schema.clone(), GraphqlOptions { types: toy.types, ..Default::default() });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Connections { listener, patience: Duration::from_millis(100) };
        let serving = tokio::spawn(async { axum::serve(connections, routes).await });

        let mut client = TcpStream::connect(address).await.unwrap();
        let request =
            "GET /graphql?query=subscription%7Bendless%7D HTTP/1.1\r\nhost: a\r\naccept: text/event-stream\r\n\r\n";
        client.write_all(request.as_bytes()).await.unwrap();
        toy.probe.until_open_streams(1).await;
        toy.probe.until_open_streams(0).await;
        // What was under way is there, and then the connection breaks off: the stream was not complete.
        let mut read = Vec::new();
        let ended = client.read_to_end(&mut read).await;
        assert!(ended.is_err() || !read.ends_with(b"0\r\n\r\n"));
        serving.abort();
    }
}
