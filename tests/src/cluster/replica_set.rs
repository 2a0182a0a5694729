//! Three mongod as a replica set.

use std::time::Duration;

use mongodb::{
    Client,
    bson::{Document, doc},
    options::{ClientOptions, ServerAddress},
};
use paystats_standalone::engines::locate;
use tempfile::TempDir;

use super::{MEMBERS, Member, NAME, data_folder, free_ports};
use crate::eventually;

/// mongod's cache in GB, a member.
const CACHE_GB: &str = "0.25";

/// Three members, of which one is primary. Dropped, they are killed.
#[derive(Debug)]
pub struct ReplicaSet {
    members: Vec<Member>,
    // Removed last.
    _folder: TempDir,
}

impl ReplicaSet {
    /// How long a secondary that hears nothing of the primary waits before it stands for election (`electionTimeoutMillis`): MongoDB's
    /// default. Each waits up to 15 % longer, so that not all stand at once.
    pub const ELECTION_TIMEOUT: Duration = Duration::from_secs(10);

    /// Starts all members, and returns when there are a primary and two secondaries.
    pub async fn start() -> Self {
        let folder = tempfile::Builder::new().prefix("paystats-cluster-").tempdir().unwrap();
        let ports = free_ports::<MEMBERS>();
        let mut members = Vec::new();
        for (index, port) in ports.into_iter().enumerate() {
            let name = format!("mongod-{index}");
            let command = command(&data_folder(folder.path(), &name), port);
            members.push(Member::start(folder.path(), &name, port, command).await);
        }
        form(&ports).await;
        let set = Self { members, _folder: folder };
        set.is_whole().await;
        set
    }

    /// Connection string.
    pub fn uri(&self) -> String {
        let hosts: Vec<_> = self.members.iter().map(|member| format!("127.0.0.1:{}", member.port)).collect();
        format!("mongodb://{}/?replicaSet={NAME}", hosts.join(","))
    }

    /// SIGKILL for the primary. Tells which member it was.
    pub async fn kill_primary(&mut self) -> usize {
        let primary = eventually("a primary", async || self.primary().await.ok_or("there is none")).await;
        self.members[primary].kill().await;
        primary
    }

    /// Starts a member again on its data, and returns when all are the primary or a secondary again, so that another one can be killed.
    pub async fn bring_back(&mut self, member: usize) {
        self.members[member].run().await;
        self.is_whole().await;
    }

    /// Which member is primary, by its own word.
    async fn primary(&self) -> Option<usize> {
        for (index, member) in self.members.iter().enumerate().filter(|(_, member)| member.runs()) {
            if ask(member.port, doc! { "hello": 1 }).await.is_ok_and(|hello| is_primary(&hello)) {
                return Some(index);
            }
        }
        None
    }

    async fn is_whole(&self) {
        eventually("a replica set with all its members", async || {
            let primary = self.primary().await.ok_or("there is no primary")?;
            let status = ask(self.members[primary].port, doc! { "replSetGetStatus": 1 }).await?;
            let members = status.get_array("members").map_err(|error| error.to_string())?;
            let states = members.iter().filter_map(|member| member.as_document()?.get_str("stateStr").ok());
            let states: Vec<_> = states.map(str::to_owned).collect();
            let are_fit = states.iter().all(|state| ["PRIMARY", "SECONDARY"].contains(&state.as_str()));
            if are_fit { Ok(()) } else { Err(states.join(", ")) }
        })
        .await;
    }
}

fn command(folder: &str, port: u16) -> Vec<String> {
    let (program, port) = (locate::mongod().unwrap().display().to_string(), port.to_string());
    let arguments = [
        ["--replSet", NAME],
        ["--bind_ip", "127.0.0.1"],
        ["--port", &port],
        ["--dbpath", folder],
        ["--wiredTigerCacheSizeGB", CACHE_GB],
        ["--oplogSize", "64"],
        ["--setParameter", "diagnosticDataCollectionEnabled=false"],
    ];
    let arguments = arguments.as_flattened().iter().map(|&argument| argument.to_owned());
    [program, "--nounixsocket".to_owned()].into_iter().chain(arguments).collect()
}

/// Makes the members a replica set whose first primary is the first of them, at once instead of after an election's timeout.
async fn form(ports: &[u16]) {
    let members = ports.iter().enumerate();
    let members: Vec<_> =
        members.map(|(index, port)| doc! { "_id": index as i32, "host": format!("127.0.0.1:{port}") }).collect();
    let settings = doc! { "electionTimeoutMillis": ReplicaSet::ELECTION_TIMEOUT.as_millis() as i32 };
    let set = doc! { "_id": NAME, "members": members, "settings": settings };
    for port in ports {
        eventually("a mongod", async || ask(*port, doc! { "hello": 1 }).await).await;
    }
    ask(ports[0], doc! { "replSetInitiate": set }).await.unwrap();
    eventually("the first primary", async || {
        if is_primary(&ask(ports[0], doc! { "hello": 1 }).await?) {
            return Ok(());
        }
        ask(ports[0], doc! { "replSetStepUp": 1 }).await?;
        Err("it stands for election".to_owned())
    })
    .await;
}

fn is_primary(hello: &Document) -> bool {
    hello.get_bool("isWritablePrimary").unwrap_or(false)
}

/// Asks the mongod at this port, whatever its role.
async fn ask(port: u16, command: Document) -> Result<Document, String> {
    let host = ServerAddress::Tcp { host: "127.0.0.1".to_owned(), port: Some(port) };
    let options = ClientOptions::builder().hosts(vec![host]).direct_connection(true);
    let client = Client::with_options(options.server_selection_timeout(Duration::from_secs(2)).build()).unwrap();
    let answer = client.database("admin").run_command(command).await;
    client.shutdown().immediate(true).await;
    answer.map_err(|error| error.to_string())
}
