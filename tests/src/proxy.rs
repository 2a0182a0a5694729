//! A bad network: a proxy that stands before an engine and lets bytes through, late, in one direction only, or not at all.
//!
//! It has a thread of its own, so that nothing that a test does slows it down, and ends with the test. What it holds back is kept, as a
//! network would; only [`Proxy::cut`] and [`Proxy::lose`] lose bytes.

use std::{
    future::pending,
    io,
    net::{Ipv4Addr, TcpListener as StdListener},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU16, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;

/// What becomes of bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Traffic {
    /// They get through.
    #[default]
    Flows,
    /// Neither side hears the other, and nobody is told.
    Stalls,
    /// Questions get through and answers do not: work is done, and who asked for it does not learn so.
    LosesAnswers,
}

/// A proxy on a port of its own. Dropped, it closes all connections.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    upstream: Arc<AtomicU16>,
    network: watch::Sender<Network>,
    to_lose: ToLose,
    end: CancellationToken,
    thread: Option<JoinHandle<()>>,
}

#[derive(Clone, Copy, Debug)]
struct Network {
    traffic: Traffic,
    refuses: bool,
    delay: Duration,
    /// How often all connections were cut.
    cuts: u64,
}

/// What the next question to get lost has in it.
type ToLose = Arc<Mutex<Option<&'static str>>>;

#[derive(Clone, Copy)]
enum Way {
    Question,
    Answer,
}

