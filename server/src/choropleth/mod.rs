//! Maps of totals: every postal code with its simplified area and its class, as one GeoJSON FeatureCollection.
//!
//! [`Maps`] keeps the areas as text, drawn once for each tolerance; [`paint()`] puts totals and classes beside them. In between,
//! neighbours keep their common border: [`topology`] cuts all areas into borders, each of which [`simplify`] simplifies once, and
//! [`conflicts`] tells where that went too far.
//!
//! Topology is kept wherever two postal codes say the same positions of their common border, once rounded to [`grid::DECIMALS`]. Where
//! they say different ones, each keeps its own border: the gaps and overlaps that were there stay, and may change their shape within
//! the tolerance.

mod breaks;
mod conflicts;
mod grid;
mod maps;
mod paint;
mod simplify;
#[cfg(test)]
mod tests;
mod tolerance;
mod topology;

pub use breaks::ClassBreaks;
pub use maps::{MapError, Maps};
pub use paint::{Style, paint};
pub use tolerance::Tolerance;
