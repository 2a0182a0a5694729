//! Workers that stop in the middle of a batch until they are let go, between two commands to MongoDB.

use std::sync::{Mutex, mpsc};

use mongodb::{
    bson::Document,
    event::{EventHandler, command::CommandEvent},
};
use paystats_core::{
    config::Config,
    domain::Paystat,
    load::Load,
    store::{BatchOutcome, Claim, LoadChunk, LoadSession, RowOutcome, Store, StoreError},
};
use tokio::{sync::oneshot, task::JoinHandle};

use crate::{new_chunk, write_chunk};

/// Where a worker is held up: before it sends the first such command.
#[derive(Clone, Copy, Debug)]
pub enum At {
    /// The rows are announced and not inserted.
    Insert,
    /// Those of the first insert are there, and more are to come.
    NextInsert,
    /// They are inserted, and the transaction that makes them the load's begins.
    Transaction,
    /// The transaction is to be committed.
    Commit,
    /// Somebody takes the rows back, in a transaction that has begun.
    TakingBack,
}

impl At {
    fn is(self, command: &Document) -> bool {
        let of_paystats = |name| command.get_str(name).is_ok_and(|name| name == "paystats");
        match self {
            Self::Insert | Self::NextInsert => of_paystats("insert"),
            Self::Transaction => of_paystats("aggregate") && command.contains_key("startTransaction"),
            Self::Commit => command.contains_key("commitTransaction"),
            Self::TakingBack => of_paystats("delete"),
        }
    }

    /// How many such commands come before.
    fn passed(self) -> usize {
        match self {
            Self::NextInsert => 1,
            Self::Insert | Self::Transaction | Self::Commit | Self::TakingBack => 0,
        }
    }
}

/// What came of a batch, and of each of its rows.
type Written = Result<(BatchOutcome, Vec<RowOutcome>), StoreError>;

/// A worker that is held up somewhere in the middle of a batch.
pub struct HeldUp {
    /// The chunk, as it was taken.
    pub chunk: LoadChunk,
    go: mpsc::Sender<()>,
    written: JoinHandle<Written>,
}

impl HeldUp {
    /// Takes a chunk of a load, and writes rows up to there.
    pub async fn at(at: At, config: &Config, load: &Load, rows: Vec<(u64, Paystat)>) -> Self {
        let (store, is_there, go) = held_up_store(at, config).await;
        let index = new_chunk(&store, load).await.index;
        let (chunk, mut session) = take(&store, load, index).await;
        let written = {
            let (chunk, load) = (chunk.clone(), load.clone());
            tokio::spawn(async move { write_chunk(&store, &load, &chunk, &rows, true, &[], &mut session).await })
        };
        is_there.await.unwrap();
        Self { chunk, go, written }
    }

    /// Lets it go on, which it does a moment later.
    pub fn let_go(&self) {
        self.go.send(()).unwrap();
    }

    /// What came of its batch.
    pub async fn ends(self) -> Written {
        self.written.await.unwrap()
    }

    /// Lets it go on to the end of its batch.
    pub async fn goes_on(self) -> Written {
        self.let_go();
        self.ends().await
    }
}

/// A store whose first such command waits until it is let go; and how that is told, and done.
pub async fn held_up_store(at: At, config: &Config) -> (Store, oneshot::Receiver<()>, mpsc::Sender<()>) {
    let (reached, is_there) = oneshot::channel();
    let (go, may_go) = mpsc::channel();
    let once = Mutex::new((at.passed(), Some((reached, may_go))));
    let handler = EventHandler::callback(move |event| {
        if let CommandEvent::Started(started) = event
            && at.is(&started.command)
        {
            let (passed, once) = &mut *once.lock().unwrap();
            if *passed > 0 {
                *passed -= 1;
            } else if let Some((reached, may_go)) = once.take() {
                reached.send(()).unwrap();
                // Who lets it go may be gone, as after a failed test.
                let _ = may_go.recv();
            }
        }
    });
    (Store::with_command_events(&config.store, Some(handler)).await.unwrap(), is_there, go)
}

/// Takes a chunk of a load, with the session for its batches.
pub async fn take(store: &Store, load: &Load, index: u32) -> (LoadChunk, LoadSession) {
    let session = store.start_session().await.unwrap();
    let chunk = store.load_chunks.take(load.id, index, &mut Claim::new(), &session).await.unwrap().unwrap();
    (chunk, session)
}
