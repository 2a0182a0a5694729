//! Postal codes by place: boxes, polygons, distances, on squares that are easy to judge.

use paystats_core::{
    domain::{Area, BBox, Near, PostalCode},
    store::PostalCodeFilter,
};
use paystats_tests::{
    TestBed,
    sources::{postal_code, square},
};

const TEN: i32 = 1;
const MADRID: i32 = 2;
const WEST_OF_THE_ANTIMERIDIAN: i32 = 3;
const EAST_OF_THE_ANTIMERIDIAN: i32 = 4;
const NORTH_POLE: i32 = 5;
const SOUTH: i32 = 6;
const SIXTY_NORTH: i32 = 7;
const ABOVE_SIXTY_NORTH: i32 = 8;

async fn bed_with_squares() -> TestBed {
    let bed = TestBed::new().await;
    let squares = [
        (TEN, square(10.0, 10.0, 1.0)),
        (MADRID, square(-3.7, 40.4, 0.1)),
        (WEST_OF_THE_ANTIMERIDIAN, square(179.0, 0.0, 0.5)),
        (EAST_OF_THE_ANTIMERIDIAN, square(-179.5, 0.0, 0.5)),
        (NORTH_POLE, square(0.0, 89.0, 0.5)),
        (SOUTH, square(-70.0, -55.0, 0.5)),
        (SIXTY_NORTH, square(50.0, 59.2, 0.5)),
        (ABOVE_SIXTY_NORTH, square(50.0, 60.3, 0.5)),
    ];
    let codes: Vec<_> =
        squares.into_iter().map(|(id, geometry)| (1, PostalCode { geometry, ..postal_code(id) })).collect();
    bed.write_rows(0, &codes, false).await;
    bed
}

async fn found(bed: &TestBed, areas: Vec<Area>) -> Vec<i32> {
    let filter = PostalCodeFilter { areas, ..Default::default() };
    let mut ids: Vec<_> = bed.store().postal_codes.ids(&filter).await.unwrap().into_iter().map(|id| id.get()).collect();
    ids.sort_unstable();
    ids
}

#[tokio::test]
async fn a_box_finds_the_squares_that_it_meets() {
    let bed = bed_with_squares().await;
    let all = (TEN..=ABOVE_SIXTY_NORTH).collect::<Vec<_>>();
    for ([west, south, east, north], expected) in [
        // The world, and halves of it.
        ([-180.0, -90.0, 180.0, 90.0], &all[..]),
        (
            [-180.0, 0.0, 180.0, 90.0],
            &[
                TEN,
                MADRID,
                WEST_OF_THE_ANTIMERIDIAN,
                EAST_OF_THE_ANTIMERIDIAN,
                NORTH_POLE,
                SIXTY_NORTH,
                ABOVE_SIXTY_NORTH,
            ],
        ),
        ([-180.0, -90.0, 180.0, -1.0], &[SOUTH]),
        ([0.0, -90.0, 180.0, 90.0], &[TEN, WEST_OF_THE_ANTIMERIDIAN, NORTH_POLE, SIXTY_NORTH, ABOVE_SIXTY_NORTH]),
        ([-180.0, -90.0, -1.0, 90.0], &[MADRID, EAST_OF_THE_ANTIMERIDIAN, SOUTH]),
        // Across the antimeridian, up to it, and on it.
        ([170.0, -10.0, -170.0, 10.0], &[WEST_OF_THE_ANTIMERIDIAN, EAST_OF_THE_ANTIMERIDIAN]),
        ([170.0, -10.0, 180.0, 10.0], &[WEST_OF_THE_ANTIMERIDIAN]),
        ([-180.0, -10.0, -170.0, 10.0], &[EAST_OF_THE_ANTIMERIDIAN]),
        ([180.0, -10.0, -170.0, 10.0], &[EAST_OF_THE_ANTIMERIDIAN]),
        ([170.0, -10.0, -180.0, 10.0], &[WEST_OF_THE_ANTIMERIDIAN]),
        ([180.0, -10.0, 180.0, 10.0], &[]),
        ([180.0, -10.0, -180.0, 10.0], &[]),
        // All but Madrid's longitudes.
        (
            [-3.0, -90.0, -4.0, 90.0],
            &[
                TEN,
                WEST_OF_THE_ANTIMERIDIAN,
                EAST_OF_THE_ANTIMERIDIAN,
                NORTH_POLE,
                SOUTH,
                SIXTY_NORTH,
                ABOVE_SIXTY_NORTH,
            ],
        ),
        // Without extent.
        ([10.5, 10.5, 10.5, 10.5], &[TEN]),
        ([10.5, -90.0, 10.5, 90.0], &[TEN]),
        ([-180.0, 10.5, 180.0, 10.5], &[TEN]),
        ([0.0, 90.0, 180.0, 90.0], &[]),
        // Its edges are parallels, not the shortest ways between its corners, which pass 70° N here.
        ([0.0, 59.0, 100.0, 60.0], &[SIXTY_NORTH]),
        ([0.0, 60.0, 100.0, 61.0], &[ABOVE_SIXTY_NORTH]),
        // Just inside and just outside a corner.
        ([9.0, 9.0, 10.001, 10.001], &[TEN]),
        ([9.0, 9.0, 9.999, 9.999], &[]),
    ] {
        let bbox = BBox::new(west, south, east, north).unwrap();
        assert_eq!(found(&bed, vec![Area::BBox(bbox)]).await, expected, "{bbox:?}");
    }
}

