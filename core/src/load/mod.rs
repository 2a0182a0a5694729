//! A load: one source file, read, checked and written row by row. What it is, the states it passes through, and its
//! progress, which is a pure fold over the events that workers publish.

mod change;
mod event;
mod fold;
mod model;
mod progress;
mod rejection;

pub use change::{SumOutOfRange, TotalChange, TotalChanges};
pub use event::{LoadEvent, Numbered};
pub use fold::ProgressFold;
pub use model::{Cut, Load, LoadEntity, LoadId, LoadState, OnReject, Plan, RejectPolicy, Reverted};
pub use progress::{ChunkProgress, Counts, Progress};
pub use rejection::{Rejection, RejectionCode, RejectionCount};
