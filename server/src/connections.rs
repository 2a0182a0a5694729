//! Connections as the server takes them: small messages leave at once, little waits in the kernel, and who reads nothing is given up.

use std::{net::SocketAddr, pin::Pin, time::Duration};

use axum::serve::Listener;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use socket2::SockRef;
use tokio::net::{TcpListener, TcpStream};
use tokio_io_timeout::TimeoutStream;
use tracing::{debug, warn};

/// How long a client may take nothing while there is something for it. A WebSocket is told so before, where that is possible.
const PATIENCE: Duration = Duration::from_secs(60);

/// Bytes that the kernel may hold of a connection before it sends them. What waits there cannot be replaced by something newer.
const UNSENT: u32 = 64 * 1024;

/// Takes connections.
pub struct Connections(pub TcpListener);

impl Listener for Connections {
    type Io = Pin<Box<TimeoutStream<TcpStream>>>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, SocketAddr) {
        let (stream, address) = Listener::accept(&mut self.0).await;
        if let Err(error) = set_options(&stream) {
            debug!(%error, "a connection keeps its options");
        }
        let mut stream = TimeoutStream::new(stream);
        stream.set_write_timeout(Some(PATIENCE));
        (Box::pin(stream), address)
    }

    fn local_addr(&self) -> std::io::Result<SocketAddr> {
        self.0.local_addr()
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
