//! The route `/datalake/{path}`: PUT writes a file into the data lake, as a whole or, with `Content-Range` and `Upload-Id`, in pieces; HEAD
//! tells how far an upload in pieces is; DELETE gives it up.
//!
//! Bytes go on to the data lake as they come, so a file of any size takes the same memory. What has arrived of a piece stays, however its
//! request ends. No page of another origin gets here: browsers ask before they send PUT or DELETE for it, and nothing allows them.

use std::{
    convert::Infallible,
    time::{Duration, Instant},
};

use axum::{
    Json, Router,
    body::{Body, BodyDataStream},
    extract::{Path, Request, State, rejection::PathRejection},
    http::{
        Extensions, HeaderMap, HeaderName, HeaderValue, StatusCode,
        header::{CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, EXPECT, IF_NONE_MATCH, RETRY_AFTER},
        request::Parts,
    },
    middleware::from_fn_with_state,
    response::{IntoResponse, Response},
    routing::put,
};
use futures_util::{StreamExt, stream};
use paystats_core::datalake::{DatalakeObject, Piece, UploadError, UploadId, Uploaded};
use serde_json::json;
use time::format_description::well_known::Rfc3339;
use tracing::{info, warn};

use super::{
    callers,
    refusal::{self, RETRY_AFTER_SECONDS, refusal_as},
};
use crate::{
    access::{Access, Caller, Right},
    actions::{ActionError, Uploads},
};

/// How long a client may send nothing in the middle of a body.
const PATIENCE: Duration = Duration::from_secs(60);

/// How much of a body is read that nobody wants, and how long: a client that still sends would take a connection that is closed for a failure
/// of the network, and not see the answer.
const DRAINED_BYTES: usize = 32 << 20;
const DRAINING: Duration = Duration::from_secs(10);

const UPLOAD_ID: HeaderName = HeaderName::from_static("upload-id");
const UPLOAD_OFFSET: HeaderName = HeaderName::from_static("upload-offset");

/// Serves the writing side of the data lake.
pub fn upload_routes(uploads: Uploads, access: &Access) -> Router {
    patient_routes(uploads, access, PATIENCE)
}

fn patient_routes(uploads: Uploads, access: &Access, patience: Duration) -> Router {
    let methods = put(store).head(offset).delete(give_up);
    let identify = from_fn_with_state(access.clone(), callers::identify);
    Router::new().route("/datalake/{*path}", methods).layer(identify).with_state((uploads, patience))
}

type Served = State<(Uploads, Duration)>;
type FilePath = Result<Path<String>, PathRejection>;

async fn store(State((uploads, patience)): Served, path: FilePath, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let mut body = Incoming::new(&head.headers, body);
    let received = async {
        let caller = permitted(&head.extensions)?;
        let uploaded = receive(&uploads, patience, path, &head.headers, &mut body).await?;
        if let Uploaded::File { object, .. } = &uploaded {
            info!(source = object.path, caller = caller.name(), "a file was uploaded");
        }
        Ok::<_, Refused>(uploaded)
    };
    match received.await {
        Ok(Uploaded::Piece { offset }) => (StatusCode::ACCEPTED, with_offset(offset)).into_response(),
        Ok(Uploaded::File { object, is_new }) => {
            let status = if is_new { StatusCode::CREATED } else { StatusCode::OK };
            (status, [(CACHE_CONTROL, "no-store")], file(&object)).into_response()
        }
        Err(refused) => {
            body.drain().await;
            refused.into_response()
        }
    }
}

async fn offset(State((uploads, _)): Served, path: FilePath, head: Parts) -> Response {
    let asked = async {
        permitted(&head.extensions)?;
        let (path, id) = named(&uploads, path, &head.headers)?;
        Ok::<_, Refused>(uploads.offset(&path, &id).await?)
    };
    match asked.await {
        Ok(offset) => {
            // Of a body whose length is known it would be told, which a 204 must not do.
            let nothing = Body::from_stream(stream::empty::<Result<String, Infallible>>());
            (StatusCode::NO_CONTENT, with_offset(offset), nothing).into_response()
        }
        Err(refused) => refused.into_response(),
    }
}

async fn give_up(State((uploads, _)): Served, path: FilePath, head: Parts) -> Response {
    let asked = async {
        permitted(&head.extensions)?;
        let (path, id) = named(&uploads, path, &head.headers)?;
        Ok::<_, Refused>(uploads.give_up(&path, &id).await?)
    };
    match asked.await {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(refused) => refused.into_response(),
    }
}

