//! What an operation answers, one result after the other: the part that all transports share which can tell more than one.

use std::sync::Arc;

use async_graphql::{Data, Executor, Request, ServerError, parser::types::OperationType};
use axum::body::Bytes;
use futures_util::{
    FutureExt, Stream, StreamExt,
    stream::{self, BoxStream},
};
use tracing::{Instrument, Span};

use super::{
    completion::Completion,
    document::{Inspected, Runnable},
    fan_out::Question,
    feed::{EventId, Feed, Part},
    graphql::Endpoint,
    observed::lasting_span,
    options::GraphqlOptions,
    response::{Answer, Code, code_of, or_internal_error, refused, with_code},
};

use crate::{
    access::{self, Caller},
    metrics::Watcher,
};

/// One result.
#[derive(Clone, Debug)]
pub(super) struct Outcome {
    /// A GraphQL response as JSON on one line.
    pub line: Bytes,
    /// Which event it tells, if it is of a subscription that says so.
    pub event: EventId,
    /// Why nothing ran, if nothing did. It is the last result then.
    pub request_errors: Option<Arc<[ServerError]>>,
    /// The code of its first error, if there is one.
    pub code: Option<Arc<str>>,
}

impl Outcome {
    /// The last one for a client that is so far behind that not even the newest of everything is there any more.
    pub(super) fn too_slow() -> Self {
        let message = "too slow: subscribe again, and go on after what you saw last";
        let error = with_code(ServerError::new(message, None), Code::Unavailable);
        Self::new(&Answer::failed(error), EventId::default())
    }

    fn new(answer: &Answer, event: EventId) -> Self {
        let request_errors = answer.request_errors().map(Into::into);
        let code = answer.first_error().map(code_of).map(Into::into);
        Self { line: answer.to_line().into(), event, request_errors, code }
    }
}

/// Runs an operation: a query or a mutation has one result, a subscription any number. What did not run has one answer, which tells
/// why, and so does a panic; it is the last one. `last_seen` is the event of a subscription that the client saw last, where it has lost its
/// connection. Nothing goes on unless the next result is asked for, and when the stream is dropped the operation ends for its client.
pub(super) fn results<E: Executor>(
    endpoint: Endpoint<E>,
    request: Request,
    caller: &Caller,
    session: Option<Arc<Data>>,
    inspected: Result<Inspected, ServerError>,
    last_seen: Option<u64>,
) -> BoxStream<'static, Outcome> {
    let watching = inspected.as_ref().map_or(Ok(None), |inspected| watching(&endpoint.options, inspected, caller));
    let (inspected, watching) = match watching {
        Ok(watching) => (inspected, watching),
        Err(error) => (Err(error), None),
    };
    // Whoever takes the results does so outside the request that asked for them.
    let span = match &watching {
        Some(_) => lasting_span(),
        None => Span::current(),
    };
    let results = match inspected.and_then(Inspected::runnable) {
        Err(error) => stream::iter([Outcome::new(&Answer::failed(error), EventId::default())]).boxed(),
        Ok(Runnable { completion, shared_by: Some(question) }) => {
            let run = Run { endpoint, session, completion: Arc::new(completion), span };
            // In a box of its own, which goes once the watcher has been told what comes first.
            stream::once(run.shared(question, request, last_seen).boxed()).flatten().boxed()
        }
        Ok(Runnable { completion, shared_by: None }) => {
            let run = Run { endpoint, session, completion: Arc::new(completion), span };
            run.execution(request, Feed::new(Part::Whole, last_seen))
        }
    };
    match watching {
        Some((place, mut watcher)) => results
            .inspect(move |outcome| {
                _ = &place;
                if let Some(watcher) = &mut watcher {
                    watcher.tells(outcome.code.as_deref());
                }
            })
            .boxed(),
        None => results,
    }
}

/// What is held as long as a subscription runs: its place among those of the caller, and its place in the count.
type Watching = (access::Watching, Option<Watcher>);

fn watching(options: &GraphqlOptions, inspected: &Inspected, caller: &Caller) -> Result<Option<Watching>, ServerError> {
    let GraphqlOptions { access, metrics, .. } = options;
    if inspected.kind != OperationType::Subscription {
        return Ok(None);
    }
    let field = inspected.watched.as_ref();
    match access.watching(caller) {
        Ok(place) => Ok(Some((place, field.map(|field| metrics.watches(field))))),
        Err(too_much) => {
            let error = refused(too_much.into());
            if let Some(field) = field {
                metrics.watched(field, code_of(&error));
            }
            Err(error)
        }
    }
}

/// What executions of one operation have in common.
#[derive(Clone)]
struct Run<E> {
    endpoint: Endpoint<E>,
    session: Option<Arc<Data>>,
    completion: Arc<Completion>,
    span: Span,
}

impl<E: Executor> Run<E> {
    /// A subscription whose watchers share what comes from now on.
    async fn shared(
        self,
        question: Question,
        mut request: Request,
        last_seen: Option<u64>,
    ) -> impl Stream<Item = Outcome> + Send {
        // Joined first: what happens in between is in both, and told once.
        let for_all = |feed| self.clone().execution(copy(&mut request), feed);
        let watcher = self.endpoint.fan_out.join(question, for_all).await;
        let feed = Feed::new(Part::UntilNow, last_seen);
        let until_now = self.execution(request, feed.clone());
        let from_now_on = async move {
            let watcher = feed.last_until_now().map(|last| watcher.after(last));
            stream::unfold(watcher, |watcher| async {
                let mut watcher = watcher?;
                Some((watcher.next().await?, Some(watcher)))
            })
        };
        until_now.chain(stream::once(from_now_on).flatten())
    }

    fn execution(self, request: Request, feed: Feed) -> BoxStream<'static, Outcome> {
        let Self { endpoint, session, completion, span } = self;
        let request = (endpoint.options.prepare)(request.data(feed.clone()));
        let answers = async move {
            endpoint.executor.execute_stream(request, session).map(move |mut executed| {
                completion.complete(&mut executed);
                Answer::new(executed)
            })
        };
        let answers = stream::once(answers).flatten().boxed();
        let outcomes = stream::unfold(Some(answers), move |answers| {
            let (feed, span) = (feed.clone(), span.clone());
            async move {
                let mut answers = answers?;
                let answer = or_internal_error(answers.next().instrument(span)).await;
                let answer = answer.unwrap_or_else(|error| Some(Answer::failed(error)));
                let outcome = Outcome::new(&answer?, feed.take());
                let goes_on = outcome.request_errors.is_none();
                Some((outcome, goes_on.then_some(answers)))
            }
        });
        outcomes.boxed()
    }
}

/// The same request once more.
fn copy(request: &mut Request) -> Request {
    let mut copy = Request::new(request.query.clone()).variables(request.variables.clone());
    copy.operation_name.clone_from(&request.operation_name);
    if let Ok(document) = request.parsed_query() {
        copy.set_parsed_query(document.clone());
    }
    copy
}
