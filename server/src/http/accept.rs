//! Content negotiation: which of the two GraphQL media types an `Accept` header asks for.

use axum::http::{HeaderMap, header::ACCEPT};
use mime::Mime;

/// The forms in which an answer can be written. Both are JSON; they differ in what the status code means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MediaType {
    /// `application/json`: 200 says only that the request was well formed.
    Json,
    /// `application/graphql-response+json`: the status says whether the operation ran.
    GraphqlResponse,
}

impl MediaType {
    /// In order of preference when the client has none. `application/json` comes first because clients that accept anything, or say
    /// nothing, are curl and older libraries, which take a status other than 200 for a broken connection.
    const OFFERED: [Self; 2] = [Self::Json, Self::GraphqlResponse];

    /// The value of `Content-Type`.
    pub(super) fn content_type(self) -> &'static str {
        match self {
            Self::Json => "application/json; charset=utf-8",
            Self::GraphqlResponse => "application/graphql-response+json; charset=utf-8",
        }
    }

    fn essence(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::GraphqlResponse => "application/graphql-response+json",
        }
    }
}

/// The media type to answer in, or `None` when the client accepts neither.
///
/// The highest `q` wins; among equals the type that is named over the one that only a wildcard covers; then the one that is named
/// first, because the specification recommends to clients a header that lists both without a `q`.
pub(super) fn negotiate(headers: &HeaderMap) -> Option<MediaType> {
    let ranges: Vec<Range> = headers
        .get_all(ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .enumerate()
        .filter_map(|(position, text)| Range::parse(position, text))
        .collect();
    if !headers.contains_key(ACCEPT) {
        return Some(MediaType::OFFERED[0]);
    }
    MediaType::OFFERED
        .into_iter()
        .filter_map(|offered| Some((offered, preference(offered, &ranges)?)))
        .reduce(|best, next| if next.1 > best.1 { next } else { best })
        .map(|(offered, _)| offered)
}

/// How much the client wants `offered`; `None` if not at all. Compares by quality, specificity, and place in the header.
fn preference(offered: MediaType, ranges: &[Range]) -> Option<(u16, Specificity, std::cmp::Reverse<usize>)> {
    let range = ranges
        .iter()
        .filter(|range| range.covers(offered))
        .max_by_key(|range| (range.specificity, std::cmp::Reverse(range.position)))?;
    (range.quality > 0).then_some((range.quality, range.specificity, std::cmp::Reverse(range.position)))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Specificity {
    Anything,
    AnySubtype,
    Exact,
}

/// One entry of an `Accept` header.
#[derive(Debug)]
struct Range {
    position: usize,
    /// `q` in thousandths, which is as fine as the header can say it.
    quality: u16,
    specificity: Specificity,
    media_range: Mime,
}

impl Range {
    /// An entry that cannot be read is skipped, as if the client had not sent it.
    fn parse(position: usize, text: &str) -> Option<Self> {
        let media_range: Mime = text.trim().parse().ok()?;
        let quality = match media_range.get_param("q") {
            Some(quality) => thousandths(quality.as_str())?,
            None => 1000,
        };
        let specificity = match (media_range.type_().as_str(), media_range.subtype().as_str()) {
            ("*", _) => Specificity::Anything,
            (_, "*") => Specificity::AnySubtype,
            _ => Specificity::Exact,
        };
        Some(Self { position, quality, specificity, media_range })
    }

    fn covers(&self, offered: MediaType) -> bool {
        let named = match self.specificity {
            Specificity::Anything => true,
            Specificity::AnySubtype => self.media_range.type_() == mime::APPLICATION,
            Specificity::Exact => self.media_range.essence_str() == offered.essence(),
        };
        named && self.media_range.get_param(mime::CHARSET).is_none_or(|charset| charset == mime::UTF_8)
    }
}

fn thousandths(quality: &str) -> Option<u16> {
    let value: f32 = quality.parse().ok()?;
    (0.0..=1.0).contains(&value).then(|| (value * 1000.0).round() as u16)
}

#[cfg(test)]
mod tests {
    use super::*;
    use MediaType::{GraphqlResponse, Json};

    fn accept(value: &str) -> Option<MediaType> {
        negotiate(&HeaderMap::from_iter([(ACCEPT, value.parse().unwrap())]))
    }

    #[test]
    fn a_client_that_names_one_type_gets_it() {
        assert_eq!(accept("application/json"), Some(Json));
        assert_eq!(accept("application/graphql-response+json"), Some(GraphqlResponse));
        assert_eq!(accept("Application/GraphQL-Response+JSON; charset=UTF-8"), Some(GraphqlResponse));
    }

    #[test]
    fn a_client_that_takes_anything_or_says_nothing_gets_json() {
        assert_eq!(negotiate(&HeaderMap::new()), Some(Json));
        assert_eq!(accept("*/*"), Some(Json));
        assert_eq!(accept("application/*"), Some(Json));
        assert_eq!(accept("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"), Some(Json));
    }

    #[test]
    fn the_higher_q_wins() {
        assert_eq!(accept("application/json;q=0.9, application/graphql-response+json"), Some(GraphqlResponse));
        assert_eq!(accept("application/graphql-response+json;q=0.123, application/json;q=0.124"), Some(Json));
        assert_eq!(accept("application/graphql-response+json;q=0.5, */*;q=0.8"), Some(Json));
    }

    #[test]
    fn among_equals_a_named_type_wins_and_then_the_first() {
        assert_eq!(accept("application/graphql-response+json, application/json"), Some(GraphqlResponse));
        assert_eq!(accept("application/json, application/graphql-response+json"), Some(Json));
        assert_eq!(accept("*/*, application/graphql-response+json"), Some(GraphqlResponse));
    }

    #[test]
    fn q_zero_forbids_even_what_a_wildcard_allows() {
        assert_eq!(accept("application/json;q=0, */*"), Some(GraphqlResponse));
        assert_eq!(accept("application/json;q=0, application/graphql-response+json;q=0, */*"), None);
    }

    #[test]
    fn nothing_fits_a_client_that_accepts_neither() {
        assert_eq!(accept("text/html"), None);
        assert_eq!(accept("text/*"), None);
        assert_eq!(accept("application/json; charset=iso-8859-1"), None);
        assert_eq!(accept(""), None);
    }

    #[test]
    fn an_entry_that_cannot_be_read_is_skipped() {
        assert_eq!(accept("nonsense, application/json"), Some(Json));
        assert_eq!(accept("application/json;q=high, application/graphql-response+json;q=0.1"), Some(GraphqlResponse));
    }

    #[test]
    fn several_headers_are_read_as_one() {
        let mut headers = HeaderMap::new();
        headers.append(ACCEPT, "text/html".parse().unwrap());
        headers.append(ACCEPT, "application/graphql-response+json".parse().unwrap());
        assert_eq!(negotiate(&headers), Some(GraphqlResponse));
    }
}
