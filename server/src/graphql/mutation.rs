//! Changes. Each mutation takes one input object and answers with a payload.

use async_graphql::{Context, ID, InputObject, Object, Result, SimpleObject};
use paystats_core::{
    domain,
    load::RejectPolicy,
    store::{PaystatChange, PostalCodeChange},
};

use super::{
    audit::changes,
    enums::{AgeGroup, Gender, LoadEntity, OnReject},
    filter::geometry,
    load::{Load, find_load_id},
    node::{LOAD, PAYSTAT, POSTAL_CODE, global_id, own_id},
    paystat::Paystat,
    postal_code::PostalCode,
    scalars::{Decimal, GeoJSON, Long, Month},
};
use crate::actions::{ActionError, Actions, NewPaystat, RetryLoad, StartLoad};

/// A postal code to make. Its area is given either as `wkb` or as `geojson`.
#[derive(Clone, Debug, InputObject)]
pub struct CreatePostalCodeInput {
    /// Number of the data source, 0 to 2147483647; unique.
    pub id: i32,
    /// 1 to 16 letters, digits, spaces or hyphens; unique.
    pub code: String,
    /// Area as WKB or EWKB (SRID 4326) in hex or base64.
    pub wkb: Option<String>,
    /// Area as a GeoJSON Polygon or MultiPolygon.
    pub geojson: Option<GeoJSON>,
}

/// New values of a postal code. What is left out stays.
#[derive(Clone, Debug, InputObject)]
pub struct UpdatePostalCodeInput {
    /// Id, global or as in the files.
    pub id: ID,
    /// 1 to 16 letters, digits, spaces or hyphens; unique.
    pub code: Option<String>,
    /// Area as WKB or EWKB (SRID 4326) in hex or base64.
    pub wkb: Option<String>,
    /// Area as a GeoJSON Polygon or MultiPolygon.
    pub geojson: Option<GeoJSON>,
}

/// The postal code to remove.
#[derive(Clone, Debug, InputObject)]
pub struct DeletePostalCodeInput {
    /// Id, global or as in the files.
    pub id: ID,
}

/// A paystat to make.
#[derive(Clone, Debug, InputObject)]
pub struct CreatePaystatInput {
    /// Number, 0 to 9223372036854775807; unique. The one after the greatest if left out.
    pub id: Option<Long>,
    /// Sum paid.
    pub amount: Decimal,
    /// When.
    pub month: Month,
    /// Age group of the card holders.
    pub age: AgeGroup,
    /// Gender of the card holders.
    pub gender: Gender,
    /// Id of the postal code, global or as in the files.
    pub postal_code_id: ID,
}

/// New values of a paystat. What is left out stays.
#[derive(Clone, Debug, InputObject)]
pub struct UpdatePaystatInput {
    /// Id, global or as in the files.
    pub id: ID,
    /// Sum paid.
    pub amount: Option<Decimal>,
    /// When.
    pub month: Option<Month>,
    /// Age group of the card holders.
    pub age: Option<AgeGroup>,
    /// Gender of the card holders.
    pub gender: Option<Gender>,
    /// Id of the postal code, global or as in the files.
    pub postal_code_id: Option<ID>,
}

/// The paystat to remove.
#[derive(Clone, Debug, InputObject)]
pub struct DeletePaystatInput {
    /// Id, global or as in the files.
    pub id: ID,
}

/// A load to start.
#[derive(Clone, Debug, InputObject)]
pub struct StartLoadInput {
    /// What the rows of the source are.
    pub entity: LoadEntity,
    /// Where the rows are: a path inside the data lake, such as `2015/paystats.csv`, or the URL of another source that the operator allows
    /// (`s3://bucket/key`, `gs://bucket/key`, `az://container/key`, `https://host/path`). The ending tells the format: CSV, or GeoJSON for
    /// postal codes (`.geojson`, `.json`); either may be compressed (`.gz`, `.zst`).
    pub source: String,
    /// What a refused row means for the load.
    #[graphql(default_with = "OnReject::Skip")]
    pub on_reject: OnReject,
    /// Greatest number of refused rows. With one more the load fails, and nothing of it is left.
    pub max_rejected: Option<Long>,
    /// Greatest share of refused rows among all rows, 0 to 1. Beyond, the load fails, and nothing of it is left.
    pub max_rejected_ratio: Option<f64>,
    /// Only tell what the load would do, and write no row.
    #[graphql(default)]
    pub dry_run: bool,
    /// A name for this request, 1 to 200 bytes: asked again with the same key, the same load is answered.
    pub idempotency_key: Option<String>,
}

/// A load to stop.
#[derive(Clone, Debug, InputObject)]
pub struct CancelLoadInput {
    /// Its id, or its number.
    pub id: ID,
}

/// A load to repeat.
#[derive(Clone, Debug, InputObject)]
pub struct RetryLoadInput {
    /// Its id, or its number.
    pub id: ID,
    /// Load only the lines that it refused, as they stand in its source now.
    #[graphql(default)]
    pub only_rejected: bool,
    /// A name for this request, 1 to 200 bytes: asked again with the same key, the same load is answered.
    pub idempotency_key: Option<String>,
}

