//! Makes a mongod the writable primary of a replica set of one: transactions and change streams need a replica set.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use mongodb::{
    Client, Database,
    bson::{Document, doc},
    error::ErrorKind,
    options::{ClientOptions, ServerAddress},
};
use tokio::{net::TcpStream, time::sleep};

/// The name of the set.
pub(super) const NAME: &str = "rs0";

const NOT_YET_INITIALIZED: i32 = 94;
const ALREADY_INITIALIZED: i32 = 23;

const BETWEEN_TRIES: Duration = Duration::from_millis(10);

/// Waits for the mongod with process id `pid` to listen on `port` and makes it primary. Waits for ever: the caller sets the limit.
pub(super) async fn make_primary(port: u16, pid: u32) -> Result<()> {
    while TcpStream::connect(("127.0.0.1", port)).await.is_err() {
        sleep(BETWEEN_TRIES).await;
    }
    let host = ServerAddress::Tcp { host: "127.0.0.1".to_owned(), port: Some(port) };
    let options = ClientOptions::builder().hosts(vec![host]).direct_connection(true).build();
    let client = Client::with_options(options).context("making a MongoDB client")?;
    let outcome = form(&client.database("admin"), &format!("127.0.0.1:{port}"), pid).await;
    client.shutdown().immediate(true).await;
    outcome
}

async fn form(admin: &Database, host: &str, pid: u32) -> Result<()> {
    loop {
        match step(admin, host, pid).await {
            Ok(true) => return Ok(()),
            Ok(false) => {}
            // mongod hangs up on everybody when it finds that it is no member of the configuration it kept, whatever they ask.
            Err(error) if is_lost_connection(&error) => {}
            Err(error) => return Err(error),
        }
        sleep(BETWEEN_TRIES).await;
    }
}

/// Brings mongod nearer to being primary; `true` when it is.
async fn step(admin: &Database, host: &str, pid: u32) -> Result<bool> {
    // Somebody else may have taken the port in the moment between choosing it and mongod's start; their replica set is not ours to form.
    let status = admin.run_command(doc! { "serverStatus": 1 }).await.context("asking mongod for its status")?;
    let answering = status.get_i64("pid").context("mongod's status has no process id")?;
    ensure!(answering == i64::from(pid), "another mongod (process {answering}) listens on {host}");

    let config = match admin.run_command(doc! { "replSetGetConfig": 1 }).await {
        Ok(answer) => answer,
        Err(error) if code(&error) == Some(NOT_YET_INITIALIZED) => {
            initiate(admin, host).await?;
            return Ok(false);
        }
        Err(error) => return Err(error).context("asking mongod for its replica set configuration"),
    };
    let config = config.get_document("config").context("mongod's answer has no replica set configuration")?;
    if !has_one_member_at(config, host) {
        // The port has changed since the last run.
        reconfigure(admin, config, host).await?;
    }
    is_writable_primary(admin).await
}

fn has_one_member_at(config: &Document, host: &str) -> bool {
    let members = config.get_array("members").map(Vec::as_slice).unwrap_or_default();
    matches!(members, [member] if member.as_document().and_then(|member| member.get_str("host").ok()) == Some(host))
}

async fn initiate(admin: &Database, host: &str) -> Result<()> {
    let config = doc! { "_id": NAME, "members": [{ "_id": 0, "host": host }] };
    match admin.run_command(doc! { "replSetInitiate": config }).await {
        Ok(_) => Ok(()),
        // In its first moments a mongod that has a configuration answers as if it had none.
        Err(error) if code(&error) == Some(ALREADY_INITIALIZED) => Ok(()),
        Err(error) => Err(error).context("initiating the replica set"),
    }
}

async fn reconfigure(admin: &Database, config: &Document, host: &str) -> Result<()> {
    let mut config = config.clone();
    let version = config.get_i32("version").context("the replica set configuration has no version")?;
    config.insert("version", version + 1);
    config.insert("members", vec![doc! { "_id": 0, "host": host }]);
    let command = doc! { "replSetReconfig": config, "force": true };
    admin.run_command(command).await.context("moving the replica set to another port")?;
    Ok(())
}

async fn is_writable_primary(admin: &Database) -> Result<bool> {
    let hello = admin.run_command(doc! { "hello": 1 }).await.context("asking mongod for its role")?;
    Ok(hello.get_bool("isWritablePrimary").unwrap_or(false))
}

/// Whether the driver says so, and not mongod.
fn is_lost_connection(error: &anyhow::Error) -> bool {
    error.downcast_ref().is_some_and(|error: &mongodb::error::Error| code(error).is_none())
}

fn code(error: &mongodb::error::Error) -> Option<i32> {
    match error.kind.as_ref() {
        ErrorKind::Command(error) => Some(error.code),
        _ => None,
    }
}
