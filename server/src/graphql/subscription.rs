//! What clients can watch.

use std::sync::Arc;

use async_graphql::{Context, ID, Result, Subscription as GraphqlSubscription};
use futures_util::{
    Stream, StreamExt,
    stream::{self, BoxStream},
};
use paystats_core::domain;

use super::{
    filter::{LoadFilter, StatsFilter},
    load::{LoadProgress, Rejection, find_load_id},
    totals::Total,
};
use crate::{
    actions::{ActionError, Actions, Deadline, LoadNews, UntilNow},
    http::{EventId, Feed, Part, Shared},
};

/// The subscriptions whose watchers share what comes from now on.
pub(crate) const SHARED: Shared =
    Shared { fields: &[("Subscription", &["loadProgress", "totalChanged", "loads"])], resumed_by: "afterSeq" };

/// Watch: the progress of loads, and totals.
pub struct Subscription;

/// Watch: the progress of loads, and totals.
#[GraphqlSubscription]
impl Subscription {
    /// How far the load with this id or number is: the state now, then every change, until it ends. `NOT_FOUND` if there is no such load. A client that
    /// lost its connection hands back the `seq` that it saw last as `afterSeq`, to any server, and gets every change that it has not seen; over
    /// Server-Sent Events `Last-Event-ID` does the same. A client that reads slowly, and each of a crowd, skips to the newest change.
    async fn load_progress(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Id or number of the load.")] id: ID,
        #[graphql(desc = "The `seq` that the client saw last; from the state now if left out.")] after_seq: Option<i64>,
    ) -> Result<impl Stream<Item = Result<LoadProgress>> + use<>> {
        let (actions, feed) = (context.data_unchecked::<Actions>(), context.data_unchecked::<Feed>());
        let after_seq = after(after_seq, feed)?;
        let start = async {
            let id = find_load_id(actions, &id).await?;
            Ok::<_, ActionError>(match feed.part() {
                Part::FromNowOn => from_now_on(feed, actions.watch_load(id).await?, |_| 0),
                Part::UntilNow | Part::Whole => until_now(feed, actions.load_until_now(id, after_seq).await?),
            })
        };
        context.data_unchecked::<Deadline>().keep("try again", start).await?.map_err(Into::into)
    }

    /// The refused rows of the load with this id or number, as they come: those that are kept by now, then each further one once it is in the
    /// store, until the load has ended. `NOT_FOUND` if there is no such load. Each comes once, and none is skipped for a slow client. Those of one
    /// chunk of the source come by line; chunks are written side by side. As in `Load.rejections`, of more than 100,000 about as many are
    /// kept, and what a load refused stays when it fails or is taken back. A client that lost its connection starts again at the first row.
    async fn rejections(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Id or number of the load.")] load_id: ID,
    ) -> Result<impl Stream<Item = Result<Rejection>> + use<>> {
        let actions: &Actions = context.data_unchecked();
        let start = async { actions.watch_rejections(find_load_id(actions, &load_id).await?).await };
        let rejections = context.data_unchecked::<Deadline>().keep("try again", start).await??;
        Ok(rejections.map(|rejection| Ok(rejection?.into())))
    }

    /// The total of all paystats that match, whenever it changes from now on: when a load that changes it has ended, or by an edit. A slow
    /// client skips to the newest one. A client that comes back over Server-Sent Events is told at once what it is by now, if it may have changed.
    async fn total_changed(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Which paystats; all if left out.")] filter: Option<StatsFilter>,
        #[graphql(
            default,
            desc = "Whether to begin with what the total is now: then whoever asked other questions before can tell whether they are out of date."
        )]
        now: bool,
    ) -> Result<impl Stream<Item = Result<Total>> + use<>> {
        let (actions, feed) = (context.data_unchecked::<Actions>(), context.data_unchecked::<Feed>());
        let filter: domain::StatsFilter = filter.unwrap_or_default().try_into()?;
        let tell = {
            let feed = feed.clone();
            move |(version, total): (u64, domain::Total)| {
                feed.tells(EventId { number: Some(version), subject: 0 });
                Total::from(total)
            }
        };
        let start = async {
            Ok::<_, ActionError>(match feed.part() {
                Part::FromNowOn => {
                    let changes = actions.watch_total(filter).await?;
                    feed.from_now_on();
                    changes.map(move |change| Ok(tell(change?))).boxed()
                }
                Part::UntilNow | Part::Whole => {
                    let (version, total) = actions.total_now(&filter).await?;
                    feed.goes_on_after(version);
                    // Who was told already is told only what may be news.
                    let is_wanted = feed.last_seen().map_or(now, |seen| seen != version);
                    stream::iter(is_wanted.then(|| Ok(tell((version, total))))).boxed()
                }
            })
        };
        context.data_unchecked::<Deadline>().keep("try again", start).await?.map_err(Into::into)
    }

    /// How far loads are: the state of each that is under way and matches, then every change of any that matches after it. A client that lost its
    /// connection hands back the greatest `seq` that it saw as `afterSeq`, to any server, and gets the newest state of each load of which it has
    /// not seen all; over Server-Sent Events `Last-Event-ID` does the same. A slow client gets of each load the newest state.
    async fn loads(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Which ones; all if left out.")] filter: Option<LoadFilter>,
        #[graphql(desc = "The greatest `seq` that the client saw.")] after_seq: Option<i64>,
    ) -> Result<impl Stream<Item = Result<LoadProgress>> + use<>> {
        let (actions, feed) = (context.data_unchecked::<Actions>(), context.data_unchecked::<Feed>());
        let after_seq = after(after_seq, feed)?;
        let filter = filter.unwrap_or_default().into();
        let start = async {
            Ok::<_, ActionError>(match feed.part() {
                Part::FromNowOn => from_now_on(feed, actions.watch_loads(filter), |news| news.load.as_u128()),
                Part::UntilNow | Part::Whole => until_now(feed, actions.loads_until_now(&filter, after_seq).await?),
            })
        };
        context.data_unchecked::<Deadline>().keep("try again", start).await?.map_err(Into::into)
    }
}

/// The event that the client saw last: the later one where the client and its transport both say.
fn after(after_seq: Option<i64>, feed: &Feed) -> Result<Option<u64>, ActionError> {
    let after_seq = after_seq
        .map(|seq| u64::try_from(seq).map_err(|_| ActionError::bad_input("afterSeq must not be negative")))
        .transpose()?;
    Ok(after_seq.max(feed.last_seen()))
}

fn until_now(feed: &Feed, UntilNow { news, goes_on_after }: UntilNow) -> BoxStream<'static, Result<LoadProgress>> {
    if let Some(number) = goes_on_after {
        feed.goes_on_after(number);
    }
    let feed = feed.clone();
    let told = news.into_iter().map(move |news| {
        feed.tells(EventId { number: news.number, subject: 0 });
        Ok(news.into())
    });
    stream::iter(told).boxed()
}

fn from_now_on(
    feed: &Feed,
    news: impl Stream<Item = Result<LoadNews, ActionError>> + Send + 'static,
    subject: fn(&LoadNews) -> u128,
) -> BoxStream<'static, Result<LoadProgress>> {
    feed.from_now_on();
    let feed = feed.clone();
    news.map(move |news| {
        let news = news?;
        // What has no number is new to everybody.
        feed.tells(EventId { number: news.number, subject: subject(&news) });
        Ok(news.into())
    })
    .boxed()
}

impl From<LoadNews> for LoadProgress {
    fn from(LoadNews { load, progress, missed, .. }: LoadNews) -> Self {
        Self { load, progress: Arc::unwrap_or_clone(progress), missed }
    }
}