/// A load to take back.
#[derive(Clone, Debug, InputObject)]
pub struct UndoLoadInput {
    /// Its id, or its number.
    pub id: ID,
}

/// What a mutation of a postal code made.
#[derive(SimpleObject)]
pub struct PostalCodePayload {
    /// The postal code as it is now.
    postal_code: PostalCode,
}

/// What a mutation of a paystat made.
#[derive(SimpleObject)]
pub struct PaystatPayload {
    /// The paystat as it is now.
    paystat: Paystat,
}

/// What was removed.
#[derive(SimpleObject)]
pub struct DeletePayload {
    /// The global id that names nothing any more.
    deleted_id: ID,
}

/// What `startLoad` accepted.
#[derive(SimpleObject)]
pub struct StartLoadPayload {
    /// The load. Watch it by the subscription `loadProgress`.
    load: Load,
}

/// What `cancelLoad` stopped.
#[derive(SimpleObject)]
pub struct CancelLoadPayload {
    /// The load, `REVERTING` or `CANCELLED`.
    load: Load,
}

/// What `retryLoad` accepted.
#[derive(SimpleObject)]
pub struct RetryLoadPayload {
    /// The new load.
    load: Load,
}

/// What `undoLoad` takes back.
#[derive(SimpleObject)]
pub struct UndoLoadPayload {
    /// The load, `REVERTING` or `UNDONE`.
    load: Load,
}

/// Changes of postal codes.
#[derive(Default)]
pub struct PostalCodeMutation;

#[Object]
impl PostalCodeMutation {
    /// Makes a postal code. `CONFLICT` if its id or code is taken.
    async fn create_postal_code(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The postal code.")] input: CreatePostalCodeInput,
    ) -> Result<PostalCodePayload> {
        let actions: &Actions = context.data_unchecked();
        let geometry = area(input.wkb, input.geojson)?;
        changes(context, &global_id(POSTAL_CODE, input.id));
        let code = domain::PostalCode {
            id: input.id.try_into().map_err(|reason| invalid("id", &input.id, &reason))?,
            code: code(&input.code)?,
            geometry: geometry.ok_or_else(|| ActionError::bad_input("the area is missing: give wkb or geojson"))?,
        };
        Ok(PostalCodePayload { postal_code: PostalCode(actions.create_postal_code(code).await?) })
    }

    /// Changes a postal code. `NOT_FOUND` if there is none, `CONFLICT` if its new code is taken.
    async fn update_postal_code(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Its id and new values.")] input: UpdatePostalCodeInput,
    ) -> Result<PostalCodePayload> {
        let actions: &Actions = context.data_unchecked();
        let change = PostalCodeChange {
            code: input.code.as_deref().map(code).transpose()?,
            geometry: area(input.wkb, input.geojson)?,
        };
        let id: domain::PostalCodeId = own_id(POSTAL_CODE, &input.id)?;
        changes(context, &global_id(POSTAL_CODE, id));
        let changed = actions.update_postal_code(id, change).await?;
        Ok(PostalCodePayload { postal_code: PostalCode(changed) })
    }

    /// Removes a postal code. `NOT_FOUND` if there is none, `CONFLICT` if it has paystats.
    async fn delete_postal_code(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Its id.")] input: DeletePostalCodeInput,
    ) -> Result<DeletePayload> {
        let actions: &Actions = context.data_unchecked();
        let id: domain::PostalCodeId = own_id(POSTAL_CODE, &input.id)?;
        changes(context, &global_id(POSTAL_CODE, id));
        actions.delete_postal_code(id).await?;
        Ok(DeletePayload { deleted_id: global_id(POSTAL_CODE, id) })
    }
}

/// Changes of paystats.
#[derive(Default)]
pub struct PaystatMutation;

#[Object]
impl PaystatMutation {
    /// Makes a paystat. `CONFLICT` if its id is taken, `BAD_USER_INPUT` if there is no such postal code.
    async fn create_paystat(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The paystat.")] input: CreatePaystatInput,
    ) -> Result<PaystatPayload> {
        let actions: &Actions = context.data_unchecked();
        let new = NewPaystat {
            id: input.id.map(|Long(id)| id.try_into().map_err(|reason| invalid("id", &id, &reason))).transpose()?,
            amount: input.amount.0,
            month: input.month.0,
            age: input.age.into(),
            gender: input.gender.into(),
            postal_code_id: own_id(POSTAL_CODE, &input.postal_code_id)?,
        };
        let created = actions.create_paystat(new).await?;
        changes(context, &global_id(PAYSTAT, created.paystat.id));
        Ok(PaystatPayload { paystat: Paystat(created) })
    }

