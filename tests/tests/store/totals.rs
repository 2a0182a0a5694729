//! Totals by every set of dimensions, against a fold over the same rows.

use std::collections::HashMap;

use fastrand::Rng;
use paystats_core::domain::{AgeGroup, Amount, Dimension, Gender, Month, Paystat, PaystatScope, PostalCodeId, Total};
use paystats_tests::{
    TestBed,
    sources::{amount, paystat, random_paystats},
};

type GroupKey = (Option<Month>, Option<AgeGroup>, Option<Gender>, Option<PostalCodeId>);

const DIMENSIONS: [Dimension; 4] = [Dimension::Month, Dimension::Age, Dimension::Gender, Dimension::PostalCode];

fn naive(rows: &[Paystat], scope: &PaystatScope, by: &[Dimension]) -> HashMap<GroupKey, Total> {
    let mut totals: HashMap<GroupKey, Total> = HashMap::new();
    for row in rows.iter().filter(|row| is_in(row, scope)) {
        let key = (
            by.contains(&Dimension::Month).then_some(row.month),
            by.contains(&Dimension::Age).then_some(row.age),
            by.contains(&Dimension::Gender).then_some(row.gender),
            by.contains(&Dimension::PostalCode).then_some(row.postal_code_id),
        );
        let total = totals.entry(key).or_default();
        total.amount = Amount::from_units(total.amount.units() + row.amount.units());
        total.count += 1;
    }
    totals
}

fn is_in(row: &Paystat, scope: &PaystatScope) -> bool {
    let PaystatScope { from, to, ages, genders, postal_code_ids, min_amount, max_amount } = scope;
    from.is_none_or(|from| row.month >= from)
        && to.is_none_or(|to| row.month <= to)
        && ages.as_ref().is_none_or(|ages| ages.contains(&row.age))
        && genders.as_ref().is_none_or(|genders| genders.contains(&row.gender))
        && postal_code_ids.as_ref().is_none_or(|ids| ids.contains(&row.postal_code_id))
        && min_amount.is_none_or(|min| row.amount >= min)
        && max_amount.is_none_or(|max| row.amount <= max)
}

async fn stored(bed: &TestBed, scope: &PaystatScope, by: &[Dimension]) -> HashMap<GroupKey, Total> {
    let groups = bed.store().totals.by(scope, by).await.unwrap();
    let count = groups.len();
    let totals: HashMap<_, _> = groups
        .into_iter()
        .map(|group| ((group.month, group.age, group.gender, group.postal_code_id), group.total))
        .collect();
    assert_eq!(totals.len(), count, "a group came twice");
    totals
}

fn some_of<T: Copy>(random: &mut Rng, all: &[T]) -> Option<Vec<T>> {
    random.bool().then(|| all.iter().copied().filter(|_| random.u8(0..3) > 0).collect())
}

fn random_scope(random: &mut Rng, postal_codes: &[PostalCodeId]) -> PaystatScope {
    let mut month = || random.bool().then(|| Month::new(random.u16(2014..=2016), random.u8(1..=12)).unwrap());
    let (from, to) = (month(), month());
    let mut limit = || (random.u8(0..4) == 0).then(|| amount(&random.i32(-1_000_000..10_000_000).to_string()));
    let (min_amount, max_amount) = (limit(), limit());
    PaystatScope {
        from,
        to,
        ages: some_of(random, &AgeGroup::ALL),
        genders: some_of(random, &Gender::ALL),
        postal_code_ids: some_of(random, postal_codes),
        min_amount,
        max_amount,
    }
}

#[tokio::test]
async fn totals_by_every_set_of_dimensions_are_exact() {
    let bed = TestBed::new().await;
    let ids = bed.insert_postal_codes(5).await;
    let mut random = Rng::with_seed(7);
    let rows = random_paystats(&mut random, 3_000, &ids);
    let lines: Vec<_> = rows.iter().map(|row| (1, row.clone())).collect();
    bed.write_rows(0, &lines, false).await;

    let mut scopes = vec![PaystatScope::default()];
    scopes.extend((0..8).map(|_| random_scope(&mut random, &ids)));
    for scope in scopes {
        for set in 0..16 {
            let by: Vec<_> = (0..4).filter(|place| set >> place & 1 == 1).map(|place| DIMENSIONS[place]).collect();
            assert_eq!(stored(&bed, &scope, &by).await, naive(&rows, &scope, &by), "{scope:?} by {by:?}");
        }
    }
}

#[tokio::test]
async fn nothing_is_one_group_of_none() {
    let bed = TestBed::new().await;
    assert_eq!(bed.store().totals.by(&PaystatScope::default(), &[]).await.unwrap(), []);
    assert_eq!(bed.store().totals.by(&PaystatScope::default(), &DIMENSIONS).await.unwrap(), []);
}

/// Sums have more digits than a Decimal128 holds.
#[tokio::test]
async fn sums_of_the_largest_and_smallest_amounts_lose_no_digit() {
    let bed = TestBed::new().await;
    bed.insert_postal_codes(1).await;
    let largest = "999999999999999999.9999999999999999";
    let amounts = std::iter::repeat_n(largest, 100).chain(["0.0000000000000001", "-7.0000000000000003"]);
    let lines: Vec<_> =
        (1..).zip(amounts).map(|(id, text)| (1, Paystat { amount: amount(text), ..paystat(id) })).collect();
    bed.write_rows(0, &lines, false).await;
    let units: i128 = lines.iter().map(|(_, row)| row.amount.units()).sum();
    assert_eq!(bed.total().await, Total { amount: Amount::from_units(units), count: 102 });
    assert_eq!(bed.total().await.amount.to_string(), "99999999999999999992.9999999999999898");
}
