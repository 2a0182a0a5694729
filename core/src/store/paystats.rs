//! The collection `paystats`: `_id` (int64), `amount` (Decimal128), `month` (date), `age`, `gender`, `postal_code_id`,
//! `written`. It is the truth that every total is made from. Between the rows may stand tokens, whose `_id` is a UUID: see `announced`.

use std::{
    borrow::Cow,
    collections::{BTreeSet, HashSet},
};

use futures_util::FutureExt;
use mongodb::{
    ClientSession, Collection, Database, IndexModel,
    bson::{Bson, DateTime, Decimal128, Document, doc, serialize_to_bson},
    options::ReturnDocument,
};
use serde::{Deserialize, Serialize};
use time::{Date, OffsetDateTime, Time};

use super::{
    Direction, Key, KeyPart, Page, PageRequest, Provenance, Rollups, StoreError,
    announced::AnnouncedRows,
    decimal::{from_decimal128, to_decimal128},
    error::duplicate_as,
    load_batches::{LoadRow, LoadedDocument},
    page::find_page,
    raw_fields::Fields,
};
use crate::domain::{AgeGroup, Amount, Cells, Gender, Month, Paystat, PaystatId, PaystatScope, PostalCodeId, Total};

/// The collection of paystats.
#[derive(Clone, Debug)]
pub struct Paystats {
    paystats: Collection<PaystatDocument>,
    postal_codes: Collection<Document>,
    rollups: Rollups,
    announced: AnnouncedRows,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PaystatDocument {
    #[serde(rename = "_id")]
    id: i64,
    amount: Decimal128,
    month: DateTime,
    age: Cow<'static, str>,
    gender: Cow<'static, str>,
    postal_code_id: i32,
    written: Provenance,
}

/// A paystat and who wrote it last.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredPaystat {
    /// The row.
    pub paystat: Paystat,
    /// Who wrote it last.
    pub written: Provenance,
}

/// New values for a paystat. What is `None` stays.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PaystatChange {
    /// New amount.
    pub amount: Option<Amount>,
    /// New month.
    pub month: Option<Month>,
    /// New age group.
    pub age: Option<AgeGroup>,
    /// New gender.
    pub gender: Option<Gender>,
    /// New postal code.
    pub postal_code_id: Option<PostalCodeId>,
}

/// What a list of paystats is ordered by; equal ones are ordered by id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PaystatOrderField {
    /// Number.
    Id,
    /// Amount.
    Amount,
    /// Month.
    Month,
}

pub(super) const COLLECTION: &str = "paystats";

impl Paystats {
    pub(super) fn new(database: &Database, rollups: Rollups) -> Self {
        let (paystats, postal_codes) = (database.collection(COLLECTION), database.collection("postal_codes"));
        Self { paystats, postal_codes, rollups, announced: AnnouncedRows::new(database) }
    }

    pub(super) async fn create_indexes(&self) -> Result<(), StoreError> {
        let by_place = doc! { "postal_code_id": 1, "month": 1, "age": 1, "gender": 1 };
        self.paystats.create_index(IndexModel::builder().keys(by_place).build()).await?;
        Ok(())
    }

    /// The paystat with this number.
    pub async fn by_id(&self, id: PaystatId) -> Result<Option<StoredPaystat>, StoreError> {
        let found = self.paystats.find_one(doc! { "_id": id.get() }).await?;
        found.map(StoredPaystat::try_from).transpose()
    }

    /// A page of the matching paystats.
    pub async fn page(
        &self,
        scope: &PaystatScope,
        order: PaystatOrderField,
        direction: Direction,
        request: PageRequest,
    ) -> Result<Page<StoredPaystat>, StoreError> {
        let page = find_page(&self.paystats, scope_document(scope), order.field(), direction, None, request).await?;
        page.map(StoredPaystat::try_from)
    }

    /// How many paystats match.
    pub async fn count(&self, scope: &PaystatScope) -> Result<u64, StoreError> {
        Ok(self.paystats.count_documents(scope_document(scope)).await?)
    }

    /// The greatest number in use; 0 if there is none.
    pub async fn greatest_id(&self) -> Result<i64, StoreError> {
        let rows = doc! { "_id": { "$gte": 0_i64 } };
        Ok(self.paystats.find_one(rows).sort(doc! { "_id": -1 }).await?.map_or(0, |document| document.id))
    }

