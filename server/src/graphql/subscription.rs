//! What clients can watch.

use async_graphql::{Context, ID, Result, Subscription as GraphqlSubscription};
use futures_util::{Stream, StreamExt};
use paystats_core::domain;
use tokio::sync::broadcast::error::RecvError;

use super::{
    filter::StatsFilter,
    load::{LoadProgress, find_load_id},
    totals::Total,
};
use crate::{
    actions::{ActionError, Actions, Deadline},
    http::EventIds,
};

/// Watch: the progress of loads, and totals.
pub struct Subscription;

/// Watch: the progress of loads, and totals.
#[GraphqlSubscription]
impl Subscription {
    /// How far the load with this id or number is: the state now, then every change, until it ends. `NOT_FOUND` if there is no such load. A client that
    /// lost its connection hands back the `seq` that it saw last as `afterSeq`, to any server, and gets what it has not seen; over Server-Sent
    /// Events `Last-Event-ID` does the same.
    async fn load_progress(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Id or number of the load.")] id: ID,
        #[graphql(desc = "The `seq` that the client saw last; from the state now if left out.")] after_seq: Option<i64>,
    ) -> Result<impl Stream<Item = Result<LoadProgress>> + use<>> {
        let actions: &Actions = context.data_unchecked();
        let after_seq = after_seq
            .map(|seq| u64::try_from(seq).map_err(|_| ActionError::bad_input("afterSeq must not be negative")))
            .transpose()?;
        let event_ids = context.data_opt::<EventIds>().cloned().unwrap_or_default();
        let after_seq = after_seq.max(event_ids.last_seen());
        let start = async {
            let id = find_load_id(actions, &id).await?;
            Ok::<_, ActionError>((id, actions.watch_load(id, after_seq).await?))
        };
        let (id, changes) = context.data_unchecked::<Deadline>().keep("try again", start).await??;
        Ok(changes.map(move |progress| {
            let progress = progress?;
            event_ids.set(progress.seq);
            Ok(LoadProgress { load: id, progress })
        }))
    }

    /// The total of all paystats that match, whenever it changes from now on: when a load that changes it has ended, or by an edit. A slow
    /// client skips to the newest one.
    async fn total_changed(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Which paystats; all if left out.")] filter: Option<StatsFilter>,
    ) -> Result<impl Stream<Item = Result<Total>> + use<>> {
        let actions: &Actions = context.data_unchecked();
        let filter: domain::StatsFilter = filter.unwrap_or_default().try_into()?;
        let changes = context.data_unchecked::<Deadline>().keep("try again", actions.watch_total(filter)).await??;
        Ok(changes.map(|total| Ok(total?.into())))
    }

    /// How far any load is, after every change from now on.
    async fn loads(&self, context: &Context<'_>) -> impl Stream<Item = LoadProgress> + use<> {
        let changes = context.data_unchecked::<Actions>().watch.watch_all();
        futures_util::stream::unfold(changes, |mut changes| async move {
            loop {
                match changes.recv().await {
                    Ok((load, progress)) => return Some((LoadProgress { load, progress }, changes)),
                    // A slow listener skips; every change tells the whole state of its load.
                    Err(RecvError::Lagged(_)) => {}
                    Err(RecvError::Closed) => return None,
                }
            }
        })
    }
}
