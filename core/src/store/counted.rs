//! Which version of each paystat counts, and what the ones of a postal code add up to.
//!
//! A row counts as the last load that has succeeded, or the last edit, wrote it. While a load is under way its rows stand in the
//! collection already; in their place count the versions that its undo log holds. So nobody ever sees half of a load, also where a
//! postal code is added up in the middle of one.

use std::collections::{BTreeSet, HashMap, HashSet};

use futures_util::TryStreamExt;
use mongodb::{
    ClientSession, Collection, Database,
    bson::{Bson, DateTime, Decimal128, RawDocument, RawDocumentBuf, doc, raw::RawBsonRef},
    error::Error,
};

use super::{
    BATCH_SIZE, Loads, Provenance, StoreError,
    decimal::from_decimal128,
    load_batches::{LoadedDocument, failed},
    paystats::{COLLECTION, PaystatDocument, age_of, from_date, gender_of},
    undo_log::UndoLog,
};
use crate::{
    domain::{Cells, Month, Total},
    load::Load,
};

/// Paystats in the versions that count.
#[derive(Clone, Debug)]
pub(super) struct Counted {
    paystats: Collection<PaystatDocument>,
    log: UndoLog<PaystatDocument>,
    loads: Loads,
}

/// Reads rows one after the other; most have the month of the one before.
#[derive(Default)]
struct Reader {
    month: Option<(DateTime, Month)>,
}

impl Counted {
    pub(super) fn new(database: &Database, loads: Loads) -> Self {
        Self { paystats: database.collection(COLLECTION), log: UndoLog::new(database), loads }
    }

    /// The cells of postal codes, inside a transaction. The rows of load `as_if` count as if it had succeeded.
    pub(super) async fn cells(
        &self,
        postal_codes: &[i32],
        as_if: Option<i64>,
        session: &mut ClientSession,
    ) -> Result<HashMap<i32, Cells>, Error> {
        let open: HashSet<i64> = self.loads.uncounted(as_if, session).await?;
        let mut cells: HashMap<i32, Cells> = postal_codes.iter().map(|&id| (id, Cells::default())).collect();
        let uncounted = self.add_rows(&mut cells, &open, session).await?;
        if !open.is_empty() {
            for row in self.versions(uncounted, &cells, &open, as_if, session).await? {
                if let Some(cells) = cells.get_mut(&row.postal_code_id()) {
                    row.add_to(cells).map_err(failed)?;
                }
            }
        }
        Ok(cells)
    }

    /// Ids of the rows of a load that stand upon, or under, versions of loads that do not count.
    pub(super) async fn entangled(&self, load: &Load) -> Result<Vec<i64>, StoreError> {
        let others = self.loads.uncounted_during(load).await?;
        self.log.entangled(load.number, &others).await
    }

    /// Adds up the rows that are there, but for those that open loads wrote: their ids.
    async fn add_rows(
        &self,
        cells: &mut HashMap<i32, Cells>,
        open: &HashSet<i64>,
        session: &mut ClientSession,
    ) -> Result<Vec<i64>, Error> {
        let mut fields = doc! { "_id": 0, "postal_code_id": 1, "month": 1, "age": 1, "gender": 1, "amount": 1 };
        if !open.is_empty() {
            fields.extend(doc! { "_id": 1, "written": 1 });
        }
        let ids: Vec<Bson> = cells.keys().copied().map(Bson::Int32).collect();
        let mut cursor = self
            .paystats
            .clone_with_type::<RawDocumentBuf>()
            .find(doc! { "postal_code_id": { "$in": ids } })
            .projection(fields)
            .batch_size(BATCH_SIZE)
            .session(&mut *session)
            .await?;
        let (mut reader, mut uncounted) = (Reader::default(), Vec::new());
        while cursor.advance(&mut *session).await? {
            let row = cursor.current();
            if !open.is_empty()
                && let Some(id) = written_by(row, open).map_err(failed)?
            {
                uncounted.push(id);
            } else {
                reader.add(row, cells).map_err(failed)?;
            }
        }
        Ok(uncounted)
    }

