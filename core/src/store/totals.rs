//! Totals of paystats, grouped by any dimensions, as one aggregation pipeline over the rows.

use futures_util::TryStreamExt;
use mongodb::{
    Collection, Database,
    bson::{DateTime, Decimal128, Document, doc},
};
use serde::Deserialize;

use super::{
    BATCH_SIZE, StoreError,
    decimal::from_decimal128,
    paystats::{COLLECTION, age_of, from_date, gender_of, scope_document},
};
use crate::domain::{AgeGroup, Dimension, Gender, Month, PaystatScope, PostalCodeId, Total};

/// Questions about sums and counts.
#[derive(Clone, Debug)]
pub struct Totals {
    paystats: Collection<Document>,
}

/// The total of one group. The keys that were not grouped by are `None`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupTotal {
    /// Month.
    pub month: Option<Month>,
    /// Age group.
    pub age: Option<AgeGroup>,
    /// Gender.
    pub gender: Option<Gender>,
    /// Postal code.
    pub postal_code_id: Option<PostalCodeId>,
    /// Sum and count of the group.
    pub total: Total,
}

#[derive(Deserialize)]
struct GroupDocument {
    #[serde(rename = "_id", default)]
    key: Option<KeyDocument>,
    whole: Decimal128,
    fraction: Decimal128,
    count: i64,
}

#[derive(Default, Deserialize)]
struct KeyDocument {
    month: Option<DateTime>,
    age: Option<String>,
    gender: Option<String>,
    postal_code_id: Option<i32>,
}

impl Totals {
    pub(super) fn new(database: &Database) -> Self {
        Self { paystats: database.collection(COLLECTION) }
    }

    /// The totals of the groups that have paystats, in no order. Without dimensions: one group, or none where nothing matches.
    pub async fn by(&self, scope: &PaystatScope, dimensions: &[Dimension]) -> Result<Vec<GroupTotal>, StoreError> {
        let mut key = Document::new();
        for dimension in dimensions {
            let field = match dimension {
                Dimension::Month => "month",
                Dimension::Age => "age",
                Dimension::Gender => "gender",
                Dimension::PostalCode => "postal_code_id",
            };
            key.insert(field, format!("${field}"));
        }
        // MongoDB rounds a sum to 34 digits, which a single large amount has already. Apart, both sums have digits to spare.
        let whole = doc! { "$trunc": "$amount" };
        let pipeline = [
            doc! { "$match": scope_document(scope) },
            doc! { "$group": {
                "_id": key,
                "whole": { "$sum": &whole },
                "fraction": { "$sum": { "$subtract": ["$amount", &whole] } },
                "count": { "$sum": 1_i64 },
            } },
        ];
        let groups: Vec<GroupDocument> = self
            .paystats
            .aggregate(pipeline)
            .allow_disk_use(true)
            .batch_size(BATCH_SIZE)
            .with_type::<GroupDocument>()
            .await?
            .try_collect()
            .await?;
        groups.into_iter().map(GroupTotal::try_from).collect()
    }
}

impl TryFrom<GroupDocument> for GroupTotal {
    type Error = StoreError;

    fn try_from(group: GroupDocument) -> Result<Self, StoreError> {
        let key = group.key.unwrap_or_default();
        let (whole, fraction) = (from_decimal128(group.whole)?, from_decimal128(group.fraction)?);
        let amount = whole.checked_add(fraction).ok_or_else(|| StoreError::Corrupt {
            collection: COLLECTION,
            reason: "a sum leaves the range of sums".to_owned(),
        })?;
        Ok(Self {
            month: key.month.map(from_date).transpose()?,
            age: key.age.as_deref().map(age_of).transpose()?,
            gender: key.gender.as_deref().map(gender_of).transpose()?,
            postal_code_id: key
                .postal_code_id
                .map(|id| {
                    id.try_into().map_err(|error: crate::domain::PostalCodeError| StoreError::Corrupt {
                        collection: COLLECTION,
                        reason: error.to_string(),
                    })
                })
                .transpose()?,
            total: Total { amount, count: group.count },
        })
    }
}
