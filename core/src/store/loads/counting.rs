//! Which loads' rows count in totals, and which do not yet, or not any more.

use std::collections::HashSet;

use futures_util::TryStreamExt;
use mongodb::{
    ClientSession,
    bson::{Document, doc},
};
use serde::Deserialize;

use super::{Loads, OPEN, names, to_bson};
use crate::{
    load::{Load, LoadEntity, LoadState},
    store::StoreError,
};

impl Loads {
    /// Numbers of the loads whose rows stand among the paystats and do not count, inside a transaction; without `as_if`.
    pub(in crate::store) async fn uncounted(
        &self,
        as_if: Option<i64>,
        session: &mut ClientSession,
    ) -> Result<HashSet<i64>, mongodb::error::Error> {
        let open = doc! {
            "state": { "$in": names(&OPEN) },
            "entity": LoadEntity::Paystats.name(),
            "dry_run": { "$ne": true },
        };
        let states = self.find_states(open, session).await?;
        Ok(states.into_iter().map(|(load, _)| load).filter(|load| Some(*load) != as_if).collect())
    }

    /// Numbers of the other loads of paystats that did not count at some time since this one was accepted, and do not now.
    pub(in crate::store) async fn uncounted_during(&self, load: &Load) -> Result<HashSet<i64>, StoreError> {
        #[derive(Deserialize)]
        struct Number {
            number: i64,
        }
        let filter = doc! {
            "state": { "$ne": LoadState::Succeeded.name() },
            "entity": LoadEntity::Paystats.name(),
            "dry_run": { "$ne": true },
            "number": { "$ne": load.number },
            "$or": [{ "finished_at": null }, { "finished_at": { "$gte": to_bson(load.created_at) } }],
        };
        let mut found = self.loads.clone_with_type::<Number>().find(filter).projection(doc! { "number": 1 }).await?;
        let mut numbers = HashSet::new();
        while let Some(load) = found.try_next().await? {
            numbers.insert(load.number);
        }
        Ok(numbers)
    }

    /// Which of these loads have not succeeded, inside a transaction; without `as_if`.
    pub(in crate::store) async fn not_succeeded(
        &self,
        numbers: impl IntoIterator<Item = i64>,
        as_if: Option<i64>,
        session: &mut ClientSession,
    ) -> Result<HashSet<i64>, mongodb::error::Error> {
        let states = self.states(numbers.into_iter().collect(), session).await?;
        let is_gone = |&(load, state): &(i64, LoadState)| state != LoadState::Succeeded && Some(load) != as_if;
        Ok(states.into_iter().filter(is_gone).map(|(load, _)| load).collect())
    }

    /// Whether a load that has succeeded is being taken back, inside a transaction.
    pub(in crate::store) async fn any_being_undone(
        &self,
        session: &mut ClientSession,
    ) -> Result<bool, mongodb::error::Error> {
        let undone = doc! { "state": LoadState::Reverting.name(), "ends_as": LoadState::Undone.name() };
        Ok(!self.find_states(undone, session).await?.is_empty())
    }

    /// Which of these loads have ended.
    pub(in crate::store) async fn ended(&self, numbers: &[i64]) -> Result<Vec<i64>, StoreError> {
        let loads = self.by_numbers(numbers).await?;
        Ok(loads.iter().filter(|load| load.state.is_final()).map(|load| load.number).collect())
    }

    /// The states of the loads with these numbers, inside a transaction.
    pub(in crate::store) async fn states(
        &self,
        numbers: Vec<i64>,
        session: &mut ClientSession,
    ) -> Result<Vec<(i64, LoadState)>, mongodb::error::Error> {
        self.find_states(doc! { "number": { "$in": numbers } }, session).await
    }

    async fn find_states(
        &self,
        filter: Document,
        session: &mut ClientSession,
    ) -> Result<Vec<(i64, LoadState)>, mongodb::error::Error> {
        #[derive(Deserialize)]
        struct State {
            number: i64,
            state: LoadState,
        }
        let mut cursor = self
            .loads
            .clone_with_type::<State>()
            .find(filter)
            .projection(doc! { "number": 1, "state": 1 })
            .session(&mut *session)
            .await?;
        let found: Vec<State> = cursor.stream(session).try_collect().await?;
        Ok(found.into_iter().map(|load| (load.number, load.state)).collect())
    }
}
