//! Postal codes: the type, and questions for them.

use async_graphql::{
    Context, ID, Object, Result, SimpleObject,
    connection::{Connection, Edge},
};
use paystats_core::{
    domain::{Dimension as Key, PostalCodeId},
    store::{Key as PageKey, KeyPart, Page, PageRequest, PostalCodeFilter as Filter, StoredPostalCode},
};

use super::{
    batch,
    connection::{Cursor, PageArguments},
    cost::page_cost,
    enums::{Dimension, Interval},
    filter::{PaystatFilter, PostalCodeFilter, StatsFilter},
    load::Load,
    node::{POSTAL_CODE, global_id},
    paystat::{PaystatConnection, PaystatOrder, paystat_connection},
    scalars::{GeoJSON, Long},
    snapshot::{self, paystat_scope, scope, totals, within},
    text::{AsText, Row, Selected, Writer, null, number, string},
    totals::{AgeGenderTotal, TimeSeries, Total, age_gender_totals, breakdown, series},
};
use crate::actions::{self, ActionError, Actions};

/// A postal code and the area that it covers.
pub struct PostalCode(pub StoredPostalCode);

/// A box in degrees of WGS84.
#[derive(Clone, Copy, Debug, SimpleObject)]
#[graphql(name = "BBox")]
pub struct BBox {
    /// Least longitude.
    west: f64,
    /// Least latitude.
    south: f64,
    /// Greatest longitude.
    east: f64,
    /// Greatest latitude.
    north: f64,
}

/// A point in degrees of WGS84.
#[derive(Clone, Copy, Debug, SimpleObject)]
pub struct Point {
    /// -180 to 180 degrees.
    longitude: f64,
    /// -90 to 90 degrees.
    latitude: f64,
}

/// A postal code and the area that it covers.
#[Object]
impl PostalCode {
    /// Names this postal code in the whole API.
    pub async fn id(&self) -> ID {
        global_id(POSTAL_CODE, self.0.id)
    }

    /// The number under which the data source knows it: `id` in the files.
    async fn database_id(&self) -> i32 {
        self.0.id.get()
    }

    /// The code, such as `28001`; unique.
    async fn code(&self) -> &str {
        self.0.code.as_str()
    }

    /// The area as a GeoJSON Polygon or MultiPolygon, exterior rings counterclockwise.
    async fn geojson(&self, context: &Context<'_>) -> Result<GeoJSON> {
        let geometry = batch::geometry(context, self.0.id).await?;
        Ok(GeoJSON(serde_json::to_value(geometry.geojson()).map_err(ActionError::internal)?))
    }

    /// The area as EWKB with SRID 4326, in upper-case hex.
    async fn wkb(&self, context: &Context<'_>) -> Result<String> {
        Ok(batch::geometry(context, self.0.id).await?.ewkb_hex())
    }

    /// The smallest box that holds the area.
    async fn bbox(&self, context: &Context<'_>) -> Result<BBox> {
        let bbox = batch::geometry(context, self.0.id).await?.bbox();
        Ok(BBox { west: bbox.west, south: bbox.south, east: bbox.east, north: bbox.north })
    }

    /// The centre of mass of the area in the plane of longitude and latitude. It may lie outside the area.
    async fn centroid(&self, context: &Context<'_>) -> Result<Point> {
        let (longitude, latitude) = batch::geometry(context, self.0.id).await?.centroid();
        Ok(Point { longitude, latitude })
    }

    /// The load that wrote it last; null if a mutation did.
    async fn load(&self, context: &Context<'_>) -> Result<Option<Load>> {
        batch::load_of(context, self.0.written).await
    }

    /// The line of that load's source.
    async fn load_line(&self) -> Option<Long> {
        self.0.written.line.map(Long)
    }

    /// The total of its paystats that match.
    async fn total(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Which paystats; all if left out.")] filter: Option<StatsFilter>,
    ) -> Result<Total> {
        let scope = within(self.0.id, scope(context, filter).await?);
        Ok(actions::sum(&totals(context, &scope, &[])?)?.into())
    }

