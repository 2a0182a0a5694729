//! Content negotiation: in which of the forms that fit an operation an `Accept` header wants the answer.

use axum::http::{HeaderMap, header::ACCEPT};
use mime::Mime;

/// The forms in which an answer can come as one document. Both are JSON; they differ in what the status code means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MediaType {
    /// `application/json`: 200 says only that the request was well formed.
    Json,
    /// `application/graphql-response+json`: the status says whether the operation ran.
    GraphqlResponse,
}

impl MediaType {
    /// The value of `Content-Type`.
    pub(super) fn content_type(self) -> &'static str {
        match self {
            Self::Json => "application/json; charset=utf-8",
            Self::GraphqlResponse => "application/graphql-response+json; charset=utf-8",
        }
    }
}

/// All forms in which something can be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Document(MediaType),
    /// `text/event-stream`: GraphQL over Server-Sent Events.
    EventStream,
    /// `multipart/mixed;subscriptionSpec=1.0`: what Apollo calls multipart subscriptions.
    Multipart,
}

impl Form {
    /// For a request of which nothing more is known, in order of preference when the client has none. `application/json` comes first because
    /// clients that accept anything, or say nothing, are curl and older libraries, which take a status other than 200 for a broken
    /// connection.
    pub(super) const ALL: &[Self] = &[
        Self::Document(MediaType::Json),
        Self::Document(MediaType::GraphqlResponse),
        Self::EventStream,
        Self::Multipart,
    ];

    /// For a refusal.
    const DOCUMENTS: &[Self] = Self::ALL.split_at(2).0;

    /// For queries and mutations.
    pub(super) const OF_ONE_RESULT: &[Self] = Self::ALL.split_at(3).0;

    /// For subscriptions.
    pub(super) const OF_MANY_RESULTS: &[Self] = Self::ALL.split_at(2).1;

    fn essence(self) -> &'static str {
        match self {
            Self::Document(MediaType::Json) => "application/json",
            Self::Document(MediaType::GraphqlResponse) => "application/graphql-response+json",
            Self::EventStream => "text/event-stream",
            Self::Multipart => "multipart/mixed",
        }
    }
}

/// What a client accepts.
#[derive(Debug)]
pub(super) struct Accept(Vec<Range>);

impl Accept {
    /// Reads the header; without one, anything is accepted.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let values = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
        let anything = if headers.contains_key(ACCEPT) { None } else { Some("*/*") };
        let entries = values.chain(anything).flat_map(|value| value.split(',')).enumerate();
        Self(entries.filter_map(|(position, text)| Range::parse(position, text)).collect())
    }

    /// The form to answer in, or `None` when the client accepts none of those offered.
    ///
    /// The highest `q` wins; among equals the type that is named over the one that only a wildcard covers; then the one that is named
    /// first, because the specification recommends to clients a header that lists both without a `q`.
    pub(super) fn best_of(&self, offered: &[Form]) -> Option<Form> {
        let offered = offered.iter().filter_map(|offered| Some((*offered, self.preference(*offered)?)));
        offered.reduce(|best, next| if next.1 > best.1 { next } else { best }).map(|(offered, _)| offered)
    }

    /// How a refusal is written: as a document, whether or not the client accepts one.
    pub(super) fn for_refusal(&self) -> MediaType {
        match self.best_of(Form::DOCUMENTS) {
            Some(Form::Document(media_type)) => media_type,
            _ => MediaType::Json,
        }
    }

    /// How much the client wants `offered`; `None` if not at all. Compares by quality, specificity, and place in the header.
    fn preference(&self, offered: Form) -> Option<(u16, Specificity, std::cmp::Reverse<usize>)> {
        let range = self
            .0
            .iter()
            .filter(|range| range.covers(offered))
            .max_by_key(|range| (range.specificity, std::cmp::Reverse(range.position)))?;
        (range.quality > 0).then_some((range.quality, range.specificity, std::cmp::Reverse(range.position)))
    }
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

    /// A stream has to be named: who takes anything does not expect one, and would wait for its end.
    fn covers(&self, offered: Form) -> bool {
        let is_document = matches!(offered, Form::Document(_));
        let is_named = self.media_range.essence_str() == offered.essence();
        let fits = match (self.specificity, offered) {
            (Specificity::Anything, _) => is_document,
            (Specificity::AnySubtype, _) => is_document && self.media_range.type_() == mime::APPLICATION,
            (Specificity::Exact, Form::Multipart) => {
                is_named && self.media_range.get_param("subscriptionSpec").is_some_and(|version| version == "1.0")
            }
            (Specificity::Exact, Form::Document(_) | Form::EventStream) => is_named,
        };
        fits && self.media_range.get_param(mime::CHARSET).is_none_or(|charset| charset == mime::UTF_8)
    }
}

fn thousandths(quality: &str) -> Option<u16> {
    let value: f32 = quality.parse().ok()?;
    (0.0..=1.0).contains(&value).then(|| (value * 1000.0).round() as u16)
}

#[cfg(test)]
mod tests {
    use super::*;
    use Form::{EventStream, Multipart};

