use std::path::Path as FsPath;

use axum::http::{Method, header::ALLOW};
use paystats_core::{config::DatalakeConfig, datalake::Datalake};
use tempfile::TempDir;

use super::*;
use crate::http::toy::send;

const PATH: &str = "/datalake/in/a.csv";

struct Lake {
    folder: TempDir,
    app: Router,
}

fn lake_of(max_bytes: u64, root: &FsPath) -> Router {
    let uploads = Uploads::new(Datalake::new(&DatalakeConfig::folder(root)), max_bytes);
    patient_routes(uploads, &Access::open(), Duration::from_millis(50))
}

fn lake(max_bytes: u64) -> Lake {
    let folder = tempfile::tempdir().unwrap();
    let app = lake_of(max_bytes, folder.path());
    Lake { folder, app }
}

/// Status, `Upload-Offset` and code or body of the answer to a request.
type Said = (u16, Option<u64>, String);

impl Lake {
    async fn ask(&self, method: Method, path: &str, headers: &[(&str, &str)], body: impl Into<Body>) -> Said {
        let request = headers.iter().fold(Request::builder(), |request, (name, value)| request.header(*name, *value));
        let request = request.method(method).uri(path).body(body.into()).unwrap();
        let (status, headers, body) = send(self.app.clone(), request).await;
        let offset = headers.get(UPLOAD_OFFSET).map(|offset| offset.to_str().unwrap().parse().unwrap());
        let said = match serde_json::from_str::<serde_json::Value>(&body) {
            Ok(json) if json["errors"].is_array() => {
                let error = &json["errors"][0];
                let code = error["extensions"]["code"].as_str().unwrap();
                format!("{code}: {}", error["message"].as_str().unwrap())
            }
            _ => body,
        };
        (status.as_u16(), offset, said)
    }

    async fn put(&self, headers: &[(&str, &str)], body: impl Into<Body>) -> Said {
        self.ask(Method::PUT, PATH, headers, body).await
    }

    fn files(&self) -> Vec<String> {
        std::fs::read_dir(self.folder.path().join("in")).map_or_else(
            |_| Vec::new(),
            |entries| entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect(),
        )
    }
}

fn said(status: u16, offset: Option<u64>, text: &str) -> Said {
    (status, offset, text.to_owned())
}

#[tokio::test]
async fn a_file_is_answered_as_the_api_has_it() {
    let lake = lake(100);
    for (status, bytes) in [(201, "0123456789"), (200, "new")] {
        let (told, offset, body) = lake.put(&[], bytes).await;
        assert_eq!((told, offset), (status, None));
        let body: serde_json::Value = body.parse().unwrap();
        assert_eq!((&body["path"], &body["sizeBytes"]), (&"in/a.csv".into(), &bytes.len().into()));
        let modified_at = body["modifiedAt"].as_str().unwrap();
        assert!(modified_at.ends_with('Z') && modified_at.starts_with("20"), "{modified_at}");
    }
    let exists = said(412, None, "CONFLICT: 'in/a.csv' exists already");
    assert_eq!(lake.put(&[("if-none-match", "*")], "x").await, exists);
}

#[tokio::test]
async fn pieces_go_on_where_they_were() {
    let lake = lake(100);
    let id = ("upload-id", "1");
    assert_eq!(lake.ask(Method::HEAD, PATH, &[id], "").await, said(204, Some(0), ""));
    let first = ("content-range", "bytes 0-3/10");
    assert_eq!(lake.put(&[id, first], "0123").await, said(202, Some(4), ""));
    let elsewhere = said(409, Some(4), "CONFLICT: the upload goes on at byte 4");
    assert_eq!(lake.put(&[id, first], "0123").await, elsewhere);
    assert_eq!(lake.ask(Method::HEAD, PATH, &[id], "").await, said(204, Some(4), ""));
    let other = said(409, None, "CONFLICT: this upload was begun for a file of 10 bytes");
    assert_eq!(lake.put(&[id, ("content-range", "bytes 4-9/11")], "").await, other);
    let short = said(400, Some(6), "BAD_USER_INPUT: the body ended early: the upload goes on at byte 6");
    assert_eq!(lake.put(&[id, ("content-range", "bytes 4-9/10")], "45").await, short);
    let (status, ..) = lake.put(&[id, ("content-range", "bytes 6-9/10"), ("content-length", "4")], "6789").await;
    assert_eq!(status, 201);
    assert_eq!(lake.ask(Method::HEAD, PATH, &[id], "").await, said(204, Some(10), ""));
    assert_eq!(lake.put(&[id, ("content-range", "bytes */10")], "").await.0, 200);
    assert_eq!(lake.ask(Method::DELETE, PATH, &[id], "").await, said(204, None, ""));
    assert_eq!(lake.ask(Method::HEAD, PATH, &[id], "").await, said(204, Some(0), ""));
    assert_eq!(lake.files(), ["a.csv"]);
}

