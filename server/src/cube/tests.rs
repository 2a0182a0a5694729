//! What a cube answers, against a plain fold over the rows that its cells were made of.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    ops::RangeInclusive,
};

use paystats_core::domain::{AgeGroup, Amount, Cells, Dimension, Gender, Month, PaystatScope, PostalCodeId, Total};
use proptest::{
    collection::vec,
    option, prop_assert_eq, prop_oneof, proptest,
    sample::select,
    strategy::{Just, Strategy},
    test_runner::Config,
};

use super::{Cube, CubeError};

const DIMENSIONS: [Dimension; 4] = [Dimension::Month, Dimension::Age, Dimension::Gender, Dimension::PostalCode];

/// A row of a postal code.
#[derive(Clone, Copy, Debug)]
struct Row {
    month: Month,
    age: AgeGroup,
    gender: Gender,
    units: i128,
}

/// What cubes are made of: the rows of each postal code.
type Rows = BTreeMap<PostalCodeId, Vec<Row>>;

type GroupKey = (Option<Month>, Option<AgeGroup>, Option<Gender>, Option<PostalCodeId>);
type Groups = HashMap<GroupKey, Total>;

/// The cells of some rows, and those of the rows that they have room for.
fn cells(rows: &[Row]) -> (Cells, Vec<Row>) {
    let mut cells = Cells::default();
    let mut with_room = Vec::new();
    for row in rows {
        let total = Total { amount: Amount::from_units(row.units), count: 1 };
        if cells.add(row.month, row.age, row.gender, total).is_ok() {
            with_room.push(*row);
        }
    }
    (cells, with_room)
}

/// The cube after changes, and the rows that it stands for.
fn changed(cube: &Cube, rows: &Rows, changes: &[(PostalCodeId, Vec<Row>)]) -> (Cube, Rows) {
    let mut rows = rows.clone();
    let mut changed = Vec::new();
    for (id, of_place) in changes {
        let (cells, with_room) = cells(of_place);
        changed.push((*id, cells));
        rows.insert(*id, with_room);
    }
    rows.retain(|_, of_place| !of_place.is_empty());
    (cube.with(changed), rows)
}

/// What a cube has to answer.
fn naive(rows: &Rows, scope: &PaystatScope, by: &[Dimension]) -> Result<Groups, CubeError> {
    // Sums of the upper and of the lower halves of amounts, neither of which can overflow.
    let mut sums: HashMap<GroupKey, (i128, i128, i64)> = HashMap::new();
    for (id, row) in rows.iter().flat_map(|(id, of_place)| of_place.iter().map(move |row| (*id, row))) {
        let matches = scope.from.is_none_or(|from| row.month >= from)
            && scope.to.is_none_or(|to| row.month <= to)
            && scope.ages.as_ref().is_none_or(|ages| ages.contains(&row.age))
            && scope.genders.as_ref().is_none_or(|genders| genders.contains(&row.gender))
            && scope.postal_code_ids.as_ref().is_none_or(|ids| ids.contains(&id));
        if matches {
            let key = (
                by.contains(&Dimension::Month).then_some(row.month),
                by.contains(&Dimension::Age).then_some(row.age),
                by.contains(&Dimension::Gender).then_some(row.gender),
                by.contains(&Dimension::PostalCode).then_some(id),
            );
            let (upper, lower, count) = sums.entry(key).or_default();
            *upper += row.units >> 64;
            *lower += row.units & i128::from(u64::MAX);
            *count += 1;
        }
    }
    let total = |(upper, lower, count): (i128, i128, i64)| {
        let upper = i64::try_from(upper + (lower >> 64)).map_err(|_| CubeError::SumTooLarge)?;
        let units = i128::from(upper) << 64 | lower & i128::from(u64::MAX);
        Ok(Total { amount: Amount::from_units(units), count })
    };
    sums.into_iter().map(|(key, sum)| Ok((key, total(sum)?))).collect()
}

/// What it does answer.
fn answer(cube: &Cube, scope: &PaystatScope, by: &[Dimension]) -> Result<Groups, CubeError> {
    let groups = cube.by(scope, by)?;
    let count = groups.len();
    let totals: Groups = groups
        .into_iter()
        .map(|group| ((group.month, group.age, group.gender, group.postal_code_id), group.total))
        .collect();
    assert_eq!(totals.len(), count, "a group came twice");
    Ok(totals)
}

