//! Three nats-server as a JetStream cluster.

use async_nats::jetstream::{self, stream::ClusterInfo};
use paystats_standalone::engines::locate;
use tempfile::TempDir;

use super::{MEMBERS, Member, NAME, data_folder, free_ports};
use crate::eventually;

/// Three members. Dropped, they are killed.
#[derive(Debug)]
pub struct NatsCluster {
    members: Vec<Member>,
    raw: async_nats::Client,
    // Removed last.
    _folder: TempDir,
}

impl NatsCluster {
    /// Starts all members, and returns when JetStream answers.
    pub async fn start() -> Self {
        let folder = tempfile::Builder::new().prefix("paystats-cluster-").tempdir().unwrap();
        let free: [u16; 2 * MEMBERS] = free_ports();
        let ports: [u16; MEMBERS] = std::array::from_fn(|index| free[index]);
        let route_ports: [u16; MEMBERS] = std::array::from_fn(|index| free[MEMBERS + index]);
        let routes = route_ports.map(|port| format!("nats://127.0.0.1:{port}"));
        let mut members = Vec::new();
        for (index, port) in ports.into_iter().enumerate() {
            let name = name(index);
            let command = command(&data_folder(folder.path(), &name), &name, port, &routes[index], &routes);
            members.push(Member::start(folder.path(), &name, port, command).await);
        }
        let raw = eventually("a JetStream cluster", async || {
            let addresses = ports.map(|port| format!("127.0.0.1:{port}")).to_vec();
            let client = async_nats::connect(addresses).await.map_err(|error| error.to_string())?;
            let account = jetstream::new(client.clone()).query_account().await;
            account.map(|_| client).map_err(|error| error.to_string())
        })
        .await;
        Self { members, raw, _folder: folder }
    }

    /// URL with the addresses of all members.
    pub fn url(&self) -> String {
        let urls: Vec<_> = self.members.iter().map(|member| format!("nats://127.0.0.1:{}", member.port)).collect();
        urls.join(",")
    }

    /// SIGKILL for the member that leads this stream. Tells which one it was.
    pub async fn kill_leader_of(&mut self, stream: &str) -> usize {
        let leader = eventually("a leader", async || {
            let leader = self.state_of(stream).await?.leader.ok_or("there is none")?;
            (0..MEMBERS).find(|index| name(*index) == leader).ok_or(format!("it is {leader}"))
        })
        .await;
        self.members[leader].kill().await;
        leader
    }

    /// Starts a member again on its data, and returns when it has all that the others have of these streams, so that another one can be
    /// killed.
    pub async fn bring_back(&mut self, member: usize, streams: &[String]) {
        self.members[member].run().await;
        for stream in streams {
            self.is_kept_by(MEMBERS, stream).await;
        }
    }

    /// Waits until a stream has a leader and so many replicas, the leader's included, which have all that the leader has.
    pub async fn is_kept_by(&self, replicas: usize, stream: &str) {
        eventually("a stream with all its replicas", async || {
            let state = self.state_of(stream).await?;
            let others = state.replicas.iter().filter(|replica| replica.current && !replica.offline).count();
            let is_whole = state.leader.is_some() && others == replicas - 1 && others == state.replicas.len();
            if is_whole { Ok(()) } else { Err(format!("{stream}: {state:?}")) }
        })
        .await;
    }

    async fn state_of(&self, stream: &str) -> Result<ClusterInfo, String> {
        let found = jetstream::new(self.raw.clone()).get_stream(stream).await;
        let stream = found.map_err(|error| error.to_string())?;
        stream.cached_info().cluster.clone().ok_or("the server is in no cluster".to_owned())
    }
}

/// Name of a member.
fn name(index: usize) -> String {
    format!("nats-{index}")
}

fn command(folder: &str, name: &str, port: u16, route: &str, routes: &[String]) -> Vec<String> {
    let (program, port) = (locate::nats_server().unwrap().display().to_string(), port.to_string());
    let routes = routes.join(",");
    let arguments = [
        ["--name", name],
        ["--addr", "127.0.0.1"],
        ["--port", &port],
        ["--store_dir", folder],
        ["--cluster_name", NAME],
        ["--cluster", route],
        ["--routes", &routes],
    ];
    let arguments = arguments.as_flattened().iter().map(|&argument| argument.to_owned());
    [program, "--jetstream".to_owned()].into_iter().chain(arguments).collect()
}
