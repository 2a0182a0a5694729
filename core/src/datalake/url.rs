//! The URL of a source, taken apart without trusting it: `s3://bucket/key`, `gs://bucket/key`, `az://container/key`,
//! `https://host/path` and, where an operator allows it, `http://host/path`.
//!
//! Whatever could mean another place than it seems to (`..` in any encoding, empty segments, backslashes, user names, queries,
//! fragments) is refused before anybody compares or asks for it, so that a comparison of segments is one of places.

use std::fmt;

use percent_encoding::percent_decode_str;
use url::Host;

/// Longest name of a source, in bytes: that of a key in S3.
pub(super) const MAX_NAME_BYTES: usize = 1_024;

/// What speaks behind a URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// Amazon S3, or a store with its interface.
    S3,
    /// Google Cloud Storage.
    Gs,
    /// Azure Blob Storage.
    Az,
    /// A web server.
    Https,
    /// A web server without TLS.
    Http,
}

/// A URL of a source, or the beginning of such URLs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceUrl {
    scheme: Scheme,
    /// Bucket, container or host. A host is lower-case, and an address in its usual form.
    authority: String,
    /// Of a host; the scheme's own if the URL names none.
    port: Option<u16>,
    /// Decoded where the scheme has encodings (`https`, `http`); keys of stores are taken as they are written.
    segments: Vec<String>,
}

/// What is wrong with a URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BadUrl {
    /// It is none, or has parts that a source's must not have.
    Malformed(&'static str),
    /// It leads somewhere else than it seems to.
    Outside,
    /// It ends in `/`.
    Folder,
}

impl Scheme {
    const ALL: [Self; 5] = [Self::S3, Self::Gs, Self::Az, Self::Https, Self::Http];

    /// As it stands before `://`.
    pub fn name(self) -> &'static str {
        match self {
            Self::S3 => "s3",
            Self::Gs => "gs",
            Self::Az => "az",
            Self::Https => "https",
            Self::Http => "http",
        }
    }

    fn default_port(self) -> Option<u16> {
        match self {
            Self::S3 | Self::Gs | Self::Az => None,
            Self::Https => Some(443),
            Self::Http => Some(80),
        }
    }
}

impl SourceUrl {
    /// The URL of one source.
    pub(super) fn of_source(text: &str) -> Result<Self, BadUrl> {
        if text.ends_with('/') {
            // A folder may still be malformed or outside, which is worth more to know.
            Self::of_folder(text)?;
            return Err(BadUrl::Folder);
        }
        let url = Self::of_folder(text)?;
        if url.segments.is_empty() { Err(BadUrl::Folder) } else { Ok(url) }
    }

    /// A URL under which sources are, with or without a `/` at its end.
    pub(super) fn of_folder(text: &str) -> Result<Self, BadUrl> {
        let (scheme, rest) = text.split_once("://").ok_or(BadUrl::Malformed("is not a URL"))?;
        let scheme = Scheme::ALL.into_iter().find(|known| known.name().eq_ignore_ascii_case(scheme));
        let scheme =
            scheme.ok_or(BadUrl::Malformed("is of an unknown kind: s3://, gs://, az:// and https:// can be read"))?;
        if text.contains(['?', '#']) {
            return Err(BadUrl::Malformed("has a query or a fragment, which a source cannot have"));
        }
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        if authority.contains('@') {
            return Err(BadUrl::Malformed("names a user: credentials come from the environment of the programs"));
        }
        if text.chars().any(char::is_control) {
            return Err(BadUrl::Malformed("holds control characters"));
        }
        let (authority, port) = match scheme {
            Scheme::S3 | Scheme::Gs | Scheme::Az => (bucket(authority)?, None),
            Scheme::Https | Scheme::Http => host(scheme, authority)?,
        };
        let path = path.strip_suffix('/').unwrap_or(path);
        let segments = match path {
            "" => Vec::new(),
            path => path.split('/').map(|segment| read_segment(scheme, segment)).collect::<Result<_, _>>()?,
        };
        Ok(Self { scheme, authority, port, segments })
    }

