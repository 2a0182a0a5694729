//! `stats` and `compare` through the API, against a plain computation over the same rows.

use std::{
    cmp::Ordering,
    collections::{BTreeMap, BTreeSet},
};

use fastrand::Rng;
use paystats_core::domain::{AgeGroup, Amount, Gender, Month, Paystat, Total};
use paystats_tests::{
    RandomFilter, TestBed,
    sources::{amount, month, paystat},
};
use serde_json::{Value, json};

use super::totals::{POSTAL_CODES, bed_with, random_rows};

/// The keys of a row with their names, in the order of `groupBy`.
type Key = Vec<(&'static str, KeyPart)>;

/// One key of a row.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum KeyPart {
    PostalCode(i32),
    Period(Month),
    Age(AgeGroup),
    Gender(Gender),
}

/// Months of an interval.
fn months_of(interval: &str) -> u16 {
    match interval {
        "MONTH" => 1,
        "QUARTER" => 3,
        "YEAR" => 12,
        other => panic!("{other} is no interval"),
    }
}

fn start_of(month: Month, interval: &str) -> Month {
    let months = months_of(interval) as u8;
    Month::new(month.year(), (month.month() - 1) / months * months + 1).unwrap()
}

fn months_before(month: Month, months: u16) -> Month {
    let number = month.year() * 12 + u16::from(month.month()) - 1 - months;
    Month::new(number / 12, (number % 12) as u8 + 1).unwrap()
}

