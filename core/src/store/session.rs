//! Sessions: what the transactions of loaders run in. Their names are kept with the work, so that whoever takes the work over can end
//! what was under way.

use mongodb::{
    ClientSession, Collection,
    bson::{Document, doc},
};

use super::{Store, StoreError};

/// A session with MongoDB that one worker's transactions run in.
pub struct LoadSession(pub(super) ClientSession);

impl Store {
    /// A session for the transactions of one worker.
    pub async fn start_session(&self) -> Result<LoadSession, StoreError> {
        Ok(LoadSession(self.database.client().start_session().await?))
    }
}

/// Aborts what these sessions have under way.
pub(super) async fn end_sessions<T: Send + Sync>(
    collection: &Collection<T>,
    sessions: Vec<Document>,
) -> Result<(), StoreError> {
    if !sessions.is_empty() {
        let database = collection.client().database(&collection.namespace().db);
        database.run_command(doc! { "killSessions": sessions }).await?;
    }
    Ok(())
}
