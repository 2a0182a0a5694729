//! The collection `postal_codes`: `_id` (int32), `code` (unique), `ewkb`, `geometry` (GeoJSON, 2dsphere index), `written`.

use std::collections::{HashMap, HashSet};

use futures_util::{FutureExt, TryStreamExt};
use mongodb::{
    ClientSession, Collection, Database, IndexModel,
    bson::{Binary, Document, doc, serialize_to_bson, spec::BinarySubtype},
    options::{Hint, IndexOptions, ReturnDocument},
};
use serde::{Deserialize, Serialize};

use super::{
    BATCH_SIZE, Direction, Page, PageRequest, Provenance, StoreError, areas,
    error::duplicate_as,
    load_batches::{LoadRow, LoadedDocument},
    load_chunks::LoadChunks,
    page::find_page,
};
use crate::domain::{Amount, Area, Geometry, Month, Near, Paystat, PostalCode, PostalCodeCode, PostalCodeId};

/// The collection of postal codes.
#[derive(Clone, Debug)]
pub struct PostalCodes {
    codes: Collection<PostalCodeDocument>,
    load_chunks: LoadChunks,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PostalCodeDocument {
    #[serde(rename = "_id")]
    id: i32,
    code: String,
    ewkb: Binary,
    geometry: Document,
    written: Provenance,
}

/// A postal code without its area, which is large and read only when asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredPostalCode {
    /// Number.
    pub id: PostalCodeId,
    /// Code.
    pub code: PostalCodeCode,
    /// Who wrote it last.
    pub written: Provenance,
}

#[derive(Debug, Deserialize)]
struct HeadDocument {
    #[serde(rename = "_id")]
    id: i32,
    code: String,
    written: Provenance,
}

/// Which postal codes a list holds. What is `None` does not restrict.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PostalCodeFilter {
    /// Any of these codes.
    pub codes: Option<Vec<PostalCodeCode>>,
    /// Codes that start with this.
    pub code_prefix: Option<String>,
    /// Those that meet every one of these areas.
    pub areas: Vec<Area>,
}

/// New values for a postal code. What is `None` stays.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PostalCodeChange {
    /// New code.
    pub code: Option<PostalCodeCode>,
    /// New area.
    pub geometry: Option<Geometry>,
}

pub(super) const COLLECTION: &str = "postal_codes";

impl PostalCodes {
    pub(super) fn new(database: &Database) -> Self {
        Self { codes: database.collection(COLLECTION), load_chunks: LoadChunks::new(database) }
    }

    pub(super) async fn create_indexes(&self) -> Result<(), StoreError> {
        let unique = IndexOptions::builder().unique(true).build();
        self.codes
            .create_indexes([
                IndexModel::builder().keys(doc! { "code": 1 }).options(unique).build(),
                IndexModel::builder().keys(doc! { "geometry": "2dsphere" }).build(),
            ])
            .await?;
        Ok(())
    }

    /// The postal codes with these numbers, in any order.
    pub async fn by_ids(&self, ids: &[PostalCodeId]) -> Result<Vec<StoredPostalCode>, StoreError> {
        let ids: Vec<i32> = ids.iter().map(|id| id.get()).collect();
        self.heads(doc! { "_id": { "$in": ids } }).await
    }

    /// The postal code with this code.
    pub async fn by_code(&self, code: &PostalCodeCode) -> Result<Option<StoredPostalCode>, StoreError> {
        Ok(self.heads(doc! { "code": code.as_str() }).await?.pop())
    }

    /// A page of the matching postal codes, by number.
    pub async fn page(
        &self,
        filter: &PostalCodeFilter,
        request: PageRequest,
    ) -> Result<Page<StoredPostalCode>, StoreError> {
        let heads = self.codes.clone_with_type::<HeadDocument>();
        let page = find_page(&heads, filter.document(), None, Direction::Ascending, Some(head()), request).await?;
        page.map(StoredPostalCode::try_from)
    }