/// The keys of the row that a paystat counts in.
fn key(row: &Paystat, by: &[&'static str]) -> Key {
    by.iter()
        .map(|name| {
            let part = match *name {
                "POSTAL_CODE" => KeyPart::PostalCode(row.postal_code_id.get()),
                "AGE" => KeyPart::Age(row.age),
                "GENDER" => KeyPart::Gender(row.gender),
                interval => KeyPart::Period(start_of(row.month, interval)),
            };
            (*name, part)
        })
        .collect()
}

/// The keys of the same group in the interval before.
fn key_before(key: &Key) -> Option<Key> {
    let mut before = key.clone();
    let (interval, part) = before.iter_mut().find(|(_, part)| matches!(part, KeyPart::Period(_)))?;
    if let KeyPart::Period(period) = part {
        *period = months_before(*period, months_of(interval));
    }
    Some(before)
}

fn totals<'a>(rows: impl IntoIterator<Item = &'a Paystat>, by: &[&'static str]) -> BTreeMap<Key, Total> {
    let mut totals: BTreeMap<Key, Total> = BTreeMap::new();
    for row in rows {
        let total = totals.entry(key(row, by)).or_default();
        *total = Total { amount: total.amount.checked_add(row.amount).unwrap(), count: total.count + 1 };
    }
    if by.is_empty() {
        totals.entry(Key::new()).or_default();
    }
    totals
}

fn units(total: Total) -> i128 {
    total.amount.units()
}

fn quotient(a: i128, b: i128) -> Value {
    if b == 0 { Value::Null } else { json!(a as f64 / b as f64 + 0.0) }
}

fn decimal(units: i128) -> Value {
    Amount::from_units(units).to_string().into()
}

fn total_in_json(total: Total) -> Value {
    json!({ "amount": total.amount.to_string(), "count": total.count })
}

/// The fields of a row that are its keys.
fn key_in_json(key: &Key) -> Value {
    let mut fields = json!({ "postalCode": null, "period": null, "age": null, "gender": null });
    for (_, part) in key {
        let (name, value) = match part {
            KeyPart::PostalCode(id) => ("postalCode", json!({ "code": (28_000 + id).to_string() })),
            KeyPart::Period(month) => ("period", month.to_string().into()),
            KeyPart::Age(age) => ("age", age.name().into()),
            KeyPart::Gender(gender) => ("gender", gender.name().into()),
        };
        fields[name] = value;
    }
    fields
}

/// A row as the API shows it.
fn row(key: &Key, fields: Value) -> Value {
    let mut row = key_in_json(key);
    row.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    row
}

/// Directs an order, and breaks its ties by key. Keys that are grouped by alike compare in the order of `groupBy`.
fn sort<T>(rows: &mut [(Key, T)], descending: bool, order: impl Fn(&(Key, T), &(Key, T)) -> Ordering) {
    rows.sort_by(|a, b| {
        let order = order(a, b);
        (if descending { order.reverse() } else { order }).then_with(|| a.0.cmp(&b.0))
    });
}

fn random_keys(random: &mut Rng, interval: Option<&'static str>) -> Vec<&'static str> {
    let mut keys: Vec<_> = ["POSTAL_CODE", "AGE", "GENDER"].into_iter().filter(|_| random.bool()).collect();
    keys.extend(interval);
    random.shuffle(&mut keys);
    keys
}

/// Up to so many rows or, half of the time, all of them.
fn random_first(random: &mut Rng) -> Option<usize> {
    random.bool().then(|| random.usize(0..40))
}

const STATS: &str = "query($filter: StatsFilter, $by: [Dimension!]!, $order: StatsOrder, $first: Int) {
    stats(filter: $filter, groupBy: $by, orderBy: $order, first: $first) {
        postalCode { code } period age gender
        total { ...total } share change { previous { ...total } amount ratio }
    }
}
fragment total on Total { amount count }";

#[tokio::test]
async fn rows_by_any_keys_under_any_filter_are_what_the_paystats_add_up_to() {
    let rows = random_rows(61, 2_000);
    let (_bed, server) = bed_with(&rows).await;
    let mut random = Rng::with_seed(62);
    let (mut with_rows, mut with_previous) = (0, 0);
    for round in 0..120 {
        // The first ones go through all intervals without a filter.
        let filter = if round < 12 { RandomFilter::default() } else { RandomFilter::new(&mut random, POSTAL_CODES) };
        let interval = [None, Some("MONTH"), Some("QUARTER"), Some("YEAR")][round % 4];
        let by = random_keys(&mut random, interval);
        let since_ever = {
            let mut filter = filter.clone();
            filter.from = None;
            filter
        };
        let found = totals(rows.iter().filter(|row| filter.matches(row)), &by);
        let all = totals(rows.iter().filter(|row| since_ever.matches(row)), &by);
        let whole: i128 = found.values().copied().map(units).sum();
        let previous = |key: &Key| Some(all.get(&key_before(key)?).copied().unwrap_or_default());
        let difference = |key: &Key, total: Total| previous(key).map(|previous| units(total) - units(previous));
        with_rows += i32::from(found.len() > 1);
        with_previous += i32::from(found.keys().any(|key| previous(key).is_some_and(|previous| previous.count > 0)));

        let fields = if interval.is_some() { 5 } else { 4 };
        let field = ["KEY", "AMOUNT", "COUNT", "SHARE", "CHANGE"][random.usize(..fields)];
        let descending = random.bool();
        let mut sorted: Vec<(Key, Total)> = found.into_iter().collect();
        sort(&mut sorted, descending, |(a_key, a), (b_key, b)| match field {
            "KEY" => a_key.cmp(b_key),
            "AMOUNT" => a.amount.cmp(&b.amount),
            "COUNT" => a.count.cmp(&b.count),
            "SHARE" => (units(*a) * whole.signum()).cmp(&(units(*b) * whole.signum())),
            _ => difference(a_key, *a).cmp(&difference(b_key, *b)),
        });
        let first = random_first(&mut random);
        sorted.truncate(first.unwrap_or(usize::MAX));
        let expected: Value = sorted
            .iter()
            .map(|(key, total)| {
                let share = if whole == 0 { json!(0.0) } else { quotient(units(*total), whole) };
                let change = previous(key).map(|previous| {
                    let difference = units(*total) - units(previous);
                    let ratio = quotient(difference, units(previous));
                    json!({ "previous": total_in_json(previous), "amount": decimal(difference), "ratio": ratio })
                });
                row(key, json!({ "total": total_in_json(*total), "share": share, "change": change }))
            })
            .collect();
        let direction = if descending { "DESC" } else { "ASC" };
        let variables = json!({
            "filter": filter.input, "by": by, "order": { "field": field, "direction": direction }, "first": first,
        });
        let answer = server.graphql(STATS, variables.clone()).await;
        assert_eq!(answer.data()["stats"], expected, "{variables}");
    }
    assert!(with_rows > 40 && with_previous > 25, "{with_rows} with rows, {with_previous} with an interval before");
}

const COMPARE: &str = "query(
    $filter: StatsFilter, $months: MonthRangeInput!, $against: MonthRangeInput!, $by: [Dimension!], $order: ComparisonOrder,
    $first: Int
) {
    compare(filter: $filter, months: $months, against: $against, groupBy: $by, orderBy: $order, first: $first) {
        whole { ...row } rows { ...row }
    }
}
fragment row on ComparisonRow {
    postalCode { code } age gender
    total { ...total } against { ...total } difference ratio shareOfDifference
}
fragment total on Total { amount count }";

