use std::collections::BTreeMap;

use fastrand::Rng;
use paystats_core::domain::{AgeGroup, Dimension, Gender};

use super::*;
use crate::actions::grouping::GroupKey;

fn month(text: &str) -> Month {
    text.parse().unwrap()
}

fn total(amount: &str, count: i64) -> Total {
    Total { amount: amount.parse().unwrap(), count }
}

fn question(keys: &[GroupKey], order: Option<(StatsOrderField, Direction)>, first: Option<usize>) -> StatsQuestion {
    let order = order.map(|(field, direction)| StatsOrder { field, direction });
    StatsQuestion::new(Grouping::new(keys.to_vec()).unwrap(), order, first).unwrap()
}

fn of_month(text: &str, amount: &str) -> GroupTotal {
    GroupTotal { month: Some(month(text)), age: None, gender: None, postal_code_id: None, total: total(amount, 1) }
}

fn of_code(id: i32, amount: &str, count: i64) -> GroupTotal {
    let postal_code_id = Some(id.try_into().unwrap());
    GroupTotal { month: None, age: None, gender: None, postal_code_id, total: total(amount, count) }
}

/// Rows by an interval, each as `period amount: previous amount, difference, ratio`.
fn changes(groups: &[GroupTotal], from: Option<&str>, interval: Interval) -> Vec<String> {
    let question = question(&[GroupKey::Interval(interval)], None, None);
    let text = |row: StatsRow| {
        let change = row.change.unwrap();
        let (period, ratio) = (row.key.period.unwrap(), change.ratio);
        format!("{period} {}: {}, {}, {ratio:?}", row.total.amount, change.previous.amount, change.amount)
    };
    rows(groups.to_vec(), from.map(month), &question).unwrap().into_iter().map(text).collect()
}

/// The postal codes of rows in an order.
fn ordered(groups: &[GroupTotal], field: StatsOrderField, direction: Direction) -> Vec<i32> {
    let question = question(&[GroupKey::PostalCode], Some((field, direction)), None);
    let rows = rows(groups.to_vec(), None, &question).unwrap();
    rows.into_iter().map(|row| row.key.postal_code_id.unwrap().get()).collect()
}

#[test]
fn a_change_is_against_the_interval_before_and_a_gap_is_zero() {
    let groups = [of_month("2015-04", "3"), of_month("2015-01", "4"), of_month("2015-02", "5")];
    assert_eq!(
        changes(&groups, None, Interval::Month),
        ["2015-01 4: 0, 4, None", "2015-02 5: 4, 1, Some(0.25)", "2015-04 3: 0, 3, None"]
    );
    assert_eq!(
        changes(&groups, None, Interval::Quarter),
        ["2015-01 9: 0, 9, None", "2015-04 3: 9, -6, Some(-0.6666666666666666)"]
    );
    assert_eq!(changes(&groups, None, Interval::Year), ["2015-01 12: 0, 12, None"]);
}

#[test]
fn an_interval_before_the_filter_is_no_row_and_counts_in_the_change() {
    let groups = [of_month("2014-12", "2"), of_month("2015-01", "4"), of_month("2015-02", "5")];
    assert_eq!(
        changes(&groups, Some("2015-01"), Interval::Month),
        ["2015-01 4: 2, 2, Some(1.0)", "2015-02 5: 4, 1, Some(0.25)"]
    );
}

#[test]
fn an_interval_that_the_filter_cuts_counts_its_months_within_and_as_a_previous_one_all() {
    let groups =
        [of_month("2014-10", "1"), of_month("2015-01", "4"), of_month("2015-02", "5"), of_month("2015-04", "18")];
    assert_eq!(
        changes(&groups, Some("2015-02"), Interval::Quarter),
        ["2015-01 5: 1, 4, Some(4.0)", "2015-04 18: 9, 9, Some(1.0)"]
    );
}