    /// How many postal codes match.
    pub async fn count(&self, filter: &PostalCodeFilter) -> Result<u64, StoreError> {
        Ok(self.codes.count_documents(filter.document()).await?)
    }

    /// The matching postal codes within `near`, the nearest first, each with its distance in metres from the point.
    /// Distances are to the area, so 0 inside it.
    pub async fn near(
        &self,
        filter: &PostalCodeFilter,
        near: Near,
    ) -> Result<Vec<(StoredPostalCode, f64)>, StoreError> {
        let pipeline = [
            doc! { "$geoNear": {
                "near": { "type": "Point", "coordinates": [near.longitude, near.latitude] },
                "key": "geometry",
                "maxDistance": near.max_distance_meters,
                "distanceField": "distance",
                "query": filter.document(),
                "spherical": true,
            } },
            doc! { "$sort": { "distance": 1, "_id": 1 } },
            doc! { "$project": { "code": 1, "written": 1, "distance": 1 } },
        ];
        #[derive(Deserialize)]
        struct NearDocument {
            #[serde(flatten)]
            head: HeadDocument,
            distance: f64,
        }
        let found: Vec<NearDocument> = self
            .codes
            .aggregate(pipeline)
            .batch_size(BATCH_SIZE)
            .with_type::<NearDocument>()
            .await?
            .try_collect()
            .await?;
        found.into_iter().map(|near| Ok((near.head.try_into()?, near.distance))).collect()
    }

    /// The areas of these postal codes.
    pub async fn geometries(&self, ids: &[PostalCodeId]) -> Result<HashMap<PostalCodeId, Geometry>, StoreError> {
        #[derive(Deserialize)]
        struct AreaDocument {
            #[serde(rename = "_id")]
            id: i32,
            ewkb: Binary,
        }
        let ids: Vec<i32> = ids.iter().map(|id| id.get()).collect();
        let found: Vec<AreaDocument> = self
            .codes
            .clone_with_type()
            .find(doc! { "_id": { "$in": ids } })
            .projection(doc! { "ewkb": 1 })
            .batch_size(BATCH_SIZE)
            .await?
            .try_collect()
            .await?;
        found
            .into_iter()
            .map(|area| {
                let geometry = Geometry::from_trusted_ewkb(area.ewkb.bytes).map_err(|error| corrupt(&error))?;
                Ok((postal_code_id(area.id)?, geometry))
            })
            .collect()
    }

    /// The numbers of the matching postal codes.
    pub async fn ids(&self, filter: &PostalCodeFilter) -> Result<Vec<PostalCodeId>, StoreError> {
        Ok(self.heads(filter.document()).await?.into_iter().map(|code| code.id).collect())
    }

    /// The numbers of all postal codes.
    pub async fn all_ids(&self) -> Result<HashSet<PostalCodeId>, StoreError> {
        #[derive(Deserialize)]
        struct IdDocument {
            #[serde(rename = "_id")]
            id: i32,
        }
        // By the index, which has all that is asked for: the documents have areas.
        let ids = self.codes.clone_with_type::<IdDocument>();
        let ids =
            ids.find(doc! {}).projection(doc! { "_id": 1 }).hint(Hint::Keys(doc! { "_id": 1 })).batch_size(BATCH_SIZE);
        let ids: Vec<IdDocument> = ids.await?.try_collect().await?;
        ids.into_iter().map(|document| postal_code_id(document.id)).collect()
    }

    /// All postal codes without their areas, as a session sees them.
    pub(super) async fn all_heads(&self, session: &mut ClientSession) -> Result<Vec<StoredPostalCode>, StoreError> {
        let heads = self.codes.clone_with_type::<HeadDocument>();
        let mut found = heads.find(doc! {}).projection(head()).batch_size(BATCH_SIZE).session(&mut *session).await?;
        let mut all = Vec::new();
        while let Some(head) = found.next(session).await.transpose()? {
            all.push(head.try_into()?);
        }
        Ok(all)
    }