#[tokio::test]
async fn two_ranges_of_months_beside_each_other_are_what_the_paystats_of_each_add_up_to() {
    let rows = random_rows(71, 2_000);
    let (_bed, server) = bed_with(&rows).await;
    let mut random = Rng::with_seed(72);
    let mut with_rows = 0;
    for _ in 0..80 {
        let mut filter = RandomFilter::new(&mut random, POSTAL_CODES);
        (filter.from, filter.to) = (None, None);
        filter.input.remove("from");
        filter.input.remove("to");
        let mut range = || {
            let mut months = [(); 2].map(|()| Month::new(random.u16(2014..=2016), random.u8(1..=12)).unwrap());
            months.sort();
            months
        };
        let ranges = [range(), range()];
        let by = random_keys(&mut random, None);
        let [months, against] = ranges.map(|[from, to]| {
            let within = |row: &&Paystat| filter.matches(row) && (from..=to).contains(&row.month);
            totals(rows.iter().filter(within), &by)
        });
        let sum = |totals: &BTreeMap<Key, Total>| {
            totals.values().fold(Total::default(), |sum, total| Total {
                amount: sum.amount.checked_add(total.amount).unwrap(),
                count: sum.count + total.count,
            })
        };
        let whole = (sum(&months), sum(&against));
        let whole_difference = units(whole.0) - units(whole.1);
        let in_json = |key: &Key, (total, against): (Total, Total)| {
            let difference = units(total) - units(against);
            let mut row = row(
                key,
                json!({
                    "total": total_in_json(total), "against": total_in_json(against), "difference": decimal(difference),
                    "ratio": quotient(difference, units(against)),
                    "shareOfDifference": quotient(difference, whole_difference),
                }),
            );
            row.as_object_mut().unwrap().remove("period");
            row
        };
        let keys: BTreeSet<&Key> = months.keys().chain(against.keys()).collect();
        let mut sorted: Vec<(Key, (Total, Total))> = keys
            .into_iter()
            .map(|key| {
                let of = |totals: &BTreeMap<Key, Total>| totals.get(key).copied().unwrap_or_default();
                (key.clone(), (of(&months), of(&against)))
            })
            .collect();
        with_rows += i32::from(sorted.len() > 1);
        let field = random.choice(["KEY", "AMOUNT", "COUNT", "DIFFERENCE", "RATIO"]).unwrap();
        let descending = random.bool();
        let ratio = |(total, against): (Total, Total)| match units(against) {
            0 => {
                if descending {
                    f64::NEG_INFINITY
                } else {
                    f64::INFINITY
                }
            }
            against => (units(total) - against) as f64 / against as f64 + 0.0,
        };
        sort(&mut sorted, descending, |(a_key, a), (b_key, b)| match field {
            "KEY" => a_key.cmp(b_key),
            "AMOUNT" => a.0.amount.cmp(&b.0.amount),
            "COUNT" => a.0.count.cmp(&b.0.count),
            "DIFFERENCE" => (units(a.0) - units(a.1)).cmp(&(units(b.0) - units(b.1))),
            _ => ratio(*a).total_cmp(&ratio(*b)),
        });
        let first = random_first(&mut random);
        sorted.truncate(first.unwrap_or(usize::MAX));
        let expected = json!({
            "whole": in_json(&Key::new(), whole),
            "rows": sorted.iter().map(|(key, pair)| in_json(key, *pair)).collect::<Value>(),
        });
        let [months, against] = ranges.map(|[from, to]| json!({ "from": from.to_string(), "to": to.to_string() }));
        let direction = if descending { "DESC" } else { "ASC" };
        let variables = json!({
            "filter": filter.input, "months": months, "against": against, "by": by,
            "order": { "field": field, "direction": direction }, "first": first,
        });
        let answer = server.graphql(COMPARE, variables.clone()).await;
        assert_eq!(answer.data()["compare"], expected, "{variables}");
    }
    assert!(with_rows > 20, "{with_rows} of 80 have rows");
}

