//! Commands to MongoDB in traces: which command on which collection, how long, and whether it failed. Never what is in it.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use mongodb::event::{
    EventHandler,
    command::{CommandEvent, CommandStartedEvent},
};
use opentelemetry::KeyValue;

use crate::telemetry::traces::Call;

/// More are not remembered without a look whether they are still waited for: the driver does not say when nobody does.
const RUNNING: usize = 10_000;
/// No command takes longer.
const LONGEST: Duration = Duration::from_secs(600);

/// Hears of every command. The driver calls it where the command is asked for, so the command is a part of what asks.
pub fn handler() -> EventHandler<CommandEvent> {
    let running: Mutex<HashMap<i32, Call>> = Mutex::default();
    EventHandler::callback(move |event| {
        let mut running = running.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            CommandEvent::Started(started) => {
                if running.len() >= RUNNING {
                    running.retain(|_, call| call.start().elapsed().is_ok_and(|elapsed| elapsed < LONGEST));
                }
                if let Some(call) = call(&started) {
                    running.insert(started.request_id, call);
                }
            }
            CommandEvent::Succeeded(succeeded) => {
                if let Some(call) = running.remove(&succeeded.request_id) {
                    call.end(false);
                }
            }
            CommandEvent::Failed(failed) => {
                if let Some(call) = running.remove(&failed.request_id) {
                    call.end(true);
                }
            }
            _ => {}
        }
    })
}

fn call(started: &CommandStartedEvent) -> Option<Call> {
    let command = started.command_name.as_str();
    let target = match started.command.iter().next() {
        Some((name, value)) if name == command => value.as_str(),
        _ => None,
    };
    // A cursor is gone on with by its number; the collection stands beside it.
    let collection = target.or_else(|| started.command.get_str("collection").ok());
    let mut attributes = vec![
        KeyValue::new("db.system.name", "mongodb"),
        KeyValue::new("db.namespace", started.db.clone()),
        KeyValue::new("db.operation.name", command.to_owned()),
    ];
    attributes.extend(collection.map(|collection| KeyValue::new("db.collection.name", collection.to_owned())));
    let name = match collection {
        Some(collection) => format!("{command} {collection}"),
        None => command.to_owned(),
    };
    Call::begin(name, attributes)
}
