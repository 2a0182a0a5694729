//! A map with its totals, as the text of a GeoJSON FeatureCollection.

use std::collections::{HashMap, HashSet};

use paystats_core::domain::{Amount, BBox, PostalCodeId, Total};
use serde::{Serialize, Serializer};
use serde_json::value::{RawValue, to_raw_value};

use super::{
    breaks::{ClassBreaks, Classes},
    maps::{DrawnPlace, Map},
};

/// What a map is to show beside the areas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    /// Most classes: [`Style::CLASSES`].
    pub classes: usize,
    /// How amounts are divided into them.
    pub breaks: ClassBreaks,
}

impl Style {
    /// How many classes there may be.
    pub const CLASSES: std::ops::RangeInclusive<usize> = 1..=12;
}

#[derive(Serialize)]
struct FeatureCollection<'a> {
    r#type: &'static str,
    /// West, south, east, north.
    #[serde(skip_serializing_if = "Option::is_none")]
    bbox: Option<[f64; 4]>,
    /// Of all features.
    total: TotalText,
    #[serde(serialize_with = "texts")]
    breaks: Vec<Amount>,
    /// The tolerance in metres.
    simplify: f64,
    features: Vec<Feature<'a>>,
}

#[derive(Serialize)]
struct Feature<'a> {
    r#type: &'static str,
    id: i32,
    geometry: &'a RawValue,
    properties: Properties<'a>,
}

#[derive(Serialize)]
struct Properties<'a> {
    code: &'a str,
    id: i32,
    #[serde(flatten)]
    total: TotalText,
    share: Option<f64>,
    class: Option<usize>,
}

#[derive(Clone, Copy, Serialize)]
struct TotalText {
    #[serde(serialize_with = "text")]
    amount: Amount,
    count: i64,
}

/// The postal codes of `shown`, all where it is `None`, with their totals. `whole` is the sum of these.
pub fn paint(
    map: &Map,
    shown: Option<&[PostalCodeId]>,
    totals: &HashMap<PostalCodeId, Total>,
    whole: Total,
    style: Style,
) -> serde_json::Result<Box<RawValue>> {
    let shown: Option<HashSet<PostalCodeId>> = shown.map(|ids| ids.iter().copied().collect());
    let is_shown = |place: &&DrawnPlace| shown.as_ref().is_none_or(|ids| ids.contains(&place.id));
    let places: Vec<(&DrawnPlace, Total)> = map
        .places
        .iter()
        .filter(is_shown)
        .map(|place| (place, totals.get(&place.id).copied().unwrap_or_default()))
        .collect();
    let amounts = places.iter().filter(|(_, total)| total.count > 0).map(|(_, total)| total.amount).collect();
    let classes = Classes::new(style.breaks, amounts, style.classes);
    let features = places.iter().map(|&(place, total)| Feature {
        r#type: "Feature",
        id: place.id.get(),
        geometry: &place.geometry,
        properties: Properties {
            code: place.code.as_str(),
            id: place.id.get(),
            total: total.into(),
            share: share(total.amount, whole.amount),
            class: (total.count > 0).then(|| classes.class_of(total.amount)),
        },
    });
    to_raw_value(&FeatureCollection {
        r#type: "FeatureCollection",
        bbox: around(places.iter().map(|(place, _)| place.bbox)),
        total: whole.into(),
        breaks: classes.breaks().collect(),
        simplify: map.tolerance.meters(),
        features: features.collect(),
    })
}

/// An amount's part of the whole, rounded to six decimals. 0 for an amount of 0; `None` where other amounts add up to 0.
fn share(amount: Amount, whole: Amount) -> Option<f64> {
    if amount == Amount::ZERO {
        return Some(0.0);
    }
    let share = amount.units() as f64 / whole.units() as f64;
    (whole != Amount::ZERO).then(|| (share * 1e6).round() / 1e6)
}

/// The smallest box that holds all of these.
fn around(boxes: impl Iterator<Item = BBox>) -> Option<[f64; 4]> {
    boxes
        .map(|bbox| [bbox.west, bbox.south, bbox.east, bbox.north])
        .reduce(|all, next| [all[0].min(next[0]), all[1].min(next[1]), all[2].max(next[2]), all[3].max(next[3])])
}