    /// What counts of rows that open loads wrote: of those with these ids, and of those that stand
    /// elsewhere now.
    async fn versions(
        &self,
        uncounted: Vec<i64>,
        cells: &HashMap<i32, Cells>,
        open: &HashSet<i64>,
        as_if: Option<i64>,
        session: &mut ClientSession,
    ) -> Result<Vec<PaystatDocument>, Error> {
        let mut ids: HashSet<i64> = uncounted.into_iter().collect();
        let here: Vec<Bson> = cells.keys().copied().map(Bson::Int32).collect();
        let mut elsewhere = self.log.log.find(doc! { "elsewhere": { "$in": here } }).session(&mut *session).await?;
        while let Some(document) = elsewhere.next(&mut *session).await.transpose()? {
            let shadowed = document.shadowed.map(|shadowed| shadowed.rows).unwrap_or_default();
            let counted_here = document.replaced.iter().chain(&shadowed);
            let counted_here = counted_here.filter(|row| cells.contains_key(&row.postal_code_id()));
            ids.extend(counted_here.map(LoadedDocument::id));
        }
        // By the load that wrote the version that does not count.
        let mut sought: HashMap<i64, HashSet<i64>> = HashMap::new();
        let rows = doc! { "_id": { "$in": ids.into_iter().map(Bson::Int64).collect::<Vec<_>>() } };
        let mut rows = self.paystats.find(rows).batch_size(BATCH_SIZE).session(&mut *session).await?;
        while let Some(row) = rows.next(&mut *session).await.transpose()? {
            if is_of(row.written(), open) {
                sought.entry(row.written().load).or_default().insert(row.id());
            }
        }
        Ok(self.before(sought, as_if, session).await?.into_values().collect())
    }

    /// The postal codes that any version of rows stands in that counts, or will once loads have succeeded or are taken back.
    pub(super) async fn postal_codes_of(
        &self,
        ids: Vec<i64>,
        session: &mut ClientSession,
    ) -> Result<BTreeSet<i32>, Error> {
        let mut postal_codes = BTreeSet::new();
        let (Some(&first), Some(&last)) = (ids.iter().min(), ids.iter().max()) else { return Ok(postal_codes) };
        let all: HashSet<i64> = ids.iter().copied().collect();
        let rows = self.paystats.find(doc! { "_id": { "$in": ids } }).batch_size(BATCH_SIZE);
        let mut versions: Vec<PaystatDocument> =
            rows.session(&mut *session).await?.stream(&mut *session).try_collect().await?;
        while !versions.is_empty() {
            let mut by_load: HashMap<i64, HashSet<i64>> = HashMap::new();
            for version in versions.drain(..) {
                postal_codes.insert(version.postal_code_id());
                if version.written().line.is_some() {
                    by_load.entry(version.written().load).or_default().insert(version.id());
                }
            }
            let open = self.loads.not_succeeded(by_load.keys().copied().collect::<Vec<_>>(), None, session).await?;
            for (load, ids) in by_load.into_iter().filter(|(load, _)| open.contains(load)) {
                versions.extend(self.log.before(load, &ids, session).await?.into_values().flatten());
            }
        }
        for document in self.log.shadowed(first, last, session).await? {
            let rows = document.shadowed.map(|shadowed| shadowed.rows).unwrap_or_default();
            postal_codes.extend(rows.iter().filter(|row| all.contains(&row.id())).map(PaystatDocument::postal_code_id));
        }
        Ok(postal_codes)
    }

