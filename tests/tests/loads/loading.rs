//! What becomes of a source: good rows are written, bad rows are rejected one by one, and what is no source at all changes nothing.

use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use paystats_core::{
    bus::Work,
    domain::{Paystat, PaystatScope, PostalCode, Total},
    load::{Counts, Load, LoadEntity, LoadEvent, LoadState, RejectionCode},
    store::PostalCodeFilter,
};
use paystats_loader::LoaderConfig;
use paystats_tests::{
    TestBed,
    sources::{
        PAYSTAT_COLUMNS, POSTAL_CODE_COLUMNS, amount, circle_ring, ewkb, paystat, paystat_row, paystats, postal_code,
        postal_code_row, postal_codes, random_paystats, square_ring,
    },
};

fn inserted(inserted: u64) -> Counts {
    Counts { inserted, ..Counts::default() }
}

#[track_caller]
fn assert_succeeded(load: &Load, counts: Counts) {
    let progress = load.progress.as_ref().expect("a load that has ended has a progress");
    assert_eq!((load.state, load.error.as_deref()), (LoadState::Succeeded, None));
    assert_eq!((progress.counts, progress.rows_total), (counts, Some(counts.read())));
}

async fn stored_rows(bed: &TestBed) -> Vec<Paystat> {
    bed.paystats().await.into_iter().map(|stored| stored.paystat).collect()
}

#[tokio::test]
async fn postal_codes_and_then_paystats_are_loaded_row_by_row() {
    let bed = TestBed::new().await;
    let _loader = bed.start_plain_loader();

    let codes: Vec<_> = (1..=20).map(postal_code).collect();
    let load = bed.load(LoadEntity::PostalCodes, postal_codes(codes.iter().map(postal_code_row))).await;
    assert_succeeded(&load, inserted(20));
    assert!(load.started_at >= Some(load.created_at) && load.finished_at >= load.started_at);
    let ids: Vec<_> = codes.iter().map(|code| code.id).collect();
    let geometries = bed.store().postal_codes.geometries(&ids).await.unwrap();
    for code in &codes {
        let stored = bed.store().postal_codes.by_code(&code.code).await.unwrap().unwrap();
        assert_eq!((stored.id, &geometries[&stored.id]), (code.id, &code.geometry));
    }

    let mut rows = random_paystats(&mut fastrand::Rng::with_seed(1), 3_000, &ids);
    let load = bed.load(LoadEntity::Paystats, paystats(rows.iter().map(paystat_row))).await;
    assert_succeeded(&load, inserted(3_000));
    let sum = rows.iter().try_fold(amount("0"), |sum, row| sum.checked_add(row.amount)).unwrap();
    assert_eq!(bed.total().await, Total { amount: sum, count: 3_000 });
    rows.sort_by_key(|row| row.id);
    assert_eq!(stored_rows(&bed).await, rows);
}

#[tokio::test]
async fn loading_a_file_again_changes_nothing_and_changed_rows_are_updated() {
    let bed = TestBed::new().await;
    let _loader = bed.start_plain_loader();
    let ids = bed.insert_postal_codes(3).await;
    let mut rows = random_paystats(&mut fastrand::Rng::with_seed(2), 100, &ids);

    assert_succeeded(&bed.load(LoadEntity::Paystats, paystats(rows.iter().map(paystat_row))).await, inserted(100));
    let written = bed.paystats().await;

    let again = bed.load(LoadEntity::Paystats, paystats(rows.iter().map(paystat_row))).await;
    assert_succeeded(&again, Counts { unchanged: 100, ..Counts::default() });
    assert_eq!(bed.paystats().await, written);

    for row in &mut rows[..7] {
        row.amount = row.amount.checked_add(amount("0.0000000000000001")).unwrap();
    }
    rows.extend([paystat(101), paystat(102)]);
    let changed = bed.load(LoadEntity::Paystats, paystats(rows.iter().map(paystat_row))).await;
    assert_succeeded(&changed, Counts { inserted: 2, updated: 7, unchanged: 93, rejected: 0 });
    rows.sort_by_key(|row| row.id);
    assert_eq!(stored_rows(&bed).await, rows);
}