#[tokio::test]
async fn rows_come_by_key_and_an_order_without_direction_starts_with_the_greatest() {
    let mut rows = [paystat(1), paystat(2), paystat(3)];
    for (row, (text, code)) in rows.iter_mut().zip([("2", 3_i32), ("-1", 1), ("5", 2)]) {
        row.amount = amount(text);
        row.postal_code_id = code.try_into().unwrap();
    }
    let (_bed, server) = bed_with(&rows).await;
    let codes = async |query: &str, field: &str| -> Vec<i64> {
        let answer = server.graphql(query, json!({})).await;
        let rows = if field == "stats" { &answer.data()["stats"] } else { &answer.data()["compare"]["rows"] };
        rows.as_array().unwrap().iter().map(|row| row["postalCode"]["databaseId"].as_i64().unwrap()).collect()
    };
    for (order, expected) in [
        ("", [1_i64, 2, 3]),
        (", orderBy: { field: KEY }", [1, 2, 3]),
        (", orderBy: { field: KEY, direction: DESC }", [3, 2, 1]),
        (", orderBy: { field: AMOUNT }", [2, 3, 1]),
        (", orderBy: { field: AMOUNT, direction: ASC }", [1, 3, 2]),
        (", orderBy: { field: COUNT }", [1, 2, 3]),
    ] {
        let stats = format!("{{ stats(groupBy: [POSTAL_CODE]{order}) {{ postalCode {{ databaseId }} }} }}");
        assert_eq!(codes(&stats, "stats").await, expected, "{stats}");
        let compare = format!(
            r#"{{ compare(
                months: {{ from: "2015-01", to: "2015-01" }}, against: {{ from: "2014-01", to: "2014-12" }}, groupBy: [POSTAL_CODE]{order}
            ) {{ rows {{ postalCode {{ databaseId }} }} }} }}"#
        );
        assert_eq!(codes(&compare, "compare").await, expected, "{compare}");
    }
}

#[tokio::test]
async fn the_change_of_the_first_interval_reaches_back_before_the_filter() {
    let mut rows = [paystat(1), paystat(2), paystat(3), paystat(4)];
    for (row, (text, when)) in
        rows.iter_mut().zip([("4", "2014-11"), ("1", "2015-01"), ("5", "2015-02"), ("3", "2015-07")])
    {
        row.amount = amount(text);
        row.month = month(when);
    }
    let (_bed, server) = bed_with(&rows).await;
    let change = |previous: &str, count: i32, amount: &str, ratio: Option<f64>| json!({ "previous": { "amount": previous, "count": count }, "amount": amount, "ratio": ratio });
    let query = r#"{ stats(filter: { from: "2015-02" }, groupBy: [QUARTER]) {
        period total { amount } share change { previous { amount count } amount ratio }
    } }"#;
    let expected = json!([
        // Of the quarter that the filter cuts only February counts; the one before it is whole.
        { "period": "2015-01", "total": { "amount": "5" }, "share": 0.625, "change": change("4", 1, "1", Some(0.25)) },
        // The quarter before has no paystats.
        { "period": "2015-07", "total": { "amount": "3" }, "share": 0.375, "change": change("0", 0, "3", None) },
    ]);
    assert_eq!(server.graphql(query, json!({})).await.data()["stats"], expected);
}

#[tokio::test]
async fn without_data_the_whole_is_zero_and_groups_are_none() {
    let (_bed, server) = bed_with(&[]).await;
    let query = r#"{
        whole: stats(groupBy: []) { postalCode { code } period age gender total { amount count } share change { amount } }
        groups: stats(groupBy: [POSTAL_CODE, MONTH]) { period }
        compare(months: { from: "2015-01", to: "2015-12" }, against: { from: "2014-01", to: "2014-12" }, groupBy: [AGE]) {
            whole { total { count } against { count } difference ratio shareOfDifference } rows { age }
        }
    }"#;
    let expected = json!({
        "whole": [{
            "postalCode": null, "period": null, "age": null, "gender": null, "total": { "amount": "0", "count": 0 },
            "share": 0.0, "change": null,
        }],
        "groups": [],
        "compare": {
            "whole": {
                "total": { "count": 0 }, "against": { "count": 0 }, "difference": "0", "ratio": null, "shareOfDifference": null,
            },
            "rows": [],
        },
    });
    assert_eq!(*server.graphql(query, json!({})).await.data(), expected);
}

