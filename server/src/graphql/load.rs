//! Loads and their progress: the types, and questions for them.

use async_graphql::{Context, ID, Object, Result, SimpleObject, connection::Connection};
use paystats_core::{
    load::{self, LoadId, Progress},
    store,
};
use time::OffsetDateTime;

use super::{
    batch,
    connection::{Cursor, PageArguments, connection},
    enums::{LoadEntity, LoadState, RejectionCode},
    filter::LoadFilter,
    node::{LOAD, global_id, own_id},
    scalars::Long,
};
use crate::actions::{ActionError, Actions, unknown_load};

/// A load: one source file, read, checked and written row by row.
pub struct Load(pub load::Load);

/// A load: one source file, read, checked and written row by row.
#[Object]
impl Load {
    /// Names this load in the whole API.
    pub async fn id(&self) -> ID {
        global_id(LOAD, self.0.id)
    }

    /// Its place in the order of all loads. A row is only replaced by a load of a greater number.
    async fn number(&self) -> i32 {
        self.0.number as i32
    }

    /// What its rows are.
    async fn entity(&self) -> LoadEntity {
        self.0.entity.into()
    }

    /// Path inside the data lake.
    async fn source(&self) -> &str {
        &self.0.source
    }

    /// Size of the source in bytes when the load was accepted.
    async fn source_size_bytes(&self) -> Long {
        self.0.source_size_bytes.into()
    }

    /// Where it stands.
    async fn state(&self, context: &Context<'_>) -> LoadState {
        self.now(context).state.into()
    }

    /// How far it is.
    async fn progress(&self, context: &Context<'_>) -> LoadProgress {
        LoadProgress { load: self.0.id, progress: self.now(context) }
    }

    /// Its refused rows, by line.
    async fn rejections(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "At most this many from the start, up to 1000; 50 where `last` is left out too.")]
        first: Option<i32>,
        #[graphql(desc = "Only what follows this cursor.")] after: Option<String>,
        #[graphql(desc = "At most this many from the end, up to 1000.")] last: Option<i32>,
        #[graphql(desc = "Only what precedes this cursor.")] before: Option<String>,
    ) -> Result<RejectionConnection> {
        let actions: &Actions = context.data_unchecked();
        let key = |line| store::Rejections::key(self.0.id, line);
        let request = PageArguments { first, after, last, before }.request(&key(0))?;
        let page = actions.rejections(self.0.id, request).await?;
        Ok(connection(page, RejectionListCount(self.0.id), |rejection| key(rejection.line), Rejection::from))
    }

    /// How many of its rows were refused, by code and column, the most frequent first.
    async fn rejection_counts(&self, context: &Context<'_>) -> Result<Vec<RejectionCount>> {
        let actions: &Actions = context.data_unchecked();
        Ok(actions.rejection_counts(self.0.id).await?.into_iter().map(RejectionCount::from).collect())
    }

    /// Why it failed; null unless it did.
    async fn error(&self, context: &Context<'_>) -> Option<String> {
        self.now(context).error
    }

    /// When it was accepted.
    async fn created_at(&self) -> OffsetDateTime {
        self.0.created_at
    }

    /// When a worker took it.
    async fn started_at(&self) -> Option<OffsetDateTime> {
        self.0.started_at
    }

    /// When it became final.
    async fn finished_at(&self) -> Option<OffsetDateTime> {
        self.0.finished_at
    }
}

impl Load {
    fn now(&self, context: &Context<'_>) -> Progress {
        context.data_unchecked::<Actions>().progress(&self.0)
    }
}

/// How far a load is. Counts never go back.
pub struct LoadProgress {
    /// Its load.
    pub load: LoadId,
    /// How far it is.
    pub progress: Progress,
}

/// How far a load is. Counts never go back.
#[Object]
impl LoadProgress {
    /// Number of the newest event in it: grows with every change. A client that lost its connection hands it back as
    /// `afterSeq`.
    async fn seq(&self) -> i64 {
        self.progress.seq as i64
    }

    /// Its load.
    async fn load(&self, context: &Context<'_>) -> Result<Load> {
        let found = batch::load(context, self.load).await?;
        Ok(Load(found.ok_or_else(unknown_load)?))
    }

    /// Where the load stands.
    async fn state(&self) -> LoadState {
        self.progress.state.into()
    }

    /// Why it failed; null unless it did.
    async fn error(&self) -> Option<&str> {
        self.progress.error.as_deref()
    }

    /// Rows read so far: inserted, updated, unchanged and rejected ones.
    async fn rows_read(&self) -> Long {
        self.progress.counts.read().into()
    }

    /// Rows that are new to the store.
    async fn rows_inserted(&self) -> Long {
        self.progress.counts.inserted.into()
    }

    /// Rows that replaced an older version.
    async fn rows_updated(&self) -> Long {
        self.progress.counts.updated.into()
    }

    /// Rows that the store has already, or has from a newer load or a later edit.
    async fn rows_unchanged(&self) -> Long {
        self.progress.counts.unchanged.into()
    }

    /// Rows that were refused; see `Load.rejections`.
    async fn rows_rejected(&self) -> Long {
        self.progress.counts.rejected.into()
    }

    /// Rows of the source; known once it is planned.
    async fn rows_total(&self) -> Option<Long> {
        self.progress.rows_total.map(Into::into)
    }

