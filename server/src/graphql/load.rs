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
    cost::page_cost,
    enums::{KeptReason, LoadEntity, LoadState, OnReject, RejectionCode},
    filter::LoadFilter,
    node::{LOAD, global_id, own_id},
    scalars::{Decimal, Long, Month},
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

    /// What it was started with: a path inside the data lake, or a URL.
    async fn source(&self) -> &str {
        &self.0.source
    }

    /// Size of the source in bytes when the load was accepted.
    async fn source_size_bytes(&self) -> Long {
        self.0.source_size_bytes.into()
    }

    /// What a refused row means for it.
    async fn on_reject(&self) -> OnReject {
        self.0.policy.on_reject.into()
    }

    /// Greatest number of refused rows that it bears; any number if null.
    async fn max_rejected(&self) -> Option<Long> {
        self.0.policy.max_rejected.map(Into::into)
    }

    /// Greatest share of refused rows among all rows that it bears, 0 to 1; any share if null.
    async fn max_rejected_ratio(&self) -> Option<f64> {
        self.0.policy.max_rejected_ratio
    }

    /// Whether it only tells what it would do: rows that it would insert count as inserted, and so on, and none is written.
    async fn dry_run(&self) -> bool {
        self.0.dry_run
    }

    /// The load that it repeats.
    async fn retry_of(&self, context: &Context<'_>) -> Result<Option<Load>> {
        match self.0.retry_of {
            Some(id) => Ok(batch::load(context, id).await?.map(Load)),
            None => Ok(None),
        }
    }

    /// Whether it loads only lines that another load refused: the one that it repeats, or the one which that repeats.
    async fn only_rejected(&self) -> bool {
        self.0.only_rejected_of.is_some()
    }

    /// Where it stands.
    async fn state(&self, context: &Context<'_>) -> LoadState {
        self.now(context).state.into()
    }

    /// How far it is.
    async fn progress(&self, context: &Context<'_>) -> LoadProgress {
        LoadProgress { load: self.0.id, progress: self.now(context), missed: false }
    }

    /// Its refused rows, by line. All are counted in `progress.rowsRejected`; of more than 100,000 about as many are kept.
    #[graphql(complexity = "page_cost(first, last, child_complexity)")]
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

    /// Where this server gives all kept refused rows as one CSV file, by line: what is wrong, as in `Rejection`, then the fields of the record
    /// under the names of the source's columns (`source.code` where the name is taken), then in `surplus` those beyond the header.
    async fn rejections_csv(&self) -> String {
        format!("/loads/{}/rejections.csv", self.0.number)
    }

    /// What its rows change in the total of all paystats, by month; would change, if it is a dry run, and changed, if it was taken back
    /// since. Months that do not change are left out.
    async fn total_changes(&self, context: &Context<'_>) -> Result<Vec<TotalChange>> {
        let changes = context.data_unchecked::<Actions>().total_changes(self.0.id).await?;
        let change = |(month, change): (_, load::TotalChange)| TotalChange {
            month: Month(month),
            amount: Decimal(change.amount),
            count: Long(change.count),
        };
        Ok(changes.iter().map(change).collect())
    }

    /// Rows that stayed as they are when the load was taken back, because they were changed since. All are counted in
    /// `progress.rowsKept`.
    async fn kept_rows(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "At most this many, 1 to 1000.", default = 50)] first: i32,
    ) -> Result<Vec<KeptRow>> {
        let limit = usize::try_from(first).ok().filter(|limit| (1..=1_000).contains(limit));
        let limit = limit.ok_or_else(|| ActionError::bad_input(format!("first: {first} is not between 1 and 1000")))?;
        let actions: &Actions = context.data_unchecked();
        Ok(actions.kept_rows(&self.0, limit).await?.into_iter().map(KeptRow).collect())
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

    /// When it can be undone no more: what it replaced is kept as long.
    async fn undo_until(&self) -> OffsetDateTime {
        self.0.undo_until
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
    /// Whether a watcher may have missed what was before.
    pub missed: bool,
}

/// How far a load is. Counts never go back.
#[Object]
impl LoadProgress {
    /// Number of the newest event in it: grows with every change. A client that lost its connection hands it back as
    /// `afterSeq`.
    async fn seq(&self) -> i64 {
        self.progress.seq as i64
    }

    /// Whether a subscription left out changes between this one and the one that the client saw last, because they are not known any more: this is
    /// the newest state then, and nothing is lost of what it says.
    async fn missed(&self) -> bool {
        self.missed
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

    /// Rows in all; known once all of the source is planned.
    async fn rows_total(&self) -> Option<Long> {
        self.progress.rows_total.map(Into::into)
    }

    /// Bytes of the source that are done; of a compressed one, of its text.
    async fn bytes_read(&self) -> Long {
        self.progress.bytes_read.into()
    }

    /// Size of the source in bytes; of a compressed one that is planned, the size of its text.
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

    /// Chunks in all; known once all of the source is planned.
    async fn chunks_total(&self) -> Option<i32> {
        self.progress.chunks_total.map(|chunks| chunks as i32)
    }

    /// Rows a second since a worker took the load.
    async fn rows_per_second(&self) -> Option<f64> {
        self.progress.rows_per_second
    }

    /// Seconds to go at this speed.
    async fn eta_seconds(&self) -> Option<f64> {
        self.progress.eta_seconds
    }

    /// Rows that were taken back so far: gone, or as they were before the load.
    async fn rows_reverted(&self) -> Long {
        self.progress.reverted.rows.into()
    }

    /// Rows that stay as they are although the load is taken back, because they were changed since; see `Load.keptRows`.
    async fn rows_kept(&self) -> Long {
        self.progress.reverted.kept.into()
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
    /// The fields of the record as the source has them, each cut to 10,000 characters.
    fields: Vec<String>,
}

/// The change of the total of one month.
#[derive(Clone, Debug, SimpleObject)]
pub struct TotalChange {
    /// The month.
    month: Month,
    /// What the sum of the amounts grows by; negative where it shrinks.
    amount: Decimal,
    /// What the number of paystats grows by.
    count: Long,
}

/// A row that stayed as it is when its load was taken back.
pub struct KeptRow(store::KeptRow);

/// A row that stayed as it is when its load was taken back.
#[Object]
impl KeptRow {
    /// The number of the paystat or postal code: `id` in the files.
    async fn database_id(&self) -> Long {
        Long(self.0.id)
    }

    /// Why it stayed.
    async fn reason(&self) -> KeptReason {
        self.0.reason.into()
    }

    /// The newer load that replaced it; null if it was none.
    async fn load(&self, context: &Context<'_>) -> Result<Option<Load>> {
        match self.0.load {
            Some(number) => batch::load_numbered(context, number).await,
            None => Ok(None),
        }
    }
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

impl From<load::RejectionCount> for RejectionCount {
    fn from(rejections: load::RejectionCount) -> Self {
        Self { code: rejections.code.into(), column: rejections.column, count: rejections.count.into() }
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
            fields: rejection.fields,
        }
    }
}

/// A list of refused rows.
pub type RejectionConnection = Connection<Cursor, Rejection, RejectionListCount>;

/// What is asked of a list of refused rows as a whole.
pub struct RejectionListCount(LoadId);

#[Object]
impl RejectionListCount {
    /// Number of refused rows of the load that are kept.
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

/// The id of a load from an argument that names it by its id or its number. `NOT_FOUND` if no load has this number.
pub async fn find_load_id(actions: &Actions, id: &ID) -> Result<LoadId, ActionError> {
    match id.parse() {
        Ok(number) => Ok(actions.load_by_number(number).await?.ok_or_else(unknown_load)?.id),
        Err(_) => own_id(LOAD, id),
    }
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
            Err(_) => actions.load(own_id(LOAD, &id)?).await?,
        };
        Ok(found.map(Load))
    }

    /// Loads, the newest first.
    #[graphql(complexity = "page_cost(first, last, child_complexity)")]
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