    const JSON: Form = Form::Document(MediaType::Json);
    const RESPONSE: Form = Form::Document(MediaType::GraphqlResponse);

    fn reads(value: &str) -> Accept {
        Accept::of(&HeaderMap::from_iter([(ACCEPT, value.parse().unwrap())]))
    }

    fn accept(value: &str) -> Option<Form> {
        reads(value).best_of(Form::OF_ONE_RESULT)
    }

    fn subscription(value: &str) -> Option<Form> {
        reads(value).best_of(Form::OF_MANY_RESULTS)
    }

    #[test]
    fn a_client_that_names_one_type_gets_it() {
        assert_eq!(accept("application/json"), Some(JSON));
        assert_eq!(accept("application/graphql-response+json"), Some(RESPONSE));
        assert_eq!(accept("Application/GraphQL-Response+JSON; charset=UTF-8"), Some(RESPONSE));
    }

    #[test]
    fn a_client_that_takes_anything_or_says_nothing_gets_json() {
        assert_eq!(Accept::of(&HeaderMap::new()).best_of(Form::OF_ONE_RESULT), Some(JSON));
        assert_eq!(accept("*/*"), Some(JSON));
        assert_eq!(accept("application/*"), Some(JSON));
        assert_eq!(accept("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"), Some(JSON));
    }

    #[test]
    fn the_higher_q_wins() {
        assert_eq!(accept("application/json;q=0.9, application/graphql-response+json"), Some(RESPONSE));
        assert_eq!(accept("application/graphql-response+json;q=0.123, application/json;q=0.124"), Some(JSON));
        assert_eq!(accept("application/graphql-response+json;q=0.5, */*;q=0.8"), Some(JSON));
    }

    #[test]
    fn among_equals_a_named_type_wins_and_then_the_first() {
        assert_eq!(accept("application/graphql-response+json, application/json"), Some(RESPONSE));
        assert_eq!(accept("application/json, application/graphql-response+json"), Some(JSON));
        assert_eq!(accept("*/*, application/graphql-response+json"), Some(RESPONSE));
    }

    #[test]
    fn q_zero_forbids_even_what_a_wildcard_allows() {
        assert_eq!(accept("application/json;q=0, */*"), Some(RESPONSE));
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
        assert_eq!(accept("nonsense, application/json"), Some(JSON));
        assert_eq!(accept("application/json;q=high, application/graphql-response+json;q=0.1"), Some(RESPONSE));
    }

    #[test]
    fn several_headers_are_read_as_one() {
        let mut headers = HeaderMap::new();
        headers.append(ACCEPT, "text/html".parse().unwrap());
        headers.append(ACCEPT, "application/graphql-response+json".parse().unwrap());
        assert_eq!(Accept::of(&headers).best_of(Form::OF_ONE_RESULT), Some(RESPONSE));
    }
    #[test]
    fn a_stream_has_to_be_named() {
        assert_eq!(Accept::of(&HeaderMap::new()).best_of(Form::OF_MANY_RESULTS), None);
        for value in ["*/*", "text/*", "multipart/*", "application/json", "multipart/mixed"] {
            assert_eq!(subscription(value), None, "{value}");
        }
        assert_eq!(subscription("text/event-stream"), Some(EventStream));
        assert_eq!(subscription("multipart/mixed;deferSpec=20220824"), None);
        for version in ["1.0", "\"1.0\"", "1.0;boundary=graphql"] {
            assert_eq!(subscription(&format!("multipart/mixed;subscriptionSpec={version}")), Some(Multipart));
        }
    }

    #[test]
    fn clients_get_the_form_that_their_headers_mean() {
        let apollo = "multipart/mixed;boundary=graphql;subscriptionSpec=1.0,application/graphql-response+json,application/json;q=0.9";
        assert_eq!((subscription(apollo), accept(apollo)), (Some(Multipart), Some(RESPONSE)));
        assert_eq!(subscription("text/event-stream, multipart/mixed"), Some(EventStream), "urql");
        let urql = "application/graphql-response+json, application/graphql+json, application/json, text/event-stream, multipart/mixed";
        assert_eq!((subscription(urql), accept(urql)), (Some(EventStream), Some(RESPONSE)));
    }

    #[test]
    fn between_streams_and_documents_the_same_rules_decide() {
        assert_eq!(accept("text/event-stream"), Some(EventStream));
        assert_eq!(accept("text/event-stream, application/json"), Some(EventStream));
        assert_eq!(accept("application/json;q=0.9, text/event-stream;q=0.8"), Some(JSON));
        assert_eq!(accept("multipart/mixed;subscriptionSpec=1.0"), None);
        let both = "text/event-stream;q=0.5, multipart/mixed;subscriptionSpec=1.0";
        assert_eq!((subscription(both), accept(both)), (Some(Multipart), Some(EventStream)));
        assert_eq!(subscription("text/event-stream;q=0"), None);
    }

    #[test]
    fn a_refusal_is_a_document() {
        assert_eq!(reads("text/event-stream").for_refusal(), MediaType::Json);
        let streams_first = "text/event-stream, application/graphql-response+json, application/json";
        assert_eq!(reads(streams_first).for_refusal(), MediaType::GraphqlResponse);
    }
}
