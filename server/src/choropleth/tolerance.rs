//! How far a simplified border may be from the real one.

/// A distance in whole millimetres, from 1 mm to [`Tolerance::MOST_METERS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Tolerance {
    millimeters: u32,
}

/// Why a number is no tolerance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("simplify must be from 0 to {} metres", Tolerance::MOST_METERS)]
pub struct ToleranceError;

impl Tolerance {
    /// Where none is named: less than a pixel on a map of a city that fits on a screen.
    pub const DEFAULT_METERS: f64 = 20.0;
    /// The greatest: about a pixel on a map of a continent.
    pub const MOST_METERS: f64 = 10_000.0;

    /// So many metres; the default where it is nothing or 0.
    pub fn new(meters: Option<f64>) -> Result<Self, ToleranceError> {
        let meters = meters.filter(|&meters| meters != 0.0).unwrap_or(Self::DEFAULT_METERS);
        if !(0.0..=Self::MOST_METERS).contains(&meters) {
            return Err(ToleranceError);
        }
        Ok(Self { millimeters: ((meters * 1000.0).round() as u32).max(1) })
    }

    /// Metres.
    pub fn meters(self) -> f64 {
        f64::from(self.millimeters) / 1000.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_and_zero_are_the_default_and_the_rest_has_limits() {
        let meters = |meters| Tolerance::new(meters).map(Tolerance::meters);
        assert_eq!(meters(None), Ok(20.0));
        assert_eq!(meters(Some(0.0)), Ok(20.0));
        assert_eq!(meters(Some(-0.0)), Ok(20.0));
        assert_eq!(meters(Some(0.0001)), Ok(0.001));
        assert_eq!(meters(Some(12.3456)), Ok(12.346));
        assert_eq!(meters(Some(10_000.0)), Ok(10_000.0));
        for wrong in [-1.0, 10_000.001, f64::INFINITY, f64::NAN] {
            assert_eq!(meters(Some(wrong)), Err(ToleranceError), "{wrong}");
        }
        assert_eq!(ToleranceError.to_string(), "simplify must be from 0 to 10000 metres");
    }
}