    /// Adds a paystat; [`StoreError::Duplicate`] if its number is taken. Says whether its postal code exists.
    pub async fn insert(&self, paystat: &Paystat, written: Provenance) -> Result<bool, StoreError> {
        let document = PaystatDocument::new(paystat, written);
        let mut session = self.paystats.client().start_session().await?;
        loop {
            let run = session
                .start_transaction()
                .and_run((self, &document), |session, (store, document)| {
                    async move {
                        let known = store.touch_postal_code(document.postal_code_id, session).await?;
                        if known {
                            store.announced.check([document.id], session).await?;
                            store.paystats.insert_one(&**document).session(&mut *session).await?;
                            store.rollups.edited(BTreeSet::from([document.postal_code_id]), session).await?;
                        }
                        Ok(known)
                    }
                    .boxed()
                })
                .await;
            match run {
                Err(error) if self.announced.waited_for(&error).await? => {}
                done => return done.map_err(duplicate_as("id")),
            }
        }
    }

    /// Changes a paystat. `None` in the outer place if its new postal code does not exist, in the inner place if there is no
    /// paystat with this number.
    pub async fn update(
        &self,
        id: PaystatId,
        change: &PaystatChange,
        written: Provenance,
    ) -> Result<Option<Option<StoredPaystat>>, StoreError> {
        let mut set = doc! { "written": serialize_to_bson(&written).map_err(|error| corrupt(&error))? };
        if let Some(amount) = change.amount {
            set.insert("amount", to_decimal128(amount));
        }
        if let Some(month) = change.month {
            set.insert("month", to_date(month));
        }
        if let Some(age) = change.age {
            set.insert("age", age.name());
        }
        if let Some(gender) = change.gender {
            set.insert("gender", gender.name());
        }
        if let Some(postal_code) = change.postal_code_id {
            set.insert("postal_code_id", postal_code.get());
        }
        let (filter, update) = (doc! { "_id": id.get() }, doc! { "$set": set });
        let postal_code = change.postal_code_id.map(PostalCodeId::get);
        let mut session = self.paystats.client().start_session().await?;
        let changed = loop {
            let run = session
                .start_transaction()
                .and_run((self, &filter, &update), move |session, (store, filter, update)| {
                    async move {
                        if let Some(postal_code) = postal_code
                            && !store.touch_postal_code(postal_code, session).await?
                        {
                            return Ok(None);
                        }
                        store.announced.check([id.get()], session).await?;
                        let mut touched = store.rollups.postal_codes_of(vec![id.get()], session).await?;
                        let change = store.paystats.find_one_and_update((*filter).clone(), (*update).clone());
                        let change = change.return_document(ReturnDocument::After).session(&mut *session);
                        let Some(changed) = change.await? else { return Ok(Some(None)) };
                        touched.insert(changed.postal_code_id);
                        store.rollups.edited(touched, session).await?;
                        Ok(Some(Some(changed)))
                    }
                    .boxed()
                })
                .await;
            match run {
                Err(error) if self.announced.waited_for(&error).await? => {}
                done => break done?,
            }
        };
        changed.map(|found| found.map(StoredPaystat::try_from).transpose()).transpose()
    }

    /// Removes a paystat and returns it; `None` if there is none with this number.
    pub async fn delete(&self, id: PaystatId) -> Result<Option<StoredPaystat>, StoreError> {
        // Asked first, because a transaction would be tried for two minutes while MongoDB is away.
        if self.by_id(id).await?.is_none() {
            return Ok(None);
        }
        let mut session = self.paystats.client().start_session().await?;
        let removed = loop {
            let run = session
                .start_transaction()
                .and_run((self, doc! { "_id": id.get() }), move |session, (store, filter)| {
                    async move {
                        store.announced.check([id.get()], session).await?;
                        let touched = store.rollups.postal_codes_of(vec![id.get()], session).await?;
                        let removed = store.paystats.find_one_and_delete(filter.clone()).session(&mut *session).await?;
                        if removed.is_some() {
                            store.rollups.edited(touched, session).await?;
                        }
                        Ok(removed)
                    }
                    .boxed()
                })
                .await;
            match run {
                Err(error) if self.announced.waited_for(&error).await? => {}
                done => break done?,
            }
        };
        removed.map(StoredPaystat::try_from).transpose()
    }

    /// Which of these postal codes paystats name, inside a transaction.
    pub(super) async fn named_postal_codes(
        &self,
        ids: impl Iterator<Item = i64>,
        session: &mut ClientSession,
    ) -> Result<HashSet<i64>, mongodb::error::Error> {
        let mut named = HashSet::new();
        for id in ids {
            let paystat = self.paystats.find_one(doc! { "postal_code_id": id }).session(&mut *session).await?;
            named.extend(paystat.map(|_| id));
        }
        Ok(named)
    }