/// Who sends the request, if they may upload.
fn permitted(extensions: &Extensions) -> Result<Caller, Refused> {
    callers::permitted(extensions, Right::Load).map_err(|refused| {
        let status = refusal::status(refused.code);
        Refused::new(status, refused, None)
    })
}

/// Reads a body into the data lake.
async fn receive(
    uploads: &Uploads,
    patience: Duration,
    path: FilePath,
    headers: &HeaderMap,
    body: &mut Incoming,
) -> Result<Uploaded, Refused> {
    let started = Instant::now();
    let path = file_path(uploads, path)?;
    let Told { only_new, size_bytes, piece } = Told::by(headers)?;
    let mut upload = uploads.start(&path, only_new, size_bytes, piece.clone()).await?;
    loop {
        let offset = upload.offset();
        let kept = piece.is_some().then_some(offset);
        match tokio::time::timeout(patience, body.bytes.next()).await {
            Ok(Some(Ok(bytes))) => upload.write(bytes).await?,
            Ok(None) => return Ok(uploads.finish(upload, started).await?),
            Ok(Some(Err(error))) => {
                info!(source = path, offset, %error, "an upload broke off");
                return Err(Refused::new(
                    StatusCode::BAD_REQUEST,
                    ActionError::bad_input("the body ended early"),
                    kept,
                ));
            }
            Err(_) => {
                warn!(source = path, offset, "an upload is given up: its client sends nothing");
                body.is_worth_reading = false;
                let reason = format!("nothing came for {} s; send the rest again", patience.as_secs_f32());
                return Err(Refused::new(StatusCode::REQUEST_TIMEOUT, ActionError::unavailable(reason), kept));
            }
        }
    }
}

/// The body of a request.
struct Incoming {
    bytes: BodyDataStream,
    /// Whether the client sends it to its end, soon, before it looks at the answer.
    is_worth_reading: bool,
}

impl Incoming {
    fn new(headers: &HeaderMap, body: Body) -> Self {
        // Who expects to be told to go on waits for that.
        let waits = headers.contains_key(EXPECT);
        let length = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
        let is_long = length.is_some_and(|length| length > DRAINED_BYTES);
        Self { bytes: body.into_data_stream(), is_worth_reading: !waits && !is_long }
    }

    /// Reads what the client sends before it looks at the answer.
    async fn drain(&mut self) {
        if !self.is_worth_reading {
            return;
        }
        let rest = async {
            let mut drained = 0;
            while drained < DRAINED_BYTES
                && let Some(Ok(bytes)) = self.bytes.next().await
            {
                drained += bytes.len();
            }
        };
        // What is longer is cut off.
        let _ = tokio::time::timeout(DRAINING, rest).await;
    }
}

/// What the headers of a PUT say.
struct Told {
    only_new: bool,
    size_bytes: Option<u64>,
    piece: Option<Piece>,
}

impl Told {
    fn by(headers: &HeaderMap) -> Result<Self, Refused> {
        let only_new = match text(headers, &IF_NONE_MATCH)? {
            None => false,
            Some("*") => true,
            Some(_) => return Err(bad("If-None-Match can only be *")),
        };
        if text(headers, &CONTENT_ENCODING)?.is_some_and(|coding| !coding.eq_ignore_ascii_case("identity")) {
            return Err(bad(
                "files are kept as they come: name a compressed one ….gz or ….zst, without Content-Encoding",
            ));
        }
        let size_bytes = match text(headers, &CONTENT_LENGTH)? {
            Some(length) => Some(length.parse().map_err(|_| bad("Content-Length is not a number"))?),
            None => None,
        };
        let piece = match (text(headers, &CONTENT_RANGE)?, headers.contains_key(UPLOAD_ID)) {
            (None, false) => None,
            (Some(_), false) => return Err(bad("a piece with a Content-Range needs an Upload-Id")),
            (None, true) => return Err(bad("an upload with an Upload-Id needs a Content-Range")),
            (Some(range), true) => {
                let (range, total_bytes) = content_range(range).ok_or_else(|| {
                    bad("Content-Range is not of the form bytes 0-99/1000, or bytes */1000 where all bytes were sent")
                })?;
                Some(Piece { id: upload_id(headers)?, range, total_bytes })
            }
        };
        let wanted = piece.as_ref().map(|piece| piece.range.map_or(0, |(_, length)| length));
        if wanted.is_some() && size_bytes.is_some() && wanted != size_bytes {
            return Err(bad("Content-Length and Content-Range do not agree"));
        }
        Ok(Self { only_new, size_bytes, piece })
    }
}