    /// All postal codes with their areas, by number.
    pub async fn all(&self) -> Result<Vec<PostalCode>, StoreError> {
        #[derive(Deserialize)]
        struct PlaceDocument {
            #[serde(rename = "_id")]
            id: i32,
            code: String,
            ewkb: Binary,
        }
        let places: Vec<PlaceDocument> = self
            .codes
            .clone_with_type()
            .find(doc! {})
            .projection(doc! { "code": 1, "ewkb": 1 })
            .sort(doc! { "_id": 1 })
            .batch_size(BATCH_SIZE)
            .await?
            .try_collect()
            .await?;
        let read = move || -> Result<Vec<PostalCode>, StoreError> {
            let read = |place: PlaceDocument| {
                Ok(PostalCode {
                    id: postal_code_id(place.id)?,
                    code: place.code.parse().map_err(|error| corrupt(&error))?,
                    geometry: Geometry::from_trusted_ewkb(place.ewkb.bytes).map_err(|error| corrupt(&error))?,
                })
            };
            places.into_iter().map(read).collect()
        };
        // A whole country is millions of coordinates.
        tokio::task::spawn_blocking(read).await.map_err(StoreError::failed)?
    }

    /// Adds a postal code; [`StoreError::Duplicate`] if its number or code is taken.
    pub async fn insert(&self, code: &PostalCode, written: Provenance) -> Result<(), StoreError> {
        match self.codes.insert_one(document(code, written)?).await.map_err(duplicate_as("code")) {
            Err(StoreError::Duplicate(_)) if !self.by_ids(&[code.id]).await?.is_empty() => {
                Err(StoreError::Duplicate("id"))
            }
            outcome => outcome.map(drop),
        }
    }

    /// Changes a postal code; `None` if there is none with this number.
    pub async fn update(
        &self,
        id: PostalCodeId,
        change: &PostalCodeChange,
        written: Provenance,
    ) -> Result<Option<StoredPostalCode>, StoreError> {
        let mut set = doc! { "written": serialize_to_bson(&written).map_err(|error| corrupt(&error))? };
        if let Some(code) = &change.code {
            set.insert("code", code.as_str());
        }
        if let Some(geometry) = &change.geometry {
            set.insert("ewkb", ewkb(geometry));
            set.insert("geometry", geojson(geometry)?);
        }
        self.codes
            .clone_with_type::<HeadDocument>()
            .find_one_and_update(doc! { "_id": id.get() }, doc! { "$set": set })
            .projection(head())
            .return_document(ReturnDocument::After)
            .await
            .map_err(duplicate_as("code"))?
            .map(StoredPostalCode::try_from)
            .transpose()
    }

    /// Removes a postal code that no paystat names. Says whether it was there, or that paystats name it.
    ///
    /// One transaction: a paystat that is created at the same time touches the postal code too (see
    /// [`super::Paystats::insert`]), and so do batches of loads to their chunk, so one of both sees the other.
    pub async fn delete(&self, id: PostalCodeId) -> Result<DeletedPostalCode, StoreError> {
        let paystats: Collection<Document> =
            self.codes.client().database(&self.codes.namespace().db).collection("paystats");
        let mut session = self.codes.client().start_session().await?;
        let collections = (self.codes.clone(), paystats, self.load_chunks.clone());
        let outcome = session
            .start_transaction()
            .and_run(collections, move |session, (codes, paystats, load_chunks)| {
                async move {
                    let deleted = codes.delete_one(doc! { "_id": id.get() }).session(&mut *session).await?;
                    if deleted.deleted_count == 0 {
                        return Ok(DeletedPostalCode::Unknown);
                    }
                    let named = paystats.find_one(doc! { "postal_code_id": id.get() }).session(&mut *session).await?;
                    if named.is_some() {
                        return Err(mongodb::error::Error::custom(DeletedPostalCode::HasPaystats));
                    }
                    load_chunks.note_postal_codes_removed(session).await?;
                    Ok(DeletedPostalCode::Deleted)
                }
                .boxed()
            })
            .await;
        match outcome {
            Err(error) => match error.get_custom::<DeletedPostalCode>() {
                Some(outcome) => Ok(*outcome),
                None => Err(error.into()),
            },
            Ok(outcome) => Ok(outcome),
        }
    }

