//! Who did what: each change is noted before it begins and when it has ended.

use paystats_core::store::{AuditRecord, Page, PageRequest};
use tracing::error;
use uuid::Uuid;

use super::{ActionError, Actions};
use crate::access::Caller;

impl Actions {
    /// Notes that `caller` begins something. Where that fails, it must not be done.
    pub async fn begin_audit(&self, caller: &Caller, action: &str) -> Result<Uuid, ActionError> {
        Ok(self.engines.store.audit.begin(caller.name(), action).await?)
    }

    /// Notes how it ended. It is done by now: where this fails, the record says that nobody knows.
    pub async fn end_audit(&self, id: Uuid, subject: Option<&str>, outcome: &str) {
        if let Err(error) = self.engines.store.audit.end(id, subject, outcome).await {
            error!(audit.id = %id, subject, outcome, %error, "how a change ended was not noted");
        }
    }

    /// A page of what was done, the newest first.
    pub async fn audit(&self, request: PageRequest) -> Result<Page<AuditRecord>, ActionError> {
        Ok(self.engines.store.audit.page(request).await?)
    }
}
