//! Totals of paystats, grouped by any dimensions, as one aggregation pipeline over the rows.

use futures_util::TryStreamExt;
use mongodb::{
    Collection, Database,
    bson::{DateTime, Decimal128, Document, doc},
};
use serde::Deserialize;

use super::{
    StoreError,
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
    amount: Decimal128,
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
        let pipeline = [
            doc! { "$match": scope_document(scope) },
            doc! { "$group": {
                "_id": key,
                "amount": { "$sum": "$amount" },
                "count": { "$sum": 1_i64 },
            } },
        ];
        let groups: Vec<GroupDocument> = self
            .paystats
            .aggregate(pipeline)
            .allow_disk_use(true)
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
            total: Total { amount: from_decimal128(group.amount)?, count: group.count },
        })
    }
}
