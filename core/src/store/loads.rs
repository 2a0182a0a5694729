//! The collection `loads`: one document a load, from its acceptance to its end.
//!
//! Every step is a compare-and-set on `state`, so of two processes that do the same, one wins and the other sees it.

use std::collections::HashSet;

use futures_util::{FutureExt, TryStreamExt};
use mongodb::{
    ClientSession, Collection, Database, IndexModel,
    bson::{Bson, DateTime, Document, doc, serialize_to_bson},
    options::{IndexOptions, ReturnDocument},
};
use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};

use super::{
    BATCH_SIZE, Direction, Key, KeyPart, LoadSession, Page, PageRequest, StoreError, counters::Counters,
    error::duplicate_as, page::find_page, session::end_sessions,
};
use crate::{
    datalake::DatalakeObject,
    load::{Cut, Load, LoadEntity, LoadId, LoadState, Plan, Progress, RejectPolicy},
};

/// The collection of loads.
#[derive(Clone, Debug)]
pub struct Loads {
    loads: Collection<LoadDocument>,
    counters: Counters,
    undo_days: u32,
}

/// What a load starts with.
#[derive(Clone, Debug)]
pub struct NewLoad {
    /// What its rows are.
    pub entity: LoadEntity,
    /// Path inside the data lake, or URL.
    pub source: String,
    /// Size of the source.
    pub source_size_bytes: u64,
    /// Version of the source.
    pub source_fingerprint: String,
    /// How many refused rows it bears.
    pub policy: RejectPolicy,
    /// Whether it only tells what it would do.
    pub dry_run: bool,
    /// The load that it repeats.
    pub retry_of: Option<LoadId>,
    /// The load whose refused lines are the only ones that it loads.
    pub only_rejected_of: Option<LoadId>,
    /// The caller's name for this request: the same key gives the same load.
    pub idempotency_key: Option<String>,
}

impl NewLoad {
    /// A load of a source as the data lake has it now.
    pub fn of(entity: LoadEntity, source: DatalakeObject) -> Self {
        let source_fingerprint = source.fingerprint();
        Self {
            entity,
            source: source.path,
            source_size_bytes: source.size_bytes,
            source_fingerprint,
            policy: RejectPolicy::default(),
            dry_run: false,
            retry_of: None,
            only_rejected_of: None,
            idempotency_key: None,
        }
    }
}

/// Which loads a list holds. What is `None` does not restrict.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LoadFilter {
    /// What the rows are.
    pub entity: Option<LoadEntity>,
    /// Any of these states.
    pub states: Option<Vec<LoadState>>,
    /// Exactly this source.
    pub source: Option<String>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct LoadDocument {
    #[serde(rename = "_id")]
    id: String,
    number: i64,
    entity: LoadEntity,
    source: String,
    source_size_bytes: i64,
    source_fingerprint: String,
    policy: RejectPolicy,
    dry_run: bool,
    retry_of: Option<String>,
    only_rejected_of: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    idempotency_key: Option<String>,
    state: LoadState,
    ends_as: Option<LoadState>,
    error: Option<String>,
    progress: Option<Progress>,
    /// Whether the bus has the first message of what it is at: loading, or being taken back.
    published: bool,
    cut: Option<Cut>,
    plan: Option<Plan>,
    undo_until: DateTime,
    created_at: DateTime,
    started_at: Option<DateTime>,
    finished_at: Option<DateTime>,
}

pub(super) const COLLECTION: &str = "loads";
const NUMBER: &str = "loads";
/// Numbers of events up to this one were given before a backup was restored, or may have been.
const EVENTS_BEFORE: &str = "events";
/// The states that something follows.
const OPEN: [LoadState; 5] =
    [LoadState::Queued, LoadState::Planning, LoadState::Loading, LoadState::RollingUp, LoadState::Reverting];
/// The states in which a load goes forward.
const FORWARD: [LoadState; 4] = [LoadState::Queued, LoadState::Planning, LoadState::Loading, LoadState::RollingUp];

impl Loads {
    pub(super) fn new(database: &Database, undo_days: u32) -> Self {
        Self { loads: database.collection(COLLECTION), counters: Counters::new(database), undo_days }
    }

