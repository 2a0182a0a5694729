//! What mutations do to single documents: unique values, references between collections, and who has the last word.

use std::collections::HashSet;

use futures_util::future::join_all;
use paystats_core::{
    domain::{Paystat, PaystatId, PaystatScope, PostalCode, PostalCodeId},
    store::{DeletedPostalCode, PaystatChange, PostalCodeChange, PostalCodeFilter, Provenance, RowOutcome, StoreError},
};
use paystats_tests::{
    TestBed, load_numbered,
    sources::{amount, paystat, postal_code, square},
    write_batch,
};

const EDIT: i64 = 1;

fn code_id(id: i32) -> PostalCodeId {
    id.try_into().unwrap()
}

fn id(id: i64) -> PaystatId {
    id.try_into().unwrap()
}

#[tokio::test]
async fn a_postal_codes_number_and_code_are_unique() {
    let bed = TestBed::new().await;
    let codes = &bed.store().postal_codes;
    let edit = Provenance::edit(EDIT);
    codes.insert(&postal_code(1), edit).await.unwrap();
    codes.insert(&postal_code(2), edit).await.unwrap();

    let same_id = PostalCode { id: code_id(1), ..postal_code(3) };
    assert!(matches!(codes.insert(&same_id, edit).await, Err(StoreError::Duplicate("id"))));
    let same_code = PostalCode { id: code_id(3), ..postal_code(1) };
    assert!(matches!(codes.insert(&same_code, edit).await, Err(StoreError::Duplicate("code"))));
    let to_taken = PostalCodeChange { code: Some(postal_code(1).code), geometry: None };
    assert!(matches!(codes.update(code_id(2), &to_taken, edit).await, Err(StoreError::Duplicate("code"))));
    assert_eq!(codes.count(&PostalCodeFilter::default()).await.unwrap(), 2);

    let renamed = PostalCodeChange { code: Some("X 1".parse().unwrap()), geometry: Some(square(0.0, 0.0, 1.0)) };
    let stored = codes.update(code_id(2), &renamed, Provenance::edit(7)).await.unwrap().unwrap();
    assert_eq!((stored.code.as_str(), stored.written), ("X 1", Provenance::edit(7)));
    assert_eq!(codes.geometries(&[code_id(2)]).await.unwrap()[&code_id(2)], square(0.0, 0.0, 1.0));
    assert_eq!(codes.update(code_id(9), &renamed, edit).await.unwrap(), None);
}

#[tokio::test]
async fn an_area_that_the_index_does_not_take_is_told_as_such_and_changes_nothing() {
    let bed = TestBed::new().await;
    bed.insert_postal_codes(1).await;
    let bent = [[0.0, 50.0], [100.0, 50.0], [100.0, 60.0], [50.0, 51.0], [0.0, 60.0], [0.0, 50.0]];
    let bent = paystats_core::domain::Geometry::from_geojson(paystats_tests::sources::polygon(&bent)).unwrap();
    let codes = &bed.store().postal_codes;
    let new = PostalCode { geometry: bent.clone(), ..postal_code(2) };
    assert!(matches!(codes.insert(&new, Provenance::edit(EDIT)).await, Err(StoreError::GeometryRefused(_))));
    let change = PostalCodeChange { code: None, geometry: Some(bent) };
    let refused = codes.update(code_id(1), &change, Provenance::edit(EDIT)).await;
    assert!(matches!(refused, Err(StoreError::GeometryRefused(_))));
    assert_eq!(codes.ids(&PostalCodeFilter::default()).await.unwrap(), [code_id(1)]);
    assert_eq!(codes.geometries(&[code_id(1)]).await.unwrap()[&code_id(1)], postal_code(1).geometry);
}

#[tokio::test]
async fn a_postal_code_that_paystats_name_is_not_deleted() {
    let bed = TestBed::new().await;
    bed.insert_postal_codes(2).await;
    assert!(bed.store().paystats.insert(&paystat(1), Provenance::edit(EDIT)).await.unwrap());
    let codes = &bed.store().postal_codes;
    assert_eq!(codes.delete(code_id(1)).await.unwrap(), DeletedPostalCode::HasPaystats);
    assert_eq!(codes.delete(code_id(2)).await.unwrap(), DeletedPostalCode::Deleted);
    assert_eq!(codes.delete(code_id(2)).await.unwrap(), DeletedPostalCode::Unknown);
    assert_eq!(codes.ids(&PostalCodeFilter::default()).await.unwrap(), [code_id(1)]);

    bed.store().paystats.delete(id(1)).await.unwrap().unwrap();
    assert_eq!(codes.delete(code_id(1)).await.unwrap(), DeletedPostalCode::Deleted);
}

