//! Totals through the API, against a plain computation over the same rows: of everything, over time, by age and gender, by postal code.

use std::collections::BTreeMap;

use fastrand::Rng;
use paystats_core::domain::{AgeGroup, Gender, Interval, Month, Paystat, Total};
use paystats_tests::{
    RandomFilter, RunningServer, TestBed,
    sources::{amount, month, paystat, random_paystats},
};
use serde_json::{Value, json};

pub(super) const POSTAL_CODES: i32 = 30;
const INTERVALS: [(&str, Interval); 3] =
    [("MONTH", Interval::Month), ("QUARTER", Interval::Quarter), ("YEAR", Interval::Year)];

pub(super) async fn bed_with(rows: &[Paystat]) -> (TestBed, RunningServer) {
    let bed = TestBed::new().await;
    bed.insert_postal_codes(POSTAL_CODES).await;
    bed.insert_paystats(rows).await;
    let server = bed.start_server().await;
    (bed, server)
}

pub(super) fn random_rows(seed: u64, count: i64) -> Vec<Paystat> {
    let ids: Vec<_> = (1..=POSTAL_CODES).map(|id| id.try_into().unwrap()).collect();
    random_paystats(&mut Rng::with_seed(seed), count, &ids)
}

fn total<'a>(rows: impl IntoIterator<Item = &'a Paystat>) -> Total {
    rows.into_iter().fold(Total::default(), |sum, row| Total {
        amount: sum.amount.checked_add(row.amount).unwrap(),
        count: sum.count + 1,
    })
}

fn in_json(total: Total) -> Value {
    json!({ "amount": total.amount.to_string(), "count": total.count })
}

/// The rows of each key.
fn by<K: Ord>(rows: &[&Paystat], key: impl Fn(&Paystat) -> K) -> BTreeMap<K, Total> {
    let mut groups: BTreeMap<K, Vec<&Paystat>> = BTreeMap::new();
    for row in rows {
        groups.entry(key(row)).or_default().push(row);
    }
    groups.into_iter().map(|(key, rows)| (key, total(rows))).collect()
}

/// The answer to `timeSeries`, from its description.
fn time_series(rows: &[&Paystat], filter: &RandomFilter, interval: Interval, by: &[&str]) -> Value {
    let first = filter.from.or_else(|| rows.iter().map(|row| row.month).min());
    let last = filter.to.or_else(|| rows.iter().map(|row| row.month).max());
    let start = |month: Month| {
        let first = match interval {
            Interval::Month => month.month(),
            Interval::Quarter => (month.month() - 1) / 3 * 3 + 1,
            Interval::Year => 1,
        };
        Month::new(month.year(), first).unwrap()
    };
    let mut periods = Vec::new();
    if let (Some(first), Some(last)) = (first, last) {
        for year in first.year()..=last.year() {
            for month in 1..=12 {
                let month = Month::new(year, month).unwrap();
                if month == start(month) && month >= start(first) && month <= last {
                    periods.push(month);
                }
            }
        }
    }
    let ages: Vec<Option<AgeGroup>> = match by.contains(&"AGE") {
        false => vec![None],
        true => AgeGroup::ALL
            .into_iter()
            .filter(|age| filter.ages.as_ref().is_none_or(|ages| ages.contains(age)))
            .map(Some)
            .collect(),
    };
    let genders: Vec<Option<Gender>> = match by.contains(&"GENDER") {
        false => vec![None],
        true => Gender::ALL
            .into_iter()
            .filter(|gender| filter.genders.as_ref().is_none_or(|genders| genders.contains(gender)))
            .map(Some)
            .collect(),
    };
    let mut series = Vec::new();
    for age in ages {
        for &gender in &genders {
            let points: Vec<Value> = periods
                .iter()
                .map(|period| {
                    let rows = rows.iter().copied().filter(|row| {
                        start(row.month) == *period
                            && age.is_none_or(|age| row.age == age)
                            && gender.is_none_or(|gender| row.gender == gender)
                    });
                    json!({ "period": period.to_string(), "total": in_json(total(rows)) })
                })
                .collect();
            series.push(json!({
                "age": age.map(AgeGroup::name), "gender": gender.map(Gender::name), "points": points,
            }));
        }
    }
    series.into()
}

fn by_age_and_gender(rows: &[&Paystat]) -> Value {
    let entry = |((age, gender), total): ((AgeGroup, Gender), Total)| json!({ "age": age.name(), "gender": gender.name(), "total": in_json(total) });
    by(rows, |row| (row.age, row.gender)).into_iter().map(entry).collect()
}