    /// Writes to the postal code that a paystat is about to name, in the same transaction, so that deleting it at the same time
    /// fails or is seen. `false` if there is no such postal code.
    async fn touch_postal_code(&self, id: i32, session: &mut ClientSession) -> Result<bool, mongodb::error::Error> {
        let touch = doc! { "$currentDate": { "named_at": true } };
        let touched = self.postal_codes.update_one(doc! { "_id": id }, touch).session(session).await?;
        Ok(touched.matched_count > 0)
    }
}

impl PaystatOrderField {
    /// Its field in the collection; `None` for the id, which every order ends with.
    fn field(self) -> Option<&'static str> {
        match self {
            Self::Id => None,
            Self::Amount => Some("amount"),
            Self::Month => Some("month"),
        }
    }

    /// A key of this order, to compare others with.
    pub fn sample_key(self) -> Key {
        let value = match self {
            Self::Id => None,
            Self::Amount => Some(KeyPart::Decimal(String::new())),
            Self::Month => Some(KeyPart::Millis(0)),
        };
        Key { value, id: KeyPart::Number(0) }
    }

    /// The place of `paystat` in this order.
    pub fn key(self, paystat: &Paystat) -> Key {
        let value = match self {
            Self::Id => None,
            Self::Amount => Some(KeyPart::Decimal(paystat.amount.to_string())),
            Self::Month => Some(KeyPart::Millis(to_date(paystat.month).timestamp_millis())),
        };
        Key { value, id: KeyPart::Number(paystat.id.get()) }
    }
}

/// The condition on `paystats` that a scope stands for. What is no row has no month: see `announced`.
pub(super) fn scope_document(scope: &PaystatScope) -> Document {
    let mut conditions = Document::new();
    let mut month = Document::new();
    month.extend(scope.from.map(|from| ("$gte".to_owned(), Bson::DateTime(to_date(from)))));
    month.extend(scope.to.map(|to| ("$lte".to_owned(), Bson::DateTime(to_date(to)))));
    if month.is_empty() {
        month.insert("$type", "date");
    }
    let mut amount = Document::new();
    amount.extend(scope.min_amount.map(|min| ("$gte".to_owned(), Bson::Decimal128(to_decimal128(min)))));
    amount.extend(scope.max_amount.map(|max| ("$lte".to_owned(), Bson::Decimal128(to_decimal128(max)))));
    for (field, range) in [("month", month), ("amount", amount)] {
        if !range.is_empty() {
            conditions.insert(field, range);
        }
    }
    if let Some(ages) = &scope.ages {
        conditions.insert("age", doc! { "$in": ages.iter().map(|age| age.name()).collect::<Vec<_>>() });
    }
    if let Some(genders) = &scope.genders {
        conditions.insert("gender", doc! { "$in": genders.iter().map(|gender| gender.name()).collect::<Vec<_>>() });
    }
    if let Some(ids) = &scope.postal_code_ids {
        conditions.insert("postal_code_id", doc! { "$in": ids.iter().map(|id| id.get()).collect::<Vec<_>>() });
    }
    conditions
}

/// The first day of a month at midnight UTC.
pub(super) fn to_date(month: Month) -> DateTime {
    let first = time::Month::try_from(month.month())
        .and_then(|name| Date::from_calendar_date(i32::from(month.year()), name, 1))
        .expect("a month has a first day");
    DateTime::from_millis(OffsetDateTime::new_utc(first, Time::MIDNIGHT).unix_timestamp() * 1_000)
}

pub(super) fn from_date(date: DateTime) -> Result<Month, StoreError> {
    let day = OffsetDateTime::from_unix_timestamp(date.timestamp_millis().div_euclid(1_000))
        .map_err(|error| corrupt(&error))?;
    let year = u16::try_from(day.year()).map_err(|error| corrupt(&error))?;
    Month::new(year, day.month().into()).map_err(|error| corrupt(&error))
}

pub(super) fn age_of(name: &str) -> Result<AgeGroup, StoreError> {
    AgeGroup::from_name(name).ok_or_else(|| corrupt(&crate::domain::UnknownAgeGroup))
}

pub(super) fn gender_of(name: &str) -> Result<Gender, StoreError> {
    name.parse().map_err(|error: crate::domain::UnknownGender| corrupt(&error))
}