    pub(super) async fn create_indexes(&self) -> Result<(), StoreError> {
        self.counters.prepare(NUMBER).await?;
        let unique = IndexOptions::builder().unique(true).build();
        let unique_where_set = IndexOptions::builder()
            .unique(true)
            .partial_filter_expression(doc! { "idempotency_key": { "$type": "string" } })
            .build();
        self.loads
            .create_indexes([
                IndexModel::builder().keys(doc! { "number": 1 }).options(unique).build(),
                IndexModel::builder().keys(doc! { "idempotency_key": 1 }).options(unique_where_set).build(),
                IndexModel::builder().keys(doc! { "state": 1, "number": 1 }).build(),
            ])
            .await?;
        Ok(())
    }

    /// Writes a load that nobody has been told of yet, under the next number.
    /// [`StoreError::Duplicate`] if its idempotency key is taken.
    ///
    /// One transaction with the counter: a load is there before any load of a greater number.
    pub async fn insert(&self, new: NewLoad) -> Result<Load, StoreError> {
        let document = LoadDocument {
            id: LoadId::new().to_string(),
            number: 0,
            entity: new.entity,
            source: new.source,
            source_size_bytes: new.source_size_bytes as i64,
            source_fingerprint: new.source_fingerprint,
            policy: new.policy,
            dry_run: new.dry_run,
            retry_of: new.retry_of.map(|id| id.to_string()),
            only_rejected_of: new.only_rejected_of.map(|id| id.to_string()),
            idempotency_key: new.idempotency_key,
            state: LoadState::Queued,
            ends_as: None,
            error: None,
            progress: None,
            published: false,
            cut: None,
            plan: None,
            undo_until: to_bson(OffsetDateTime::now_utc() + Duration::days(self.undo_days.into())),
            created_at: now(),
            started_at: None,
            finished_at: None,
        };
        // Asked first, because a transaction would be tried for two minutes while MongoDB is away.
        self.last_number().await?;
        let mut session = self.loads.client().start_session().await?;
        let inserted = session
            .start_transaction()
            .and_run((self.clone(), document), |session, (loads, document)| {
                async move {
                    document.number = loads.counters.next(NUMBER, session).await?;
                    loads.loads.insert_one(&*document).session(session).await?;
                    Ok(document.clone())
                }
                .boxed()
            })
            .await;
        inserted.map_err(duplicate_as("idempotency key"))?.try_into()
    }

    /// The load with this id.
    pub async fn by_id(&self, id: LoadId) -> Result<Option<Load>, StoreError> {
        self.find(doc! { "_id": id.to_string() }).await
    }

    /// The loads with these numbers, in any order.
    pub async fn by_numbers(&self, numbers: &[i64]) -> Result<Vec<Load>, StoreError> {
        let found: Vec<LoadDocument> = self
            .loads
            .find(doc! { "number": { "$in": numbers.to_vec() } })
            .batch_size(BATCH_SIZE)
            .await?
            .try_collect()
            .await?;
        found.into_iter().map(Load::try_from).collect()
    }

    /// The loads with these ids, in any order.
    pub async fn by_ids(&self, ids: &[LoadId]) -> Result<Vec<Load>, StoreError> {
        let ids: Vec<String> = ids.iter().map(LoadId::to_string).collect();
        let found: Vec<LoadDocument> =
            self.loads.find(doc! { "_id": { "$in": ids } }).batch_size(BATCH_SIZE).await?.try_collect().await?;
        found.into_iter().map(Load::try_from).collect()
    }

    /// The load with this number.
    pub async fn by_number(&self, number: i64) -> Result<Option<Load>, StoreError> {
        self.find(doc! { "number": number }).await
    }

    /// The load that was started with this key.
    pub async fn by_idempotency_key(&self, key: &str) -> Result<Option<Load>, StoreError> {
        self.find(doc! { "idempotency_key": key }).await
    }

    /// A page of the matching loads, the newest first.
    pub async fn page(&self, filter: &LoadFilter, request: PageRequest) -> Result<Page<Load>, StoreError> {
        let page =
            find_page(&self.loads, filter.document(), Some("number"), Direction::Descending, None, request).await?;
        page.map(Load::try_from)
    }

    /// The loads that have not ended and match but for their state, the oldest first.
    pub async fn open(&self, filter: &LoadFilter) -> Result<Vec<Load>, StoreError> {
        let filter = LoadFilter { states: Some(OPEN.to_vec()), ..filter.clone() };
        self.list(filter.document(), doc! { "number": 1 }).await
    }

    /// The loads whose end has a greater number than that of this event, and that match.
    pub async fn ended_after(&self, filter: &LoadFilter, event: u64) -> Result<Vec<Load>, StoreError> {
        let mut ended = filter.document();
        ended.insert("progress.seq", doc! { "$gt": event as i64 });
        self.list(ended, doc! { "progress.seq": 1 }).await
    }

