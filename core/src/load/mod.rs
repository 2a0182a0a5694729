//! A load: one source file, read, checked and written row by row. What it is, the states it passes through, and its
//! progress, which is a pure fold over the events that workers publish.

mod event;
mod model;
mod progress;
mod rejection;

pub use event::{LoadEvent, Numbered};
pub use model::{Load, LoadEntity, LoadId, LoadState};
pub use progress::{Counts, Progress};
pub use rejection::{Rejection, RejectionCode};