/// Start and length of a range, none for `*`, and the size of the whole.
fn content_range(text: &str) -> Option<(Option<(u64, u64)>, u64)> {
    // `parse` would take a sign.
    let number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse::<u64>().ok())?;
    let (range, total) = text.strip_prefix("bytes ")?.split_once('/')?;
    let total = number(total)?;
    if range == "*" {
        return Some((None, total));
    }
    let (start, last) = range.split_once('-')?;
    let (start, last) = (number(start)?, number(last)?);
    (start <= last && last < total).then(|| (Some((start, last - start + 1)), total))
}

/// A file and an upload of it, as a request without a body names them.
fn named(uploads: &Uploads, path: FilePath, headers: &HeaderMap) -> Result<(String, UploadId), Refused> {
    Ok((file_path(uploads, path)?, upload_id(headers)?))
}

fn file_path(uploads: &Uploads, path: FilePath) -> Result<String, Refused> {
    if uploads.max_bytes() == 0 {
        let off = ActionError::forbidden("uploads are off: PAYSTATS_UPLOAD_BYTES is 0");
        return Err(Refused::new(StatusCode::FORBIDDEN, off, None));
    }
    path.map(|Path(path)| path).map_err(|_| bad("the path of the file is not UTF-8 text"))
}

fn upload_id(headers: &HeaderMap) -> Result<UploadId, Refused> {
    let id = text(headers, &UPLOAD_ID)?.ok_or_else(|| bad("the header Upload-Id is missing"))?;
    id.parse().map_err(|reason| bad(format!("Upload-Id {reason}")))
}

/// A header that may stand there once.
fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>, Refused> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else { return Ok(None) };
    match (value.to_str(), values.next()) {
        (Ok(text), None) => Ok(Some(text.trim())),
        _ => Err(bad(format!("the header {name} cannot be read"))),
    }
}

fn with_offset(offset: u64) -> [(HeaderName, HeaderValue); 2] {
    [(UPLOAD_OFFSET, offset.into()), (CACHE_CONTROL, HeaderValue::from_static("no-store"))]
}

/// A file, in the words of the API.
fn file(object: &DatalakeObject) -> Json<serde_json::Value> {
    let modified_at = object.modified_at.format(&Rfc3339).unwrap_or_default();
    Json(json!({ "path": object.path, "sizeBytes": object.size_bytes, "modifiedAt": modified_at }))
}

/// Why a request is refused.
#[derive(Debug)]
struct Refused {
    status: StatusCode,
    error: ActionError,
    /// Where the upload goes on, if the client is to know.
    offset: Option<u64>,
    is_busy: bool,
}

impl Refused {
    fn new(status: StatusCode, error: ActionError, offset: Option<u64>) -> Self {
        Self { status, error, offset, is_busy: false }
    }
}

fn bad(reason: impl Into<String>) -> Refused {
    Refused::new(StatusCode::BAD_REQUEST, ActionError::bad_input(reason), None)
}

impl From<UploadError> for Refused {
    fn from(error: UploadError) -> Self {
        let (status, offset) = match &error {
            UploadError::CutShort { offset } => (StatusCode::BAD_REQUEST, Some(*offset)),
            UploadError::BadName { .. } | UploadError::Outside(_) | UploadError::TooLong | UploadError::NoPieces => {
                (StatusCode::BAD_REQUEST, None)
            }
            UploadError::Exists(_) => (StatusCode::PRECONDITION_FAILED, None),
            UploadError::Elsewhere { offset } => (StatusCode::CONFLICT, Some(*offset)),
            UploadError::Taken { .. } | UploadError::OtherTotal { .. } | UploadError::Busy => {
                (StatusCode::CONFLICT, None)
            }
            UploadError::TooLarge { .. } => (StatusCode::PAYLOAD_TOO_LARGE, None),
            UploadError::NoSpace => (StatusCode::INSUFFICIENT_STORAGE, None),
            UploadError::ReadOnly => (StatusCode::FORBIDDEN, None),
            UploadError::Away => (StatusCode::SERVICE_UNAVAILABLE, None),
            UploadError::Failed(_) => (StatusCode::INTERNAL_SERVER_ERROR, None),
        };
        let is_busy = matches!(error, UploadError::Busy);
        Self { status, error: error.into(), offset, is_busy }
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let mut response = refusal_as(self.status, &self.error);
        if let Some(offset) = self.offset {
            response.headers_mut().insert(UPLOAD_OFFSET, offset.into());
        }
        if self.is_busy {
            response.headers_mut().insert(RETRY_AFTER, RETRY_AFTER_SECONDS);
        }
        response
    }
}

#[cfg(test)]
mod tests;