    /// Changes a paystat. `NOT_FOUND` if there is none, `BAD_USER_INPUT` if there is no such postal code.
    async fn update_paystat(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Its id and new values.")] input: UpdatePaystatInput,
    ) -> Result<PaystatPayload> {
        let actions: &Actions = context.data_unchecked();
        let change = PaystatChange {
            amount: input.amount.map(|amount| amount.0),
            month: input.month.map(|month| month.0),
            age: input.age.map(Into::into),
            gender: input.gender.map(Into::into),
            postal_code_id: input.postal_code_id.map(|id| own_id(POSTAL_CODE, &id)).transpose()?,
        };
        let id: domain::PaystatId = own_id(PAYSTAT, &input.id)?;
        changes(context, &global_id(PAYSTAT, id));
        Ok(PaystatPayload { paystat: Paystat(actions.update_paystat(id, change).await?) })
    }

    /// Removes a paystat. `NOT_FOUND` if there is none.
    async fn delete_paystat(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Its id.")] input: DeletePaystatInput,
    ) -> Result<DeletePayload> {
        let actions: &Actions = context.data_unchecked();
        let id: domain::PaystatId = own_id(PAYSTAT, &input.id)?;
        changes(context, &global_id(PAYSTAT, id));
        let removed = actions.delete_paystat(id).await?;
        Ok(DeletePayload { deleted_id: global_id(PAYSTAT, removed.paystat.id) })
    }
}

/// Loads.
#[derive(Default)]
pub struct LoadMutation;

#[Object]
impl LoadMutation {
    /// Accepts a load of a source. Loading the same source again changes nothing. `BAD_USER_INPUT` if there is no such source, or none
    /// that may be read; `UNAVAILABLE` if its store does not answer.
    async fn start_load(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "What to load.")] input: StartLoadInput,
    ) -> Result<StartLoadPayload> {
        let actions: &Actions = context.data_unchecked();
        let max_rejected = input
            .max_rejected
            .map(|Long(max)| u64::try_from(max).map_err(|_| invalid("maxRejected", &max, &"is negative")));
        let start = StartLoad {
            entity: input.entity.into(),
            source: input.source,
            policy: RejectPolicy {
                on_reject: input.on_reject.into(),
                max_rejected: max_rejected.transpose()?,
                max_rejected_ratio: input.max_rejected_ratio,
            },
            dry_run: input.dry_run,
            idempotency_key: input.idempotency_key,
        };
        let load = actions.start_load(start).await?;
        changes(context, &global_id(LOAD, load.id));
        Ok(StartLoadPayload { load: Load(load) })
    }

    /// Stops a load; what it wrote is taken back, and it ends as `CANCELLED`. `CONFLICT` if it has ended otherwise.
    async fn cancel_load(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Which load.")] input: CancelLoadInput,
    ) -> Result<CancelLoadPayload> {
        let actions: &Actions = context.data_unchecked();
        let id = find_load_id(actions, &input.id).await?;
        changes(context, &global_id(LOAD, id));
        Ok(CancelLoadPayload { load: Load(actions.cancel_load(id).await?) })
    }

    /// Repeats a load that failed, was cancelled or undone, as a new load of its source as it is now; or, of one that has succeeded, only
    /// the lines that it refused. `CONFLICT` if there is nothing to repeat.
    async fn retry_load(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Which load.")] input: RetryLoadInput,
    ) -> Result<RetryLoadPayload> {
        let actions: &Actions = context.data_unchecked();
        let id = find_load_id(actions, &input.id).await?;
        let RetryLoadInput { only_rejected, idempotency_key, .. } = input;
        let load = actions.retry_load(RetryLoad { id, only_rejected, idempotency_key }).await?;
        changes(context, &global_id(LOAD, load.id));
        Ok(RetryLoadPayload { load: Load(load) })
    }

    /// Takes back a load that has succeeded: rows that it inserted go, rows that it replaced return, and it ends as `UNDONE`. Rows that
    /// were changed since by newer loads or edits stay; see `Load.keptRows`. `CONFLICT` if it has not succeeded.
    async fn undo_load(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Which load.")] input: UndoLoadInput,
    ) -> Result<UndoLoadPayload> {
        let actions: &Actions = context.data_unchecked();
        let id = find_load_id(actions, &input.id).await?;
        changes(context, &global_id(LOAD, id));
        Ok(UndoLoadPayload { load: Load(actions.undo_load(id).await?) })
    }
}

fn code(text: &str) -> Result<domain::PostalCodeCode, ActionError> {
    text.parse().map_err(|reason| invalid("code", &text, &reason))
}

/// The area that one of two arguments gives.
fn area(wkb: Option<String>, geojson: Option<GeoJSON>) -> Result<Option<domain::Geometry>, ActionError> {
    match (wkb, geojson) {
        (Some(_), Some(_)) => Err(ActionError::bad_input("give the area as wkb or as geojson, not as both")),
        (Some(wkb), None) => domain::Geometry::from_wkb_text(&wkb)
            .map(Some)
            .map_err(|reason| ActionError::bad_input(format!("wkb {reason}"))),
        (None, Some(GeoJSON(value))) => geometry("geojson", value).map(Some),
        (None, None) => Ok(None),
    }
}

fn invalid(name: &str, value: &dyn std::fmt::Display, reason: &dyn std::fmt::Display) -> ActionError {
    ActionError::bad_input(format!("{name}: \"{value}\" {reason}"))
}