    /// The totals of its paystats over time, as at the root.
    async fn time_series(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Which paystats; all if left out.")] filter: Option<StatsFilter>,
        #[graphql(default_with = "Interval::Month", desc = "What one point spans.")] interval: Interval,
        #[graphql(desc = "What they are split by, `AGE`, `GENDER` or both; nothing if left out.")] by: Option<
            Vec<Dimension>,
        >,
    ) -> Result<AsText<TimeSeries>> {
        let scope = within(self.0.id, scope(context, filter).await?);
        let breakdown = breakdown(by)?;
        let groups = totals(context, &scope, &breakdown.dimensions())?;
        series(&groups, &scope, interval, breakdown)
    }

    /// The totals of its paystats by age group and gender, as at the root.
    async fn by_age_and_gender(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Which paystats; all if left out.")] filter: Option<StatsFilter>,
    ) -> Result<AsText<AgeGenderTotal>> {
        let scope = within(self.0.id, scope(context, filter).await?);
        Ok(age_gender_totals(totals(context, &scope, &[Key::Age, Key::Gender])?))
    }

    /// Its paystats.
    #[expect(clippy::too_many_arguments, reason = "Relay's four, a filter and an order")]
    #[graphql(complexity = "page_cost(first, last, child_complexity)")]
    async fn paystats(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Which ones; all if left out.")] filter: Option<PaystatFilter>,
        #[graphql(desc = "Their order; by id if left out.")] order_by: Option<PaystatOrder>,
        #[graphql(desc = "At most this many from the start, up to 1000; 50 where `last` is left out too.")]
        first: Option<i32>,
        #[graphql(desc = "Only what follows this cursor.")] after: Option<String>,
        #[graphql(desc = "At most this many from the end, up to 1000.")] last: Option<i32>,
        #[graphql(desc = "Only what precedes this cursor.")] before: Option<String>,
    ) -> Result<PaystatConnection> {
        let actions: &Actions = context.data_unchecked();
        let scope = within(self.0.id, paystat_scope(context, filter).await?);
        paystat_connection(actions, scope, order_by, PageArguments { first, after, last, before }).await
    }
}

/// The postal code with this number, which paystats name.
pub async fn of_paystats(context: &Context<'_>, id: PostalCodeId) -> Result<PostalCode, ActionError> {
    let found = snapshot::postal_code(context, id).await?;
    found.map(PostalCode).ok_or_else(|| ActionError::internal(format!("paystats name postal code {id}, which is gone")))
}

impl Row for StoredPostalCode {
    const TYPE: &'static str = POSTAL_CODE;

    fn field(name: &str, _: &Selected<'_>) -> Option<Writer<Self>> {
        match name {
            "id" => string(|code: &Self| Some(global_id(POSTAL_CODE, code.id).0)),
            "databaseId" => number(|code: &Self| Some(code.id.get())),
            "code" => string(|code: &Self| Some(code.code.clone())),
            "loadLine" => number(|code: &Self| code.written.line),
            _ => None,
        }
    }
}

/// Writes the postal code that `get` finds the number of in a row.
pub fn writer<T: 'static>(
    selected: &Selected<'_>,
    get: impl Fn(&T) -> Option<PostalCodeId> + Send + Sync + 'static,
) -> Option<Writer<T>> {
    let (write, known) = (selected.object()?, selected.postal_codes.clone());
    Some(Box::new(move |row, text| match get(row) {
        Some(id) => write(known.by_id(id)?, text),
        None => null(text),
    }))
}

/// A list of postal codes.
pub type PostalCodeConnection = Connection<Cursor, PostalCode, PostalCodeCount, Distance>;

/// What is asked of a list of postal codes as a whole.
pub enum PostalCodeCount {
    /// To be counted when asked for.
    Matching(Filter),
    /// Known.
    Known(usize),
}

#[Object]
impl PostalCodeCount {
    /// Number of postal codes in the whole list.
    async fn total_count(&self, context: &Context<'_>) -> Result<Long> {
        let actions: &Actions = context.data_unchecked();
        Ok(match self {
            Self::Matching(filter) => actions.count_postal_codes(filter).await?.into(),
            Self::Known(count) => (*count as u64).into(),
        })
    }
}

/// What a list near a point tells of each postal code.
#[derive(Clone, Copy, Debug, SimpleObject)]
pub struct Distance {
    /// Distance of the area from the point of `filter.near` in metres; 0 where the area holds the point.
    distance_meters: Option<f64>,
}

