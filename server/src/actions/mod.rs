//! What the API can do, one file a subject. Resolvers translate and call these; rules live here. Nothing here knows GraphQL.

mod deadline;
mod error;
mod loads;
mod paystats;
mod places;
mod postal_codes;
mod rejections;
mod totals;

use std::sync::Arc;

use paystats_core::{datalake::Datalake, engines::Engines};

pub use deadline::Deadline;
pub use error::{ActionError, ErrorCode};
pub use loads::{RetryLoad, StartLoad, unknown_load};
pub use paystats::{NewPaystat, PaystatFilter};
pub use rejections::RejectedRows;
pub use totals::{Breakdown, Series, TimePoint, by_age_and_gender, sum, time_series};

use crate::watch::LoadWatch;

/// Everything that actions use.
#[derive(Clone)]
pub struct Actions {
    /// The store and the bus.
    pub engines: Engines,
    /// Where sources are.
    pub datalake: Datalake,
    /// The progress of all loads.
    pub watch: Arc<LoadWatch>,
}
