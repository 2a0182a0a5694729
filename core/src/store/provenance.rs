//! Which load and line wrote a document. It makes writing the same chunk twice harmless, and keeps older loads from
//! overwriting newer data.

use serde::{Deserialize, Serialize};

/// Who wrote a document last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Provenance {
    /// Number of the load; for an edit, the number of the newest load at that time, so that only later loads replace it.
    pub load: i64,
    /// Line of the load's source; `None` for an edit.
    pub line: Option<i64>,
    /// What the write did.
    pub write: Write,
}

/// What a write did to a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Write {
    /// A load brought it.
    Inserted,
    /// A load changed it.
    Updated,
    /// A mutation made or changed it.
    Edited,
}

impl Provenance {
    /// The mark of a mutation that comes after load number `load`.
    pub fn edit(load: i64) -> Self {
        Self { load, line: None, write: Write::Edited }
    }

    /// The mark of a load's line that is not in the store yet.
    pub fn insert(load: i64, line: u64) -> Self {
        Self { load, line: Some(line as i64), write: Write::Inserted }
    }
}