fn id(number: i32) -> PostalCodeId {
    number.try_into().unwrap()
}

fn ids(numbers: RangeInclusive<i32>) -> impl Strategy<Value = PostalCodeId> {
    numbers.prop_map(id)
}

/// Two years, and the first and the last month that there are.
fn months() -> impl Strategy<Value = Month> {
    let two_years = (2015_u16..=2016, 1_u8..=12).prop_map(|(year, month)| Month::new(year, month).unwrap());
    prop_oneof![8 => two_years, 1 => Just(Month::from_index(0).unwrap()), 1 => Just(Month::LAST)]
}

/// Amounts as there are.
fn usual() -> impl Strategy<Value = i128> {
    -10_i128.pow(24)..=10_i128.pow(24)
}

/// Amounts of which hardly two can be added up.
fn huge() -> impl Strategy<Value = i128> {
    prop_oneof![i128::MAX / 3..=i128::MAX, i128::MIN..=i128::MIN / 3]
}

fn row(units: impl Strategy<Value = i128>) -> impl Strategy<Value = Row> {
    (months(), select(AgeGroup::ALL.as_slice()), select(Gender::ALL.as_slice()), units)
        .prop_map(|(month, age, gender, units)| Row { month, age, gender, units })
}

/// New rows of some postal codes; without rows a postal code is taken out.
fn changes() -> impl Strategy<Value = Vec<(PostalCodeId, Vec<Row>)>> {
    let rows = prop_oneof![
        2 => Just(Vec::new()),
        8 => vec(row(usual()), 1..40),
        1 => vec(row(huge()), 1..5),
        1 => vec(row(prop_oneof![8 => usual(), 1 => huge()]), 1..40),
    ];
    vec((ids(0..=6), rows), 0..6)
}

/// Some of the values, unsorted and repeated.
fn some_of<T: Clone + std::fmt::Debug + 'static>(all: &'static [T]) -> impl Strategy<Value = Option<Vec<T>>> {
    option::of(vec(select(all), 0..all.len() + 2))
}

fn scope() -> impl Strategy<Value = PaystatScope> {
    let places = option::of(vec(ids(0..=8), 0..8));
    let people = (some_of(&AgeGroup::ALL), some_of(&Gender::ALL));
    (option::of(months()), option::of(months()), people, places).prop_map(
        |(from, to, (ages, genders), postal_code_ids)| PaystatScope {
            from,
            to,
            ages,
            genders,
            postal_code_ids,
            ..PaystatScope::default()
        },
    )
}

/// Every set of dimensions.
fn sets_of_dimensions() -> impl Iterator<Item = Vec<Dimension>> {
    (0..16).map(|set| (0..4).filter(|place| set >> place & 1 == 1).map(|place| DIMENSIONS[place]).collect())
}

