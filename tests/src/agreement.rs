//! Whether the API and the rows agree: what it answers about sums, against what MongoDB adds up over the rows by itself.

use std::slice;

use paystats_core::{
    domain::{
        AgeGroup,
        Dimension::{self, Age, Gender, Month, PostalCode},
        Total,
    },
    store::{GroupTotal, Store},
};
use serde_json::{Value, json};

use crate::{Api, RandomFilter, sources};

/// Everything that the API answers about sums, and the groups that each answer consists of.
const QUESTIONS: [(&str, &[Dimension]); 7] = [
    ("total(filter: $filter) { amount count }", &[]),
    ("timeSeries(filter: $filter) { points { period total { amount count } } }", &[Month]),
    ("timeSeries(filter: $filter, by: [AGE]) { age points { period total { amount count } } }", &[Month, Age]),
    ("timeSeries(filter: $filter, by: [GENDER]) { gender points { period total { amount count } } }", &[Month, Gender]),
    (
        "timeSeries(filter: $filter, by: [AGE, GENDER]) { age gender points { period total { amount count } } }",
        &[Month, Age, Gender],
    ),
    ("byAgeAndGender(filter: $filter) { age gender total { amount count } }", &[Age, Gender]),
    ("byPostalCode(filter: $filter) { postalCode { databaseId } total { amount count } }", &[PostalCode]),
];

/// Asks everything about the paystats of a filter. The error tells where an answer differs from the sums over the rows.
///
/// While something is written answers may differ, and agree once it ends: [`eventually`](crate::eventually) waits for that.
pub async fn agreement(api: &Api, store: &Store, filter: &RandomFilter) -> Result<(), String> {
    let fields = (0..).zip(QUESTIONS).map(|(number, (field, _))| format!("answer{number}: {field}\n"));
    let document = format!("query($filter: StatsFilter) {{\n{}}}", fields.collect::<String>());
    let answer = api.graphql(&document, json!({ "filter": filter.input })).await;
    let scope = filter.scope();
    for (number, (field, dimensions)) in QUESTIONS.iter().enumerate() {
        let answered = sorted(groups(&answer.data()[format!("answer{number}")]));
        let summed = sorted(store.totals.by(&scope, dimensions).await.map_err(|error| error.to_string())?);
        if answered != summed {
            let filter = Value::Object(filter.input.clone());
            return Err(format!(
                "{field} of {filter}\nanswered and not in the rows: {:#?}\nin the rows and not answered: {:#?}",
                difference(&answered, &summed),
                difference(&summed, &answered)
            ));
        }
    }
    Ok(())
}

/// The groups of an answer that have paystats.
fn groups(answer: &Value) -> Vec<GroupTotal> {
    let entries = answer.as_array().map_or(slice::from_ref(answer), Vec::as_slice);
    let groups = entries.iter().flat_map(|entry| match entry["points"].as_array() {
        Some(points) => points.iter().map(|point| group(entry, point)).collect(),
        None => vec![group(entry, entry)],
    });
    groups.filter(|group| group.total.count > 0).collect()
}

/// A group from the keys of an entry and a point in it.
fn group(entry: &Value, point: &Value) -> GroupTotal {
    let total = point.get("total").unwrap_or(point);
    let postal_code = entry["postalCode"]["databaseId"].as_i64();
    GroupTotal {
        month: point["period"].as_str().map(sources::month),
        age: entry["age"].as_str().map(|name| AgeGroup::from_name(name).expect("an age group")),
        gender: entry["gender"].as_str().map(|name| name.parse().expect("a gender")),
        postal_code_id: postal_code.map(|id| i32::try_from(id).unwrap().try_into().unwrap()),
        total: Total {
            amount: sources::amount(total["amount"].as_str().expect("an amount")),
            count: total["count"].as_i64().expect("a number of paystats"),
        },
    }
}

fn sorted(mut groups: Vec<GroupTotal>) -> Vec<GroupTotal> {
    groups.sort_by_key(|group| (group.month, group.age, group.gender, group.postal_code_id));
    groups
}

/// The groups of `some` that `others` does not have, or not with the same total.
fn difference<'a>(some: &'a [GroupTotal], others: &[GroupTotal]) -> Vec<&'a GroupTotal> {
    some.iter().filter(|group| !others.contains(group)).collect()
}