impl Proxy {
    /// Starts one before the engine at `upstream` on 127.0.0.1. Each piece of data is under way for `delay`.
    pub fn start(upstream: u16, delay: Duration) -> Self {
        let listener = StdListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        listener.set_nonblocking(true).unwrap();
        let port = listener.local_addr().unwrap().port();
        let upstream = Arc::new(AtomicU16::new(upstream));
        let network = Network { traffic: Traffic::Flows, refuses: false, delay, cuts: 0 };
        let (network, seen) = watch::channel(network);
        let to_lose = ToLose::default();
        let end = CancellationToken::new();
        let thread = thread::spawn({
            let (upstream, to_lose, end) = (upstream.clone(), to_lose.clone(), end.clone());
            move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                runtime.block_on(end.run_until_cancelled(accept(listener, upstream, seen, to_lose)));
            }
        });
        Self { port, upstream, network, to_lose, end, thread: Some(thread) }
    }

    /// Where it listens on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The engine has moved: new connections go to this port.
    pub fn follow(&self, upstream: u16) {
        self.upstream.store(upstream, Ordering::Relaxed);
    }

    /// Cuts all connections; what was under way is lost. New ones are made at once.
    pub fn cut(&self) {
        self.network.send_modify(|network| network.cuts += 1);
    }

    /// Cuts all connections, and hangs up on new ones until it is healed.
    pub fn refuse(&self) {
        self.network.send_modify(|network| (network.cuts, network.refuses) = (network.cuts + 1, true));
    }

    /// Holds bytes back, or lets them go.
    pub fn set_traffic(&self, traffic: Traffic) {
        self.network.send_modify(|network| network.traffic = traffic);
    }

    /// Loses the next piece of data from a client that has `text` in it, and nothing else: the connection stays.
    pub fn lose(&self, text: &'static str) {
        *self.to_lose.lock().unwrap() = Some(text);
    }

    /// Whether it has lost what was to be lost.
    pub fn has_lost(&self) -> bool {
        self.to_lose.lock().unwrap().is_none()
    }

    /// Everything gets through again.
    pub fn heal(&self) {
        self.network.send_modify(|network| (network.traffic, network.refuses) = (Traffic::Flows, false));
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.end.cancel();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn accept(listener: StdListener, upstream: Arc<AtomicU16>, network: watch::Receiver<Network>, to_lose: ToLose) {
    let listener = TcpListener::from_std(listener).unwrap();
    let mut connections = JoinSet::new();
    loop {
        let accepted = listener.accept().await;
        while connections.try_join_next().is_some() {}
        // A client that hung up meanwhile is no matter.
        let Ok((client, _)) = accepted else { continue };
        if !network.borrow().refuses {
            connections.spawn(connect(client, upstream.load(Ordering::Relaxed), network.clone(), to_lose.clone()));
        }
    }
}

/// One connection. It is closed on both sides when either side closes it, or when it is cut.
async fn connect(
    client: TcpStream,
    upstream: u16,
    mut network: watch::Receiver<Network>,
    to_lose: ToLose,
) -> io::Result<()> {
    let before = network.borrow().cuts;
    let engine = TcpStream::connect((Ipv4Addr::LOCALHOST, upstream)).await?;
    for side in [&client, &engine] {
        side.set_nodelay(true)?;
    }
    let ((client_read, client_write), (engine_read, engine_write)) = (client.into_split(), engine.into_split());
    let questions = forward(client_read, engine_write, Way::Question, network.clone(), &to_lose);
    let answers = forward(engine_read, client_write, Way::Answer, network.clone(), &to_lose);
    tokio::select! {
        done = questions => done,
        done = answers => done,
        cut = network.wait_for(|network| network.cuts > before) => cut.map(drop).map_err(io::Error::other),
    }
}

async fn forward(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    way: Way,
    mut network: watch::Receiver<Network>,
    to_lose: &ToLose,
) -> io::Result<()> {
    let mut bytes = vec![0; 64 << 10];
    loop {
        let length = from.read(&mut bytes).await?;
        if length == 0 {
            // A side that closes while nothing gets through is not heard of either.
            flowing(&mut network, way).await;
            return Ok(());
        }
        let delay = network.borrow().delay;
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        flowing(&mut network, way).await;
        if matches!(way, Way::Question) && is_lost(&bytes[..length], to_lose) {
            continue;
        }
        to.write_all(&bytes[..length]).await?;
    }
}

fn is_lost(question: &[u8], to_lose: &ToLose) -> bool {
    let mut to_lose = to_lose.lock().unwrap();
    let is_lost = to_lose.is_some_and(|text| question.windows(text.len()).any(|part| part == text.as_bytes()));
    if is_lost {
        *to_lose = None;
    }
    is_lost
}

/// Waits until bytes may go this way.
async fn flowing(network: &mut watch::Receiver<Network>, way: Way) {
    let flows = |network: &Network| match network.traffic {
        Traffic::Flows => true,
        Traffic::Stalls => false,
        Traffic::LosesAnswers => matches!(way, Way::Question),
    };
    if network.wait_for(flows).await.is_err() {
        // The proxy is being dropped.
        pending::<()>().await;
    }
}

#[cfg(test)]
mod tests {
    use tokio::{net::TcpListener, time::timeout};

    use super::*;

    /// An engine that repeats what it hears, behind a proxy, and a connection to it.
    async fn echo() -> (Proxy, TcpStream) {
        let engine = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy = Proxy::start(engine.local_addr().unwrap().port(), Duration::ZERO);
        tokio::spawn(async move {
            while let Ok((mut connection, _)) = engine.accept().await {
                tokio::spawn(async move {
                    let (mut read, mut write) = connection.split();
                    tokio::io::copy(&mut read, &mut write).await
                });
            }
        });
        let client = TcpStream::connect(("127.0.0.1", proxy.port())).await.unwrap();
        (proxy, client)
    }

    async fn hears(client: &mut TcpStream) -> Option<u8> {
        match timeout(Duration::from_millis(100), client.read_u8()).await {
            Ok(byte) => byte.ok(),
            Err(_) => None,
        }
    }

    #[tokio::test]
    async fn what_a_stalled_network_holds_back_comes_when_it_heals() {
        let (proxy, mut client) = echo().await;
        client.write_u8(1).await.unwrap();
        assert_eq!(client.read_u8().await.unwrap(), 1);
        for traffic in [Traffic::Stalls, Traffic::LosesAnswers] {
            proxy.set_traffic(traffic);
            client.write_u8(2).await.unwrap();
            assert_eq!(hears(&mut client).await, None);
            proxy.heal();
            assert_eq!(client.read_u8().await.unwrap(), 2);
        }
    }

    #[tokio::test]
    async fn a_question_that_is_lost_leaves_the_connection_as_it_was() {
        let (proxy, mut client) = echo().await;
        proxy.lose("lost");
        client.write_all(b"get lost").await.unwrap();
        assert_eq!(hears(&mut client).await, None);
        assert!(proxy.has_lost());
        client.write_all(b"lost").await.unwrap();
        assert_eq!(client.read_u8().await.unwrap(), b'l');
    }

    #[tokio::test]
    async fn a_cut_closes_what_is_open_and_a_refusal_also_what_is_new() {
        let (proxy, mut client) = echo().await;
        client.write_u8(1).await.unwrap();
        assert_eq!(client.read_u8().await.unwrap(), 1);
        proxy.cut();
        assert!(client.read_u8().await.is_err());
        let connect = || TcpStream::connect(("127.0.0.1", proxy.port()));
        let mut client = connect().await.unwrap();
        client.write_u8(2).await.unwrap();
        assert_eq!(client.read_u8().await.unwrap(), 2);

        proxy.refuse();
        assert!(client.read_u8().await.is_err());
        assert!(connect().await.unwrap().read_u8().await.is_err());
        proxy.heal();
        let mut client = connect().await.unwrap();
        client.write_u8(3).await.unwrap();
        assert_eq!(client.read_u8().await.unwrap(), 3);
    }
}
