//! What it takes to select a field of a root: the one table of rights. A field that is not in it takes the greatest.

use async_graphql::parser::types::OperationType;

use crate::access::Right;

/// The right that a field of the root takes.
pub fn right(kind: OperationType, field: &str) -> Right {
    match kind {
        OperationType::Query => match field {
            "node" | "postalCode" | "postalCodes" | "paystat" | "paystats" | "total" | "timeSeries"
            | "byAgeAndGender" | "byPostalCode" | "choropleth" | "stats" | "compare" | "load" | "loads"
            | "dataVersion" => Right::Read,
            "datalake" => Right::Load,
            // "audit", and what is not listed.
            _ => Right::Administer,
        },
        OperationType::Mutation => match field {
            "createPostalCode" | "updatePostalCode" | "deletePostalCode" | "createPaystat" | "updatePaystat"
            | "deletePaystat" => Right::Edit,
            "startLoad" | "cancelLoad" | "retryLoad" | "undoLoad" => Right::Load,
            _ => Right::Administer,
        },
        OperationType::Subscription => match field {
            "loadProgress" | "loads" | "rejections" | "totalChanged" => Right::Read,
            _ => Right::Administer,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::Types;

    #[test]
    fn every_field_of_a_root_has_its_right() {
        let types = Types::from_sdl(&crate::graphql::sdl()).unwrap();
        let administered = |kind| {
            let mut fields: Vec<_> =
                types.root_fields(kind).filter(|field| right(kind, field) == Right::Administer).collect();
            fields.sort_unstable();
            fields
        };
        assert_eq!(administered(OperationType::Query), ["audit"]);
        assert!(administered(OperationType::Mutation).is_empty());
        assert!(administered(OperationType::Subscription).is_empty());
        let reading = types
            .root_fields(OperationType::Mutation)
            .find(|field| right(OperationType::Mutation, field) == Right::Read);
        assert_eq!(reading, None, "who reads changes nothing");
    }
}