    /// What speaks behind it.
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// Its bucket or container; of a web server, host and port.
    pub(super) fn authority(&self) -> String {
        match self.port.filter(|port| Some(*port) != self.scheme.default_port()) {
            Some(port) => format!("{}:{port}", self.authority),
            None => self.authority.clone(),
        }
    }

    /// Its path without a `/` at either end, not encoded.
    pub(super) fn path(&self) -> String {
        self.segments.join("/")
    }

    /// Whether `other` is this or lies under it: whole segments, the same scheme, host and port.
    pub(super) fn holds(&self, other: &Self) -> bool {
        self.scheme == other.scheme
            && self.authority == other.authority
            && self.port == other.port
            && other.segments.starts_with(&self.segments)
    }

    /// What lies under it by a path that is written like a key.
    pub(super) fn below(&self, path: &str) -> Result<Self, BadUrl> {
        let mut url = self.clone();
        for segment in path.split('/') {
            url.segments.push(read_segment(self.scheme, segment)?);
        }
        Ok(url)
    }
}

impl fmt::Display for SourceUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}/{}", self.scheme.name(), self.authority(), self.path())
    }
}

/// A name as an error may repeat it: without a user's name and password, and without a query, which may be a signature.
pub(super) fn without_secrets(name: &str) -> String {
    let name: String = name.chars().flat_map(printable).collect();
    let Some((scheme, rest)) = name.split_once("://") else { return name };
    let (rest, hidden) = match rest.find(['?', '#']) {
        Some(place) => (&rest[..place], "?…"),
        None => (rest, ""),
    };
    let (authority, path) = rest.split_once('/').map_or((rest, None), |(authority, path)| (authority, Some(path)));
    let authority = authority.rsplit_once('@').map_or(authority.to_owned(), |(_, host)| format!("…@{host}"));
    let path = path.map(|path| format!("/{path}")).unwrap_or_default();
    format!("{scheme}://{authority}{path}{hidden}")
}

fn printable(c: char) -> Vec<char> {
    if c.is_control() { c.escape_debug().collect() } else { vec![c] }
}

fn bucket(text: &str) -> Result<String, BadUrl> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    // A bucket is a segment of the URLs that stores are asked by: `..` must not be one.
    if text.starts_with(|c: char| c.is_ascii_alphanumeric()) && text.chars().all(is_name) {
        Ok(text.to_owned())
    } else {
        Err(BadUrl::Malformed("names no bucket"))
    }
}

fn host(scheme: Scheme, text: &str) -> Result<(String, Option<u16>), BadUrl> {
    let bad = || BadUrl::Malformed("names no host");
    // `[::1]:80`: only a colon behind the brackets starts a port.
    let (host, port) = match text.rsplit_once(':').filter(|(_, port)| !port.contains(']')) {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => {
            (host, Some(port.parse().map_err(|_| bad())?))
        }
        Some(_) => return Err(bad()),
        None => (text, scheme.default_port()),
    };
    if host.contains('%') || port == Some(0) {
        return Err(bad());
    }
    let host = Host::parse(host).map_err(|_| bad())?;
    Ok((host.to_string(), port))
}

fn read_segment(scheme: Scheme, segment: &str) -> Result<String, BadUrl> {
    check_segment(segment)?;
    // Decoded as often as anything on the way might do: it has to stay harmless.
    let mut decoded = segment.to_owned();
    loop {
        let next = percent_decode_str(&decoded)
            .decode_utf8()
            .map_err(|_| BadUrl::Malformed("has an encoding that is not UTF-8"))?
            .into_owned();
        check_segment(&next)?;
        if next == decoded {
            break;
        }
        decoded = next;
    }
    match scheme {
        Scheme::S3 | Scheme::Gs | Scheme::Az => Ok(segment.to_owned()),
        Scheme::Https | Scheme::Http => {
            let is_whole = segment
                .split('%')
                .skip(1)
                .all(|rest| rest.as_bytes().get(..2).is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit)));
            if !is_whole {
                return Err(BadUrl::Malformed("has a '%' that encodes nothing"));
            }
            Ok(percent_decode_str(segment).decode_utf8_lossy().into_owned())
        }
    }
}