    async fn list(&self, filter: Document, order: Document) -> Result<Vec<Load>, StoreError> {
        let found: Vec<LoadDocument> =
            self.loads.find(filter).sort(order).batch_size(BATCH_SIZE).await?.try_collect().await?;
        found.into_iter().map(Load::try_from).collect()
    }

    /// How many loads match.
    pub async fn count(&self, filter: &LoadFilter) -> Result<u64, StoreError> {
        Ok(self.loads.count_documents(filter.document()).await?)
    }

    /// The place of `load` in the order of [`Loads::page`].
    pub fn key(load: &Load) -> Key {
        Key { value: Some(KeyPart::Number(load.number)), id: KeyPart::Text(load.id.to_string()) }
    }

    /// A key of this order, to compare others with.
    pub fn sample_key() -> Key {
        Key { value: Some(KeyPart::Number(0)), id: KeyPart::Text(String::new()) }
    }

    /// The number of the newest load; 0 before the first.
    pub async fn last_number(&self) -> Result<i64, StoreError> {
        self.counters.last(NUMBER).await
    }

    /// The greatest number of an event that the progress of a finished load holds, or that was left out by a restore; 0 before the first.
    pub async fn greatest_event(&self) -> Result<u64, StoreError> {
        let last = self.loads.find_one(doc! { "progress": { "$ne": null } }).sort(doc! { "progress.seq": -1 }).await?;
        let told = last.and_then(|load| load.progress).map_or(0, |progress| progress.seq);
        Ok(told.max(self.counters.last(EVENTS_BEFORE).await?.cast_unsigned()))
    }

    /// Leaves out so many numbers of events: they were given after the backup that is restored.
    pub(super) async fn skip_events(&self, numbers: i64) -> Result<(), StoreError> {
        let known = self.counters.last(EVENTS_BEFORE).await?;
        let next = self.greatest_event().await?.cast_signed() + numbers;
        self.counters.count_up_by(EVENTS_BEFORE, next - known).await
    }

    /// Whether a load that was accepted before this one may still write rows of its entity, or is taken back.
    pub async fn any_older_open(&self, load: &Load) -> Result<bool, StoreError> {
        let older = doc! {
            "state": { "$in": names(&OPEN) },
            "number": { "$lt": load.number },
            "entity": load.entity.name(),
            "dry_run": { "$ne": true },
        };
        Ok(self.loads.find_one(older).await?.is_some())
    }

    /// Whether a load of this entity is under way or waits.
    pub async fn any_open(&self, entity: LoadEntity) -> Result<bool, StoreError> {
        let filter = LoadFilter { entity: Some(entity), states: Some(OPEN.to_vec()), source: None };
        Ok(self.loads.find_one(filter.document()).await?.is_some())
    }

    /// How many loads wait before this one.
    pub async fn queued_before(&self, number: i64) -> Result<u64, StoreError> {
        let before = doc! { "state": LoadState::Queued.name(), "number": { "$lt": number } };
        Ok(self.loads.count_documents(before).await?)
    }

    /// Loads under way that the bus has not been told of, the oldest first.
    pub async fn unpublished(&self, accepted_before: OffsetDateTime) -> Result<Vec<Load>, StoreError> {
        let found: Vec<LoadDocument> = self
            .loads
            .find(unpublished(accepted_before))
            .sort(doc! { "number": 1 })
            .limit(100)
            .await?
            .try_collect()
            .await?;
        found.into_iter().map(Load::try_from).collect()
    }

    /// How many loads that were accepted before a moment have not been published.
    pub async fn count_unpublished(&self, accepted_before: OffsetDateTime) -> Result<u64, StoreError> {
        Ok(self.loads.count_documents(unpublished(accepted_before)).await?)
    }

    /// Notes that the bus has lost the messages of all loads under way.
    pub async fn set_unpublished(&self) -> Result<(), StoreError> {
        let open = doc! { "state": { "$in": names(&OPEN) } };
        self.loads.update_many(open, doc! { "$set": { "published": false } }).await?;
        Ok(())
    }