#[tokio::test]
async fn headers_that_make_no_sense_are_refused_with_the_reason() {
    let lake = lake(100);
    let (id, range) = (("upload-id", "1"), ("content-range", "bytes 0-3/10"));
    let form = "Content-Range is not of the form bytes 0-99/1000, or bytes */1000 where all bytes were sent";
    let malformed =
        ["0-3/10", "bytes 3-0/10", "bytes 0-10/10", "bytes 0-3/*", "bytes +0-3/10", "bytes */", "bytes -1/10"];
    for range in malformed {
        let answer = lake.put(&[id, ("content-range", range)], "x").await;
        assert_eq!(answer, said(400, None, &format!("BAD_USER_INPUT: {form}")), "{range}");
    }
    for (headers, reason) in [
        (vec![range], "a piece with a Content-Range needs an Upload-Id"),
        (vec![id], "an upload with an Upload-Id needs a Content-Range"),
        (vec![("upload-id", "a/b"), range], "Upload-Id is not 1 to 64 letters, digits and '-'"),
        (vec![id, range, ("content-length", "5")], "Content-Length and Content-Range do not agree"),
        (vec![id, range, range], "the header content-range cannot be read"),
        (vec![("if-none-match", "\"1\"")], "If-None-Match can only be *"),
        (
            vec![("content-encoding", "gzip")],
            "files are kept as they come: name a compressed one ….gz or ….zst, without Content-Encoding",
        ),
    ] {
        let answer = lake.put(&headers, "0123").await;
        assert_eq!(answer, said(400, None, &format!("BAD_USER_INPUT: {reason}")), "{headers:?}");
    }
    let missing = said(400, None, "BAD_USER_INPUT: the header Upload-Id is missing");
    assert_eq!(lake.ask(Method::DELETE, PATH, &[], "").await, missing);
    let leaves = said(400, None, "BAD_USER_INPUT: 'in/../../a.csv' leaves the data lake");
    assert_eq!(lake.ask(Method::PUT, "/datalake/in%2F..%2f%2e%2e/a.csv", &[], "x").await, leaves);
    let text = said(400, None, "BAD_USER_INPUT: the path of the file is not UTF-8 text");
    assert_eq!(lake.ask(Method::PUT, "/datalake/%ff.csv", &[], "x").await, text);
    assert_eq!(lake.files(), Vec::<String>::new());
}

#[tokio::test]
async fn nothing_is_read_that_is_not_asked_for() {
    let lake = lake(10);
    let never = || Body::from_stream(stream::pending::<Result<&str, std::io::Error>>());
    let large = said(413, None, "BAD_USER_INPUT: the file is larger than 10 bytes, the most that may be uploaded");
    let waits = ("expect", "100-continue");
    assert_eq!(lake.put(&[("content-length", "11"), waits], never()).await, large);
    assert_eq!(lake.put(&[("content-length", "99999999999")], never()).await, large);
    assert_eq!(lake.put(&[], "x".repeat(11)).await, large, "where the size is not told");
    assert_eq!(lake.files(), Vec::<String>::new());

    let off = lake_of(0, lake.folder.path());
    let off = Lake { folder: lake.folder, app: off };
    let answer = said(403, None, "FORBIDDEN: uploads are off: PAYSTATS_UPLOAD_BYTES is 0");
    assert_eq!(off.put(&[waits], never()).await, answer);
    assert_eq!(off.put(&[], "").await, answer);
    assert_eq!(off.ask(Method::DELETE, PATH, &[("upload-id", "1")], "").await, answer);
}

#[tokio::test]
async fn a_client_that_sends_nothing_is_given_up_and_what_came_is_kept() {
    let lake = lake(100);
    let stalls = || {
        let start = stream::iter([Ok::<_, std::io::Error>("0123")]);
        Body::from_stream(start.chain(stream::pending()))
    };
    let piece = [("upload-id", "1"), ("content-range", "bytes 0-7/10")];
    let late = "UNAVAILABLE: nothing came for 0.05 s; send the rest again";
    assert_eq!(lake.put(&piece, stalls()).await, said(408, Some(4), late));
    assert_eq!(lake.ask(Method::HEAD, PATH, &piece[..1], "").await, said(204, Some(4), ""));
    assert_eq!(lake.put(&[], stalls()).await, said(408, None, late));
    assert_eq!(lake.files(), Vec::<String>::new());
}

#[tokio::test]
async fn a_body_that_breaks_off_is_no_file() {
    let lake = lake(100);
    let breaks = || {
        let parts = [Ok("0123"), Err(std::io::Error::other("gone"))];
        Body::from_stream(stream::iter(parts))
    };
    let piece = [("upload-id", "1"), ("content-range", "bytes 0-3/4")];
    let early = "BAD_USER_INPUT: the body ended early";
    assert_eq!(lake.put(&piece, breaks()).await, said(400, Some(4), early));
    assert_eq!(lake.put(&[], breaks()).await, said(400, None, early));
    let short = "BAD_USER_INPUT: the body ended early: the upload goes on at byte 4";
    assert_eq!(lake.put(&[("content-length", "5")], "0123").await.2, short);
    assert_eq!(lake.files(), Vec::<String>::new());
    assert_eq!(lake.put(&[piece[0], ("content-range", "bytes */4")], "").await.0, 201, "all of it is there");
}

#[tokio::test]
async fn a_lake_that_cannot_be_written_says_so_without_its_path() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let app = lake_of(100, &file.path().join("lake"));
    let (status, _, body) = Lake { folder, app }.put(&[], "x").await;
    assert_eq!(status, 500);
    assert_eq!(body, "INTERNAL: something went wrong inside; the log says what");
}

#[tokio::test]
async fn other_methods_are_told_what_is_allowed() {
    let lake = lake(100);
    for method in [Method::GET, Method::POST, Method::OPTIONS] {
        let request = Request::builder().method(method).uri(PATH).body(Body::empty()).unwrap();
        let (status, headers, _) = send(lake.app.clone(), request).await;
        assert_eq!((status, headers[ALLOW].to_str().unwrap()), (StatusCode::METHOD_NOT_ALLOWED, "PUT,HEAD,DELETE"));
        assert!(!headers.contains_key("access-control-allow-origin"));
    }
}
