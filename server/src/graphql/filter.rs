//! Filters of questions and lists.

use async_graphql::InputObject;
use paystats_core::{domain, store};

use super::{
    enums::{AgeGroup, Gender, LoadEntity, LoadState},
    scalars::{Decimal, GeoJSON, Month},
};
use crate::actions::{self, ActionError};

/// Which paystats a question is about. All conditions hold at once; what is left out does not restrict.
#[derive(Clone, Debug, Default, InputObject)]
pub struct StatsFilter {
    /// First month.
    pub from: Option<Month>,
    /// Last month, included.
    pub to: Option<Month>,
    /// Any of these age groups.
    pub ages: Option<Vec<AgeGroup>>,
    /// Any of these genders.
    pub genders: Option<Vec<Gender>>,
    /// Any of these postal codes, such as `28001`. Codes that do not exist match nothing.
    pub postal_codes: Option<Vec<String>>,
    /// Postal codes whose area meets this box.
    pub bbox: Option<BBoxInput>,
    /// Postal codes whose area meets this Polygon or MultiPolygon, of which each part covers less than half the earth. Edges are
    /// straight in longitude and latitude.
    pub within: Option<GeoJSON>,
}

/// Which paystats a list holds. All conditions hold at once; what is left out does not restrict.
#[derive(Clone, Debug, Default, InputObject)]
pub struct PaystatFilter {
    /// By time, people and place.
    #[graphql(flatten)]
    pub stats: StatsFilter,
    /// Least amount.
    pub min_amount: Option<Decimal>,
    /// Greatest amount, included.
    pub max_amount: Option<Decimal>,
}

/// Which postal codes a list holds. All conditions hold at once; what is left out does not restrict.
#[derive(Clone, Debug, Default, InputObject)]
pub struct PostalCodeFilter {
    /// Any of these codes, such as `28001`.
    pub codes: Option<Vec<String>>,
    /// Codes that start with this.
    pub code_prefix: Option<String>,
    /// Postal codes whose area meets this box.
    pub bbox: Option<BBoxInput>,
    /// Postal codes whose area meets this Polygon or MultiPolygon, of which each part covers less than half the earth. Edges are
    /// straight in longitude and latitude.
    pub within: Option<GeoJSON>,
    /// Postal codes near this point; the list is then ordered by distance.
    pub near: Option<NearInput>,
}

/// A box in degrees of WGS84. Where `west` is greater than `east` it crosses the antimeridian.
#[derive(Clone, Copy, Debug, InputObject)]
#[graphql(name = "BBoxInput")]
pub struct BBoxInput {
    /// Least longitude, -180 to 180.
    pub west: f64,
    /// Least latitude, -90 to 90.
    pub south: f64,
    /// Greatest longitude, -180 to 180.
    pub east: f64,
    /// Greatest latitude, -90 to 90.
    pub north: f64,
}

/// The surroundings of a point.
#[derive(Clone, Copy, Debug, InputObject)]
pub struct NearInput {
    /// Longitude of the point, -180 to 180 degrees.
    pub longitude: f64,
    /// Latitude of the point, -90 to 90 degrees.
    pub latitude: f64,
    /// Greatest distance of a postal code's area from the point, in metres; 0 where the area holds the point.
    pub max_distance_meters: f64,
}

/// Which loads a list holds. All conditions hold at once; what is left out does not restrict.
#[derive(Clone, Debug, Default, InputObject)]
pub struct LoadFilter {
    /// Loads of this entity.
    pub entity: Option<LoadEntity>,
    /// Loads in any of these states.
    pub states: Option<Vec<LoadState>>,
    /// Loads of exactly this source.
    pub source: Option<String>,
}

impl TryFrom<StatsFilter> for domain::StatsFilter {
    type Error = ActionError;

    fn try_from(filter: StatsFilter) -> Result<Self, ActionError> {
        Ok(Self {
            from: filter.from.map(|month| month.0),
            to: filter.to.map(|month| month.0),
            ages: filter.ages.map(convert),
            genders: filter.genders.map(convert),
            postal_codes: codes("postalCodes", filter.postal_codes)?,
            areas: areas(filter.bbox, filter.within)?,
        })
    }
}

impl TryFrom<PaystatFilter> for actions::PaystatFilter {
    type Error = ActionError;

    fn try_from(filter: PaystatFilter) -> Result<Self, ActionError> {
        Ok(Self {
            stats: filter.stats.try_into()?,
            min_amount: filter.min_amount.map(|amount| amount.0),
            max_amount: filter.max_amount.map(|amount| amount.0),
        })
    }
}

impl TryFrom<PostalCodeFilter> for store::PostalCodeFilter {
    type Error = ActionError;

    /// The filter without `near`, which orders the list too.
    fn try_from(filter: PostalCodeFilter) -> Result<Self, ActionError> {
        Ok(Self {
            codes: codes("codes", filter.codes)?,
            code_prefix: filter.code_prefix,
            areas: areas(filter.bbox, filter.within)?,
        })
    }
}

impl TryFrom<NearInput> for domain::Near {
    type Error = ActionError;

    fn try_from(near: NearInput) -> Result<Self, ActionError> {
        Self::new(near.longitude, near.latitude, near.max_distance_meters)
            .map_err(|reason| ActionError::bad_input(format!("near: {reason}")))
    }
}

impl From<LoadFilter> for store::LoadFilter {
    fn from(filter: LoadFilter) -> Self {
        Self { entity: filter.entity.map(Into::into), states: filter.states.map(convert), source: filter.source }
    }
}

fn convert<A: Into<B>, B>(values: Vec<A>) -> Vec<B> {
    values.into_iter().map(Into::into).collect()
}

/// Parses postal codes of the argument `name`.
fn codes(name: &str, codes: Option<Vec<String>>) -> Result<Option<Vec<domain::PostalCodeCode>>, ActionError> {
    let parse =
        |code: String| code.parse().map_err(|reason| ActionError::bad_input(format!("{name}: \"{code}\" {reason}")));
    codes.map(|codes| codes.into_iter().map(parse).collect()).transpose()
}

fn areas(bbox: Option<BBoxInput>, within: Option<GeoJSON>) -> Result<Vec<domain::Area>, ActionError> {
    let mut areas = Vec::new();
    if let Some(BBoxInput { west, south, east, north }) = bbox {
        let bbox = domain::BBox::new(west, south, east, north)
            .map_err(|reason| ActionError::bad_input(format!("bbox: {reason}")))?;
        areas.push(domain::Area::BBox(bbox));
    }
    if let Some(GeoJSON(area)) = within {
        areas.push(domain::Area::Within(geometry("within", area)?));
    }
    Ok(areas)
}

/// Reads the GeoJSON of the argument `name`.
pub fn geometry(name: &str, value: serde_json::Value) -> Result<domain::Geometry, ActionError> {
    domain::Geometry::from_geojson(value).map_err(|reason| ActionError::bad_input(format!("{name} {reason}")))
}
