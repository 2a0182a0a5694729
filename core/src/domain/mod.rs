//! The words of the domain: valid once built, and ignorant of BSON, NATS and HTTP.
//!
//! Every type here is made by a constructor that checks its value, so the code behind the edge never checks again.

mod age_group;
mod amount;
mod area;
mod cells;
mod filter;
mod gender;
mod geometry;
mod month;
mod paystat;
mod polygon_rules;
mod postal_code;

pub use age_group::{AgeGroup, UnknownAgeGroup};
pub use amount::{Amount, AmountError};
pub use area::{Area, AreaError, BBox, Near};
pub use cells::{Cells, CellsError};
pub use filter::{Dimension, PaystatScope, StatsFilter};
pub use gender::{Gender, UnknownGender};
pub use geometry::{Geometry, GeometryError};
pub use month::{Interval, Month, MonthError};
pub use paystat::{Paystat, PaystatId, PaystatIdError, Total};
pub use postal_code::{PostalCode, PostalCodeCode, PostalCodeError, PostalCodeId};
