//! The steps of a load, from its first worker to its end: each one a compare-and-set on `state`.

use mongodb::{
    ClientSession,
    bson::{DateTime, Document, doc, serialize_to_bson},
    options::{ReturnDocument, UpdateModifications},
};
use serde::Deserialize;

use super::{FORWARD, Loads, corrupt, names};
use crate::{
    load::{Cut, Load, LoadId, LoadState, Plan, Progress},
    store::{LoadSession, StoreError, session::end_sessions},
};

impl Loads {
    /// A worker takes the load, or goes on with the plan of one that died: `QUEUED` becomes `PLANNING`. `None` if all of it is planned,
    /// or if it does not go forward any more.
    ///
    /// `cut` is kept from the first worker that planned it.
    pub async fn start_planning(&self, id: LoadId, cut: Cut) -> Result<Option<Load>, StoreError> {
        let filter = doc! { "_id": id.to_string(), "state": { "$in": names(&FORWARD) }, "plan": null };
        let cut = serialize_to_bson(&cut).map_err(|error| corrupt(&error))?;
        let loading = doc! { "$eq": ["$state", LoadState::Loading.name()] };
        // A pipeline, so that what the first start set is kept.
        let set = doc! { "$set": {
            "state": { "$cond": [loading, "$state", LoadState::Planning.name()] },
            "published": true,
            "started_at": { "$ifNull": ["$started_at", "$$NOW"] },
            "cut": { "$ifNull": ["$cut", { "$literal": cut }] },
        } };
        self.change(filter, vec![set]).await
    }

    /// The first chunks are there: `PLANNING` becomes `LOADING`. `false` if the load does not go forward any more.
    pub async fn start_loading(&self, id: LoadId) -> Result<bool, StoreError> {
        let filter = doc! {
            "_id": id.to_string(),
            "state": { "$in": names(&[LoadState::Planning, LoadState::Loading]) },
        };
        let set = doc! { "$set": { "state": LoadState::Loading.name() } };
        Ok(self.loads.update_one(filter, set).await?.matched_count == 1)
    }

    /// All of the source was cut into chunks. `false` if the load does not go forward any more.
    pub async fn set_plan(&self, id: LoadId, plan: Plan) -> Result<bool, StoreError> {
        let filter = doc! { "_id": id.to_string(), "state": { "$in": names(&FORWARD) } };
        let set = doc! { "$set": {
            "state": LoadState::Loading.name(),
            "plan": serialize_to_bson(&plan).map_err(|error| corrupt(&error))?,
        } };
        Ok(self.loads.update_one(filter, set).await?.matched_count == 1)
    }

    /// All rows are written: `LOADING` becomes `ROLLING_UP`. `false` if the load is at neither.
    pub async fn start_rolling_up(&self, id: LoadId) -> Result<bool, StoreError> {
        let filter = doc! {
            "_id": id.to_string(),
            "state": { "$in": names(&[LoadState::Loading, LoadState::RollingUp]) },
        };
        let set = doc! { "$set": { "state": LoadState::RollingUp.name() } };
        Ok(self.loads.update_one(filter, set).await?.matched_count == 1)
    }

    /// The load is done without any total to add up: `LOADING` becomes `SUCCEEDED`. `None` if it was not `LOADING`.
    pub async fn succeed(&self, id: LoadId, progress: &Progress) -> Result<Option<Load>, StoreError> {
        let filter = doc! { "_id": id.to_string(), "state": LoadState::Loading.name() };
        self.change(filter, doc! { "$set": last_state(progress)? }).await
    }

    /// The load ends before a worker took it: `QUEUED` becomes `CANCELLED`. `None` if it was not `QUEUED`.
    pub async fn cancel_queued(&self, id: LoadId, progress: &Progress) -> Result<Option<Load>, StoreError> {
        let filter = doc! { "_id": id.to_string(), "state": LoadState::Queued.name() };
        self.change(filter, doc! { "$set": last_state(progress)? }).await
    }

    /// The load is to be taken back, and to end as `ends_as`, because of `error` if it failed. `None` if that cannot be: it has ended
    /// otherwise, or is being taken back already.
    ///
    /// Nobody has been told on the bus yet.
    pub async fn start_reverting(
        &self,
        id: LoadId,
        ends_as: LoadState,
        error: Option<&str>,
    ) -> Result<Option<Load>, StoreError> {
        let from: &[LoadState] = if ends_as == LoadState::Undone { &[LoadState::Succeeded] } else { &FORWARD };
        let filter = doc! { "_id": id.to_string(), "state": { "$in": names(from) } };
        let set = doc! { "$set": {
            "state": LoadState::Reverting.name(),
            "ends_as": ends_as.name(),
            "error": error,
            "published": false,
        } };
        self.change(filter, set).await
    }

    /// Hands taking a load back over to these sessions, and aborts what those before them have under way: a worker that was stopped in
    /// the middle of a transaction keeps its rows locked for a minute.
    pub async fn take_reverting(&self, id: LoadId, sessions: &[LoadSession]) -> Result<(), StoreError> {
        #[derive(Deserialize)]
        struct Reverters {
            #[serde(default)]
            reverters: Vec<Document>,
        }
        let mine: Vec<Document> = sessions.iter().map(|session| session.0.id().clone()).collect();
        let before = self
            .loads
            .clone_with_type::<Reverters>()
            .find_one_and_update(doc! { "_id": id.to_string() }, doc! { "$set": { "reverters": mine } })
            .projection(doc! { "reverters": 1 })
            .await?;
        end_sessions(&self.loads, before.map(|before| before.reverters).unwrap_or_default()).await
    }

    /// All of the load is taken back: `REVERTING` becomes what `progress` says. `None` if it was not `REVERTING`.
    pub async fn end_reverting(&self, id: LoadId, progress: &Progress) -> Result<Option<Load>, StoreError> {
        let filter = doc! { "_id": id.to_string(), "state": LoadState::Reverting.name() };
        self.change(filter, doc! { "$set": last_state(progress)?, "$unset": { "ends_as": "" } }).await
    }

    /// Ends a load whose totals were added up, inside the transaction that makes them count. `false` if it is not in state `from`.
    pub(in crate::store) async fn end(
        &self,
        id: LoadId,
        from: LoadState,
        progress: &Progress,
        session: &mut ClientSession,
    ) -> Result<bool, mongodb::error::Error> {
        let filter = doc! { "_id": id.to_string(), "state": from.name() };
        let last = last_state(progress).map_err(mongodb::error::Error::custom)?;
        let end = doc! { "$set": last, "$unset": { "ends_as": "" } };
        Ok(self.loads.update_one(filter, end).session(session).await?.matched_count == 1)
    }

    async fn change(
        &self,
        filter: Document,
        update: impl Into<UpdateModifications>,
    ) -> Result<Option<Load>, StoreError> {
        let changed = self.loads.find_one_and_update(filter, update).return_document(ReturnDocument::After).await?;
        changed.map(Load::try_from).transpose()
    }
}

fn last_state(progress: &Progress) -> Result<Document, StoreError> {
    Ok(doc! {
        "state": progress.state.name(),
        "progress": serialize_to_bson(progress).map_err(|error| corrupt(&error))?,
        "finished_at": DateTime::now(),
    })
}
