use fastrand::Rng;
use paystats_core::domain::Gender;

use super::*;
use crate::actions::grouping::GroupKey;

fn month(text: &str) -> Month {
    text.parse().unwrap()
}

fn question(
    keys: &[GroupKey],
    order: Option<(ComparisonOrderField, Direction)>,
    first: Option<usize>,
) -> CompareQuestion {
    let months = MonthRange::new("months", month("2015-04"), month("2015-06")).unwrap();
    let against = MonthRange::new("against", month("2015-01"), month("2015-03")).unwrap();
    let order = order.map(|(field, direction)| ComparisonOrder { field, direction });
    CompareQuestion::new(months, against, Grouping::new(keys.to_vec()).unwrap(), order, first).unwrap()
}

fn of_code(id: i32, amount: &str) -> GroupTotal {
    let total = Total { amount: amount.parse().unwrap(), count: 1 };
    GroupTotal { month: None, age: None, gender: None, postal_code_id: Some(id.try_into().unwrap()), total }
}

/// Rows as `postal code: amount, amount against, difference, ratio, share`.
fn texts(rows: &[ComparisonRow]) -> Vec<String> {
    let text = |row: &ComparisonRow| {
        let code = row.key.postal_code_id.map_or(0, |id| id.get());
        let (ratio, share) = (row.ratio, row.share_of_difference);
        let (total, against) = (row.total.amount, row.against.amount);
        format!("{code}: {total}, {against}, {}, {ratio:?}, {share:?}", row.difference)
    };
    rows.iter().map(text).collect()
}

#[test]
fn groups_of_either_range_are_there_with_what_they_differ_by() {
    let months = [of_code(1, "3"), of_code(2, "5")];
    let against = [of_code(3, "2"), of_code(1, "2")];
    let found = comparison(&months, &against, &question(&[GroupKey::PostalCode], None, None)).unwrap();
    assert_eq!(texts(&[found.whole]), ["0: 8, 4, 4, Some(1.0), Some(1.0)"]);
    assert_eq!(
        texts(&found.rows),
        ["1: 3, 2, 1, Some(0.5), Some(0.25)", "2: 5, 0, 5, None, Some(1.25)", "3: 0, 2, -2, Some(-1.0), Some(-0.5)",]
    );
}

#[test]
fn where_the_whole_does_not_differ_there_are_no_shares() {
    let found =
        comparison(&[of_code(1, "3")], &[of_code(2, "3")], &question(&[GroupKey::PostalCode], None, None)).unwrap();
    assert_eq!(texts(&[found.whole]), ["0: 3, 3, 0, Some(0.0), None"]);
    assert_eq!(texts(&found.rows), ["1: 3, 0, 3, None, None", "2: 0, 3, -3, Some(-1.0), None"]);
}

#[test]
fn without_keys_the_only_row_is_the_whole_even_where_there_is_nothing() {
    for months in [vec![], vec![GroupTotal { postal_code_id: None, ..of_code(1, "3") }]] {
        let found = comparison(&months, &[], &question(&[], None, None)).unwrap();
        assert_eq!(found.rows, [found.whole]);
    }
    let by_code = comparison(&[], &[], &question(&[GroupKey::PostalCode], None, None)).unwrap();
    assert_eq!(by_code.rows, []);
}

#[test]
fn rows_without_a_ratio_come_last_in_either_direction() {
    let months = [of_code(1, "3"), of_code(2, "4"), of_code(3, "1"), of_code(4, "9")];
    let against = [of_code(2, "1"), of_code(3, "2")];
    let order = |direction| {
        let question = question(&[GroupKey::PostalCode], Some((ComparisonOrderField::Ratio, direction)), None);
        let rows = comparison(&months, &against, &question).unwrap().rows;
        rows.into_iter().map(|row| row.key.postal_code_id.unwrap().get()).collect::<Vec<_>>()
    };
    assert_eq!(order(Direction::Ascending), [3, 2, 1, 4]);
    assert_eq!(order(Direction::Descending), [2, 3, 1, 4]);
}

#[test]
fn what_makes_no_sense_is_refused() {
    let backwards = MonthRange::new("against", month("2015-02"), month("2015-01")).unwrap_err();
    assert_eq!(backwards.message, "against: from (2015-02) must not be after to (2015-01)");
    let range = MonthRange::new("months", month("2015-01"), month("2015-01")).unwrap();
    let by_year = Grouping::new(vec![GroupKey::Interval(paystats_core::domain::Interval::Year)]).unwrap();
    let refusal = CompareQuestion::new(range, range, by_year, None, None).unwrap_err().message;
    assert!(refusal.starts_with("compare does not group by MONTH, QUARTER or YEAR"), "{refusal}");
}

#[test]
fn whatever_the_paystats_rows_add_up_to_the_whole_and_every_order_is_total() {
    use ComparisonOrderField::{Amount, Count, Difference, Key, Ratio};
    let mut random = Rng::with_seed(12);
    let keys = [GroupKey::Gender, GroupKey::PostalCode];
    for _ in 0..200 {
        let mut groups = || -> Vec<GroupTotal> {
            let mut groups = Vec::new();
            for code in 1..20 {
                for gender in Gender::ALL {
                    let group = GroupTotal { gender: Some(gender), ..of_code(code, &random.i32(-3..5).to_string()) };
                    groups.extend((random.u8(..3) > 0).then_some(group));
                }
            }
            groups
        };
        let (months, against) = (groups(), groups());
        let field = random.choice([Amount, Count, Difference, Ratio, Key]).unwrap();
        let order = (field, random.choice([Direction::Ascending, Direction::Descending]).unwrap());
        let asked = question(&keys, Some(order), None);
        let found = comparison(&months, &against, &asked).unwrap();
        let sum = |of: fn(&ComparisonRow) -> i128| found.rows.iter().map(of).sum::<i128>();
        assert_eq!(sum(|row| row.total.amount.units()), found.whole.total.amount.units());
        assert_eq!(sum(|row| row.against.amount.units()), found.whole.against.amount.units());
        assert_eq!(sum(|row| row.difference.units()), found.whole.difference.units());
        assert!(found.rows.is_sorted_by(|a, b| asked.compare(a, b).is_lt()), "no two rows are equal");
        let first = random.usize(0..45);
        let cut = comparison(&months, &against, &question(&keys, Some(order), Some(first))).unwrap();
        assert_eq!(cut.rows, found.rows[..first.min(found.rows.len())]);
        assert_eq!(cut.whole, found.whole);
    }
}
