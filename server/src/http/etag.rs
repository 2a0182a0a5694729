//! Entity tags: what names one answer among all that the same URL ever gave.
//!
//! A tag is strong: two answers that share it are the same bytes. So each is a hash of all that decides the bytes. The build of the server is
//! part of it, because another may say something else to the same question, or compress it otherwise, and so is the media type; the
//! content coding is written behind the hash, because it is chosen last.

use std::fmt;

use axum::http::HeaderValue;
use sha2::{Digest, Sha256};

use super::accept::MediaType;

/// The sources that this build is made of; see `build.rs`.
const BUILD: &str = env!("SOURCES_HASH");

/// Names an answer, in whichever coding it is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Tag(u128);

impl Tag {
    /// The tag of the answer to a question about this version of the data. `question` is the query component of the URL: all parameters, in
    /// the client's spelling. Another spelling is another URL for every cache too.
    pub(super) fn of_version(question: &str, version: u64, media_type: MediaType) -> Self {
        Self::of([b"version", media_type.content_type().as_bytes(), question.as_bytes(), &version.to_be_bytes()])
    }

    /// The tag of the answer with this body.
    pub(super) fn of_body(body: &[u8], media_type: MediaType) -> Self {
        Self::of([b"body", media_type.content_type().as_bytes(), body, &[]])
    }

    /// Half of a SHA-256: no two answers meet in it by chance.
    fn of(parts: [&[u8]; 4]) -> Self {
        let mut hasher = Sha256::new_with_prefix(BUILD);
        for part in parts {
            hasher.update((part.len() as u64).to_be_bytes());
            hasher.update(part);
        }
        let [high, _] = *hasher.finalize().as_chunks::<16>().0 else { unreachable!("a SHA-256 has 32 bytes") };
        Self(u128::from_be_bytes(high))
    }

    /// The value of `ETag` for the answer in a coding of [`CODINGS`](super::compression::CODINGS), or as it is.
    pub(super) fn header(&self, coding: Option<&str>) -> HeaderValue {
        let text = match coding {
            Some(coding) => format!("\"{self}-{coding}\""),
            None => format!("\"{self}\""),
        };
        text.try_into().expect("digits, a hyphen and the name of a coding can stand in a header")
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use MediaType::{GraphqlResponse, Json};

    #[test]
    fn whatever_decides_the_bytes_decides_the_tag() {
        let tags = [
            Tag::of_version("query={a}", 1, Json),
            Tag::of_version("query={a}", 2, Json),
            Tag::of_version("query={b}", 1, Json),
            Tag::of_version("query={a}", 1, GraphqlResponse),
            Tag::of_body(b"query={a}", Json),
            Tag::of_body(b"{}", Json),
            Tag::of_body(b"{}", GraphqlResponse),
        ];
        for (place, tag) in tags.iter().enumerate() {
            assert_eq!(tags.iter().position(|other| other == tag), Some(place), "{place}");
        }
        assert_eq!(tags[0], Tag::of_version("query={a}", 1, Json));
        assert_eq!(tags[5], Tag::of_body(b"{}", Json));
    }

    #[test]
    fn each_coding_has_a_header_of_its_own() {
        let tag = Tag(0xabc);
        assert_eq!(tag.header(None), "\"00000000000000000000000000000abc\"");
        assert_eq!(tag.header(Some("zstd")), "\"00000000000000000000000000000abc-zstd\"");
    }
}