    async fn heads(&self, filter: Document) -> Result<Vec<StoredPostalCode>, StoreError> {
        let heads: Vec<HeadDocument> = self
            .codes
            .clone_with_type()
            .find(filter)
            .projection(head())
            .batch_size(BATCH_SIZE)
            .await?
            .try_collect()
            .await?;
        heads.into_iter().map(StoredPostalCode::try_from).collect()
    }
}

/// What came of deleting a postal code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeletedPostalCode {
    /// It is gone.
    Deleted,
    /// There is none with this number.
    Unknown,
    /// Paystats name it: it stays.
    HasPaystats,
}

impl PostalCodeFilter {
    fn document(&self) -> Document {
        let mut conditions = Vec::new();
        if let Some(codes) = &self.codes {
            let codes: Vec<&str> = codes.iter().map(PostalCodeCode::as_str).collect();
            conditions.push(doc! { "code": { "$in": codes } });
        }
        if let Some(prefix) = &self.code_prefix {
            // A range instead of a regular expression: it uses the index, and nothing in it needs quoting.
            conditions.push(doc! { "code": { "$gte": prefix, "$lt": format!("{prefix}\u{10FFFF}") } });
        }
        conditions.extend(self.areas.iter().map(areas::intersects));
        if conditions.is_empty() {
            doc! {}
        } else {
            doc! { "$and": conditions }
        }
    }
}

/// All fields but the area.
fn head() -> Document {
    doc! { "code": 1, "written": 1 }
}

fn ewkb(geometry: &Geometry) -> Binary {
    Binary { subtype: BinarySubtype::Generic, bytes: geometry.ewkb().to_vec() }
}

fn geojson(geometry: &Geometry) -> Result<Document, StoreError> {
    mongodb::bson::serialize_to_document(&geometry.geojson()).map_err(|error| corrupt(&error))
}

fn document(code: &PostalCode, written: Provenance) -> Result<PostalCodeDocument, StoreError> {
    Ok(PostalCodeDocument {
        id: code.id.get(),
        code: code.code.to_string(),
        ewkb: ewkb(&code.geometry),
        geometry: geojson(&code.geometry)?,
        written,
    })
}

impl TryFrom<HeadDocument> for StoredPostalCode {
    type Error = StoreError;

    fn try_from(head: HeadDocument) -> Result<Self, StoreError> {
        let code = head.code.parse().map_err(|error| corrupt(&error))?;
        Ok(Self { id: postal_code_id(head.id)?, code, written: head.written })
    }
}

impl LoadRow for PostalCode {
    type Document = PostalCodeDocument;

    fn document(&self, written: Provenance) -> Result<PostalCodeDocument, StoreError> {
        document(self, written)
    }

    fn paystat(&self) -> Option<&Paystat> {
        None
    }
}

impl LoadedDocument for PostalCodeDocument {
    const COLLECTION: &'static str = COLLECTION;
    const UNDO_COLLECTION: &'static str = "undo_postal_codes";
    const MAY_BE_REFUSED: bool = true;

    fn id(&self) -> i64 {
        self.id.into()
    }

    fn written(&self) -> Provenance {
        self.written
    }

    fn counted(&self) -> Result<Option<(PostalCodeId, Month, Amount)>, StoreError> {
        Ok(None)
    }

    fn same_content(&self, other: &Self) -> bool {
        self.code == other.code && self.ewkb.bytes == other.ewkb.bytes
    }
}

fn postal_code_id(id: i32) -> Result<PostalCodeId, StoreError> {
    id.try_into().map_err(|error: crate::domain::PostalCodeError| corrupt(&error))
}

fn corrupt(error: &dyn std::error::Error) -> StoreError {
    StoreError::Corrupt { collection: COLLECTION, reason: error.to_string() }
}
