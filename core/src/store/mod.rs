//! The store: the only code that speaks to MongoDB. One file or folder a collection; what they share stands in files of its own.
//!
//! `server` and `loader` hold one [`Store`] each. It connects lazily: calls fail with [`StoreError::Unavailable`] while
//! MongoDB is away, within seconds, and work again once it is back. What a call has written is on a majority of the replica set when it returns.

mod announced;
mod areas;
mod audit;
mod backup;
mod changes;
mod collections;
mod counted;
mod counters;
mod decimal;
mod error;
mod load_batches;
mod load_chunks;
mod load_sums;
mod loads;
mod packed_cells;
mod page;
mod paystats;
mod postal_codes;
mod provenance;
mod raw_fields;
mod rejections;
mod rollups;
mod schema;
mod session;
mod totals;
mod traced;
mod undo;
mod undo_log;
mod write_commands;

use std::time::Duration;

use mongodb::{
    Client, Database,
    bson::doc,
    event::{EventHandler, command::CommandEvent},
    options::{Acknowledgment, ClientOptions},
};

pub use audit::{Audit, AuditRecord};
pub use backup::{BackedUp, BackupError, BackupHeader, BackupStep};
pub use changes::{Changed, Changes, Versions};
pub use collections::{KEPT, MADE_ANEW};
pub use error::StoreError;
pub use load_batches::{BatchOutcome, LoadBatch, LoadRow, RowOutcome, Settled};
pub use load_chunks::{ChunkState, ChunkSum, Claim, KeptRejections, LoadChunk, LoadChunks, Rejected};
pub use load_sums::{LoadSum, NewRows};
pub use loads::{LoadFilter, Loads, NewLoad};
pub use page::{Direction, Key, KeyPart, Page, PageRequest};
pub use paystats::{PaystatChange, PaystatOrderField, Paystats, StoredPaystat};
pub use postal_codes::{DeletedPostalCode, PostalCodeChange, PostalCodeFilter, PostalCodes, StoredPostalCode};
pub use provenance::Provenance;
pub use rejections::{REJECTIONS_KEPT, Rejections};
pub use rollups::{RollupEnd, RollupRun, Rollups, StageFrom, Touched, Verified};
pub use schema::{SCHEMA_VERSION, SchemaError};
pub use session::LoadSession;
pub use totals::{GroupTotal, Totals};
pub use undo_log::{KeptReason, KeptRow};

use self::{
    announced::AnnouncedRows, counters::Counters, load_sums::LoadSums, paystats::PaystatDocument,
    postal_codes::PostalCodeDocument, schema::Schema, undo_log::UndoLog,
};
use crate::{config::StoreConfig, telemetry::traces};

/// Documents that MongoDB may put into one answer, where its own default is 101: what is read as a whole comes in one round trip
/// for each 16 MB.
const BATCH_SIZE: u32 = 100_000;

/// Everything that is kept, by collection.
#[derive(Clone, Debug)]
pub struct Store {
    database: Database,
    schema: Schema,
    counters: Counters,
    announced: AnnouncedRows,
    load_sums: LoadSums,
    /// Postal codes and their areas.
    pub postal_codes: PostalCodes,
    /// Paystats, row by row.
    pub paystats: Paystats,
    /// Totals of paystats, added up row by row.
    pub totals: Totals,
    /// What the paystats of each postal code add up to.
    pub rollups: Rollups,
    /// What changed, by version.
    pub changes: Changes,
    /// Loads and where they stand.
    pub loads: Loads,
    /// The chunks of loads.
    pub load_chunks: LoadChunks,
    /// Refused rows.
    pub rejections: Rejections,
    /// Who did what.
    pub audit: Audit,
}

impl Store {
    /// How long a call looks for a primary before it is [`StoreError::Unavailable`].
    const SELECTION_TIMEOUT: Duration = Duration::from_secs(3);

    /// A store at `config`; nothing is contacted yet.
    pub async fn new(config: &StoreConfig) -> Result<Self, StoreError> {
        Self::with_command_events(config, traces::are_kept().then(traced::handler)).await
    }

    /// The same, with a handler that hears of every command (tests count them).
    pub async fn with_command_events(
        config: &StoreConfig,
        handler: Option<EventHandler<CommandEvent>>,
    ) -> Result<Self, StoreError> {
        let mut options = ClientOptions::parse(config.uri.expose()).await?;
        options.app_name.get_or_insert_with(|| "paystats".to_owned());
        options.server_selection_timeout.get_or_insert(Self::SELECTION_TIMEOUT);
        options.connect_timeout.get_or_insert(Self::SELECTION_TIMEOUT);
        // What was acknowledged has to survive a primary that dies. MongoDB's own default is this too, but not where a member is an arbiter.
        let mut acknowledged = options.write_concern.take().unwrap_or_default();
        acknowledged.w.get_or_insert(Acknowledgment::Majority);
        options.write_concern = Some(acknowledged);
        // And whatever is decided by what is read, is decided by what the primary has now.
        (options.read_concern, options.selection_criteria) = (None, None);
        options.command_event_handler = handler;
        let database = Client::with_options(options)?.database(&config.database);
        let loads = Loads::new(&database, config.undo_days);
        let rollups = Rollups::new(&database, loads.clone());
        let postal_codes = PostalCodes::new(&database);
        Ok(Self {
            changes: Changes::new(&database, rollups.clone(), postal_codes.clone()),
            postal_codes,
            paystats: Paystats::new(&database, rollups.clone()),
            totals: Totals::new(&database),
            rollups,
            loads: loads.clone(),
            load_chunks: LoadChunks::new(&database),
            rejections: Rejections::new(&database),
            audit: Audit::new(&database),
            schema: Schema::new(&database),
            counters: Counters::new(&database),
            announced: AnnouncedRows::new(&database),
            load_sums: LoadSums::new(&database, loads.clone()),
            database,
        })
    }

    /// Brings the documents to the shape of this release, and makes the collections' indexes. Safe to call again, and from several processes at
    /// once: who has to wait for another one fails with [`StoreError::Schema`], as does who must not touch what a newer release has written.
    pub async fn prepare(&self) -> Result<(), StoreError> {
        self.schema.bring_up_to_date().await?;
        self.create_indexes().await
    }

    async fn create_indexes(&self) -> Result<(), StoreError> {
        self.postal_codes.create_indexes().await?;
        self.paystats.create_indexes().await?;
        self.rollups.create_indexes().await?;
        self.loads.create_indexes().await?;
        self.load_chunks.create_indexes().await?;
        self.load_sums.create_indexes().await?;
        UndoLog::<PaystatDocument>::new(&self.database).create_indexes().await?;
        UndoLog::<PostalCodeDocument>::new(&self.database).create_indexes().await?;
        self.rejections.create_indexes().await
    }

    /// Whether MongoDB answers.
    pub async fn ping(&self) -> Result<(), StoreError> {
        self.database.run_command(doc! { "ping": 1 }).await?;
        Ok(())
    }

    /// Whether MongoDB answers, and this release may use what is there.
    pub async fn check(&self) -> Result<(), StoreError> {
        self.schema.check().await
    }

    /// Gives sessions back and closes all connections, once nothing is under way; nothing can be asked after that. A process that ends without
    /// it may cut the driver off in the middle of that, and the driver takes it for a bug and panics.
    pub async fn close(self) {
        self.database.client().clone().shutdown().await;
    }

    /// Name of the database.
    pub fn database_name(&self) -> &str {
        self.database.name()
    }
}
