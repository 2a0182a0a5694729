//! The store, asked as the server asks it, against what plain code makes of the same rows.

mod acknowledged;
mod announced;
mod areas;
mod backups;
mod closing;
mod edits;
mod paging;
mod rollups;
mod schema;
mod totals;