#[tokio::test]
async fn changed_postal_codes_are_updated_and_equal_ones_are_not() {
    let bed = TestBed::new().await;
    let _loader = bed.start_plain_loader();
    let mut codes: Vec<_> = (1..=3).map(postal_code).collect();
    bed.load(LoadEntity::PostalCodes, postal_codes(codes.iter().map(postal_code_row))).await;

    codes[0].code = "28999".parse().unwrap();
    codes[1].geometry = postal_code(7).geometry;
    let load = bed.load(LoadEntity::PostalCodes, postal_codes(codes.iter().map(postal_code_row))).await;
    assert_succeeded(&load, Counts { updated: 2, unchanged: 1, ..Counts::default() });
    assert_eq!(bed.store().postal_codes.by_code(&codes[0].code).await.unwrap().unwrap().id, codes[0].id);
    let geometries = bed.store().postal_codes.geometries(&[codes[1].id]).await.unwrap();
    assert_eq!(geometries[&codes[1].id], codes[1].geometry);
}

/// Each text says the same as the plain one, so loading it finds every row unchanged.
#[tokio::test]
async fn the_same_rows_written_in_other_ways_are_the_same_rows() {
    let bed = TestBed::new().await;
    let _loader = bed.start_plain_loader();
    bed.insert_postal_codes(1).await;
    let rows: Vec<_> = (1..=3).map(paystat).collect();
    let plain = paystats(rows.iter().map(paystat_row));
    bed.load(LoadEntity::Paystats, &plain).await;

    let columns_in_another_order = {
        let row = |row: &Paystat| format!("{},n,{},1,F,2015-01-01,25-34,\n", row.id, row.amount);
        format!(
            "id,note,amount,postal_code_id,p_gender,p_month,p_age,more\n{}",
            rows.iter().map(row).collect::<String>()
        )
    };
    let line_break_in_a_further_column = {
        let row = |row: &Paystat| format!("\"one\r\ntwo, \"\"three\"\"\n\",{}\n", paystat_row(row));
        format!("note,{PAYSTAT_COLUMNS}\n{}", rows.iter().map(row).collect::<String>())
    };
    for (how, text) in [
        ("columns in another order, and further ones", columns_in_another_order),
        ("spaces around column names", plain.replacen(PAYSTAT_COLUMNS, &PAYSTAT_COLUMNS.replace(',', " , "), 1)),
        ("a byte order mark", format!("\u{feff}{plain}")),
        ("CRLF", plain.replace('\n', "\r\n")),
        ("CR alone, as old Macintosh programs write", plain.replace('\n', "\r")),
        ("no line break at the end", plain.trim_end().to_owned()),
        ("blank lines everywhere", format!("\n\r\n{}\n\n", plain.replace('\n', "\n\n\r\n"))),
        (
            "quoted fields",
            plain.replace(',', "\",\"").replace('\n', "\"\n\"").trim_end_matches('"').replacen('a', "\"a", 1),
        ),
        ("line breaks in a quoted field", line_break_in_a_further_column),
        ("other forms of the amounts", plain.replace("\n1.5,", "\n15e-1,").replace(".5,", ".50000000000000000000,")),
    ] {
        let load = bed.load(LoadEntity::Paystats, &text).await;
        assert_eq!(load.state, LoadState::Succeeded, "{how}: {:?}", load.error);
        let unchanged = Counts { unchanged: 3, ..Counts::default() };
        assert_eq!(load.progress.unwrap().counts, unchanged, "{how}: {:?}", bed.rejections(load.id).await);
    }
}

/// A row, and what its rejection says of it: column, code, value.
type Bad<'a> = (String, Option<&'a str>, RejectionCode, Option<&'a str>);