impl From<Total> for TotalText {
    fn from(Total { amount, count }: Total) -> Self {
        Self { amount, count }
    }
}

fn text<S: Serializer>(amount: &Amount, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(amount)
}

fn texts<S: Serializer>(amounts: &[Amount], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(amounts.iter().map(ToString::to_string))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::choropleth::Tolerance;

    fn map(places: i32) -> Map {
        let place = |id: i32| DrawnPlace {
            id: id.try_into().unwrap(),
            code: id.to_string().parse().unwrap(),
            bbox: BBox { west: id.into(), south: 0.0, east: (id + 1).into(), north: 1.0 },
            geometry: to_raw_value(&json!({ "type": "Polygon", "coordinates": [id] })).unwrap(),
        };
        Map { tolerance: Tolerance::new(Some(7.5)).unwrap(), places: (1..=places).map(place).collect() }
    }

    fn painted(totals: &[(i32, &str, i64)], shown: Option<&[i32]>, classes: usize) -> Value {
        let total = |amount: &str, count| Total { amount: amount.parse().unwrap(), count };
        let of: HashMap<PostalCodeId, Total> =
            totals.iter().map(|&(id, amount, count)| (id.try_into().unwrap(), total(amount, count))).collect();
        let whole = of.values().fold(Total::default(), |sum, total| Total {
            amount: sum.amount.checked_add(total.amount).unwrap(),
            count: sum.count + total.count,
        });
        let shown: Option<Vec<PostalCodeId>> = shown.map(|ids| ids.iter().map(|&id| id.try_into().unwrap()).collect());
        let style = Style { classes, breaks: ClassBreaks::Quantile };
        serde_json::from_str(paint(&map(4), shown.as_deref(), &of, whole, style).unwrap().get()).unwrap()
    }

    #[test]
    fn postal_codes_have_their_total_share_and_class_and_those_without_paystats_none() {
        let answer = painted(&[(1, "1.5", 2), (2, "-0.5", 1), (4, "2", 3)], None, 2);
        let feature = |id: i32, properties: Value| {
            let geometry = json!({ "type": "Polygon", "coordinates": [id] });
            json!({ "type": "Feature", "id": id, "geometry": geometry, "properties": properties })
        };
        let expected = json!({
            "type": "FeatureCollection",
            "bbox": [1.0, 0.0, 5.0, 1.0],
            "total": { "amount": "3", "count": 6 },
            "breaks": ["-0.5", "1.5", "2"],
            "simplify": 7.5,
            "features": [
                feature(1, json!({ "code": "1", "id": 1, "amount": "1.5", "count": 2, "share": 0.5, "class": 1 })),
                feature(2, json!({ "code": "2", "id": 2, "amount": "-0.5", "count": 1, "share": -0.166667, "class": 0 })),
                feature(3, json!({ "code": "3", "id": 3, "amount": "0", "count": 0, "share": 0.0, "class": null })),
                feature(4, json!({ "code": "4", "id": 4, "amount": "2", "count": 3, "share": 0.666667, "class": 1 })),
            ],
        });
        assert_eq!(answer, expected);
    }

    #[test]
    fn only_what_is_to_be_shown_is_in_the_collection_and_its_box() {
        let answer = painted(&[(2, "1", 1)], Some(&[3, 2, 77]), 5);
        let ids: Vec<_> = answer["features"].as_array().unwrap().iter().map(|feature| &feature["id"]).collect();
        assert_eq!(ids, [2, 3]);
        assert_eq!(answer["bbox"], json!([2.0, 0.0, 4.0, 1.0]));
        let nothing = painted(&[], Some(&[]), 5);
        let expected = json!({
            "type": "FeatureCollection", "total": { "amount": "0", "count": 0 }, "breaks": [], "simplify": 7.5, "features": [],
        });
        assert_eq!(nothing, expected);
    }

    #[test]
    fn amounts_that_add_up_to_nothing_have_no_share() {
        let answer = painted(&[(1, "1", 1), (2, "-1", 1), (3, "0", 1)], None, 5);
        let shares: Vec<_> =
            answer["features"].as_array().unwrap().iter().map(|feature| &feature["properties"]["share"]).collect();
        assert_eq!(shares, [&json!(null), &json!(null), &json!(0.0), &json!(0.0)]);
    }
}