    /// Notes that the bus has the load's first message.
    pub async fn set_published(&self, id: LoadId) -> Result<(), StoreError> {
        self.loads.update_one(doc! { "_id": id.to_string() }, doc! { "$set": { "published": true } }).await?;
        Ok(())
    }

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
    pub(super) async fn end(
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

    /// Numbers of the loads whose rows stand among the paystats and do not count, inside a transaction; without `as_if`.
    pub(super) async fn uncounted(
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
    pub(super) async fn uncounted_during(&self, load: &Load) -> Result<HashSet<i64>, StoreError> {
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
    pub(super) async fn not_succeeded(
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
    pub(super) async fn any_being_undone(&self, session: &mut ClientSession) -> Result<bool, mongodb::error::Error> {
        let undone = doc! { "state": LoadState::Reverting.name(), "ends_as": LoadState::Undone.name() };
        Ok(!self.find_states(undone, session).await?.is_empty())
    }

    /// Which of these loads have ended.
    pub(super) async fn ended(&self, numbers: &[i64]) -> Result<Vec<i64>, StoreError> {
        let loads = self.by_numbers(numbers).await?;
        Ok(loads.iter().filter(|load| load.state.is_final()).map(|load| load.number).collect())
    }

    /// The states of the loads with these numbers, inside a transaction.
    pub(super) async fn states(
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

    /// Notes the number of the event that told the end of a load.
    pub async fn set_last_event(&self, id: LoadId, seq: u64) -> Result<(), StoreError> {
        let set = doc! { "$set": { "progress.seq": seq as i64 } };
        self.loads.update_one(doc! { "_id": id.to_string(), "progress": { "$ne": null } }, set).await?;
        Ok(())
    }

    async fn change(
        &self,
        filter: Document,
        update: impl Into<mongodb::options::UpdateModifications>,
    ) -> Result<Option<Load>, StoreError> {
        let changed = self.loads.find_one_and_update(filter, update).return_document(ReturnDocument::After).await?;
        changed.map(Load::try_from).transpose()
    }

    async fn find(&self, filter: Document) -> Result<Option<Load>, StoreError> {
        self.loads.find_one(filter).await?.map(Load::try_from).transpose()
    }
}

impl LoadFilter {
    fn document(&self) -> Document {
        let mut conditions = Document::new();
        conditions.extend(self.entity.map(|entity| ("entity".to_owned(), Bson::from(entity.name()))));
        conditions
            .extend(self.states.as_ref().map(|states| ("state".to_owned(), doc! { "$in": names(states) }.into())));
        conditions.extend(self.source.as_ref().map(|source| ("source".to_owned(), Bson::from(source))));
        conditions
    }
}

fn names(states: &[LoadState]) -> Vec<&'static str> {
    states.iter().map(|state| state.name()).collect()
}

impl TryFrom<LoadDocument> for Load {
    type Error = StoreError;

    fn try_from(document: LoadDocument) -> Result<Self, StoreError> {
        Ok(Self {
            id: parse_id(&document.id)?,
            number: document.number,
            entity: document.entity,
            source: document.source,
            source_size_bytes: document.source_size_bytes as u64,
            source_fingerprint: document.source_fingerprint,
            policy: document.policy,
            dry_run: document.dry_run,
            retry_of: document.retry_of.as_deref().map(parse_id).transpose()?,
            only_rejected_of: document.only_rejected_of.as_deref().map(parse_id).transpose()?,
            state: document.state,
            ends_as: document.ends_as,
            error: document.error,
            progress: document.progress,
            cut: document.cut,
            plan: document.plan,
            undo_until: from_bson(document.undo_until),
            created_at: from_bson(document.created_at),
            started_at: document.started_at.map(from_bson),
            finished_at: document.finished_at.map(from_bson),
        })
    }
}

fn parse_id(id: &str) -> Result<LoadId, StoreError> {
    id.parse().map_err(|error: uuid::Error| corrupt(&error))
}

fn last_state(progress: &Progress) -> Result<Document, StoreError> {
    Ok(doc! {
        "state": progress.state.name(),
        "progress": serialize_to_bson(progress).map_err(|error| corrupt(&error))?,
        "finished_at": now(),
    })
}

fn now() -> DateTime {
    DateTime::now()
}

pub(super) fn to_bson(at: OffsetDateTime) -> DateTime {
    DateTime::from_millis((at.unix_timestamp_nanos() / 1_000_000) as i64)
}

pub(super) fn from_bson(at: DateTime) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(at.timestamp_millis()) * 1_000_000)
        .unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

fn corrupt(error: &dyn std::error::Error) -> StoreError {
    StoreError::Corrupt { collection: COLLECTION, reason: error.to_string() }
}

fn unpublished(accepted_before: OffsetDateTime) -> Document {
    doc! {
        "published": false,
        "state": { "$in": names(&OPEN) },
        "created_at": { "$lt": to_bson(accepted_before) },
    }
}
