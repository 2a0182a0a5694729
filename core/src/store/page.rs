//! Keyset pagination: a page starts behind a key, not at an offset, so it stays right while rows come and go.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use futures_util::TryStreamExt;
use mongodb::{
    Collection,
    bson::{Bson, DateTime, Document, doc},
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{BATCH_SIZE, StoreError};

/// Sort direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Smallest first.
    Ascending,
    /// Greatest first.
    Descending,
}

/// The place of a document in an order: the value that is sorted by, when that is not the id, and the id. As text it is the
/// cursor that clients hand back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Key {
    /// Value of the sorted field; `None` where the order is by id alone.
    #[serde(rename = "v", default, skip_serializing_if = "Option::is_none")]
    pub value: Option<KeyPart>,
    /// The id.
    #[serde(rename = "i")]
    pub id: KeyPart,
}

/// A value that documents are ordered by. Nothing else can be smuggled in by a cursor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyPart {
    /// A number.
    Number(i64),
    /// An exact decimal, as text.
    Decimal(String),
    /// A time in milliseconds since 1970.
    Millis(i64),
    /// A text.
    Text(String),
}

impl Key {
    /// A key of an order by a numeric id.
    pub fn number(id: i64) -> Self {
        Self { value: None, id: KeyPart::Number(id) }
    }

    /// As an opaque text.
    pub fn encode(&self) -> String {
        // Serializing plain numbers and texts cannot fail.
        URL_SAFE_NO_PAD.encode(serde_json::to_vec(self).unwrap_or_default())
    }

    /// From the text that [`Key::encode`] gave.
    pub fn decode(text: &str) -> Option<Self> {
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).ok()?).ok()
    }

    /// Whether both are places in the same order.
    pub fn same_order(&self, other: &Self) -> bool {
        let kind = |part: &KeyPart| std::mem::discriminant(part);
        self.value.as_ref().map(kind) == other.value.as_ref().map(kind) && kind(&self.id) == kind(&other.id)
    }
}

impl KeyPart {
    fn bson(self) -> Bson {
        match self {
            Self::Number(number) => Bson::Int64(number),
            // A decimal that cannot be read equals nothing.
            Self::Decimal(text) => text.parse().map_or(Bson::Null, Bson::Decimal128),
            Self::Millis(millis) => Bson::DateTime(DateTime::from_millis(millis)),
            Self::Text(text) => Bson::String(text),
        }
    }
}

/// Which part of an ordered list is wanted.
#[derive(Clone, Debug, PartialEq)]
pub struct PageRequest {
    /// Greatest number of documents.
    pub limit: usize,
    /// The last `limit` documents instead of the first.
    pub from_end: bool,
    /// Only what follows this key.
    pub after: Option<Key>,
    /// Only what precedes this key.
    pub before: Option<Key>,
}

impl PageRequest {
    /// The first `limit` documents.
    pub fn first(limit: usize) -> Self {
        Self { limit, from_end: false, after: None, before: None }
    }
}

/// A part of an ordered list.
#[derive(Clone, Debug, PartialEq)]
pub struct Page<T> {
    /// In the list's order, whichever end they were taken from.
    pub items: Vec<T>,
    /// Whether something precedes them.
    pub has_previous: bool,
    /// Whether something follows them.
    pub has_next: bool,
}

impl<T> Page<T> {
    /// The same page of other things.
    pub fn map<U, E>(self, change: impl FnMut(T) -> Result<U, E>) -> Result<Page<U>, E> {
        let items = self.items.into_iter().map(change).collect::<Result<_, _>>()?;
        Ok(Page { items, has_previous: self.has_previous, has_next: self.has_next })
    }
}

/// Reads one page of the documents that match `filter`, ordered by `field` (if any) and then by `_id`.
pub(super) async fn find_page<T>(
    collection: &Collection<T>,
    filter: Document,
    field: Option<&str>,
    direction: Direction,
    projection: Option<Document>,
    request: PageRequest,
) -> Result<Page<T>, StoreError>
where
    T: DeserializeOwned + Send + Sync,
{
    let ascending = (direction == Direction::Ascending) != request.from_end;
    let mut conditions = vec![filter];
    let (after, before) = (request.after, request.before);
    let (after_given, before_given) = (after.is_some(), before.is_some());
    conditions.extend(after.map(|key| beyond(field, key, direction == Direction::Ascending)));
    conditions.extend(before.map(|key| beyond(field, key, direction == Direction::Descending)));

    let sign = if ascending { 1 } else { -1 };
    let mut sort = Document::new();
    if let Some(field) = field {
        sort.insert(field, sign);
    }
    sort.insert("_id", sign);

    let mut find =
        collection.find(doc! { "$and": conditions }).sort(sort).limit(request.limit as i64 + 1).batch_size(BATCH_SIZE);
    if let Some(projection) = projection {
        find = find.projection(projection);
    }
    let mut items: Vec<T> = find.await?.try_collect().await?;
    let more = items.len() > request.limit;
    items.truncate(request.limit);
    if request.from_end {
        items.reverse();
    }
    let (more_before, more_behind) = if request.from_end { (more, false) } else { (false, more) };
    Ok(Page { items, has_previous: after_given || more_before, has_next: before_given || more_behind })
}

/// What lies beyond `key` in an order.
fn beyond(field: Option<&str>, key: Key, greater: bool) -> Document {
    let operator = if greater { "$gt" } else { "$lt" };
    match (field, key.value) {
        (Some(field), Some(value)) => {
            let (value, id) = (value.bson(), key.id.bson());
            doc! { "$or": [
                { field: { operator: value.clone() } },
                { field: value, "_id": { operator: id } },
            ] }
        }
        _ => doc! { "_id": { operator: key.id.bson() } },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_comes_back_from_its_text() {
        let key = Key { value: Some(KeyPart::Decimal("10.5".to_owned())), id: KeyPart::Number(7) };
        assert_eq!(Key::decode(&key.encode()), Some(key.clone()));
        assert!(!key.same_order(&Key::number(7)));
        assert_eq!(Key::decode("x"), None);
        assert_eq!(Key::decode(&URL_SAFE_NO_PAD.encode(r#"{"i":{"$gt":1}}"#)), None);
    }
}
