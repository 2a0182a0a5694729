//! Places that questions name: a box, a polygon, the surroundings of a point.

use super::Geometry;

/// A box of WGS84 degrees. Where `west` is greater than `east` it crosses the antimeridian (RFC 7946, section 5.2).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BBox {
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
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Near {
    /// -180 to 180 degrees.
    pub longitude: f64,
    /// -90 to 90 degrees.
    pub latitude: f64,
    /// Metres on the sphere, at least 0.
    pub max_distance_meters: f64,
}

/// An area that postal codes are matched against.
#[derive(Clone, Debug, PartialEq)]
pub enum Area {
    /// Postal codes that meet the box.
    BBox(BBox),
    /// Postal codes that meet the polygon.
    Within(Geometry),
}

/// Why numbers name no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AreaError {
    /// A longitude outside -180 to 180.
    #[error("a longitude must lie between -180 and 180")]
    Longitude,
    /// A latitude outside -90 to 90.
    #[error("a latitude must lie between -90 and 90")]
    Latitude,
    /// South of its own south.
    #[error("south must not be greater than north")]
    UpsideDown,
    /// A negative distance.
    #[error("maxDistanceMeters must be a number of at least 0")]
    Distance,
}

impl BBox {
    /// A box; `west > east` crosses the antimeridian.
    pub fn new(west: f64, south: f64, east: f64, north: f64) -> Result<Self, AreaError> {
        check_longitude(west)?;
        check_longitude(east)?;
        check_latitude(south)?;
        check_latitude(north)?;
        if south > north {
            return Err(AreaError::UpsideDown);
        }
        Ok(Self { west, south, east, north })
    }

    /// The box cut at the antimeridian: one or two ranges of longitudes, each from west to east.
    pub fn longitudes(&self) -> Vec<(f64, f64)> {
        if self.west <= self.east {
            vec![(self.west, self.east)]
        } else {
            vec![(self.west, 180.0), (-180.0, self.east)]
        }
    }
}

impl Near {
    /// The surroundings of a point.
    pub fn new(longitude: f64, latitude: f64, max_distance_meters: f64) -> Result<Self, AreaError> {
        check_longitude(longitude)?;
        check_latitude(latitude)?;
        if !(max_distance_meters.is_finite() && max_distance_meters >= 0.0) {
            return Err(AreaError::Distance);
        }
        Ok(Self { longitude, latitude, max_distance_meters })
    }
}

fn check_longitude(degrees: f64) -> Result<(), AreaError> {
    (-180.0..=180.0).contains(&degrees).then_some(()).ok_or(AreaError::Longitude)
}

fn check_latitude(degrees: f64) -> Result<(), AreaError> {
    (-90.0..=90.0).contains(&degrees).then_some(()).ok_or(AreaError::Latitude)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_box_is_checked_and_may_cross_the_antimeridian() {
        assert_eq!(BBox::new(170.0, -10.0, -170.0, 10.0).unwrap().longitudes(), [(170.0, 180.0), (-180.0, -170.0)]);
        assert_eq!(BBox::new(0.0, 10.0, 1.0, -10.0), Err(AreaError::UpsideDown));
        assert_eq!(BBox::new(f64::NAN, 0.0, 1.0, 1.0), Err(AreaError::Longitude));
        assert_eq!(BBox::new(0.0, 0.0, 1.0, 90.5), Err(AreaError::Latitude));
        assert_eq!(Near::new(0.0, 0.0, -1.0), Err(AreaError::Distance));
    }
}