const QUESTION: &str = "query($filter: StatsFilter, $interval: Interval!, $by: [Dimension!], $code: String!) {
    total(filter: $filter) { ...total }
    timeSeries(filter: $filter, interval: $interval, by: $by) { ...series }
    byAgeAndGender(filter: $filter) { age gender total { ...total } }
    byPostalCode(filter: $filter, orderBy: { field: ID, direction: ASC }) {
        postalCode { databaseId } total { ...total }
    }
    postalCode(code: $code) {
        total(filter: $filter) { ...total }
        timeSeries(filter: $filter, interval: $interval, by: $by) { ...series }
        byAgeAndGender(filter: $filter) { age gender total { ...total } }
    }
}
fragment total on Total { amount count }
fragment series on TimeSeries { age gender points { period total { ...total } } }";

#[tokio::test]
async fn every_total_under_any_filter_is_what_the_rows_add_up_to() {
    let rows = random_rows(41, 2_000);
    let (_bed, server) = bed_with(&rows).await;
    let mut random = Rng::with_seed(42);
    let mut with_rows = 0;
    for round in 0..100 {
        // The first ones go through all intervals and splits without a filter.
        let filter = if round < 12 { RandomFilter::default() } else { RandomFilter::new(&mut random, POSTAL_CODES) };
        let (name, interval) = INTERVALS[round % 3];
        let split = [&[][..], &["GENDER"], &["AGE"], &["GENDER", "AGE"]][round / 3 % 4];
        let code = random.i32(1..=POSTAL_CODES);
        let matching: Vec<&Paystat> = rows.iter().filter(|row| filter.matches(row)).collect();
        let own: Vec<&Paystat> = matching.iter().copied().filter(|row| row.postal_code_id.get() == code).collect();
        let by_postal_code: Value = by(&matching, |row| row.postal_code_id)
            .into_iter()
            .map(|(id, total)| json!({ "postalCode": { "databaseId": id.get() }, "total": in_json(total) }))
            .collect();
        let expected = json!({
            "total": in_json(total(matching.iter().copied())),
            "timeSeries": time_series(&matching, &filter, interval, split),
            "byAgeAndGender": by_age_and_gender(&matching),
            "byPostalCode": by_postal_code,
            "postalCode": {
                "total": in_json(total(own.iter().copied())),
                "timeSeries": time_series(&own, &filter, interval, split),
                "byAgeAndGender": by_age_and_gender(&own),
            },
        });
        let variables = json!({
            "filter": filter.input, "interval": name, "by": split, "code": (28_000 + code).to_string(),
        });
        let answer = server.graphql(QUESTION, variables.clone()).await;
        for (field, expected) in expected.as_object().unwrap() {
            assert_eq!(answer.data()[field], *expected, "{field} of {variables}");
        }
        with_rows += i32::from(!matching.is_empty());
    }
    assert!((50..100).contains(&with_rows), "{with_rows} of 100 filters match anything");
}

#[tokio::test]
async fn postal_codes_are_ordered_by_amount_count_or_number() {
    let mut rows = random_rows(51, 400);
    // Some postal codes tie in amount, and many in count.
    for row in &mut rows {
        row.amount = amount(if row.postal_code_id.get() <= 10 { "0" } else { "1.5" });
    }
    let (_bed, server) = bed_with(&rows).await;
    let rows: Vec<&Paystat> = rows.iter().collect();
    let mut expected: Vec<(i32, Total)> =
        by(&rows, |row| row.postal_code_id).into_iter().map(|(id, total)| (id.get(), total)).collect();
    let query = "query($order: PostalCodeTotalOrder, $first: Int) {
        byPostalCode(orderBy: $order, first: $first) { postalCode { databaseId } total { amount count } }
    }";
    let entries = |sorted: &[(i32, Total)]| -> Value {
        sorted
            .iter()
            .map(|(id, total)| json!({ "postalCode": { "databaseId": id }, "total": in_json(*total) }))
            .collect()
    };
    let mut amounts_descending = Vec::new();
    for field in ["AMOUNT", "COUNT", "ID"] {
        for direction in ["ASC", "DESC"] {
            // Ties are always in order of number.
            expected.sort_by(|(a_id, a), (b_id, b)| {
                let order = match field {
                    "AMOUNT" => a.amount.cmp(&b.amount),
                    "COUNT" => a.count.cmp(&b.count),
                    _ => a_id.cmp(b_id),
                };
                let order = if direction == "ASC" { order } else { order.reverse() };
                order.then(a_id.cmp(b_id))
            });
            if (field, direction) == ("AMOUNT", "DESC") {
                amounts_descending = expected.clone();
            }
            for first in [None, Some(7)] {
                let variables = json!({ "order": { "field": field, "direction": direction }, "first": first });
                let answer = server.graphql(query, variables.clone()).await;
                let expected = &expected[..first.unwrap_or(expected.len())];
                assert_eq!(answer.data()["byPostalCode"], entries(expected), "{variables}");
            }
        }
    }
    let by_default = server.graphql(query, json!({ "first": 3 })).await;
    assert_eq!(by_default.data()["byPostalCode"], entries(&amounts_descending[..3]));
    let none = server.graphql(query, json!({ "first": 0 })).await;
    assert_eq!(none.data()["byPostalCode"], json!([]));
}