proptest! {
    #![proptest_config(Config::with_cases(64))]
    #[test]
    fn a_cube_answers_what_its_rows_say(steps in vec(changes(), 1..5), scopes in vec(scope(), 1..5)) {
        let mut snapshots = vec![(Cube::default(), Rows::new())];
        for changes in &steps {
            let (cube, rows) = snapshots.last().unwrap();
            snapshots.push(changed(cube, rows, changes));
        }
        // Asked once all changes are made: the older snapshots have to answer as they did before.
        for (cube, rows) in &snapshots {
            prop_assert_eq!(cube.postal_codes().collect::<Vec<_>>(), rows.keys().copied().collect::<Vec<_>>());
            let months: BTreeSet<Month> = rows.values().flatten().map(|row| row.month).collect();
            prop_assert_eq!(cube.months(), months.first().copied().zip(months.last().copied()));
            for scope in scopes.iter().chain([&PaystatScope::default()]) {
                for by in sets_of_dimensions() {
                    let (answered, expected) = (answer(cube, scope, &by), naive(rows, scope, &by));
                    prop_assert_eq!(answered, expected, "{:?} by {:?}", scope, by);
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(Config::with_cases(32))]
    #[test]
    fn any_number_of_postal_codes_may_come_and_go(
        steps in vec(vec((ids(0..=500), option::of(row(usual()))), 0..400), 1..5),
        scope in scope(),
    ) {
        let (mut cube, mut rows) = (Cube::default(), Rows::new());
        for changes in steps {
            let changes: Vec<_> = changes.into_iter().map(|(id, row)| (id, Vec::from_iter(row))).collect();
            (cube, rows) = changed(&cube, &rows, &changes);
            prop_assert_eq!(cube.postal_codes().collect::<Vec<_>>(), rows.keys().copied().collect::<Vec<_>>());
            for by in sets_of_dimensions() {
                prop_assert_eq!(answer(&cube, &scope, &by), naive(&rows, &scope, &by), "{:?} by {:?}", scope, by);
            }
        }
        let everywhere = rows.keys().map(|id| (*id, Cells::default())).collect::<Vec<_>>();
        let empty = cube.with(everywhere);
        prop_assert_eq!(empty.postal_codes().count(), 0);
        prop_assert_eq!(empty.months(), None);
        prop_assert_eq!(empty.by(&PaystatScope::default(), &[]), Ok(vec![]));
    }
}

#[test]
fn only_answers_with_a_sum_that_is_too_large_are_refused() {
    let row = |gender, units| Row { month: Month::LAST, age: AgeGroup::From65, gender, units };
    let rows = vec![row(Gender::F, i128::MAX), row(Gender::M, 7)];
    let (cube, _) = changed(&Cube::default(), &Rows::new(), &[(id(1), rows.clone()), (id(2), rows)]);
    let ask = |genders: &[Gender], by: &[Dimension]| {
        let scope = PaystatScope { genders: Some(genders.to_vec()), ..PaystatScope::default() };
        cube.by(&scope, by).map(|groups| groups.iter().map(|group| group.total.amount.units()).collect::<Vec<_>>())
    };
    assert_eq!(ask(&[Gender::M], &[]), Ok(vec![14]));
    assert_eq!(ask(&[Gender::F], &[Dimension::PostalCode]), Ok(vec![i128::MAX, i128::MAX]));
    for by in [&[][..], &[Dimension::Month], &[Dimension::Gender]] {
        assert_eq!(ask(&Gender::ALL, by), Err(CubeError::SumTooLarge), "{by:?}");
    }
    assert_eq!(ask(&Gender::ALL, &[Dimension::PostalCode]), Err(CubeError::SumTooLarge));
    let (cube, _) = changed(&cube, &Rows::new(), &[(id(2), vec![row(Gender::F, -8)])]);
    let everything = cube.by(&PaystatScope::default(), &[]).unwrap();
    assert_eq!(everything[0].total, Total { amount: Amount::from_units(i128::MAX - 1), count: 3 });
}

#[test]
fn months_that_are_too_large_together_are_answered_one_by_one() {
    let row = |month, units| Row {
        month: Month::from_index(month).unwrap(),
        age: AgeGroup::Under25,
        gender: Gender::M,
        units,
    };
    let of_places = [
        (id(1), vec![row(1, i128::MAX), row(2, i128::MAX)]),
        (id(2), vec![row(1, i128::MIN), row(2, i128::MAX), row(4, i128::MIN)]),
    ];
    let (cube, rows) = changed(&Cube::default(), &Rows::new(), &of_places);
    for (from, to) in (0..6).flat_map(|from| (0..6).map(move |to| (from, to))) {
        let scope =
            PaystatScope { from: Month::from_index(from), to: Month::from_index(to), ..PaystatScope::default() };
        for by in sets_of_dimensions() {
            assert_eq!(answer(&cube, &scope, &by), naive(&rows, &scope, &by), "{from} to {to} by {by:?}");
        }
    }
}

#[test]
fn a_question_about_single_amounts_is_refused() {
    let limit = Some(Amount::ZERO);
    for scope in [
        PaystatScope { min_amount: limit, ..PaystatScope::default() },
        PaystatScope { max_amount: limit, ..PaystatScope::default() },
    ] {
        assert_eq!(Cube::default().by(&scope, &[]), Err(CubeError::SingleAmounts));
    }
}
