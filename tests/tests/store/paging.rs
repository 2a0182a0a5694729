//! Pages of every list, in every order, forwards and backwards.

use std::fmt::Debug;

use fastrand::Rng;
use paystats_core::{
    domain::{AgeGroup, Paystat, PaystatScope},
    load::{LoadEntity, Rejection, RejectionCode},
    store::{
        Direction, Key, LoadFilter, Loads, Page, PageRequest, PaystatOrderField, PostalCodeFilter, Rejections,
        StoreError,
    },
};
use paystats_tests::{
    TestBed,
    sources::{amount, month, random_paystats},
};

/// Walks a list in pages of `size`, from either end, and checks that it gives `expected`, and what each page says of its neighbours.
async fn assert_pages<T: Clone + Debug + PartialEq>(
    expected: &[T],
    size: usize,
    key: impl Fn(&T) -> Key,
    page: impl AsyncFn(PageRequest) -> Result<Page<T>, StoreError>,
) {
    // A client hands back the text of a cursor.
    let cursor = |item: &T| Key::decode(&key(item).encode());
    let mut found: Vec<T> = Vec::new();
    loop {
        let after = found.last().and_then(cursor);
        let got = page(PageRequest { after: after.clone(), ..PageRequest::first(size) }).await.unwrap();
        found.extend(got.items);
        assert_eq!((got.has_previous, got.has_next), (after.is_some(), found.len() < expected.len()));
        if !got.has_next {
            break;
        }
    }
    assert!(found == expected, "forwards in pages of {size}: {found:?} is not {expected:?}");

    let mut found: Vec<T> = Vec::new();
    loop {
        let before = found.first().and_then(cursor);
        let request = PageRequest { limit: size, from_end: true, after: None, before: before.clone() };
        let got = page(request).await.unwrap();
        found = [got.items, found].concat();
        assert_eq!((got.has_previous, got.has_next), (found.len() < expected.len(), before.is_some()));
        if !got.has_previous {
            break;
        }
    }
    assert!(found == expected, "backwards in pages of {size}: {found:?} is not {expected:?}");

    // Between two of them, from both ends.
    if let [first, inner @ .., last] = expected {
        for from_end in [false, true] {
            let request = PageRequest { limit: size, from_end, after: cursor(first), before: cursor(last) };
            let got = page(request).await.unwrap().items;
            let count = size.min(inner.len());
            let expected = if from_end { &inner[inner.len() - count..] } else { &inner[..count] };
            assert_eq!(got, expected);
        }
    }
}

#[tokio::test]
async fn paystats_come_in_every_order_in_both_directions_with_equal_ones_by_number() {
    let bed = TestBed::new().await;
    let ids = bed.insert_postal_codes(3).await;
    let mut random = Rng::with_seed(6);
    let mut rows = random_paystats(&mut random, 60, &ids);
    for row in &mut rows {
        // Few values, so that many rows are equal. -1 and -1.0 are; as texts they would not be in this order.
        row.amount = amount(random.choice(["-1", "-1.0", "10", "9", "0.0000000000000001"]).unwrap());
        row.month = month(random.choice(["2014-12", "2015-01", "2015-02"]).unwrap());
    }
    let lines: Vec<_> = rows.iter().map(|row| (1, row.clone())).collect();
    bed.write_rows(0, &lines, false).await;

    let adults = PaystatScope { ages: Some(vec![AgeGroup::From35To44, AgeGroup::From65]), ..PaystatScope::default() };
    for scope in [PaystatScope::default(), adults] {
        for order in [PaystatOrderField::Id, PaystatOrderField::Amount, PaystatOrderField::Month] {
            let of_scope = |row: &&Paystat| scope.ages.as_ref().is_none_or(|ages| ages.contains(&row.age));
            let mut expected: Vec<Paystat> = rows.iter().filter(of_scope).cloned().collect();
            expected.sort_by_key(|row| match order {
                PaystatOrderField::Id => (None, None, row.id),
                PaystatOrderField::Amount => (Some(row.amount), None, row.id),
                PaystatOrderField::Month => (None, Some(row.month), row.id),
            });
            for direction in [Direction::Ascending, Direction::Descending] {
                for size in [1, 7, 100] {
                    assert_pages(
                        &expected,
                        size,
                        |row| order.key(row),
                        async |request| {
                            let page = bed.store().paystats.page(&scope, order, direction, request).await?;
                            page.map(|stored| Ok(stored.paystat))
                        },
                    )
                    .await;
                }
                expected.reverse();
            }
            assert_eq!(bed.store().paystats.count(&scope).await.unwrap(), expected.len() as u64);
        }
    }
}

