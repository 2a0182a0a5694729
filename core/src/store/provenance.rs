//! Which load and line wrote a document. It keeps older loads from overwriting newer data, and tells what a load has to take back.

use serde::{Deserialize, Serialize};

use super::raw_fields::Fields;

/// Who wrote a document last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Provenance {
    /// Number of the load; for an edit, the number of the newest load at that time, so that only later loads replace it.
    pub load: i64,
    /// Line of the load's source; `None` for an edit.
    pub line: Option<i64>,
}

impl Provenance {
    /// The mark of a mutation that comes after load number `load`.
    pub fn edit(load: i64) -> Self {
        Self { load, line: None }
    }

    /// The mark of a load's line.
    pub fn of_line(load: i64, line: u64) -> Self {
        Self { load, line: Some(line as i64) }
    }

    /// Writes its fields, as serde does.
    pub(super) fn write_to(self, fields: &mut Fields<'_>) {
        fields.int64("load", self.load);
        match self.line {
            Some(line) => fields.int64("line", line),
            None => fields.null("line"),
        }
    }

    /// Whether load number `load` wrote the document and nobody changed it since.
    pub fn is_of_load(self, load: i64) -> bool {
        self.load == load && self.line.is_some()
    }

    /// Whether a newer load than `other`'s wrote it, and not an edit.
    pub fn is_of_newer_load_than(self, other: Self) -> bool {
        self.load > other.load && self.line.is_some()
    }
}
