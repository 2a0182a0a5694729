//! Repeatable chance: a number that depends on a seed and on a name only, not on what was asked before. So two neighbours ask for their
//! common border separately and get the same, and a row of the data set can be made without those before it.

/// A source of chance.
#[derive(Clone, Copy, Debug)]
pub(super) struct Noise(u64);

impl Noise {
    pub(super) fn new(seed: u64) -> Self {
        Self(mix(seed))
    }

    /// The chance that belongs to `name` within this one.
    pub(super) fn of(self, name: i64) -> Self {
        Self(mix(self.0 ^ mix(name.cast_unsigned())))
    }

    /// Evenly spread over `low..=high`.
    pub(super) fn between(self, low: u64, high: u64) -> u64 {
        low + self.0 % (high - low + 1)
    }

    /// Evenly spread over -1.0 to 1.0.
    pub(super) fn offset(self) -> f64 {
        self.between(0, 2_000_000) as f64 / 1e6 - 1.0
    }
}

/// The finalizer of SplitMix64.
fn mix(value: u64) -> u64 {
    let value = value.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    value ^ (value >> 31)
}