/// Questions for postal codes.
#[derive(Default)]
pub struct PostalCodeQuery;

#[Object]
impl PostalCodeQuery {
    /// The postal code with this number (`id` in the files) or code; null if there is none.
    async fn postal_code(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Its number: `id` in the files.")] id: Option<i32>,
        #[graphql(desc = "Its code, such as `28001`.")] code: Option<String>,
    ) -> Result<Option<PostalCode>> {
        let found = match (id, code) {
            (Some(id), None) => match id.try_into() {
                Ok(id) => snapshot::postal_code(context, id).await?,
                Err(_) => None,
            },
            (None, Some(code)) => match code.parse() {
                Ok(code) => snapshot::postal_code_by_code(context, &code).await?,
                Err(_) => None,
            },
            _ => return Err(ActionError::bad_input("name the postal code either by id or by code").into()),
        };
        Ok(found.map(PostalCode))
    }

    /// Postal codes by number, or by distance where `filter.near` is given.
    #[graphql(complexity = "page_cost(first, last, child_complexity)")]
    async fn postal_codes(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Which ones; all if left out.")] filter: Option<PostalCodeFilter>,
        #[graphql(desc = "At most this many from the start, up to 1000; 50 where `last` is left out too.")]
        first: Option<i32>,
        #[graphql(desc = "Only what follows this cursor.")] after: Option<String>,
        #[graphql(desc = "At most this many from the end, up to 1000.")] last: Option<i32>,
        #[graphql(desc = "Only what precedes this cursor.")] before: Option<String>,
    ) -> Result<PostalCodeConnection> {
        let actions: &Actions = context.data_unchecked();
        let page = PageArguments { first, after, last, before };
        let mut filter = filter.unwrap_or_default();
        let near = filter.near.take();
        let filter: Filter = filter.try_into()?;
        let (page, count) = match near {
            None => {
                let page = actions.postal_codes(&filter, page.request(&by_number(0))?).await?;
                (page.map(|code| Ok::<_, ActionError>((code, None)))?, PostalCodeCount::Matching(filter))
            }
            Some(near) => {
                let request = page.request(&by_distance(0.0, 0))?;
                let found = actions.postal_codes_near(&filter, near.try_into()?).await?;
                let count = PostalCodeCount::Known(found.len());
                (slice(found, &request).map(|(code, distance)| Ok::<_, ActionError>((code, Some(distance))))?, count)
            }
        };
        let mut connection = Connection::with_additional_fields(page.has_previous, page.has_next, count);
        connection.edges.extend(page.items.into_iter().map(|(code, distance_meters)| {
            let id = code.id.get();
            let key = distance_meters.map_or_else(|| by_number(id), |distance| by_distance(distance, id));
            Edge::with_additional_fields(Cursor(key), PostalCode(code), Distance { distance_meters })
        }));
        Ok(connection)
    }
}

/// The place of a postal code in a list by number.
fn by_number(id: i32) -> PageKey {
    PageKey::number(id.into())
}

/// The place of a postal code in a list by distance. The bits of distances, which are not negative, are ordered as they are.
fn by_distance(meters: f64, id: i32) -> PageKey {
    PageKey { value: Some(KeyPart::Number(meters.to_bits() as i64)), id: KeyPart::Number(id.into()) }
}

/// A page of a list by distance that is known as a whole.
fn slice(found: Vec<(StoredPostalCode, f64)>, request: &PageRequest) -> Page<(StoredPostalCode, f64)> {
    let place = |key: &PageKey| match (&key.value, &key.id) {
        (Some(KeyPart::Number(distance)), KeyPart::Number(id)) => Some((*distance, *id)),
        _ => None,
    };
    let places: Vec<_> = found.iter().map(|(code, meters)| place(&by_distance(*meters, code.id.get()))).collect();
    let start = request.after.as_ref().map_or(0, |after| places.partition_point(|at| *at <= place(after)));
    let end = request.before.as_ref().map_or(found.len(), |before| places.partition_point(|at| *at < place(before)));
    let end = end.max(start);
    let (start, end) = if request.from_end {
        (end.saturating_sub(request.limit).max(start), end)
    } else {
        (start, (start + request.limit).min(end))
    };
    Page { has_previous: start > 0, has_next: end < found.len(), items: found[start..end].to_vec() }
}