#[tokio::test]
async fn postal_codes_come_by_number_and_may_be_picked_by_code() {
    let bed = TestBed::new().await;
    let ids = bed.insert_postal_codes(25).await;
    let code = |text: &str| text.parse().unwrap();
    let by_prefix = |prefix: &str| PostalCodeFilter { code_prefix: Some(prefix.to_owned()), ..Default::default() };
    for (filter, expected) in [
        (PostalCodeFilter::default(), &ids[..]),
        (by_prefix("2802"), &ids[19..]),
        (by_prefix("28025"), &ids[24..]),
        (by_prefix("280250"), &[]),
        (by_prefix("2802."), &[]),
        (
            PostalCodeFilter { codes: Some(vec![code("28003"), code("28001"), code("1")]), ..Default::default() },
            &[ids[0], ids[2]],
        ),
        (PostalCodeFilter { codes: Some(vec![]), ..Default::default() }, &[]),
    ] {
        assert_pages(
            expected,
            4,
            |id| Key::number(id.get().into()),
            async |request| bed.store().postal_codes.page(&filter, request).await?.map(|code| Ok(code.id)),
        )
        .await;
        assert_eq!(bed.store().postal_codes.count(&filter).await.unwrap(), expected.len() as u64);
    }
}

#[tokio::test]
async fn loads_come_newest_first_and_rejections_by_line() {
    let bed = TestBed::new().await;
    bed.put("a.csv", "");
    bed.put("b.csv", "");
    let mut loads = Vec::new();
    for (entity, source) in [LoadEntity::Paystats, LoadEntity::PostalCodes]
        .into_iter()
        .cycle()
        .zip(["a.csv", "a.csv", "b.csv"].iter().cycle())
        .take(12)
    {
        loads.insert(0, bed.accept_unpublished(entity, source).await);
    }
    assert_eq!(loads[0].number, 12);
    let of_b =
        LoadFilter { entity: Some(LoadEntity::Paystats), source: Some("b.csv".to_owned()), ..Default::default() };
    for filter in [LoadFilter::default(), of_b] {
        let picked = |load: &&_| matches_filter(load, &filter);
        let expected: Vec<_> = loads.iter().filter(picked).cloned().collect();
        assert_pages(&expected, 5, Loads::key, async |request| bed.store().loads.page(&filter, request).await).await;
        assert_eq!(bed.store().loads.count(&filter).await.unwrap(), expected.len() as u64);
    }

    let id = loads[0].id;
    // In the order of texts 10 would come before 9.
    let refused: Vec<_> =
        (2..=13).map(|line| Rejection::of_record(line, RejectionCode::WrongFieldCount, "why".to_owned())).collect();
    for load in &loads[..2] {
        bed.write_rejections(load, &refused).await;
    }
    assert_pages(
        &refused,
        5,
        |refused| Rejections::key(id, refused.line),
        async |request| bed.store().rejections.page(id, request).await,
    )
    .await;
    assert_eq!(bed.store().rejections.count(id).await.unwrap(), 12);
}

fn matches_filter(load: &paystats_core::load::Load, filter: &LoadFilter) -> bool {
    filter.entity.is_none_or(|entity| entity == load.entity)
        && filter.source.as_ref().is_none_or(|source| *source == load.source)
}
