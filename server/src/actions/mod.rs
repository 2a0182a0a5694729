//! What the API can do, one file a subject. Resolvers translate and call these; rules live here. Nothing here knows GraphQL.

mod audit;
mod choropleth;
mod compare;
mod deadline;
mod error;
mod grouping;
mod loads;
mod paystats;
mod places;
mod postal_codes;
mod rejections;
mod stats;
mod totals;
mod uploads;
mod watch_loads;
mod watch_rejections;

use std::sync::Arc;

use paystats_core::{datalake::Datalake, engines::Engines};
use tracing::warn;

pub use compare::{
    CompareQuestion, Comparison, ComparisonOrder, ComparisonOrderField, ComparisonRow, MonthRange, compare,
};
pub use deadline::Deadline;
pub use error::{ActionError, ErrorCode};
pub use grouping::{GroupKey, Grouping, MAX_ROWS};
pub use loads::{RetryLoad, StartLoad, unknown_load};
pub use paystats::{NewPaystat, PaystatFilter};
pub use rejections::RejectedRows;
pub use stats::{Change, StatsOrder, StatsOrderField, StatsQuestion, StatsRow, stats};
pub use totals::{Breakdown, Series, TimePoint, by_age_and_gender, sum, time_series};
pub use uploads::Uploads;
pub use watch_loads::{LoadNews, UntilNow};

use crate::{choropleth::Maps, memory::Memory, watch::LoadWatch};

/// Everything that actions use.
#[derive(Clone)]
pub struct Actions {
    /// The store and the bus.
    pub engines: Engines,
    /// Where sources are.
    pub datalake: Datalake,
    /// The progress of all loads.
    pub watch: Arc<LoadWatch>,
    /// The areas of postal codes, drawn for maps.
    pub maps: Arc<Maps>,
    /// The totals and the postal codes.
    pub memory: Arc<Memory>,
}

impl Actions {
    /// Takes what a change of this server's own has changed into its memory, so that its next answer has it. The change is made: where the
    /// database is away by now, the totals follow once it is back.
    async fn catch_up(&self) {
        if let Err(error) = self.memory.catch_up().await {
            warn!(%error, "the totals in memory are behind");
        }
    }

    /// The same for a change of postal codes, which answers are made from too.
    async fn postal_codes_changed(&self) {
        if let Err(error) = self.engines.store.rollups.postal_codes_changed().await {
            warn!(%error, "that postal codes changed was not noted");
        }
        self.catch_up().await;
    }
}