#[tokio::test]
async fn a_paystat_needs_a_number_that_is_free_and_a_postal_code_that_exists() {
    let bed = TestBed::new().await;
    bed.insert_postal_codes(2).await;
    let paystats = &bed.store().paystats;
    let edit = Provenance::edit(EDIT);
    let elsewhere = Paystat { postal_code_id: code_id(9), ..paystat(1) };
    assert!(!paystats.insert(&elsewhere, edit).await.unwrap());
    assert_eq!(paystats.by_id(id(1)).await.unwrap(), None);

    assert!(paystats.insert(&paystat(1), edit).await.unwrap());
    assert!(matches!(paystats.insert(&paystat(1), edit).await, Err(StoreError::Duplicate("id"))));

    let to = |place| PaystatChange { postal_code_id: Some(code_id(place)), ..Default::default() };
    assert_eq!(paystats.update(id(1), &to(9), edit).await.unwrap(), None);
    assert_eq!(paystats.update(id(2), &to(2), edit).await.unwrap(), Some(None));
    assert_eq!(paystats.update(id(2), &PaystatChange::default(), edit).await.unwrap(), Some(None));
    let moved = paystats.update(id(1), &to(2), edit).await.unwrap().unwrap().unwrap();
    assert_eq!(moved.paystat, Paystat { postal_code_id: code_id(2), ..paystat(1) });
    let change = PaystatChange { amount: Some(amount("-0.5")), ..Default::default() };
    let changed = paystats.update(id(1), &change, edit).await.unwrap().unwrap().unwrap();
    assert_eq!(changed.paystat, Paystat { amount: amount("-0.5"), ..moved.paystat });
    assert_eq!(paystats.delete(id(1)).await.unwrap(), Some(changed));
    assert_eq!(paystats.delete(id(1)).await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn paystats_and_postal_codes_that_come_and_go_at_the_same_time_never_leave_a_paystat_without_a_place() {
    let bed = TestBed::new().await;
    // Code 100 is never deleted: paystats move from there.
    bed.store().postal_codes.insert(&postal_code(100), Provenance::edit(EDIT)).await.unwrap();
    for round in 0..3 {
        bed.insert_postal_codes(10).await;
        let work = (1..=10).flat_map(|place| (0..4).map(move |kind| (place, kind)));
        let tasks = work.map(|(place, kind)| {
            let store = bed.store().clone();
            let number = 1_000 * round + 10 * i64::from(place) + kind;
            let at_100 = Paystat { postal_code_id: code_id(100), ..paystat(number) };
            let here = Paystat { postal_code_id: code_id(place), ..paystat(number) };
            tokio::spawn(async move {
                let edit = Provenance::edit(EDIT);
                match kind {
                    0 => drop(store.postal_codes.delete(code_id(place)).await.unwrap()),
                    1 => {
                        store.paystats.insert(&at_100, edit).await.unwrap();
                        let change = PaystatChange { postal_code_id: Some(code_id(place)), ..Default::default() };
                        store.paystats.update(at_100.id, &change, edit).await.unwrap();
                    }
                    _ => drop(store.paystats.insert(&here, edit).await.unwrap()),
                }
            })
        });
        for task in join_all(tasks).await {
            task.unwrap();
        }
        let known: HashSet<_> = bed.store().postal_codes.all_ids().await.unwrap();
        let named: HashSet<_> = bed.paystats().await.into_iter().map(|stored| stored.paystat.postal_code_id).collect();
        assert!(named.is_subset(&known), "{named:?} are named, and there are {known:?}");
    }
}

#[tokio::test]
async fn an_edit_outlives_the_loads_before_it_and_yields_to_the_loads_after_it() {
    let bed = TestBed::new().await;
    bed.insert_postal_codes(1).await;
    let paystats = &bed.store().paystats;
    let loaded = |line| [(line, paystat(1))];
    assert_eq!(bed.write_rows(1, &loaded(2), false).await, [RowOutcome::Inserted]);
    for likely_new in [false, true] {
        assert_eq!(bed.write_rows(1, &loaded(3), likely_new).await, [RowOutcome::DuplicateId]);
    }

    let change = PaystatChange { amount: Some(amount("7")), ..Default::default() };
    paystats.update(id(1), &change, Provenance::edit(2)).await.unwrap().unwrap().unwrap();
    for load in [1, 2] {
        assert_eq!(bed.write_rows(load, &loaded(2), load == 1).await, [RowOutcome::Unchanged]);
    }
    assert_eq!(paystats.by_id(id(1)).await.unwrap().unwrap().paystat.amount, amount("7"));
    assert_eq!(bed.write_rows(3, &loaded(5), false).await, [RowOutcome::Updated]);
    let stored = paystats.by_id(id(1)).await.unwrap().unwrap();
    assert_eq!((stored.paystat, stored.written.load, stored.written.line), (paystat(1), 3, Some(5)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_loads_that_write_the_same_rows_at_the_same_time_the_newest_wins_each_row() {
    let bed = TestBed::new().await;
    bed.insert_postal_codes(1).await;
    let tasks = [3, 1, 4, 2].map(|load| {
        let store = bed.store().clone();
        let rows: Vec<_> = (1..=300)
            .map(|number| (number as u64, Paystat { amount: amount(&load.to_string()), ..paystat(number) }))
            .collect();
        tokio::spawn(async move { write_batch(&store, &load_numbered(load), &rows, load % 2 == 0, &[]).await })
    });
    for task in join_all(tasks).await {
        task.unwrap();
    }
    assert_eq!(bed.store().paystats.count(&PaystatScope::default()).await.unwrap(), 300);
    for stored in bed.paystats().await {
        assert_eq!((stored.paystat.amount, stored.written.load), (amount("4"), 4));
    }
}