/// Loads the bad rows between two good ones and checks each rejection.
async fn assert_each_is_rejected(bed: &TestBed, entity: LoadEntity, head: [String; 2], bad: &[Bad<'_>], last: String) {
    let bad_rows = bad.iter().map(|(row, ..)| row.clone());
    let text: Vec<String> = head.into_iter().chain(bad_rows).chain([last]).collect();
    let load = bed.load(entity, text.join("\n")).await;
    let rejections = bed.rejections(load.id).await;
    for ((row, column, code, value), (line, rejection)) in bad.iter().zip((3..).zip(&rejections)) {
        let said = (rejection.line, rejection.column.as_deref(), rejection.code, rejection.value.as_deref());
        assert_eq!(said, (line, *column, *code, *value), "{row}: {}", rejection.reason);
        assert!(rejection.reason.starts_with(column.unwrap_or("the record has")), "{row}: {}", rejection.reason);
    }
    assert_eq!(rejections.len(), bad.len());
    assert_eq!(bed.store().rejections.count(load.id).await.unwrap(), bad.len() as u64);
    assert_succeeded(&load, Counts { inserted: 2, rejected: bad.len() as u64, ..Counts::default() });
}

#[tokio::test]
async fn every_bad_paystat_is_rejected_with_its_line_column_and_code_and_the_others_are_loaded() {
    use RejectionCode::*;
    let bed = TestBed::new().await;
    let _loader = bed.start_plain_loader();
    bed.insert_postal_codes(1).await;
    let long = "9".repeat(300);
    let cut = format!("{}…", "9".repeat(200));
    let digits = "1234567890123456789012345678901234567890";

    // In the order of the columns: amount, month, age, gender, postal code, id.
    let good = ["1.5", "2015-01-01", "25-34", "F", "1", "10"];
    let spoiled = [
        (0, "abc", "amount", InvalidAmount),
        (0, "", "amount", InvalidAmount),
        (0, " 1", "amount", InvalidAmount),
        (0, "NaN", "amount", InvalidAmount),
        (0, "-Infinity", "amount", InvalidAmount),
        (0, "1E6145", "amount", InvalidAmount),
        (0, digits, "amount", InvalidAmount),
        (0, "0.00000000000000001", "amount", InvalidAmount),
        (0, "1.5€", "amount", InvalidAmount),
        (1, "2015-01-02", "p_month", InvalidMonth),
        (1, "2015-13-01", "p_month", InvalidMonth),
        (1, "2015-01", "p_month", InvalidMonth),
        (1, "1815-01-01", "p_month", InvalidMonth),
        (1, "January", "p_month", InvalidMonth),
        (1, "", "p_month", InvalidMonth),
        (2, "18-24", "p_age", UnknownAgeGroup),
        (2, "<=25", "p_age", UnknownAgeGroup),
        (3, "X", "p_gender", UnknownGender),
        (3, "f", "p_gender", UnknownGender),
        (4, "999", "postal_code_id", UnknownPostalCode),
        (4, "2147483648", "postal_code_id", UnknownPostalCode),
        (4, "x", "postal_code_id", UnknownPostalCode),
        (5, "-1", "id", InvalidId),
        (5, "1.5", "id", InvalidId),
        (5, "9223372036854775808", "id", InvalidId),
        (5, "", "id", InvalidId),
    ];
    let mut bad: Vec<Bad<'_>> = Vec::new();
    for (place, value, column, code) in spoiled {
        let mut fields = good;
        // Each has a number of its own, which is not used a second time.
        let id = (100 + bad.len()).to_string();
        fields[5] = &id;
        fields[place] = value;
        bad.push((fields.join(","), Some(column), code, Some(value)));
    }
    bad.push((format!("{long},2015-01-01,25-34,F,1,20"), Some("amount"), InvalidAmount, Some(&cut)));
    bad.push(("\"1,5\",2015-01-01,25-34,F,1,21".to_owned(), Some("amount"), InvalidAmount, Some("1,5")));
    bad.push(("1.5,2015-01-01,25-34,F,1".to_owned(), None, WrongFieldCount, None));
    bad.push(("1.5,2015-01-01,25-34,F,1,22,".to_owned(), None, WrongFieldCount, None));
    bad.push((";".to_owned(), None, WrongFieldCount, None));
    bad.push(("1.5,2015-01-01,25-34,F,1,1".to_owned(), Some("id"), DuplicateId, Some("1")));

    let head = [PAYSTAT_COLUMNS.to_owned(), paystat_row(&paystat(1))];
    assert_each_is_rejected(&bed, LoadEntity::Paystats, head, &bad, paystat_row(&paystat(2))).await;
    assert_eq!(stored_rows(&bed).await, [paystat(1), paystat(2)]);
}

#[tokio::test]
async fn every_bad_postal_code_is_rejected_with_its_line_column_and_code_and_the_others_are_loaded() {
    use RejectionCode::*;
    let bed = TestBed::new().await;
    let _loader = bed.start_plain_loader();
    bed.insert_postal_codes(1).await;
    let good = postal_code(50).geometry.ewkb_hex();
    let ewkb_hex = |srid, ring: &[[f64; 2]]| hex::encode_upper(ewkb(srid, ring));
    let bow_tie = [[0.0, 0.0], [1.0, 1.0], [1.0, 0.0], [0.0, 1.0], [0.0, 0.0]];
    let open = [[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]];
    // Right in the plane. On the sphere its first edge bends north, across two others.
    let bent = [[0.0, 50.0], [100.0, 50.0], [100.0, 60.0], [50.0, 51.0], [0.0, 60.0], [0.0, 50.0]];
    let geometries = [
        good[..good.len() - 2].to_owned(),
        good[..18].to_owned(),
        format!("{good}00"),
        ewkb_hex(25830, &square_ring(0.0, 0.0, 1.0)),
        "0101000020E610000000000000000008C00000000000004440".to_owned(),
        ewkb_hex(4326, &square_ring(179.5, 0.0, 1.0)),
        ewkb_hex(4326, &square_ring(0.0, 89.5, 1.0)),
        ewkb_hex(4326, &[[0.0, 0.0], [1.0, 0.0], [f64::NAN, 1.0], [0.0, 0.0]]),
        ewkb_hex(4326, &bow_tie),
        ewkb_hex(4326, &open),
        ewkb_hex(4326, &[]),
        ewkb_hex(4326, &bent),
        "POLYGON((0 0, 1 0, 1 1, 0 0))".to_owned(),
        String::new(),
    ];
    let cut: Vec<String> = geometries
        .iter()
        .map(|text| if text.len() > 200 { format!("{}…", &text[..200]) } else { text.clone() })
        .collect();

    let mut bad: Vec<Bad<'_>> = Vec::new();
    for (id, (geometry, cut)) in (100..).zip(geometries.iter().zip(&cut)) {
        bad.push((format!("\"{geometry}\",{id},{id}"), Some("the_geom"), InvalidGeometry, Some(cut)));
    }
    for (id, code) in (200..).zip(["", "ABCDEFGHIJKLMNOPQ", "28_01", " 28001"]) {
        bad.push((format!("{good},{code},{id}"), Some("code"), InvalidCode, Some(code)));
    }
    for id in ["x", "-1", "2147483648"] {
        bad.push((format!("{good},1,{id}"), Some("id"), InvalidId, Some(id)));
    }
    // The code of a stored postal code, and of one earlier in the source.
    bad.push((format!("{good},28001,300"), Some("code"), DuplicateCode, Some("28001")));
    bad.push((format!("{good},28002,301"), Some("code"), DuplicateCode, Some("28002")));
    bad.push((format!("{good},302,2"), Some("id"), DuplicateId, Some("2")));
    bad.push((format!("{good},303"), None, WrongFieldCount, None));

    let head = [POSTAL_CODE_COLUMNS.to_owned(), postal_code_row(&postal_code(2))];
    assert_each_is_rejected(&bed, LoadEntity::PostalCodes, head, &bad, postal_code_row(&postal_code(3))).await;
    assert_eq!(bed.store().postal_codes.count(&PostalCodeFilter::default()).await.unwrap(), 3);
}

#[tokio::test]
async fn a_geometry_too_large_for_the_store_is_rejected_like_any_other_bad_row() {
    let bed = TestBed::new().await;
    let _loader = bed.start_plain_loader();
    // As base64 it just fits into a record, and with its GeoJSON it does not fit into a document.
    let ring = circle_ring(340_000);
    let rows = [
        postal_code_row(&postal_code(1)),
        format!("{},28002,2", BASE64.encode(ewkb(4326, &ring))),
        postal_code_row(&postal_code(3)),
    ];

    let load = bed.load(LoadEntity::PostalCodes, postal_codes(rows)).await;
    assert_succeeded(&load, Counts { inserted: 2, rejected: 1, ..Counts::default() });
    let rejections = bed.rejections(load.id).await;
    assert_eq!((rejections[0].line, rejections[0].code), (3, RejectionCode::InvalidGeometry));
}

#[tokio::test]
async fn lines_are_those_of_an_editor_whatever_stands_before_them() {
    let bed = TestBed::new().await;
    let _loader = bed.start_loader(LoaderConfig { concurrency: 2, chunk_bytes: 1, chunks_in_flight: 16 });
    bed.insert_postal_codes(1).await;
    let bad = |id: i64| paystat_row(&paystat(id)).replace("25-34", "old");
    let good = |id: i64| paystat_row(&paystat(id));
    let text = format!(
        "note,{PAYSTAT_COLUMNS}\n\
         \n\
         \"three\n\
         four\",{}\n\
         five,{}\n\
         \n\
         \"\",{}\n\
         \"eight\n\
         \n\
         ten\",{}\n\
         eleven,{}\n\
         twelve,{}\n",
        bad(1),
        bad(2),
        good(3),
        bad(4),
        good(5),
        good(3),
    );
    for (line_break, how) in [("\n", "LF"), ("\r\n", "CRLF"), ("\r", "CR")] {
        let load = bed.load(LoadEntity::Paystats, text.replace('\n', line_break)).await;
        let lines: Vec<_> = bed.rejections(load.id).await.into_iter().map(|bad| (bad.line, bad.code)).collect();
        use RejectionCode::{DuplicateId, UnknownAgeGroup};
        let expected = [(3, UnknownAgeGroup), (5, UnknownAgeGroup), (8, UnknownAgeGroup), (12, DuplicateId)];
        assert_eq!(lines, expected, "{how}");
        let lines: Vec<_> = bed.paystats().await.into_iter().map(|stored| stored.written.line).collect();
        assert_eq!(lines, [Some(7), Some(11)], "{how}");
    }
}

#[tokio::test]
async fn of_rows_with_the_same_id_the_first_line_wins_also_across_chunks() {
    let bed = TestBed::new().await;
    bed.insert_postal_codes(1).await;
    let ids = [1, 2, 1, 3, 2, 1, 4];
    for chunk_bytes in [1, 90, 8 << 20] {
        // Other numbers each time, so that nothing is unchanged.
        let rows = ids.iter().zip(1_i64..).map(|(id, place)| {
            let row = Paystat { amount: amount(&place.to_string()), ..paystat(*id + chunk_bytes * 10) };
            paystat_row(&row)
        });
        let loader = bed.start_loader(LoaderConfig {
            concurrency: 4,
            chunk_bytes: chunk_bytes.cast_unsigned(),
            chunks_in_flight: 16,
        });
        let load = bed.load(LoadEntity::Paystats, paystats(rows)).await;
        loader.stop().await;
        assert_succeeded(&load, Counts { inserted: 4, rejected: 3, ..Counts::default() });
        let lines: Vec<_> = bed.rejections(load.id).await.into_iter().map(|bad| (bad.line, bad.code)).collect();
        assert_eq!(lines, [4, 6, 7].map(|line| (line, RejectionCode::DuplicateId)));
        for (id, place) in [(1, "1"), (2, "2"), (3, "4"), (4, "7")] {
            let id = (id + chunk_bytes * 10).try_into().unwrap();
            assert_eq!(bed.store().paystats.by_id(id).await.unwrap().unwrap().paystat.amount, amount(place));
        }
    }
}

#[tokio::test]
async fn of_postal_codes_with_the_same_code_the_first_line_wins_however_many_workers_there_are() {
    let bed = TestBed::new().await;
    let _loader = bed.start_loader(LoaderConfig { concurrency: 2, chunk_bytes: 1 << 20, chunks_in_flight: 16 });
    // The second row is long, and takes so long to check that another worker would have written the third before the first.
    let long = hex::encode(ewkb(4326, &circle_ring(40_000)));
    let same_code = postal_code_row(&PostalCode { code: postal_code(1).code, ..postal_code(3) });
    let rows = [postal_code_row(&postal_code(1)), format!("{long},28002,2"), same_code];
    let load = bed.load(LoadEntity::PostalCodes, postal_codes(rows)).await;
    assert_succeeded(&load, Counts { inserted: 2, rejected: 1, ..Counts::default() });
    let rejection = &bed.rejections(load.id).await[0];
    assert_eq!((rejection.line, rejection.code), (4, RejectionCode::DuplicateCode));
}

#[tokio::test]
async fn a_record_of_another_width_takes_no_id_away_from_a_good_row() {
    let bed = TestBed::new().await;
    let _loader = bed.start_plain_loader();
    bed.insert_postal_codes(1).await;
    // In the place of the id stands `1`, the postal code; row 1 is good.
    let load =
        bed.load(LoadEntity::Paystats, paystats(["x,1.5,2015-01-01,25-34,F,1,7", &paystat_row(&paystat(1))])).await;
    assert_succeeded(&load, Counts { inserted: 1, rejected: 1, ..Counts::default() });
    assert_eq!(bed.rejections(load.id).await[0].code, RejectionCode::WrongFieldCount);
}

#[tokio::test]
async fn a_source_that_cannot_be_loaded_fails_with_its_reason_and_leaves_the_store_alone() {
    let bed = TestBed::new().await;
    let _loader = bed.start_loader(LoaderConfig { concurrency: 2, chunk_bytes: 1_000, chunks_in_flight: 16 });
    bed.insert_postal_codes(1).await;
    let mut watch = bed.watch().await;
    let good = paystats((1..=100).map(paystat).map(|row| paystat_row(&row)));
    let after_good = |rest: &[u8]| [good.as_bytes(), rest].concat();
    let utf16: Vec<u8> = format!("\u{feff}{good}").encode_utf16().flat_map(u16::to_le_bytes).collect();
    let gzip = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\x2b\x48\xac\x2c\x2e\x49\x2c\x29\xe6\x02\x00".to_vec();

    for (what, source, reason) in [
        ("no bytes", vec![], "the source is empty"),
        ("blank lines", b"\n\r\n\n".to_vec(), "the source is empty"),
        ("a byte order mark alone", b"\xEF\xBB\xBF".to_vec(), "the source is empty"),
        (
            "a column is missing",
            good.replacen("p_gender", "gender", 1).into(),
            "column 'p_gender' is missing from the header",
        ),
        ("no header", good.split_once('\n').unwrap().1.into(), "column 'amount' is missing from the header"),
        (
            "a column twice",
            good.replacen("p_gender", "p_gender,amount", 1).into(),
            "column 'amount' stands twice in the header",
        ),
        ("semicolons", good.replace(',', ";").into(), "column 'amount' is missing from the header"),
        ("Latin-1", after_good(b"1.5,2015-01-01,25-34,F,1,Espa\xF1a\n"), "line 102 is not UTF-8 text"),
        ("a character cut short", after_good(b"1.5,2015-01-01,25-34,F,1,Espa\xC3"), "line 102 is not UTF-8 text"),
        ("UTF-16", utf16, "line 1 is not UTF-8 text"),
        ("NUL", after_good(b"1.5,2015-01-01,25-34,F,1,\0\n"), "line 102 holds a NUL byte: the source is not text"),
        ("binary", gzip, "line 1 is not UTF-8 text"),
        (
            "a quote that is never closed",
            after_good(format!("\"{}", "x".repeat(9 << 20)).as_bytes()),
            "the record on line 102 is longer than 8 MiB: is a quote not closed?",
        ),
        (
            "a quote in a further column that swallows the rows behind it",
            format!(
                "{PAYSTAT_COLUMNS},note\n{},\"why\n{},\n{},\n",
                paystat_row(&paystat(1)),
                paystat_row(&paystat(2)),
                paystat_row(&paystat(3))
            )
            .into(),
            "the record on line 2 has a quote that is not closed",
        ),
    ] {
        let load = bed.load(LoadEntity::Paystats, &source).await;
        assert_eq!((load.state, load.error.as_deref()), (LoadState::Failed, Some(reason)), "{what}");
        let progress = load.progress.unwrap();
        assert_eq!(progress.error.as_deref(), Some(reason), "{what}");
        // What was written before the bad line was found is gone again.
        assert_eq!((progress.counts.inserted, progress.counts.rejected), (progress.reverted.rows, 0), "{what}");
        assert_eq!(progress.reverted.kept, 0, "{what}");
        assert_eq!(bed.store().paystats.count(&PaystatScope::default()).await.unwrap(), 0);
        let events = watch.events_of(load.id).await;
        let ends = events.iter().filter(|heard| matches!(heard.event, LoadEvent::Finished { .. })).count();
        assert_eq!(ends, 1, "{what}");
    }
}

#[tokio::test]
async fn one_bad_byte_in_the_last_row_of_a_large_source_keeps_all_of_it_out() {
    let bed = TestBed::new().await;
    let _loader = bed.start_loader(LoaderConfig { concurrency: 2, chunk_bytes: 64 << 10, chunks_in_flight: 16 });
    bed.insert_postal_codes(1).await;
    let mut source = paystats((1..=50_000).map(paystat).map(|row| paystat_row(&row))).into_bytes();
    source.extend(b"1.5,2015-01-01,25-34,F,1,\xFF");
    let load = bed.load(LoadEntity::Paystats, source).await;
    assert_eq!((load.state, load.error.as_deref()), (LoadState::Failed, Some("line 50002 is not UTF-8 text")));
    assert_eq!(bed.store().paystats.count(&PaystatScope::default()).await.unwrap(), 0);
}

#[tokio::test]
async fn a_source_that_changed_or_went_after_it_was_accepted_is_not_loaded() {
    let bed = TestBed::new().await;
    let _loader = bed.start_plain_loader();
    bed.insert_postal_codes(1).await;
    let rows = |ids: std::ops::RangeInclusive<i64>| paystats(ids.map(paystat).map(|row| paystat_row(&row)));
    bed.put("grown.csv", rows(1..=3));
    bed.put("swapped.csv", rows(1..=3));
    bed.put("gone.csv", rows(1..=3));
    let grown = bed.accept_unpublished(LoadEntity::Paystats, "grown.csv").await;
    let swapped = bed.accept_unpublished(LoadEntity::Paystats, "swapped.csv").await;
    let gone = bed.accept_unpublished(LoadEntity::Paystats, "gone.csv").await;
    bed.put("grown.csv", rows(1..=4));
    bed.put("swapped.csv", rows(4..=6));
    std::fs::remove_file(bed.datalake().join("gone.csv")).unwrap();

    let changed = "the source was changed after the load was accepted";
    for (load, reason) in
        [(grown, changed), (swapped, changed), (gone, "source 'gone.csv' does not exist in the data lake")]
    {
        bed.bus().publish_work(Work::Plan { load: load.id }).await.unwrap();
        let load = bed.finished(load.id).await;
        assert_eq!((load.state, load.error.as_deref()), (LoadState::Failed, Some(reason)));
    }
    assert_eq!(bed.total().await, Total::default());
}

#[tokio::test]
async fn a_source_with_a_header_alone_is_loaded_and_has_no_rows() {
    let bed = TestBed::new().await;
    let _loader = bed.start_plain_loader();
    for source in [PAYSTAT_COLUMNS.to_owned(), format!("{PAYSTAT_COLUMNS}\n\n")] {
        let load = bed.load(LoadEntity::Paystats, source).await;
        assert_succeeded(&load, Counts::default());
    }
    let load = bed.load(LoadEntity::PostalCodes, "id,code,the_geom\r\n").await;
    assert_succeeded(&load, Counts::default());
}