#[test]
fn the_first_interval_of_all_has_none_before() {
    let groups = [of_month("1900-01", "2"), of_month("1900-02", "3")];
    assert_eq!(changes(&groups, None, Interval::Month), ["1900-01 2: 0, 2, None", "1900-02 3: 2, 1, Some(0.5)"]);
    assert_eq!(changes(&groups, Some("1900-02"), Interval::Year), ["1900-01 3: 0, 3, None"]);
}

#[test]
fn a_question_is_asked_from_the_interval_before_the_first() {
    let widened = |interval, from: &str| {
        let scope = PaystatScope { from: Some(month(from)), to: Some(month("2199-12")), ..PaystatScope::default() };
        question(&[GroupKey::Interval(interval)], None, None).widened(&scope).from.unwrap().to_string()
    };
    assert_eq!(widened(Interval::Month, "2015-01"), "2014-12");
    assert_eq!(widened(Interval::Quarter, "2015-02"), "2014-10");
    assert_eq!(widened(Interval::Year, "2015-12"), "2014-01");
    assert_eq!(widened(Interval::Year, "1900-07"), "1900-01");
    let people = question(&[GroupKey::Age], None, None);
    let scope = PaystatScope { from: Some(month("2015-02")), ..PaystatScope::default() };
    assert_eq!(people.widened(&scope), scope);
}

#[test]
fn shares_are_of_all_rows_and_zero_where_the_whole_is() {
    let shares = |groups: &[GroupTotal], first| -> Vec<f64> {
        let rows = rows(groups.to_vec(), None, &question(&[GroupKey::PostalCode], None, first)).unwrap();
        rows.into_iter().map(|row| row.share).collect()
    };
    let groups = [of_code(1, "1", 1), of_code(2, "3", 1)];
    assert_eq!(shares(&groups, None), [0.25, 0.75]);
    assert_eq!(shares(&groups, Some(1)), [0.25]);
    assert_eq!(shares(&[of_code(1, "-2", 1), of_code(2, "6", 1)], None), [-0.5, 1.5]);
    assert_eq!(shares(&[of_code(1, "-2", 1), of_code(2, "2", 1)], None), [0.0, 0.0]);
}

#[test]
fn the_whole_is_one_row_even_where_there_is_nothing() {
    let of_whole = |groups: &[GroupTotal], first| rows(groups.to_vec(), None, &question(&[], None, first)).unwrap();
    let nothing = StatsRow { key: RowKey::default(), total: Total::default(), share: 0.0, change: None };
    assert_eq!(of_whole(&[], None), [nothing]);
    let all = GroupTotal { postal_code_id: None, ..of_code(1, "-2", 3) };
    assert_eq!(of_whole(&[all], None), [StatsRow { total: total("-2", 3), share: 1.0, ..nothing }]);
    assert_eq!(of_whole(&[all], Some(0)), []);
    assert_eq!(rows(Vec::new(), None, &question(&[GroupKey::Age], None, None)).unwrap(), []);
}

#[test]
fn ties_are_in_order_of_key_in_either_direction() {
    let groups = [of_code(3, "1", 2), of_code(1, "1", 1), of_code(2, "5", 1)];
    use Direction::{Ascending, Descending};
    assert_eq!(ordered(&groups, StatsOrderField::Amount, Ascending), [1, 3, 2]);
    assert_eq!(ordered(&groups, StatsOrderField::Amount, Descending), [2, 1, 3]);
    assert_eq!(ordered(&groups, StatsOrderField::Count, Ascending), [1, 2, 3]);
    assert_eq!(ordered(&groups, StatsOrderField::Count, Descending), [3, 1, 2]);
    assert_eq!(ordered(&groups, StatsOrderField::Key, Descending), [3, 2, 1]);
}

