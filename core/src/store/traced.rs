//! Commands to MongoDB as spans of a trace: which command on which collection, how long, and whether it failed. Never what is in it.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use mongodb::event::{
    EventHandler,
    command::{CommandEvent, CommandStartedEvent},
};
use tracing::{Span, field::Empty, trace_span};

use crate::telemetry::traces;

/// Hears of every command. The driver calls it where the command is asked for, so the span is a part of what asks.
pub fn handler() -> EventHandler<CommandEvent> {
    let running: Mutex<HashMap<i32, Span>> = Mutex::default();
    EventHandler::callback(move |event| {
        let mut running = running.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            CommandEvent::Started(started) => {
                let span = span(&started);
                if !span.is_none() {
                    running.insert(started.request_id, span);
                }
            }
            CommandEvent::Succeeded(succeeded) => drop(running.remove(&succeeded.request_id)),
            CommandEvent::Failed(failed) => {
                if let Some(span) = running.remove(&failed.request_id) {
                    span.record("otel.status_code", "ERROR");
                }
            }
            _ => {}
        }
    })
}

/// What is asked outside of any span, such as looks for changes, is a part of nothing.
fn span(started: &CommandStartedEvent) -> Span {
    if Span::current().is_none() {
        return Span::none();
    }
    let command = started.command_name.as_str();
    let target = match started.command.iter().next() {
        Some((name, value)) if name == command => value.as_str(),
        _ => None,
    };
    // A cursor is gone on with by its number; the collection stands beside it.
    let collection = target.or_else(|| started.command.get_str("collection").ok());
    let name = match collection {
        Some(collection) => format!("{command} {collection}"),
        None => command.to_owned(),
    };
    trace_span!(
        target: traces::TARGET,
        "mongodb",
        otel.name = name,
        otel.kind = "client",
        otel.status_code = Empty,
        db.system.name = "mongodb",
        db.namespace = started.db,
        db.operation.name = command,
        db.collection.name = collection,
    )
}
