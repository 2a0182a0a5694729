//! What watchers of one channel are told, whether they are fast, slow, late or many.

use async_graphql::{Request, Variables};
use futures_util::{FutureExt, StreamExt, future::join_all, stream::BoxStream};
use serde_json::json;

use super::*;
use crate::{
    access::Caller,
    http::{
        GraphqlOptions,
        graphql::Endpoint,
        results::results,
        toy::{self, SHARED, Toy, ToySchema},
    },
};

struct Server {
    toy: Toy,
    endpoint: Endpoint<ToySchema>,
}

fn server() -> Server {
    let toy = toy::toy();
    let options = GraphqlOptions { types: toy.types.clone(), shared: SHARED, ..GraphqlOptions::default() };
    let endpoint = Endpoint::new(toy.schema.clone(), options);
    Server { toy, endpoint }
}

/// A watcher as a transport has one.
struct Watch(BoxStream<'static, Outcome>);

impl Server {
    fn watch_by(&self, query: &str, last_seen: Option<u64>) -> Watch {
        self.watch_with(Request::new(query), last_seen)
    }

    fn watch_with(&self, mut request: Request, last_seen: Option<u64>) -> Watch {
        let caller = Caller::anybody(None);
        let inspected = self.endpoint.documents.inspect(&mut request, &caller);
        Watch(results(self.endpoint.clone(), request, &caller, None, inspected, last_seen))
    }

    /// One that was told the state.
    async fn watch(&self) -> Watch {
        let mut watch = self.watch_by("subscription { told }", None);
        watch.next().await.expect("the state comes first");
        // The next one is not there yet, and is waited for from now on.
        assert_eq!(watch.0.next().now_or_never().map(|_| ()), None);
        watch
    }

    async fn tell(&self, numbers: impl IntoIterator<Item = u64>) {
        for number in numbers {
            self.toy.probe.tell(number).await;
        }
    }
}

impl Watch {
    async fn next(&mut self) -> Option<u64> {
        let outcome = self.0.next().await?;
        let line: serde_json::Value = serde_json::from_slice(&outcome.line).unwrap();
        let number = line["data"]["told"].as_u64();
        assert_eq!(outcome.event.number, number, "{line}");
        number
    }

    /// What it is told up to this number.
    async fn until(&mut self, last: u64) -> Vec<u64> {
        let mut told = Vec::new();
        while told.last().is_none_or(|&told| told < last) {
            told.extend(self.next().await);
        }
        told
    }
}

#[tokio::test]
async fn what_is_told_to_many_is_executed_once_and_ends_with_the_last_of_them() {
    let server = server();
    let mut watchers = join_all((0..20).map(|_| server.watch())).await;
    assert_eq!(server.endpoint.fan_out.lock().len(), 1);
    server.tell(1..=3).await;
    for watcher in &mut watchers {
        assert_eq!(watcher.until(3).await, [1, 2, 3]);
    }
    assert_eq!(server.toy.probe.produced(), 3);
    // Another question has a channel of its own.
    let mut other = server.watch_by("subscription Other { told }", None);
    assert_eq!(other.next().await, Some(3));
    server.toy.probe.until_open_streams(2).await;

    watchers.truncate(1);
    server.tell([4]).await;
    assert_eq!(watchers[0].next().await, Some(4));
    drop((watchers, other));
    server.toy.probe.until_open_streams(0).await;
    assert!(server.endpoint.fan_out.lock().is_empty(), "nothing is left of channels that nobody watches");
}

#[tokio::test]
async fn who_comes_late_or_again_is_told_what_is_new_to_it_and_nothing_twice() {
    let server = server();
    let mut first = server.watch().await;
    server.tell(1..=5).await;
    let mut late = server.watch_by("subscription { told }", None);
    let mut again = server.watch_by("subscription { told }", Some(5));
    let mut by_argument = server.watch_by("subscription { told(after: 5) }", None);
    assert_eq!(late.next().await, Some(5));
    for watcher in [&mut again, &mut by_argument] {
        assert!(watcher.0.next().now_or_never().is_none());
    }
    server.toy.probe.until_open_streams(2).await;
    server.tell([6]).await;
    assert_eq!(first.until(6).await, [1, 2, 3, 4, 5, 6]);
    for mut watcher in [late, again, by_argument] {
        assert_eq!(watcher.next().await, Some(6));
    }
}

#[tokio::test]
async fn what_a_client_saw_last_does_not_part_it_from_others() {
    let server = server();
    let by = |query: &str, after: u64| {
        let request = Request::new(query);
        server.watch_with(request.variables(Variables::from_json(json!({ "after": after }))), None)
    };
    server.tell([7]).await;
    let query = "subscription($after: Int) { told(after: $after) }";
    let (mut early, mut late) = (by(query, 1), by(query, 7));
    assert_eq!(early.next().await, Some(7));
    assert!(late.0.next().now_or_never().is_none());
    assert_eq!(server.endpoint.fan_out.lock().len(), 1);
    // Where the variable may have another part in what is told, each value is another question.
    let query = "subscription($after: Int) { told(after: $after) } # $after";
    let (mut one, mut two) = (by(query, 1), by(query, 2));
    assert_eq!([one.next().await, two.next().await], [Some(7), Some(7)]);
    assert_eq!(server.endpoint.fan_out.lock().len(), 3);
}

#[tokio::test]
async fn a_slow_watcher_gets_the_newest_of_each_subject_and_holds_up_nobody() {
    let server = server();
    let (mut slow, mut fast) = (server.watch().await, server.watch().await);
    for number in 1..=1_000 {
        server.tell([number]).await;
        assert_eq!(fast.next().await, Some(number));
    }
    assert_eq!(slow.until(1_000).await, [999, 1_000]);
    // It keeps up again, and gets all.
    server.tell(1_001..=1_000 + MAX_BEHIND).await;
    assert_eq!(slow.until(1_000 + MAX_BEHIND).await.len() as u64, MAX_BEHIND);
}

#[tokio::test(start_paused = true)]
async fn a_crowd_is_told_the_newest_now_and_then_and_the_end_at_once() {
    let server = server();
    let mut crowd = join_all((0..CROWD * 3).map(|_| server.watch())).await;
    // The first one comes at once, and opens a pause.
    server.tell([1]).await;
    assert_eq!(crowd[0].next().await, Some(1));
    assert!(crowd[0].0.next().now_or_never().is_none());
    let start = Instant::now();
    server.tell([2, 4, 6, 8]).await;
    assert_eq!(crowd[0].next().await, Some(8));
    assert_eq!(start.elapsed().as_millis(), 1_000, "six hundred watchers, six hundred results a second");
    server.tell([10]).await;
    server.tell([0]).await;
    for watcher in &mut crowd {
        assert_eq!(watcher.until(10).await.last(), Some(&10));
        assert_eq!(watcher.next().await, None);
    }
    assert_eq!(start.elapsed().as_millis(), 1_000);
}

#[tokio::test]
async fn an_execution_that_ends_ends_for_all_and_the_next_watcher_starts_another() {
    let server = server();
    let mut watch = server.watch().await;
    server.tell([1, 0]).await;
    assert_eq!(watch.until(1).await, [1]);
    assert_eq!(watch.next().await, None);
    server.toy.probe.until_open_streams(0).await;
    // The one before still has its place at the channel that has ended.
    let mut next = server.watch().await;
    server.tell([7]).await;
    assert_eq!(next.next().await, Some(7));
}

#[tokio::test]
async fn what_is_refused_is_refused_once_to_each() {
    let server = server();
    let mut watch = server.watch_by("subscription { told(after: -1) }", None);
    let refusal = watch.0.next().await.unwrap();
    assert!(str::from_utf8(&refusal.line).unwrap().starts_with(r#"{"errors":"#));
    assert!(watch.0.next().await.is_none());
    assert!(server.endpoint.fan_out.lock().is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_supersedes_is_kept_for_a_while_and_the_rest_is_bounded() {
    let mut results = Results::default();
    let outcome = |subject| Outcome {
        line: Default::default(),
        event: EventId { number: None, subject },
        request_errors: None,
        code: None,
    };
    for subject in 0..100 {
        results.push(outcome(subject));
    }
    for _ in 0..10_000 {
        results.push(outcome(1_000));
    }
    assert!(results.kept.len() <= KEPT + 100 && results.newest.len() == 101, "{}", results.kept.len());
    // Who has seen nothing yet gets the newest of each.
    let (mut place, mut told) = (0, 0);
    while let Some(kept) = results.next(place, true) {
        (place, told) = (kept.place, told + 1);
    }
    assert_eq!((told, results.lost), (101, 0));

    // After a while nobody is so slow, or else is told so.
    tokio::time::advance(NEEDED * 2).await;
    for _ in 0..KEPT {
        results.push(outcome(1_000));
    }
    assert_eq!((results.newest.len(), results.lost), (1, 100));
}

#[tokio::test(start_paused = true)]
async fn who_is_too_slow_even_for_the_newest_is_told_to_come_again() {
    let server = server();
    let mut slow = server.watch().await;
    // The newest even number is not told any more.
    server.tell([2]).await;
    tokio::time::advance(NEEDED * 2).await;
    server.tell((1..=KEPT as u64).map(|number| 2 * number + 1)).await;
    let outcome = slow.0.next().await.unwrap();
    assert!(str::from_utf8(&outcome.line).unwrap().contains("too slow"), "{outcome:?}");
    assert!(slow.0.next().await.is_none());
}
