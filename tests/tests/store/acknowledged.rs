//! What is written stays written when a primary dies.

use std::sync::{Arc, Mutex};

use mongodb::{
    bson::Document,
    event::{EventHandler, command::CommandEvent},
};
use paystats_core::store::{Provenance, Store};
use paystats_tests::{
    TestBed,
    sources::{paystat, postal_code},
};

#[tokio::test]
async fn a_write_returns_when_a_majority_of_the_members_has_it() {
    let bed = TestBed::new().await;
    let commands = Arc::<Mutex<Vec<Document>>>::default();
    let handler = {
        let commands = commands.clone();
        EventHandler::callback(move |event| {
            if let CommandEvent::Started(started) = event {
                commands.lock().unwrap().push(started.command);
            }
        })
    };
    let store = Store::with_command_events(&bed.config().store, Some(handler)).await.unwrap();
    store.postal_codes.insert(&postal_code(1), Provenance::edit(1)).await.unwrap();
    // In a transaction, whose commit is the write.
    store.paystats.insert(&paystat(1), Provenance::edit(2)).await.unwrap();

    let commands = commands.lock().unwrap().clone();
    let name = |command: &Document| command.keys().next().unwrap().clone();
    let writes = commands.iter().filter(|command| match name(command).as_str() {
        "commitTransaction" => true,
        "insert" | "update" | "delete" | "findAndModify" => !command.contains_key("autocommit"),
        _ => false,
    });
    let concern = |write: &Document| Some(write.get_document("writeConcern").ok()?.get_str("w").ok()?.to_owned());
    let writes: Vec<_> = writes.map(|write| (name(write), concern(write))).collect();
    assert!(
        writes.iter().any(|(name, _)| name == "insert") && writes.iter().any(|(name, _)| name == "commitTransaction")
    );
    for (name, concern) in writes {
        assert_eq!(concern.as_deref(), Some("majority"), "{name}");
    }
}
