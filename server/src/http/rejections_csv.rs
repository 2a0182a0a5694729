//! The route `/loads/{id}/rejections.csv`: all refused rows of a load that are kept, with what is wrong and the fields of their records.
//!
//! The file is written as it is read from the store and as fast as the client takes it, so its size does not matter. Where the rows cannot be
//! read to the end, the connection is cut: a file that came without an error is complete.

use axum::{
    Router,
    body::Body,
    extract::{Path, rejection::PathRejection},
    http::{
        header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS},
        request::Parts,
    },
    middleware::from_fn_with_state,
    response::{IntoResponse, Response},
    routing::get,
};
use csv_async::AsyncWriter;
use futures_util::{
    Stream, StreamExt,
    stream::{self, BoxStream},
};
use paystats_core::load::Rejection;
use tracing::warn;

use super::{callers, compression::compression, refusal};
use crate::{
    access::{Access, Right},
    actions::{ActionError, Deadline, RejectedRows},
};

mod table;

use table::Table;

/// Fields of a piece of the file, in bytes, before it is sent.
const PIECE_BYTES: usize = 64 * 1024;

/// Serves the refused rows that `find` resolves to, for what stands as `{id}` in the path. Each row may take as long as `deadline` says.
pub fn rejections_csv_routes<F, Fut>(deadline: Deadline, access: &Access, find: F) -> Router
where
    F: Fn(String) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = Result<RejectedRows, ActionError>> + Send,
{
    let answer = async move |id: Result<Path<String>, PathRejection>, head: Parts| {
        let found = async {
            callers::permitted(&head.extensions, Right::Read)?;
            let Path(id) = id.map_err(|_| ActionError::bad_input("the id of the load is not UTF-8 text"))?;
            find(id).await
        };
        match found.await {
            Ok(rejected) => file(rejected, deadline),
            Err(error) => refusal(&error),
        }
    };
    let identify = from_fn_with_state(access.clone(), callers::identify);
    Router::new().route("/loads/{id}/rejections.csv", get(answer)).layer(compression()).layer(identify)
}

fn file(rejected: RejectedRows, deadline: Deadline) -> Response {
    let number = rejected.load.number;
    let caching = if rejected.load.state.is_final() { "private, max-age=60" } else { "no-store" };
    let headers = [
        (CONTENT_TYPE, "text/csv; charset=utf-8".to_owned()),
        (CONTENT_DISPOSITION, format!("attachment; filename=\"load-{number}-rejections.csv\"")),
        (CACHE_CONTROL, caching.to_owned()),
        (X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
    ];
    let pieces = Pieces::of(rejected, deadline).inspect(move |piece| {
        if let Err(error) = piece {
            warn!(load.number = number, %error, "a file of rejections is cut off");
        }
    });
    (headers, Body::from_stream(pieces)).into_response()
}

/// What is left of a file.
struct Pieces {
    table: Table,
    is_first: bool,
    rows: BoxStream<'static, Result<Rejection, ActionError>>,
    deadline: Deadline,
}

impl Pieces {
    /// The file, piece by piece; an error is the last one.
    fn of(rejected: RejectedRows, deadline: Deadline) -> impl Stream<Item = Result<Vec<u8>, ActionError>> {
        let table = Table::new(&rejected.columns);
        let pieces = Self { table, is_first: true, rows: rejected.rows, deadline };
        stream::try_unfold(pieces, |mut pieces| async move {
            let piece = pieces.next().await?;
            Ok((!piece.is_empty()).then_some((piece, pieces)))
        })
    }

    /// The next piece; empty after the last one.
    async fn next(&mut self) -> Result<Vec<u8>, ActionError> {
        let mut writer = AsyncWriter::from_writer(Vec::with_capacity(PIECE_BYTES));
        let mut bytes = 0;
        if std::mem::take(&mut self.is_first) {
            writer.write_byte_record(self.table.header()).await.map_err(ActionError::internal)?;
        }
        while bytes < PIECE_BYTES
            && let Some(row) = self.deadline.keep("try again", self.rows.next()).await?
        {
            let record = self.table.record(&row?).await.map_err(ActionError::internal)?;
            bytes += record.as_slice().len();
            writer.write_byte_record(&record).await.map_err(ActionError::internal)?;
        }
        writer.into_inner().await.map_err(ActionError::internal)
    }
}

#[cfg(test)]
mod tests;
