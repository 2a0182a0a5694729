//! A chunk as its document has it.

use mongodb::bson::{Binary, DateTime, Document, spec::BinarySubtype};
use roaring::{RoaringBitmap, RoaringTreemap};
use serde::{Deserialize, Serialize};

use super::{ChunkState, LoadChunk, corrupt, id};
use crate::{
    domain::Amount,
    load::{Counts, Load, LoadEntity, RejectionCount, SumOutOfRange, TotalChange, TotalChanges},
    store::{StoreError, announced::Announcement, paystats},
};

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct ChunkDocument {
    #[serde(rename = "_id")]
    pub(super) id: String,
    load: String,
    entity: LoadEntity,
    index: i64,
    start: i64,
    end: i64,
    start_line: i64,
    columns: Vec<String>,
    duplicate_lines: Binary,
    only_lines: Option<Binary>,
    pub(super) postal_codes_removed: i64,
    revoked: bool,
    pub(super) claim: Option<String>,
    pub(super) session: Option<Document>,
    /// Rows that may be there though the chunk does not stand behind them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) announced: Option<Announcement>,
    #[serde(flatten)]
    pub(super) state: StateDocument,
}

/// The fields of a chunk's document that change with its rows.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct StateDocument {
    next_byte: i64,
    next_line: i64,
    pub(super) done: bool,
    counts: Counts,
    rejections: Vec<RejectionCount>,
    rejected_lines: Binary,
    rejections_kept: i64,
    changes: Vec<ChangeDocument>,
    /// Numbers of the postal codes whose totals change.
    postal_codes: Binary,
    #[serde(default)]
    summed_to: Option<i64>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct ChangeDocument {
    month: DateTime,
    /// In units of 10^-16, as text: a sum may have more digits than a Decimal128.
    units: String,
    count: i64,
}

impl ChunkDocument {
    /// A chunk that nobody has taken.
    pub(super) fn new(load: &Load, chunk: &LoadChunk) -> Result<Self, StoreError> {
        Ok(Self {
            id: id(load.id, chunk.index),
            load: load.id.to_string(),
            entity: load.entity,
            index: chunk.index.into(),
            start: chunk.start as i64,
            end: chunk.end as i64,
            start_line: chunk.start_line as i64,
            columns: chunk.columns.clone(),
            duplicate_lines: lines_to_binary(&chunk.duplicate_lines)?,
            only_lines: chunk.only_lines.as_ref().map(lines_to_binary).transpose()?,
            postal_codes_removed: 0,
            revoked: false,
            claim: None,
            session: None,
            announced: None,
            state: StateDocument::new(&chunk.state)?,
        })
    }
}

impl StateDocument {
    pub(super) fn new(state: &ChunkState) -> Result<Self, StoreError> {
        Ok(Self {
            next_byte: state.next_byte as i64,
            next_line: state.next_line as i64,
            done: state.done,
            counts: state.counts,
            rejections: state.rejections.clone(),
            rejected_lines: lines_to_binary(&state.rejected_lines)?,
            rejections_kept: state.rejections_kept as i64,
            changes: changes_to(&state.changes),
            postal_codes: ids_to_binary(state.changes.postal_codes())?,
            summed_to: state.summed_to.map(|byte| byte as i64),
        })
    }
}

impl TryFrom<ChunkDocument> for LoadChunk {
    type Error = StoreError;

    fn try_from(document: ChunkDocument) -> Result<Self, StoreError> {
        let state = document.state;
        Ok(Self {
            index: document.index as u32,
            start: document.start as u64,
            end: document.end as u64,
            start_line: document.start_line as u64,
            columns: document.columns,
            duplicate_lines: lines_from_binary(&document.duplicate_lines)?,
            only_lines: document.only_lines.as_ref().map(lines_from_binary).transpose()?,
            postal_codes_removed: document.postal_codes_removed,
            claim: document
                .claim
                .map(|claim| claim.parse())
                .transpose()
                .map_err(|error: uuid::Error| corrupt(&error))?,
            state: ChunkState {
                next_byte: state.next_byte as u64,
                next_line: state.next_line as u64,
                done: state.done,
                counts: state.counts,
                rejections: state.rejections,
                rejected_lines: lines_from_binary(&state.rejected_lines)?,
                rejections_kept: state.rejections_kept as u64,
                changes: changes_from(&state.changes, &state.postal_codes)?,
                summed_to: state.summed_to.map(|byte| byte as u64),
            },
        })
    }
}

fn changes_to(changes: &TotalChanges) -> Vec<ChangeDocument> {
    let document = |(month, change): (_, TotalChange)| ChangeDocument {
        month: paystats::to_date(month),
        units: change.amount.units().to_string(),
        count: change.count,
    };
    changes.iter().map(document).collect()
}

pub(super) fn changes_from(documents: &[ChangeDocument], postal_codes: &Binary) -> Result<TotalChanges, StoreError> {
    let mut changes = TotalChanges::default();
    changes.touch_all(&ids_from_binary(postal_codes)?);
    for document in documents {
        let units = document.units.parse().map_err(|error: std::num::ParseIntError| corrupt(&error))?;
        let change = TotalChange { amount: Amount::from_units(units), count: document.count };
        changes.change(paystats::from_date(document.month)?, change).map_err(|error: SumOutOfRange| corrupt(&error))?;
    }
    Ok(changes)
}

/// Numbers of postal codes as a compressed bitmap.
pub(in crate::store) fn ids_to_binary(ids: &RoaringBitmap) -> Result<Binary, StoreError> {
    let mut bytes = Vec::with_capacity(ids.serialized_size());
    ids.serialize_into(&mut bytes).map_err(|error| corrupt(&error))?;
    Ok(Binary { subtype: BinarySubtype::Generic, bytes })
}

pub(in crate::store) fn ids_from_binary(binary: &Binary) -> Result<RoaringBitmap, StoreError> {
    RoaringBitmap::deserialize_from(binary.bytes.as_slice()).map_err(|error| corrupt(&error))
}

/// Numbers as a compressed bitmap.
pub(in crate::store) fn lines_to_binary(lines: &RoaringTreemap) -> Result<Binary, StoreError> {
    let mut bytes = Vec::with_capacity(lines.serialized_size());
    lines.serialize_into(&mut bytes).map_err(|error| corrupt(&error))?;
    Ok(Binary { subtype: BinarySubtype::Generic, bytes })
}

pub(in crate::store) fn lines_from_binary(binary: &Binary) -> Result<RoaringTreemap, StoreError> {
    RoaringTreemap::deserialize_from(binary.bytes.as_slice()).map_err(|error| corrupt(&error))
}