    /// Bytes of the source that are done.
    async fn bytes_read(&self) -> Long {
        self.progress.bytes_read.into()
    }

    /// Size of the source in bytes.
    async fn bytes_total(&self) -> Long {
        self.progress.bytes_total.into()
    }

    /// Share of the source that is done, 0 to 1.
    async fn fraction(&self) -> f64 {
        self.progress.fraction()
    }

    /// Chunks that are done. A chunk is a piece of the source that one worker writes.
    async fn chunks_done(&self) -> i32 {
        self.progress.chunks_done as i32
    }

    /// Chunks in all; known once the source is planned.
    async fn chunks_total(&self) -> Option<i32> {
        self.progress.chunks_total.map(|chunks| chunks as i32)
    }

    /// Rows a second since the work on chunks started.
    async fn rows_per_second(&self) -> Option<f64> {
        self.progress.rows_per_second
    }

    /// Seconds to go at this speed.
    async fn eta_seconds(&self) -> Option<f64> {
        self.progress.eta_seconds
    }

    /// Place among the loads that wait, from 1; null unless it is `QUEUED`.
    async fn queue_position(&self, context: &Context<'_>) -> Result<Option<Long>> {
        if self.progress.state != load::LoadState::Queued {
            return Ok(None);
        }
        let Some(load) = batch::load(context, self.load).await? else { return Ok(None) };
        let before = context.data_unchecked::<Actions>().queued_before(&load).await?;
        Ok(Some((before + 1).into()))
    }
}

/// A row that was refused, and why. Lines count from 1, the header is line 1, and a record's line is where it starts.
#[derive(Clone, Debug, SimpleObject)]
pub struct Rejection {
    /// Line of the source where the record starts.
    line: Long,
    /// Column that is wrong; null where the record as a whole is.
    column: Option<String>,
    /// What is wrong, for programs.
    code: RejectionCode,
    /// The value that is wrong, cut to 200 characters.
    value: Option<String>,
    /// What is wrong, for people.
    reason: String,
}

/// Refused rows of a load that have the same thing wrong with them.
#[derive(Clone, Debug, SimpleObject)]
pub struct RejectionCount {
    /// What is wrong.
    code: RejectionCode,
    /// In which column; null where the record as a whole is wrong.
    column: Option<String>,
    /// Number of rows.
    count: Long,
}

impl From<store::RejectionCount> for RejectionCount {
    fn from(rejections: store::RejectionCount) -> Self {
        Self { code: rejections.code.into(), column: rejections.column, count: Long(rejections.count) }
    }
}

impl From<load::Rejection> for Rejection {
    fn from(rejection: load::Rejection) -> Self {
        Self {
            line: rejection.line.into(),
            column: rejection.column,
            code: rejection.code.into(),
            value: rejection.value,
            reason: rejection.reason,
        }
    }
}

/// A list of refused rows.
pub type RejectionConnection = Connection<Cursor, Rejection, RejectionListCount>;

/// What is asked of a list of refused rows as a whole.
pub struct RejectionListCount(LoadId);

#[Object]
impl RejectionListCount {
    /// Number of refused rows of the load.
    async fn total_count(&self, context: &Context<'_>) -> Result<Long> {
        let actions: &Actions = context.data_unchecked();
        Ok(actions.count_rejections(self.0).await?.into())
    }
}

/// A list of loads.
pub type LoadConnection = Connection<Cursor, Load, LoadCount>;

/// What is asked of a list of loads as a whole.
pub struct LoadCount(store::LoadFilter);

#[Object]
impl LoadCount {
    /// Number of loads in the whole list.
    async fn total_count(&self, context: &Context<'_>) -> Result<Long> {
        let actions: &Actions = context.data_unchecked();
        Ok(actions.count_loads(&self.0).await?.into())
    }
}

/// The id of a load from an argument.
pub fn load_id(id: &ID) -> Result<LoadId, ActionError> {
    own_id(LOAD, id)
}

/// Questions for loads.
#[derive(Default)]
pub struct LoadQuery;

#[Object]
impl LoadQuery {
    /// The load with this id or number; null if there is none.
    async fn load(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Its id, or its number.")] id: ID,
    ) -> Result<Option<Load>> {
        let actions: &Actions = context.data_unchecked();
        let found = match id.parse() {
            Ok(number) => actions.load_by_number(number).await?,
            Err(_) => actions.load(load_id(&id)?).await?,
        };
        Ok(found.map(Load))
    }

    /// Loads, the newest first.
    async fn loads(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Which ones; all if left out.")] filter: Option<LoadFilter>,
        #[graphql(desc = "At most this many from the start, up to 1000; 50 where `last` is left out too.")]
        first: Option<i32>,
        #[graphql(desc = "Only what follows this cursor.")] after: Option<String>,
        #[graphql(desc = "At most this many from the end, up to 1000.")] last: Option<i32>,
        #[graphql(desc = "Only what precedes this cursor.")] before: Option<String>,
    ) -> Result<LoadConnection> {
        let actions: &Actions = context.data_unchecked();
        let filter: store::LoadFilter = filter.unwrap_or_default().into();
        let request = PageArguments { first, after, last, before }.request(&store::Loads::sample_key())?;
        let page = actions.loads(&filter, request).await?;
        Ok(connection(page, LoadCount(filter), store::Loads::key, Load))
    }
}