#[tokio::test]
async fn gaps_and_months_outside_the_data_are_zero() {
    let mut rows = [paystat(1), paystat(2), paystat(3)];
    rows[0].month = month("2015-02");
    rows[1].month = month("2015-05");
    rows[2].month = month("2015-05");
    let (_bed, server) = bed_with(&rows).await;
    let query = "query($filter: StatsFilter, $interval: Interval! = MONTH) {
        timeSeries(filter: $filter, interval: $interval) { points { period total { count } } }
    }";
    let ask = async |filter: Value, interval: &str| -> Vec<(String, i64)> {
        let answer = server.graphql(query, json!({ "filter": filter, "interval": interval })).await;
        let [series] = answer.data()["timeSeries"].as_array().unwrap().as_slice() else { panic!("one series") };
        let point =
            |point: &Value| (point["period"].as_str().unwrap().to_owned(), point["total"]["count"].as_i64().unwrap());
        series["points"].as_array().unwrap().iter().map(point).collect()
    };
    let points = |points: &[(&str, i64)]| -> Vec<(String, i64)> {
        points.iter().map(|(period, count)| ((*period).to_owned(), *count)).collect()
    };
    let gaps = points(&[("2015-02", 1), ("2015-03", 0), ("2015-04", 0), ("2015-05", 2)]);
    assert_eq!(ask(json!({}), "MONTH").await, gaps);
    assert_eq!(ask(json!({}), "QUARTER").await, points(&[("2015-01", 1), ("2015-04", 2)]));
    assert_eq!(ask(json!({}), "YEAR").await, points(&[("2015-01", 3)]));
    let around = json!({ "from": "2014-12", "to": "2015-03" });
    assert_eq!(
        ask(around.clone(), "MONTH").await,
        points(&[("2014-12", 0), ("2015-01", 0), ("2015-02", 1), ("2015-03", 0)])
    );
    // Only whole months of the filter count, also in the quarters at its ends.
    assert_eq!(ask(around, "QUARTER").await, points(&[("2014-10", 0), ("2015-01", 1)]));
    assert_eq!(ask(json!({ "from": "2015-03" }), "QUARTER").await, points(&[("2015-01", 0), ("2015-04", 2)]));
    assert_eq!(ask(json!({ "from": "2015-05", "to": "2015-05" }), "MONTH").await, points(&[("2015-05", 2)]));
    let elsewhere = json!({ "from": "2199-11", "to": "2199-12" });
    assert_eq!(ask(elsewhere, "MONTH").await, points(&[("2199-11", 0), ("2199-12", 0)]));
    // Without data and without both ends there is nothing to span.
    assert_eq!(ask(json!({ "from": "2016-01" }), "MONTH").await, []);
    assert_eq!(ask(json!({ "to": "2015-01" }), "MONTH").await, []);
    assert_eq!(ask(json!({ "from": "1900-01", "to": "2199-12" }), "MONTH").await.len(), 3_600);
}

