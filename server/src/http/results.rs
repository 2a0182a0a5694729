//! What an operation answers, one result after the other: the part that all transports share which can tell more than one.

use std::sync::Arc;

use async_graphql::{Data, Executor, Request, ServerError};
use futures_util::{Stream, StreamExt, stream};

use super::{
    completion::Completion,
    document::Inspected,
    graphql::Endpoint,
    response::{Answer, or_internal_error},
};

/// How the results of what was inspected have to look, or why there are none.
pub(super) fn runnable(inspected: Result<Inspected, ServerError>) -> Result<Completion, ServerError> {
    inspected.and_then(|Inspected { variables, completion, .. }| variables.map(|()| completion))
}

/// Runs an operation: a query or a mutation has one result, a subscription any number. What did not run has one answer, which tells
/// why, and so does a panic; it is the last one. Nothing goes on unless the next result is asked for, and when the stream is dropped the
/// operation ends.
pub(super) fn results<E: Executor>(
    endpoint: Endpoint<E>,
    request: Request,
    session: Option<Arc<Data>>,
    completion: Result<Completion, ServerError>,
) -> impl Stream<Item = Answer> + Send {
    let answers = match completion {
        Err(error) => stream::iter([Answer::failed(error)]).boxed(),
        Ok(completion) => {
            let execute = async move {
                endpoint.executor.execute_stream((endpoint.options.prepare)(request), session).map(
                    move |mut executed| {
                        completion.complete(&mut executed);
                        Answer::new(executed)
                    },
                )
            };
            stream::once(execute).flatten().boxed()
        }
    };
    stream::unfold(Some(answers), |answers| async {
        let mut answers = answers?;
        let answer = or_internal_error(answers.next()).await.unwrap_or_else(|error| Some(Answer::failed(error)))?;
        let goes_on = answer.request_errors().is_none();
        Some((answer, goes_on.then_some(answers)))
    })
}
