//! What the members of a document and of its features say.

use std::{borrow::Cow, collections::HashMap};

use serde_json::{error::Category, value::RawValue};

/// Reference systems that are WGS84 with longitude before latitude, which is the only one of RFC 7946. The GeoJSON before it had a member
/// for others.
const WGS84: [&str; 6] = [
    "urn:ogc:def:crs:OGC:1.3:CRS84",
    "urn:ogc:def:crs:OGC::CRS84",
    "OGC:CRS84",
    "http://www.opengis.net/def/crs/OGC/1.3/CRS84",
    "urn:ogc:def:crs:EPSG::4326",
    "EPSG:4326",
];

/// The fields of a feature, in the order of [`super::COLUMNS`].
pub(super) fn fields(feature: &str) -> Result<[Cow<'_, str>; 3], serde_json::Error> {
    let feature = members_of(feature)?;
    let properties = feature.get("properties").map_or(Ok(HashMap::new()), |properties| members_of(properties.get()))?;
    let mut id = field(&properties, "id");
    if id.is_empty() {
        id = field(&feature, "id");
    }
    Ok([field(&feature, "geometry"), field(&properties, "code"), id])
}

fn field<'a>(members: &HashMap<String, &'a RawValue>, name: &str) -> Cow<'a, str> {
    members.get(name).map(|value| text_of(value.get())).unwrap_or_default()
}

/// The members of an object; of a value that is none, none. Of members of the same name the last one counts.
fn members_of(value: &str) -> Result<HashMap<String, &RawValue>, serde_json::Error> {
    match serde_json::from_str(value) {
        Err(error) if error.classify() == Category::Data => Ok(HashMap::new()),
        members => members,
    }
}

/// A value as the text of a field: a string's own, nothing for `null`, anything else as it is written.
pub(super) fn text_of(value: &str) -> Cow<'_, str> {
    match value {
        "null" => Cow::Borrowed(""),
        value if value.starts_with('"') => match serde_json::from_str::<String>(value) {
            // Text has no NUL; what holds one is no code and no id either way.
            Ok(text) => Cow::Owned(text.replace('\0', "\u{fffd}")),
            Err(_) => Cow::Borrowed(value),
        },
        value => Cow::Borrowed(value),
    }
}

pub(super) fn check_crs(value: &str) -> Result<(), String> {
    let crs: serde_json::Value = serde_json::from_str(value).unwrap_or_default();
    let name = crs["properties"]["name"].as_str();
    if crs.is_null() || name.is_some_and(|name| WGS84.contains(&name)) {
        Ok(())
    } else {
        Err(format!("names a reference system that is not WGS84: {}", name.map_or_else(|| cut(value), cut)))
    }
}

/// The beginning of a value, for a message.
pub(super) fn cut(value: &str) -> String {
    const CHARS: usize = 100;
    match value.char_indices().nth(CHARS) {
        Some((end, _)) => format!("{}…", &value[..end]),
        None => value.to_owned(),
    }
}