    /// The versions that count of rows that loads wrote which do not, by load.
    async fn before(
        &self,
        mut sought: HashMap<i64, HashSet<i64>>,
        as_if: Option<i64>,
        session: &mut ClientSession,
    ) -> Result<HashMap<i64, PaystatDocument>, Error> {
        let mut found = HashMap::new();
        let all: HashSet<i64> = sought.values().flatten().copied().collect();
        while !sought.is_empty() {
            let mut before = HashMap::new();
            for (load, ids) in sought.drain() {
                before.extend(self.log.before(load, &ids, session).await?);
            }
            let writers = before.values().flatten().map(LoadedDocument::written).filter(|by| by.line.is_some());
            let gone = self.loads.not_succeeded(writers.map(|by| by.load), as_if, session).await?;
            for row in before.into_values().flatten() {
                if is_of(row.written(), &gone) {
                    sought.entry(row.written().load).or_default().insert(row.id());
                } else {
                    found.insert(row.id(), row);
                }
            }
        }
        self.bring_to_light(&all, &mut found, as_if, session).await?;
        Ok(found)
    }

    /// Puts in what loads that have succeeded brought while a newer load's version, which does not count, was there.
    async fn bring_to_light(
        &self,
        ids: &HashSet<i64>,
        found: &mut HashMap<i64, PaystatDocument>,
        as_if: Option<i64>,
        session: &mut ClientSession,
    ) -> Result<(), Error> {
        let (Some(first), Some(last)) = (ids.iter().min(), ids.iter().max()) else { return Ok(()) };
        let shadowed = self.log.shadowed(*first, *last, session).await?;
        let gone = self.loads.not_succeeded(shadowed.iter().map(|document| document.load), as_if, session).await?;
        for document in shadowed.into_iter().filter(|document| !gone.contains(&document.load)) {
            for row in document.shadowed.map(|shadowed| shadowed.rows).unwrap_or_default() {
                let newer = found.get(&row.id()).is_none_or(|known| known.written().load < row.written().load);
                if ids.contains(&row.id()) && newer {
                    found.insert(row.id(), row);
                }
            }
        }
        Ok(())
    }
}

fn is_of(written: Provenance, loads: &HashSet<i64>) -> bool {
    written.line.is_some() && loads.contains(&written.load)
}

/// The id of a row that one of these loads wrote.
fn written_by(row: &RawDocument, loads: &HashSet<i64>) -> Result<Option<i64>, StoreError> {
    let written = row.get_document("written").map_err(|error| corrupt(&error))?;
    let by_load = matches!(written.get("line"), Ok(Some(RawBsonRef::Int64(_))));
    let load = written.get_i64("load").map_err(|error| corrupt(&error))?;
    if !by_load || !loads.contains(&load) {
        return Ok(None);
    }
    row.get_i64("_id").map(Some).map_err(|error| corrupt(&error))
}

impl Reader {
    /// Adds a row to the cells of its postal code.
    fn add(&mut self, row: &RawDocument, cells: &mut HashMap<i32, Cells>) -> Result<(), StoreError> {
        let (mut postal_code, mut date, mut age, mut gender, mut amount) = (None, None, None, None, None::<Decimal128>);
        for field in row {
            match field.map_err(|error| corrupt(&error))? {
                (name, RawBsonRef::Int32(value)) if name == "postal_code_id" => postal_code = Some(value),
                (name, RawBsonRef::DateTime(value)) if name == "month" => date = Some(value),
                (name, RawBsonRef::String(value)) if name == "age" => age = Some(value),
                (name, RawBsonRef::String(value)) if name == "gender" => gender = Some(value),
                (name, RawBsonRef::Decimal128(value)) if name == "amount" => amount = Some(value),
                _ => {}
            }
        }
        let (Some(postal_code), Some(date), Some(age), Some(gender), Some(amount)) =
            (postal_code, date, age, gender, amount)
        else {
            return Err(StoreError::Corrupt { collection: COLLECTION, reason: "a field is missing".to_owned() });
        };
        let month = match self.month {
            Some((known, month)) if known == date => month,
            _ => from_date(date)?,
        };
        self.month = Some((date, month));
        let total = Total { amount: from_decimal128(amount)?, count: 1 };
        let cells = cells.entry(postal_code).or_default();
        cells.add(month, age_of(age)?, gender_of(gender)?, total).map_err(|error| corrupt(&error))
    }
}

fn corrupt(error: &dyn std::error::Error) -> StoreError {
    StoreError::Corrupt { collection: COLLECTION, reason: error.to_string() }
}
