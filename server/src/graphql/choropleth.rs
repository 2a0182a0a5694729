//! The question for a map.

use async_graphql::{Context, Enum, Object, Result};

use super::{
    filter::StatsFilter,
    scalars::GeoJSONText,
    snapshot::{scope, snapshot},
};
use crate::{
    actions::{ActionError, Actions},
    choropleth::{self, Style, Tolerance},
};

/// How amounts are divided into classes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "choropleth::ClassBreaks")]
pub enum ClassBreaks {
    /// About as many postal codes in each class.
    Quantile,
    /// Natural breaks: amounts that are close to each other share a class.
    Jenks,
}

/// Questions for maps.
#[derive(Default)]
pub struct ChoroplethQuery;

#[Object]
impl ChoroplethQuery {
    /// A map of totals: a FeatureCollection with every postal code of the filter's places, by number, also those without paystats.
    ///
    /// Each feature has the number of its postal code as `id`, its simplified area with six decimals, and the properties `code`, `id`,
    /// `amount` (exact, as a string), `count`, `share` (of the whole amount, six decimals; null where that is 0 and the amount is not)
    /// and `class` (from 0; null without paystats). For a legend, the collection has `total` (`amount`, `count`), `breaks` (exact: the
    /// least amount of each class, then the greatest of all; a class ends before the next one starts), and `simplify` in metres.
    ///
    /// A border that postal codes share is simplified once, so neighbours still fit. Only where the data says it differently for both,
    /// or where an area is too small for six decimals, gaps and overlaps stay within the tolerance.
    async fn choropleth(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Which paystats; all if left out.")] filter: Option<StatsFilter>,
        #[graphql(
            desc = "How far borders may be from the real ones, in metres, up to 10000; 20 if 0 or left out. Less where \
                          borders would cross or an area would vanish."
        )]
        simplify: Option<f64>,
        #[graphql(
            default = 5,
            desc = "At most this many classes, 1 to 12. None is empty, so equal amounts may leave fewer."
        )]
        classes: i32,
        #[graphql(default_with = "ClassBreaks::Quantile", desc = "How amounts are divided into classes.")]
        breaks: ClassBreaks,
    ) -> Result<GeoJSONText> {
        let tolerance = Tolerance::new(simplify).map_err(|reason| ActionError::bad_input(reason.to_string()))?;
        let classes =
            usize::try_from(classes).ok().filter(|classes| Style::CLASSES.contains(classes)).ok_or_else(|| {
                ActionError::bad_input(format!(
                    "classes must be from {} to {}",
                    Style::CLASSES.start(),
                    Style::CLASSES.end()
                ))
            })?;
        let actions: &Actions = context.data_unchecked();
        let scope = scope(context, filter).await?;
        let style = Style { classes, breaks: breaks.into() };
        Ok(GeoJSONText(actions.choropleth(&snapshot(context), &scope, tolerance, style).await?))
    }
}