#[tokio::test]
async fn more_rows_than_an_answer_holds_are_refused_unless_their_number_is_named() {
    let mut rows: Vec<Paystat> = (1..=20_001).map(paystat).collect();
    for (place, row) in rows.iter_mut().enumerate() {
        let (month, code) = (place % 1_000, place / 1_000);
        row.month = Month::from_index(month as u16).unwrap();
        row.postal_code_id = (code as i32 + 1).try_into().unwrap();
    }
    let (_bed, server) = bed_with(&rows).await;
    let ask = async |first: Option<i32>| {
        let query = "query($first: Int) { stats(groupBy: [POSTAL_CODE, MONTH], first: $first) { total { count } } }";
        server.graphql(query, json!({ "first": first })).await
    };
    assert_eq!(
        ask(None).await.refusal(),
        "BAD_USER_INPUT: there are more than 20000 rows: name how many by first, narrow the filter, or group by less"
    );
    assert_eq!(ask(Some(20_000)).await.data()["stats"].as_array().unwrap().len(), 20_000);
    assert_eq!(ask(Some(1)).await.data()["stats"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn the_postal_codes_of_rows_are_no_question() {
    let bed = TestBed::new().await;
    bed.insert_postal_codes(POSTAL_CODES).await;
    bed.insert_paystats(&random_rows(81, 2_000)).await;
    let (server, commands) = bed.start_overheard_server().await;
    for query in [
        "{ stats(groupBy: [MONTH, POSTAL_CODE]) { postalCode { code } } }",
        r#"{ compare(
            months: { from: "2015-01", to: "2015-12" }, against: { from: "2014-01", to: "2014-12" }, groupBy: [AGE, POSTAL_CODE]
        ) { rows { postalCode { code } } } }"#,
    ] {
        commands.take();
        server.graphql(query, json!({})).await.data();
        assert_eq!(commands.take(), [""; 0]);
    }
}

#[tokio::test]
async fn questions_that_make_no_sense_are_refused_with_their_reason() {
    let (_bed, server) = bed_with(&[paystat(1)]).await;
    let compare = |arguments: &str| format!("{{ compare({arguments}) {{ whole {{ ratio }} }} }}");
    let year = r#"months: { from: "2015-01", to: "2015-12" }"#;
    let against = r#"against: { from: "2014-01", to: "2014-12" }"#;
    for (question, reason) in [
        (
            r#"{ stats(groupBy: [], filter: { from: "2015-02", to: "2015-01" }) { share } }"#.to_owned(),
            "from (2015-02) must not be after to (2015-01)",
        ),
        ("{ stats(groupBy: [AGE, GENDER, AGE]) { share } }".to_owned(), "groupBy names AGE twice"),
        (
            "{ stats(groupBy: [MONTH, POSTAL_CODE, YEAR]) { share } }".to_owned(),
            "groupBy names both MONTH and YEAR: a row has one interval",
        ),
        (
            "{ stats(groupBy: [AGE], orderBy: { field: CHANGE }) { share } }".to_owned(),
            "an order by CHANGE needs an interval: add MONTH, QUARTER or YEAR to groupBy",
        ),
        ("{ stats(groupBy: [AGE], first: -1) { share } }".to_owned(), "first must be from 0 to 20000"),
        ("{ stats(groupBy: [AGE], first: 20001) { share } }".to_owned(), "first must be from 0 to 20000"),
        (
            "{ stats(groupBy: [], filter: { bbox: { west: 0, south: 5, east: 1, north: 0 } }) { share } }".to_owned(),
            "bbox: south must not be greater than north",
        ),
        (
            compare(&format!(r#"{year}, {against}, filter: {{ from: "2015-01" }}"#)),
            "the filter of compare has no from and no to: months and against say which months",
        ),
        (
            compare(&format!(r#"{year}, {against}, filter: {{ to: "2015-01" }}"#)),
            "the filter of compare has no from and no to: months and against say which months",
        ),
        (
            compare(&format!(r#"{year}, against: {{ from: "2014-02", to: "2014-01" }}"#)),
            "against: from (2014-02) must not be after to (2014-01)",
        ),
        (
            compare(&format!(r#"months: {{ from: "2014-02", to: "2014-01" }}, {against}"#)),
            "months: from (2014-02) must not be after to (2014-01)",
        ),
        (
            compare(&format!("{year}, {against}, groupBy: [AGE, MONTH]")),
            "compare does not group by MONTH, QUARTER or YEAR: stats tells the change of each against the one before",
        ),
        (compare(&format!("{year}, {against}, groupBy: [GENDER, GENDER]")), "groupBy names GENDER twice"),
        (compare(&format!("{year}, {against}, first: 20001")), "first must be from 0 to 20000"),
        (
            "{ timeSeries(by: [GENDER, POSTAL_CODE]) { age } }".to_owned(),
            "timeSeries is not split by POSTAL_CODE; ask stats with groupBy: [POSTAL_CODE, MONTH]",
        ),
        (
            "{ timeSeries(by: [YEAR]) { age } }".to_owned(),
            "timeSeries is not split by YEAR; its points are years with interval: YEAR",
        ),
        (
            "{ postalCode(id: 1) { timeSeries(by: [QUARTER]) { age } } }".to_owned(),
            "timeSeries is not split by QUARTER; its points are quarters with interval: QUARTER",
        ),
    ] {
        let answer = server.graphql(&question, json!({})).await;
        assert_eq!(answer.refusal(), format!("BAD_USER_INPUT: {reason}"), "{question}");
    }
}
