//! A store that is closed has nothing left to do.

use std::sync::{Arc, Mutex};

use mongodb::event::{EventHandler, command::CommandEvent};
use paystats_core::store::{Provenance, Store};
use paystats_tests::{TestBed, sources::postal_code};

#[tokio::test]
async fn a_store_that_is_closed_has_given_its_sessions_back() {
    let bed = TestBed::new().await;
    let answered = Arc::<Mutex<Vec<String>>>::default();
    let handler = {
        let answered = answered.clone();
        EventHandler::callback(move |event| {
            if let CommandEvent::Succeeded(succeeded) = event {
                answered.lock().unwrap().push(succeeded.command_name);
            }
        })
    };
    let store = Store::with_command_events(&bed.config().store, Some(handler)).await.unwrap();
    store.postal_codes.insert(&postal_code(1), Provenance::edit(1)).await.unwrap();
    store.close().await;
    assert_eq!(answered.lock().unwrap().last().map(String::as_str), Some("endSessions"));
}