#[tokio::test]
async fn a_polygon_finds_the_squares_that_it_meets_and_of_several_areas_each_must() {
    let bed = bed_with_squares().await;
    let area = |west, south, size| Area::Within(square(west, south, size));
    for (areas, expected) in [
        (vec![area(9.0, 9.0, 3.0)], &[TEN][..]),
        (vec![area(10.2, 10.2, 0.1)], &[TEN]),
        (vec![area(-10.0, 5.0, 40.0)], &[TEN, MADRID]),
        (vec![area(20.0, 20.0, 1.0)], &[]),
        (vec![area(-10.0, 5.0, 40.0), Area::BBox(BBox::new(0.0, 0.0, 20.0, 20.0).unwrap())], &[TEN]),
        (vec![area(9.0, 9.0, 3.0), area(-4.0, 40.0, 1.0)], &[]),
    ] {
        assert_eq!(found(&bed, areas.clone()).await, expected, "{areas:?}");
    }
}

#[tokio::test]
async fn a_point_finds_the_squares_around_it_the_nearest_first() {
    let bed = bed_with_squares().await;
    /// A hundredth of a degree of latitude.
    const STEP: f64 = 1_112.0;
    let near = async |longitude, latitude, meters| {
        let near = Near::new(longitude, latitude, meters).unwrap();
        let found = bed.store().postal_codes.near(&PostalCodeFilter::default(), near).await.unwrap();
        found.into_iter().map(|(code, distance)| (code.id.get(), distance)).collect::<Vec<_>>()
    };
    assert_eq!(near(10.5, 10.5, 0.0).await, [(TEN, 0.0)]);
    assert_eq!(near(10.5, 11.1, 9.0 * STEP).await, []);
    let above = near(10.5, 11.1, 11.0 * STEP).await;
    assert_eq!(above.len(), 1);
    assert!(above[0].0 == TEN && (above[0].1 - 10.0 * STEP).abs() < STEP, "{above:?}");

    // Both sides of the antimeridian, just as far from it; a little further east one of them is nearer.
    let both = near(180.0, 0.25, 100.0 * STEP).await;
    let ids: Vec<_> = both.iter().map(|(id, _)| *id).collect();
    assert_eq!(ids, [WEST_OF_THE_ANTIMERIDIAN, EAST_OF_THE_ANTIMERIDIAN]);
    assert!((both[0].1 - both[1].1).abs() < 1.0 && (both[0].1 - 50.0 * STEP).abs() < STEP, "{both:?}");
    let both = near(-179.9, 0.25, 100.0 * STEP).await;
    assert!(both[0].0 == EAST_OF_THE_ANTIMERIDIAN && both[0].1 < both[1].1, "{both:?}");

    // The whole sphere, and with a filter of codes and areas.
    assert_eq!(near(0.0, 0.0, 20_100_000.0).await.len(), 8);
    let filter = PostalCodeFilter {
        codes: Some(vec![postal_code(TEN).code, postal_code(MADRID).code]),
        areas: vec![Area::BBox(BBox::new(0.0, 0.0, 20.0, 20.0).unwrap())],
        ..Default::default()
    };
    let anywhere = Near::new(0.0, 0.0, 20_100_000.0).unwrap();
    let found = bed.store().postal_codes.near(&filter, anywhere).await.unwrap();
    assert_eq!(found.into_iter().map(|(code, _)| code.id.get()).collect::<Vec<_>>(), [TEN]);
}