pub(super) fn postal_code_of(id: i32) -> Result<PostalCodeId, StoreError> {
    id.try_into().map_err(|error: crate::domain::PostalCodeError| corrupt(&error))
}

impl PaystatDocument {
    pub(super) fn postal_code_id(&self) -> i32 {
        self.postal_code_id
    }

    /// Counts it in the cells of its postal code.
    pub(super) fn add_to(&self, cells: &mut Cells) -> Result<(), StoreError> {
        let total = Total { amount: from_decimal128(self.amount)?, count: 1 };
        cells
            .add(from_date(self.month)?, age_of(&self.age)?, gender_of(&self.gender)?, total)
            .map_err(|error| corrupt(&error))
    }

    fn new(paystat: &Paystat, written: Provenance) -> Self {
        Self {
            id: paystat.id.get(),
            amount: to_decimal128(paystat.amount),
            month: to_date(paystat.month),
            age: Cow::Borrowed(paystat.age.name()),
            gender: Cow::Borrowed(paystat.gender.name()),
            postal_code_id: paystat.postal_code_id.get(),
            written,
        }
    }
}

impl TryFrom<PaystatDocument> for StoredPaystat {
    type Error = StoreError;

    fn try_from(document: PaystatDocument) -> Result<Self, StoreError> {
        let paystat = Paystat {
            id: document.id.try_into().map_err(|error: crate::domain::PaystatIdError| corrupt(&error))?,
            amount: from_decimal128(document.amount)?,
            month: from_date(document.month)?,
            age: age_of(&document.age)?,
            gender: gender_of(&document.gender)?,
            postal_code_id: postal_code_of(document.postal_code_id)?,
        };
        Ok(Self { paystat, written: document.written })
    }
}

impl LoadRow for Paystat {
    type Document = PaystatDocument;

    fn document(&self, written: Provenance) -> Result<PaystatDocument, StoreError> {
        Ok(PaystatDocument::new(self, written))
    }

    fn paystat(&self) -> Option<&Paystat> {
        Some(self)
    }
}

impl LoadedDocument for PaystatDocument {
    const COLLECTION: &'static str = COLLECTION;
    const UNDO_COLLECTION: &'static str = "undo_paystats";
    const MAY_BE_REFUSED: bool = false;

    fn id(&self) -> i64 {
        self.id
    }

    fn written(&self) -> Provenance {
        self.written
    }

    fn counted(&self) -> Result<Option<(PostalCodeId, Month, Amount)>, StoreError> {
        Ok(Some((postal_code_of(self.postal_code_id)?, from_date(self.month)?, from_decimal128(self.amount)?)))
    }

    fn write_to(&self, fields: &mut Fields<'_>) -> Result<(), mongodb::error::Error> {
        fields.int64("_id", self.id);
        fields.decimal128("amount", self.amount);
        fields.date("month", self.month);
        fields.text("age", &self.age);
        fields.text("gender", &self.gender);
        fields.int32("postal_code_id", self.postal_code_id);
        fields.document("written", |fields| {
            self.written.write_to(fields);
            Ok(())
        })
    }

    fn same_content(&self, other: &Self) -> bool {
        self.amount == other.amount
            && self.month == other.month
            && self.age == other.age
            && self.gender == other.gender
            && self.postal_code_id == other.postal_code_id
    }
}

fn corrupt(error: &dyn std::error::Error) -> StoreError {
    StoreError::Corrupt { collection: COLLECTION, reason: error.to_string() }
}

#[cfg(test)]
mod tests {
    use mongodb::bson::serialize_to_raw_document_buf;

    use super::{super::raw_fields, *};

    #[test]
    fn a_row_is_written_as_serde_writes_it() {
        let rows = [
            ("2015-12", "-69731.3602", AgeGroup::Under25, Gender::F, Provenance::of_line(7, 3)),
            ("1970-01", "0", AgeGroup::From65, Gender::M, Provenance::edit(i64::MAX)),
        ];
        for (month, amount, age, gender, written) in rows {
            let paystat = Paystat {
                id: i64::from(i32::MAX).try_into().unwrap(),
                postal_code_id: 6_055.try_into().unwrap(),
                month: month.parse().unwrap(),
                age,
                gender,
                amount: amount.parse().unwrap(),
            };
            let document = PaystatDocument::new(&paystat, written);
            let bytes = raw_fields::document(|fields| document.write_to(fields)).unwrap();
            assert_eq!(bytes.as_bytes(), serialize_to_raw_document_buf(&document).unwrap().as_bytes());
        }
    }
}
