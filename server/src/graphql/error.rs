//! Actions' refusals as GraphQL errors: the message, and the code in `extensions.code`.

use async_graphql::{Error, ErrorExtensionValues};

use crate::actions::ActionError;

impl From<ActionError> for Error {
    fn from(error: ActionError) -> Self {
        let mut extensions = ErrorExtensionValues::default();
        extensions.set("code", error.code.name());
        Self { message: error.message, source: None, extensions: Some(extensions) }
    }
}
