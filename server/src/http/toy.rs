//! For the tests of this folder: a schema that can do all that a transport has to cope with, and a way to send a request to a router.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use async_graphql::{Context, ID, Object, Result, Schema, Subscription};
use axum::{
    Router,
    body::{Body, to_bytes},
    extract::Request,
    http::{HeaderMap, StatusCode},
};
use futures_util::{
    Stream, StreamExt,
    stream::{self, BoxStream},
};
use tokio::sync::watch;
use tower::ServiceExt;

use super::{ConnectionPayload, EventId, Feed, Part, Shared, Types};

pub(super) type ToySchema = Schema<Query, Mutation, Subscriptions>;

/// The schema and what can be observed of it from outside.
pub(super) struct Toy {
    pub(super) schema: ToySchema,
    pub(super) types: Arc<Types>,
    pub(super) probe: Arc<Probe>,
}

pub(super) fn toy() -> Toy {
    let probe = Arc::new(Probe {
        numbers: watch::Sender::new(0),
        produced: AtomicUsize::new(0),
        open_streams: watch::Sender::new(0),
    });
    let schema = Schema::build(Query, Mutation, Subscriptions).data(probe.clone()).finish();
    let types = Arc::new(Types::from_sdl(&schema.sdl()).unwrap());
    Toy { schema, types, probe }
}

/// The subscriptions whose watchers share an execution.
pub(super) const SHARED: Shared = Shared { fields: &[("Subscriptions", &["told"])], resumed_by: "after" };

pub(super) struct Probe {
    numbers: watch::Sender<u64>,
    produced: AtomicUsize,
    open_streams: watch::Sender<usize>,
}

impl Probe {
    /// Tells a number to the watchers of `told`, and waits until their execution has taken it, if there is one.
    pub(super) async fn tell(&self, number: u64) {
        let produced = self.produced();
        self.numbers.send_replace(number);
        while *self.open_streams.borrow() > 0 && self.produced() == produced {
            tokio::task::yield_now().await;
        }
    }

    /// How many items `endless` and `told` have produced.
    pub(super) fn produced(&self) -> usize {
        self.produced.load(Ordering::SeqCst)
    }

    /// Waits until this many streams of `endless`, `silent` and `told` exist.
    pub(super) async fn until_open_streams(&self, count: usize) {
        self.open_streams.subscribe().wait_for(|open| *open == count).await.unwrap();
    }
}

struct OpenStream(Arc<Probe>);

impl OpenStream {
    fn new(context: &Context<'_>) -> Self {
        let probe = context.data_unchecked::<Arc<Probe>>().clone();
        probe.open_streams.send_modify(|open| *open += 1);
        Self(probe)
    }
}

impl Drop for OpenStream {
    fn drop(&mut self) {
        self.0.open_streams.send_modify(|open| *open -= 1);
    }
}

/// What the tests' `prepare` attaches to each request.
pub(super) struct Prepared(pub(super) &'static str);

pub(super) struct Query;

#[Object]
impl Query {
    async fn hello(&self) -> &str {
        "world"
    }

    async fn twice(&self, number: i32) -> i32 {
        number * 2
    }

    async fn item(&self, id: ID) -> ID {
        id
    }

    async fn prepared(&self, context: &Context<'_>) -> &'static str {
        context.data_unchecked::<Prepared>().0
    }

    async fn token(&self, context: &Context<'_>) -> Option<String> {
        let ConnectionPayload(payload) = context.data_opt::<ConnectionPayload>()?;
        Some(payload.as_ref()?.get("token")?.as_str()?.to_owned())
    }

    async fn fails(&self) -> Result<Option<&str>> {
        Err("it failed".into())
    }

    async fn fails_hard(&self) -> Result<&str> {
        Err("it failed hard".into())
    }

    async fn panics(&self) -> &str {
        defect()
    }

    async fn never(&self) -> &str {
        std::future::pending().await
    }
}

fn defect() -> &'static str {
    panic!("a secret")
}

pub(super) struct Mutation;

#[Object]
impl Mutation {
    async fn change(&self) -> &str {
        "changed"
    }
}

pub(super) struct Subscriptions;

#[Subscription]
impl Subscriptions {
    /// 1, 2, 3 and so on.
    async fn count(&self, to: i32) -> impl Stream<Item = i32> {
        stream::iter(1..=to)
    }

    /// The same, with the numbers as those of the events, so that a client can go on where it was.
    async fn numbered(&self, context: &Context<'_>, to: u64) -> impl Stream<Item = u64> {
        let feed: Feed = context.data_unchecked::<Feed>().clone();
        stream::iter(feed.last_seen().map_or(1, |seen| seen + 1)..=to)
            .inspect(move |&number| feed.tells(EventId { number: Some(number), subject: 0 }))
    }

    /// The newest of the numbers that the test has told, if there is one, and what it tells from then on, until that is 0. Shared.
    async fn told(&self, context: &Context<'_>, after: Option<u64>) -> BoxStream<'static, u64> {
        let feed: Feed = context.data_unchecked::<Feed>().clone();
        let mut numbers = context.data_unchecked::<Arc<Probe>>().numbers.subscribe();
        let tells = move |number: u64| {
            feed.tells(EventId { number: Some(number), subject: u128::from(number % 2) });
            number
        };
        let feed: Feed = context.data_unchecked::<Feed>().clone();
        if feed.part() == Part::UntilNow {
            let now = *numbers.borrow();
            feed.goes_on_after(now);
            let after = after.max(feed.last_seen());
            return stream::iter(Some(now).filter(|&now| after.is_none_or(|after| now > after))).map(tells).boxed();
        }
        let open = OpenStream::new(context);
        numbers.mark_unchanged();
        feed.from_now_on();
        let changes = stream::unfold((numbers, open), |(mut numbers, open)| async move {
            numbers.changed().await.ok()?;
            let now = *numbers.borrow_and_update();
            open.0.produced.fetch_add(1, Ordering::SeqCst);
            (now > 0).then_some((now, (numbers, open)))
        });
        changes.map(tells).boxed()
    }

    /// As many kilobytes as the client takes.
    async fn endless(&self, context: &Context<'_>) -> impl Stream<Item = String> {
        let open = OpenStream::new(context);
        stream::repeat_with(move || {
            open.0.produced.fetch_add(1, Ordering::SeqCst);
            "x".repeat(10_000)
        })
    }

    /// Nothing, for ever.
    async fn silent(&self, context: &Context<'_>) -> impl Stream<Item = i32> {
        let open = OpenStream::new(context);
        stream::pending().inspect(move |_| {
            let _ = &open;
        })
    }

    async fn refused(&self) -> Result<stream::Pending<i32>> {
        Err("no such load".into())
    }

    async fn panics(&self) -> impl Stream<Item = i32> {
        stream::iter(1..=2).inspect(|number| assert!(*number < 2, "a secret"))
    }
}

/// Sends `request` to `router` and reads the whole answer.
pub(super) async fn send(router: Router, request: Request) -> (StatusCode, HeaderMap, String) {
    let (parts, body) = router.oneshot(request).await.unwrap().into_parts();
    let body = to_bytes(body, usize::MAX).await.unwrap();
    (parts.status, parts.headers, String::from_utf8(body.into()).unwrap())
}

/// Sends a GET request without a header.
pub(super) async fn get(router: Router, uri: &str) -> (StatusCode, HeaderMap, String) {
    send(router, Request::get(uri).body(Body::empty()).unwrap()).await
}