#[tokio::test]
async fn without_data_everything_is_zero_or_empty() {
    let (_bed, server) = bed_with(&[]).await;
    let query = "{
        total { amount count }
        timeSeries(by: [GENDER]) { gender points { period } }
        byAgeAndGender { age }
        byPostalCode { postalCode { code } }
        postalCode(id: 1) { total { amount count } timeSeries { points { period } } byAgeAndGender { age } }
    }";
    let zero = json!({ "amount": "0", "count": 0 });
    let expected = json!({
        "total": zero,
        "timeSeries": [{ "gender": "F", "points": [] }, { "gender": "M", "points": [] }],
        "byAgeAndGender": [],
        "byPostalCode": [],
        "postalCode": { "total": zero, "timeSeries": [{ "points": [] }], "byAgeAndGender": [] },
    });
    assert_eq!(*server.graphql(query, json!({})).await.data(), expected);
}

#[tokio::test]
async fn what_matches_nothing_is_zero() {
    let (_bed, server) = bed_with(&[paystat(1)]).await;
    for filter in [
        json!({ "postalCodes": ["99999"] }),
        json!({ "postalCodes": [] }),
        json!({ "ages": [] }),
        json!({ "genders": [] }),
        json!({ "bbox": { "west": 100, "south": 0, "east": 101, "north": 1 } }),
        json!({ "from": "2016-01" }),
    ] {
        let query = "query($filter: StatsFilter) { total(filter: $filter) { amount count } }";
        let answer = server.graphql(query, json!({ "filter": filter })).await;
        assert_eq!(answer.data()["total"], json!({ "amount": "0", "count": 0 }), "{filter}");
    }
    let everything = server.graphql("{ total(filter: null) { count } }", json!({})).await;
    assert_eq!(everything.data()["total"]["count"], 1);
}

#[tokio::test]
async fn questions_that_make_no_sense_are_refused_with_their_reason() {
    let (_bed, server) = bed_with(&[paystat(1)]).await;
    let backwards = r#"filter: { from: "2015-02", to: "2015-01" }"#;
    for (question, reason) in [
        (format!("{{ total({backwards}) {{ count }} }}"), "from (2015-02) must not be after to (2015-01)"),
        (format!("{{ timeSeries({backwards}) {{ age }} }}"), "from (2015-02) must not be after to (2015-01)"),
        (format!("{{ byAgeAndGender({backwards}) {{ age }} }}"), "from (2015-02) must not be after to (2015-01)"),
        (
            format!("{{ byPostalCode({backwards}) {{ total {{ count }} }} }}"),
            "from (2015-02) must not be after to (2015-01)",
        ),
        (
            format!("{{ postalCode(id: 1) {{ total({backwards}) {{ count }} }} }}"),
            "from (2015-02) must not be after to (2015-01)",
        ),
        ("{ byPostalCode(first: -1) { total { count } } }".to_owned(), "first must be from 0 to 20000"),
        ("{ byPostalCode(first: 20001) { total { count } } }".to_owned(), "first must be from 0 to 20000"),
        (
            r#"{ total(filter: { postalCodes: [""] }) { count } }"#.to_owned(),
            "postalCodes: \"\" is not 1 to 16 letters, digits, spaces or hyphens, without a space at either end",
        ),
        (
            "{ total(filter: { bbox: { west: 0, south: 5, east: 1, north: 0 } }) { count } }".to_owned(),
            "bbox: south must not be greater than north",
        ),
        (
            r#"{ total(filter: { within: { type: "Polygon", coordinates: [] } }) { count } }"#.to_owned(),
            "within is not a valid polygon: a polygon has no rings",
        ),
    ] {
        let answer = server.graphql(&question, json!({})).await;
        assert_eq!(answer.refusal(), format!("BAD_USER_INPUT: {reason}"), "{question}");
    }
}

#[tokio::test]
async fn a_change_counts_in_the_next_answer() {
    let (_bed, server) = bed_with(&[paystat(1)]).await;
    let total = async || server.graphql("{ total { amount count } }", json!({})).await.data()["total"].clone();
    let create = r#"mutation { createPaystat(input: {
        amount: "0.25", month: "2015-03", age: FROM_65, gender: M, postalCodeId: 2
    }) { paystat { databaseId } } }"#;
    server.graphql(create, json!({})).await.data();
    assert_eq!(total().await, json!({ "amount": "1.75", "count": 2 }));
    let update = r#"mutation { updatePaystat(input: { id: 2, amount: "-1.5" }) { paystat { id } } }"#;
    server.graphql(update, json!({})).await.data();
    assert_eq!(total().await, json!({ "amount": "0", "count": 2 }));
    server.graphql("mutation { deletePaystat(input: { id: 1 }) { deletedId } }", json!({})).await.data();
    assert_eq!(total().await, json!({ "amount": "-1.5", "count": 1 }));
}
