//! The schema version: which shape the documents have. It stands in the database, and each release brings it up to the one that it reads.
//!
//! Every server and loader does so when it starts, before anything else ([`super::Store::prepare`]). One of them takes a migration, and the
//! others wait; it gives a sign of life now and then, and where it falls silent, another one begins the migration anew. A database of a newer
//! release is left alone.
//!
//! A migration is a file here, and a line in [`MIGRATIONS`]. It finds what it has to change by the shape that it changes. So it may be begun as
//! often as need be, it passes over what is done, and one that wakes up late finds nothing that it would spoil.

mod first_shapes;

use std::time::Duration;

use futures_util::{FutureExt, future::BoxFuture};
use mongodb::{
    ClientSession, Collection, Database,
    bson::{Document, doc},
};
use serde::{Deserialize, Serialize};
use tracing::info;
use uuid::Uuid;

use super::{StoreError, collections, error::duplicate_as};

/// Brings documents from one version to the next.
type Migration = for<'a> fn(&'a Database) -> BoxFuture<'a, Result<(), StoreError>>;

/// The migrations; the first one leads from version 0, which is that of all databases without a version, to version 1.
const MIGRATIONS: [Migration; 2] = [first_shapes::migrate, nothing_to_change];

/// The version that this release reads and writes.
pub const SCHEMA_VERSION: i64 = MIGRATIONS.len() as i64;

pub(super) const COLLECTION: &str = "schema";
const STORE: &str = "store";
/// How long a migration stays one process's without a sign of life.
const LEASE: Duration = Duration::from_secs(10);
/// Between two signs of life.
const HEARTBEAT: Duration = Duration::from_secs(2);

/// Why this release must not use the database, or not yet.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SchemaError {
    /// A newer release has been here.
    #[error(
        "the database has schema version {found}, and this release knows none beyond {SCHEMA_VERSION}: start the newer release again, or \
         restore a backup of before"
    )]
    Newer {
        /// Version of the database.
        found: i64,
    },
    /// Another process is at it.
    #[error("another process brings the database from schema version {from} to {}", from + 1)]
    BeingMigrated {
        /// The version that is left.
        from: i64,
    },
    /// A restore has begun and has not ended.
    #[error("a restore into this database is under way, or has died: then drop the database and restore again")]
    BeingRestored,
}

/// The version of the database.
#[derive(Clone, Debug)]
pub(super) struct Schema {
    database: Database,
    schema: Collection<SchemaDocument>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct SchemaDocument {
    #[serde(rename = "_id")]
    name: String,
    version: i64,
    /// Whether a restore has begun and has not ended.
    #[serde(default)]
    restoring: bool,
    /// Who brings it to the next version now, or died at it.
    #[serde(default)]
    migrating: Option<String>,
}

impl Schema {
    pub(super) fn new(database: &Database) -> Self {
        Self { database: database.clone(), schema: database.collection(COLLECTION) }
    }

    /// Brings the documents to the version of this release, or waits its turn by failing with [`SchemaError::BeingMigrated`].
    pub(super) async fn bring_up_to_date(&self) -> Result<(), StoreError> {
        loop {
            let Some(known) = self.schema.find_one(doc! { "_id": STORE }).await? else {
                let is_new = collections::in_use(&self.database).await?.is_empty();
                let first = doc! { "$setOnInsert": { "version": if is_new { SCHEMA_VERSION } else { 0 } } };
                self.schema.update_one(doc! { "_id": STORE }, first).upsert(true).await?;
                continue;
            };
            if known.checked()? == SCHEMA_VERSION {
                return Ok(());
            }
            self.migrate_from(known.version).await?;
        }
    }

    /// Fails where this release must not use the database now. One without a version passes.
    pub(super) async fn check(&self) -> Result<(), StoreError> {
        let known = self.schema.find_one(doc! { "_id": STORE }).await?;
        match known.map(|known| Ok::<_, SchemaError>((known.checked()?, known.migrating.is_some()))).transpose()? {
            Some((from, is_migrating)) if from < SCHEMA_VERSION || is_migrating => {
                Err(SchemaError::BeingMigrated { from }.into())
            }
            Some(_) | None => Ok(()),
        }
    }