#[test]
fn an_order_by_share_goes_by_the_sign_of_the_whole() {
    use Direction::{Ascending, Descending};
    let positive = [of_code(1, "4", 1), of_code(2, "-1", 1)];
    assert_eq!(ordered(&positive, StatsOrderField::Share, Descending), [1, 2]);
    let negative = [of_code(1, "-4", 1), of_code(2, "1", 1)];
    assert_eq!(ordered(&negative, StatsOrderField::Share, Descending), [1, 2]);
    assert_eq!(ordered(&negative, StatsOrderField::Share, Ascending), [2, 1]);
    let zero = [of_code(2, "-1", 1), of_code(1, "1", 1)];
    assert_eq!(ordered(&zero, StatsOrderField::Share, Descending), [1, 2]);
}

#[test]
fn an_order_by_change_needs_an_interval() {
    let order = StatsOrder { field: StatsOrderField::Change, direction: Direction::Descending };
    let refusal = StatsQuestion::new(Grouping::new(vec![GroupKey::Age]).unwrap(), Some(order), None).unwrap_err();
    assert_eq!(refusal.message, "an order by CHANGE needs an interval: add MONTH, QUARTER or YEAR to groupBy");
}

#[test]
fn sums_that_no_amount_holds_are_a_failure_inside() {
    let most =
        |text| GroupTotal { total: Total { amount: Amount::from_units(i128::MAX), count: 1 }, ..of_month(text, "0") };
    let least =
        GroupTotal { total: Total { amount: Amount::from_units(i128::MIN), count: 1 }, ..of_month("2015-01", "0") };
    let by_month = question(&[GroupKey::Interval(Interval::Month)], None, None);
    let code = |groups: &[GroupTotal]| rows(groups.to_vec(), None, &by_month).unwrap_err().code;
    assert_eq!(code(&[most("2015-01"), most("2015-02")]), crate::actions::ErrorCode::Internal);
    assert_eq!(code(&[least, most("2015-02")]), crate::actions::ErrorCode::Internal);
}

/// A cell of random paystats, at its finest.
type Cell = (Month, AgeGroup, Gender, i32, Total);

fn random_cells(random: &mut Rng) -> Vec<Cell> {
    let mut cells = BTreeMap::new();
    for _ in 0..random.usize(0..120) {
        let month = Month::new(random.u16(2014..=2015), random.u8(1..=12)).unwrap();
        let (age, gender) = (random.choice(AgeGroup::ALL).unwrap(), random.choice(Gender::ALL).unwrap());
        let total = Total { amount: Amount::from_units(random.i128(-50..100)), count: random.i64(1..4) };
        cells.insert((month, age, gender, random.i32(1..4)), total);
    }
    cells.into_iter().map(|((month, age, gender, code), total)| (month, age, gender, code, total)).collect()
}

fn fold<K: Ord>(cells: &[Cell], key: impl Fn(&Cell) -> K) -> BTreeMap<K, Total> {
    let mut totals: BTreeMap<K, Total> = BTreeMap::new();
    for cell in cells {
        let total = totals.entry(key(cell)).or_default();
        *total = add(*total, cell.4).unwrap();
    }
    totals
}

/// What the store would answer.
fn groups(cells: &[Cell], by: &[Dimension]) -> Vec<GroupTotal> {
    let has = |dimension| by.contains(&dimension);
    let group = |(month, age, gender, code, _): &Cell| {
        (
            has(Dimension::Month).then_some(*month),
            has(Dimension::Age).then_some(*age),
            has(Dimension::Gender).then_some(*gender),
            has(Dimension::PostalCode).then_some(*code),
        )
    };
    let mut groups = Vec::new();
    for ((month, age, gender, code), total) in fold(cells, group) {
        let postal_code_id = code.map(|code| code.try_into().unwrap());
        groups.push(GroupTotal { month, age, gender, postal_code_id, total });
    }
    groups
}

