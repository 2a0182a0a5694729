//! The harness of the end-to-end tests: real engines, real files, the real loader and server.
//!
//! A test opens a [`TestBed`], which gives it a database, streams and a data lake of its own, puts a source into the lake, accepts a load,
//! and waits for facts ([`eventually`], [`TestBed::finished`], [`Watch`]), never for time. Tests of the API ask a [`RunningServer`] and look
//! at its [`Answer`]s, or whether they are in [`agreement`] with the rows. Stories about faults play on a [`Scene`], whose engines may be
//! clusters ([`ReplicaSet`], [`NatsCluster`]), or on a [`Stage`], which is a scene whose loaders reach the engines through a bad network ([`Proxy`]). They are
//! checked against an [`oracle`]; [`rounds`] plays them as often as is asked for, and has variables of its own.
//!
//! | variable | meaning | default |
//! |---|---|---|
//! | `PAYSTATS_TEST_MONGODB_URI`, `PAYSTATS_TEST_NATS_URL` | engines to use; `paystats engines exec` sets both | each test process starts its own |
//! | `PAYSTATS_REAL_DATA` | folder with the real sample | unset: its tests say that they were not run |
//! | `PAYSTATS_LOG` | what a failed test shows of the logs | `warn` |

mod agreement;
mod api;
mod bed;
mod cluster;
mod engines;
mod eventually;
mod filters;
pub mod fuzz;
mod held_up;
mod loader;
mod loads;
pub mod oracle;
mod process;
mod proxy;
mod rounds;
mod scene;
mod server;
pub mod sources;
mod stage;
mod stream;
mod watch;

pub use agreement::agreement;
pub use api::{Answer, Api, Metrics, Subscription};
pub use bed::{TestBed, fresh_config, load_numbered, new_chunk, raw_database, write_batch, write_chunk};
pub use cluster::{NatsCluster, ReplicaSet};
pub use engines::EngineUrls;
pub use eventually::{PATIENCE, eventually};
pub use filters::RandomFilter;
pub use held_up::{At, HeldUp, held_up_store, take};
pub use loader::{LoaderProcess, RunningLoader};
pub use loads::{Accepted, LOAD_PATIENCE, LoadsWatcher, Watcher, is_final, until_available};
pub use proxy::{Proxy, Traffic};
pub use rounds::{Round, rounds};
pub use scene::{Scene, WatchedLoad};
pub use server::{Commands, RunningServer, ServerProcess};
pub use stage::{Network, Stage};
pub use stream::{Event, Stream};
pub use watch::{Watch, every_change};