    /// The version as a session sees it, of a database that is not being restored and is of no newer release.
    pub(super) async fn version_in(&self, session: &mut ClientSession) -> Result<i64, StoreError> {
        let known = self.schema.find_one(doc! { "_id": STORE }).session(session).await?;
        known.map_or(Ok(0), |known| Ok(known.checked()?))
    }

    /// Does one migration, unless another process is at it.
    async fn migrate_from(&self, version: i64) -> Result<(), StoreError> {
        let by = Uuid::now_v7().to_string();
        let free = doc! {
            "_id": STORE,
            "version": version,
            "restoring": { "$ne": true },
            "$or": [{ "migrating": null }, { "$expr": { "$lt": ["$until", "$$NOW"] } }],
        };
        if self.schema.update_one(free, lease(&by)).await?.matched_count == 0 {
            return Err(SchemaError::BeingMigrated { from: version }.into());
        }
        info!(schema.from = version, schema.to = version + 1, "the database is brought to a newer schema version");
        let mine = doc! { "_id": STORE, "version": version, "migrating": &by };
        let gone = doc! { "migrating": "", "until": "" };
        let migrated = tokio::select! {
            migrated = MIGRATIONS[version as usize](&self.database) => migrated,
            lost = self.hold(&by, mine.clone(), version) => Err(lost),
        };
        if let Err(error) = migrated {
            self.schema.update_one(mine, doc! { "$unset": gone }).await?;
            return Err(error);
        }
        let next = doc! { "$set": { "version": version + 1 }, "$unset": gone };
        match self.schema.update_one(mine, next).await?.matched_count {
            0 => Err(SchemaError::BeingMigrated { from: version }.into()),
            _ => Ok(()),
        }
    }

    /// Gives signs of life until that fails.
    async fn hold(&self, by: &str, mine: Document, version: i64) -> StoreError {
        loop {
            tokio::time::sleep(HEARTBEAT).await;
            match self.schema.update_one(mine.clone(), lease(by)).await {
                Ok(held) if held.matched_count == 1 => {}
                Ok(_) => return SchemaError::BeingMigrated { from: version }.into(),
                Err(error) => return error.into(),
            }
        }
    }

    /// A restore begins: nobody else uses the database until [`Schema::end_restore`].
    pub(super) async fn begin_restore(&self, version: i64) -> Result<(), StoreError> {
        let free = doc! {
            "_id": STORE,
            "version": { "$lte": SCHEMA_VERSION },
            "restoring": { "$ne": true },
            "migrating": null,
        };
        let set = doc! { "$set": { "version": version, "restoring": true } };
        match self.schema.update_one(free, set).upsert(true).await.map_err(duplicate_as("version")) {
            // There is one, and it is another.
            Err(StoreError::Duplicate(_)) => {
                self.check().await?;
                Err(SchemaError::BeingRestored.into())
            }
            begun => begun.map(drop),
        }
    }

    /// Brings what was restored up to date.
    pub(super) async fn migrate_restored(&self, version: i64) -> Result<(), StoreError> {
        for migration in &MIGRATIONS[version as usize..] {
            migration(&self.database).await?;
        }
        Ok(())
    }

    /// All is there.
    pub(super) async fn end_restore(&self) -> Result<(), StoreError> {
        let end = doc! { "$set": { "version": SCHEMA_VERSION }, "$unset": { "restoring": "" } };
        self.schema.update_one(doc! { "_id": STORE }, end).await?;
        Ok(())
    }
}

impl SchemaDocument {
    /// The version, unless the database must not be used.
    fn checked(&self) -> Result<i64, SchemaError> {
        match self.version {
            _ if self.restoring => Err(SchemaError::BeingRestored),
            found if found > SCHEMA_VERSION => Err(SchemaError::Newer { found }),
            version => Ok(version),
        }
    }
}

/// To version 2: chunks may have announced rows. Documents of before have none; releases of before, which have to be stopped, do not know
/// what they mean.
fn nothing_to_change(_: &Database) -> BoxFuture<'_, Result<(), StoreError>> {
    async { Ok(()) }.boxed()
}

/// Gives a migration to a process for a while, by the database's clock.
fn lease(by: &str) -> Vec<Document> {
    vec![doc! { "$set": { "migrating": by, "until": { "$add": ["$$NOW", LEASE.as_millis() as i64] } } }]
}