fn check_segment(segment: &str) -> Result<(), BadUrl> {
    match segment {
        "" => Err(BadUrl::Malformed("has an empty part in its path")),
        "." | ".." => Err(BadUrl::Outside),
        _ if segment.contains(['/', '\\']) || segment.chars().any(char::is_control) => Err(BadUrl::Outside),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_taken_apart() {
        for (text, scheme, authority, path) in [
            ("s3://lake/2015/paystats.csv", Scheme::S3, "lake", "2015/paystats.csv"),
            ("S3://lake/2015/pay stats%.csv", Scheme::S3, "lake", "2015/pay stats%.csv"),
            ("gs://my.lake_1/a", Scheme::Gs, "my.lake_1", "a"),
            ("az://container/a/b", Scheme::Az, "container", "a/b"),
            ("https://Data.Example.ORG:443/a%20b.csv", Scheme::Https, "data.example.org", "a b.csv"),
            ("https://data.example.org:8443/a", Scheme::Https, "data.example.org:8443", "a"),
            ("http://127.0.0.1:9000/a", Scheme::Http, "127.0.0.1:9000", "a"),
            ("http://0x7f.1/a", Scheme::Http, "127.0.0.1", "a"),
            ("http://[::1]:80/a", Scheme::Http, "[::1]", "a"),
            ("https://h/..a/b..", Scheme::Https, "h", "..a/b.."),
        ] {
            let url = SourceUrl::of_source(text).unwrap_or_else(|error| panic!("{text}: {error:?}"));
            assert_eq!((url.scheme(), url.authority().as_str(), url.path().as_str()), (scheme, authority, path));
        }
    }

    #[test]
    fn what_leads_elsewhere_is_refused() {
        for path in [
            "..",
            "../x",
            "a/../x",
            "a/..",
            ".",
            "a/./x",
            "%2e%2e/x",
            "%2E%2e/x",
            ".%2e/x",
            "%2e/x",
            "a%2fb",
            "a%2Fb",
            "a%5cb",
            "a\\b",
            "..\\x",
            "%252e%252e/x",
            "a%252fb",
            "%25252e%25252e/x",
            "a%00b",
            "a%0ab",
            "a%25%32%66b",
        ] {
            for base in ["s3://lake/in", "gs://lake/in", "az://lake/in", "https://h/in", "http://h/in"] {
                let text = format!("{base}/{path}");
                assert_eq!(SourceUrl::of_source(&text), Err(BadUrl::Outside), "{text}");
            }
        }
    }

    #[test]
    fn what_is_no_url_of_a_source_is_refused() {
        for text in [
            "file:///etc/passwd",
            "ftp://h/a",
            "://h/a",
            "javascript://h/a",
            "s3:///key",
            "s3://../key",
            "s3://.a/key",
            "s3://a b/key",
            "s3://lake:80/key",
            "s3://user@lake/key",
            "https:///a",
            "https://user:secret@h/a",
            "https://user@h/a",
            "https://h/a?b=c",
            "https://h/a?",
            "https://h/a#b",
            "https://h:/a",
            "https://h:0/a",
            "https://h:99999/a",
            "https://h:8x/a",
            "https://h%2e/a",
            "https://h//a",
            "https://h/a//b",
            "https://h/a%zz",
            "https://h/a%",
            "https://h/%ff",
            "https://h\\@evil/a",
            "https://h/a\0b",
            "https://h/a\nb",
            "https://[::1/a",
        ] {
            assert!(
                matches!(SourceUrl::of_source(text), Err(BadUrl::Malformed(_))),
                "{text}: {:?}",
                SourceUrl::of_source(text)
            );
        }
        for text in ["s3://lake", "s3://lake/", "s3://lake/a/", "https://h", "https://h/", "https://h/a/"] {
            assert_eq!(SourceUrl::of_source(text), Err(BadUrl::Folder), "{text}");
        }
    }

    #[test]
    fn errors_repeat_names_without_what_may_be_secret() {
        for (name, shown) in [
            ("a.csv", "a.csv"),
            ("a\0b\n", "a\\0b\\n"),
            ("https://user:secret@h/a?signature=secret", "https://…@h/a?…"),
            ("https://user:p@ss@h", "https://…@h"),
            ("https://h/a#b", "https://h/a?…"),
            ("s3://lake/a@b", "s3://lake/a@b"),
        ] {
            assert_eq!(without_secrets(name), shown);
        }
    }
}