fn random_keys(random: &mut Rng) -> Vec<GroupKey> {
    let interval = random.choice([Interval::Month, Interval::Quarter, Interval::Year]).unwrap();
    let mut keys = vec![GroupKey::PostalCode, GroupKey::Interval(interval), GroupKey::Age, GroupKey::Gender];
    random.shuffle(&mut keys);
    keys.truncate(random.usize(0..=4));
    keys
}

#[test]
fn whatever_the_paystats_and_keys_rows_add_up_and_every_order_is_total() {
    let mut random = Rng::with_seed(11);
    for _ in 0..400 {
        let (cells, keys) = (random_cells(&mut random), random_keys(&mut random));
        let from = random.bool().then(|| Month::new(random.u16(2014..=2015), random.u8(1..=12)).unwrap());
        let scope = PaystatScope { from, ..PaystatScope::default() };
        let asked = question(&keys, None, None);
        let widened = asked.widened(&scope).from;
        let in_reach: Vec<Cell> =
            cells.iter().copied().filter(|cell| widened.is_none_or(|from| cell.0 >= from)).collect();
        let within: Vec<Cell> = cells.iter().copied().filter(|cell| from.is_none_or(|from| cell.0 >= from)).collect();
        let groups = groups(&in_reach, &asked.grouping.dimensions());
        let all = rows(groups.clone(), from, &asked).unwrap();

        let interval = asked.grouping.interval();
        let by = |key: GroupKey| keys.contains(&key);
        let key = |(month, age, gender, code, _): &Cell| RowKey {
            postal_code_id: by(GroupKey::PostalCode).then(|| (*code).try_into().unwrap()),
            age: by(GroupKey::Age).then_some(*age),
            gender: by(GroupKey::Gender).then_some(*gender),
            period: interval.map(|interval| month.start_of(interval)),
        };
        let (mut expected, everything) = (fold(&within, key), fold(&cells, key));
        if keys.is_empty() {
            expected.entry(RowKey::default()).or_default();
        }
        assert_eq!(all.len(), expected.len());
        let whole: i128 = within.iter().map(|cell| cell.4.amount.units()).sum();
        for row in &all {
            assert_eq!(Some(&row.total), expected.get(&row.key));
            assert_eq!(row.change.is_some(), interval.is_some());
            if let (Some(change), Some(interval), Some(period)) = (row.change, interval, row.key.period) {
                let before = RowKey { period: previous_interval(period, interval), ..row.key };
                assert_eq!(change.previous, everything.get(&before).copied().unwrap_or_default());
                assert_eq!(change.previous.amount.checked_add(change.amount), Some(row.total.amount));
                assert_eq!(change.ratio.is_none(), change.previous.amount == Amount::ZERO);
            }
        }
        let shares: f64 = all.iter().map(|row| row.share).sum();
        assert!((shares - if whole == 0 { 0.0 } else { 1.0 }).abs() < 1e-9, "shares add up to {shares}");

        let field = random.choice([StatsOrderField::Amount, StatsOrderField::Count, StatsOrderField::Share]).unwrap();
        let field = if interval.is_some() && random.bool() { StatsOrderField::Change } else { field };
        let direction = random.choice([Direction::Ascending, Direction::Descending]).unwrap();
        let ordered = rows(groups.clone(), from, &question(&keys, Some((field, direction)), None)).unwrap();
        for rows in [&all, &ordered] {
            let is_by_key = std::ptr::eq(rows, &all);
            let order = if is_by_key { None } else { Some((field, direction)) };
            let question = question(&keys, order, None);
            let whole = Total { amount: Amount::from_units(whole), count: 0 };
            assert!(rows.is_sorted_by(|a, b| question.compare(a, b, whole).is_lt()), "no two rows are equal");
        }
        let first = random.usize(0..=all.len() + 1);
        let cut = rows(groups, from, &question(&keys, Some((field, direction)), Some(first))).unwrap();
        assert_eq!(cut, ordered[..first.min(all.len())]);
    }
}
