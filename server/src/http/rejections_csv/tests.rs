use std::time::Duration;

use axum::{
    body::to_bytes,
    extract::Request,
    http::{Method, StatusCode, header::ALLOW},
};
use csv_async::{AsyncReaderBuilder, StringRecord};
use futures_util::TryStreamExt as _;
use paystats_core::load::{Load, LoadEntity, LoadId, LoadState, RejectPolicy, RejectionCode};
use time::OffsetDateTime;
use tower::ServiceExt;

use super::*;
use crate::http::toy::{get, send};

const DEADLINE: Deadline = Deadline(Duration::from_secs(30));

fn load(state: LoadState) -> Load {
    Load {
        id: LoadId::new(),
        number: 42,
        entity: LoadEntity::Paystats,
        source: "rows.csv".to_owned(),
        source_size_bytes: 0,
        source_fingerprint: String::new(),
        policy: RejectPolicy::default(),
        dry_run: false,
        retry_of: None,
        only_rejected_of: None,
        state,
        ends_as: None,
        error: None,
        progress: None,
        cut: None,
        plan: None,
        undo_until: OffsetDateTime::UNIX_EPOCH,
        created_at: OffsetDateTime::UNIX_EPOCH,
        started_at: None,
        finished_at: None,
    }
}

fn row(line: u64, fields: &[&str]) -> Result<Rejection, ActionError> {
    let rejection = Rejection::of_column(line, "amount", RejectionCode::InvalidAmount, fields[0], "is no number");
    Ok(rejection.with_fields(fields.iter().copied()))
}

/// A router whose load 42 has these rows, under the columns `amount` and `note`.
fn app(state: LoadState, rows: Vec<Result<Rejection, ActionError>>) -> Router {
    rejections_csv_routes(DEADLINE, &Access::open(), move |id| {
        let rows = rows.clone();
        async move {
            match id.as_str() {
                "42" => Ok(RejectedRows {
                    load: load(state),
                    columns: vec!["amount".to_owned(), "note".to_owned()],
                    rows: stream::iter(rows).boxed(),
                }),
                "away" => Err(ActionError::unavailable("the database is away")),
                _ => Err(ActionError::not_found(format!("there is no load {id}"))),
            }
        }
    })
}

const PATH: &str = "/loads/42/rejections.csv";

#[tokio::test]
async fn the_file_has_a_name_a_type_and_all_rows() {
    let odd = row(9, &["1,\"5\"\n", "¿cuánto?"]);
    let (status, headers, body) = get(app(LoadState::Succeeded, vec![row(2, &["x", ""]), odd]), PATH).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(headers[CONTENT_TYPE], "text/csv; charset=utf-8");
    assert_eq!(headers[CONTENT_DISPOSITION], "attachment; filename=\"load-42-rejections.csv\"");
    assert_eq!(headers[X_CONTENT_TYPE_OPTIONS], "nosniff");
    let expected = "line,column,code,value,reason,amount,note,surplus\n\
                    2,amount,INVALID_AMOUNT,x,amount is no number,x,,\n\
                    9,amount,INVALID_AMOUNT,\"1,\"\"5\"\"\n\",amount is no number,\"1,\"\"5\"\"\n\",¿cuánto?,\n";
    assert_eq!(body, expected);
}

#[tokio::test]
async fn only_the_file_of_a_load_that_has_ended_may_be_kept() {
    for (state, caching) in [
        (LoadState::Loading, "no-store"),
        (LoadState::Reverting, "no-store"),
        (LoadState::Succeeded, "private, max-age=60"),
        (LoadState::Failed, "private, max-age=60"),
    ] {
        let (_, headers, body) = get(app(state, vec![]), PATH).await;
        assert_eq!(headers[CACHE_CONTROL], caching, "{state:?}");
        assert_eq!(body, "line,column,code,value,reason,amount,note,surplus\n");
    }
}

#[tokio::test]
async fn a_long_file_comes_in_pieces_that_add_up() {
    let note = "n".repeat(1_000);
    let rows: Vec<_> = (2..1_002).map(|line| row(line, &["x", &note])).collect();
    let response = app(LoadState::Succeeded, rows).oneshot(Request::get(PATH).body(Body::empty()).unwrap());
    let pieces: Vec<_> = response.await.unwrap().into_body().into_data_stream().try_collect().await.unwrap();
    assert!(pieces.len() > 10 && pieces.iter().all(|piece| piece.len() < 2 * PIECE_BYTES), "{} pieces", pieces.len());
    let file = pieces.concat();
    let mut reader = AsyncReaderBuilder::new().create_reader(file.as_slice());
    let records: Vec<StringRecord> = reader.records().try_collect().await.unwrap();
    assert!(records.iter().map(|record| record[0].parse::<u64>().unwrap()).eq(2..1_002_u64));
    assert!(records.iter().all(|record| record[6] == note));
}

#[tokio::test]
async fn a_file_that_cannot_be_read_to_its_end_ends_in_an_error() {
    let broken = vec![row(2, &["x"]), Err(ActionError::unavailable("the database is away"))];
    let response = app(LoadState::Succeeded, broken).oneshot(Request::get(PATH).body(Body::empty()).unwrap());
    let response = response.await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    let error = to_bytes(response.into_body(), usize::MAX).await.unwrap_err();
    assert!(error.to_string().contains("the database is away"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_store_that_hangs_cuts_the_file_off() {
    let app = rejections_csv_routes(DEADLINE, &Access::open(), async |_| {
        let rows = stream::iter([row(2, &["x"])]).chain(stream::pending()).boxed();
        Ok(RejectedRows { load: load(LoadState::Succeeded), columns: vec![], rows })
    });
    let response = app.oneshot(Request::get(PATH).body(Body::empty()).unwrap()).await.unwrap();
    let error = to_bytes(response.into_body(), usize::MAX).await.unwrap_err();
    assert!(error.to_string().contains("no answer within 30 s"), "{error}");
}

#[tokio::test]
async fn refusals_have_the_status_of_their_code() {
    let app = app(LoadState::Succeeded, vec![]);
    let (status, headers, body) = get(app.clone(), "/loads/Load:7/rejections.csv").await;
    let expected = r#"{"errors":[{"extensions":{"code":"NOT_FOUND"},"message":"there is no load Load:7"}]}"#;
    assert_eq!((status, body.as_str()), (StatusCode::NOT_FOUND, expected));
    assert_eq!(headers[CACHE_CONTROL], "no-store");
    let (status, headers, _) = get(app.clone(), "/loads/away/rejections.csv").await;
    assert_eq!((status, headers["retry-after"].to_str().unwrap()), (StatusCode::SERVICE_UNAVAILABLE, "2"));
    let (status, _, body) = get(app, "/loads/%FF/rejections.csv").await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert!(body.contains("BAD_USER_INPUT"), "{body}");
}

#[tokio::test]
async fn it_is_for_reading_only() {
    let app = app(LoadState::Succeeded, vec![row(2, &["x"])]);
    let ask =
        |method: Method| send(app.clone(), Request::builder().method(method).uri(PATH).body(Body::empty()).unwrap());
    let (status, headers, body) = ask(Method::HEAD).await;
    assert_eq!((status, body.as_str()), (StatusCode::OK, ""));
    assert_eq!(headers[CONTENT_TYPE], "text/csv; charset=utf-8");
    for method in [Method::POST, Method::PUT, Method::DELETE] {
        let (status, headers, _) = ask(method).await;
        assert_eq!((status, headers[ALLOW].to_str().unwrap()), (StatusCode::METHOD_NOT_ALLOWED, "GET,HEAD"));
    }
}
