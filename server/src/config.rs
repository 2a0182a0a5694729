//! What a server needs beyond the engines. Its variables:
//!
//! | variable | meaning | default |
//! |---|---|---|
//! | `PAYSTATS_HTTP_ADDR` | address that the server listens on | `127.0.0.1:8080` |
//! | `PAYSTATS_WEB_DIR` | folder of the built web pages | `web/dist` |
//! | `PAYSTATS_REQUEST_SECONDS` | longest that a field of a query or mutation may take | `30` |
//! | `PAYSTATS_UPLOAD_BYTES` | largest file that may be uploaded, in bytes; `0`: none | 10 GiB |
//! | `PAYSTATS_CORS_ORIGINS` | origins of other front ends that may use the API in browsers, with commas between them | none |
//! | `PAYSTATS_MAX_DEPTH` | how deep a document may nest | `32` |
//! | `PAYSTATS_MAX_COMPLEXITY` | fields that a document may select, those of lists counted as often as the page is long | `500000` |
//! | `PAYSTATS_DOCUMENTS` | file with the only documents that are answered: a JSON object whose values they are | none: any document |
//! | `PAYSTATS_INTROSPECTION` | `off`: neither introspection, suggestions nor GraphiQL | `on` |
//! | `PAYSTATS_CURRENCY` | currency of all amounts, as the dashboard writes them: a code of ISO 4217 | `EUR` |
//! | `PAYSTATS_BASE_MAP` | what the dashboard's maps are drawn on: `https://…/{z}/{x}/{y}.png`, or the URL of a MapLibre style | none: no browser asks anybody else |
//! | `PAYSTATS_BASE_MAP_ATTRIBUTION` | whom these maps are by, as text | none |
//!
//! Those of [`AccessConfig`] tell who may call.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use paystats_core::config::{ConfigError, number, on_or_off, optional, seconds};
use url::Url;

use crate::{
    access::AccessConfig,
    http::{Limits, Origins, PersistedDocuments},
};

/// Largest upload unless told otherwise, in bytes.
const UPLOAD_BYTES: u64 = 10 << 30;
/// More than any store takes, and exact as a number of JavaScript.
const MOST_UPLOAD_BYTES: u64 = 1 << 50;

/// Settings of a server.
#[derive(Clone, Debug)]
pub struct ServerConfig {
    /// Where it listens.
    pub address: SocketAddr,
    /// Folder of the built web pages; `None` where they were not built.
    pub web_dir: Option<PathBuf>,
    /// Longest that a field of a query or mutation may take.
    pub deadline: Duration,
    /// Largest file that may be uploaded, in bytes; 0: none.
    pub upload_bytes: u64,
    /// Who may call, and how often.
    pub access: AccessConfig,
    /// What a document may be.
    pub documents: DocumentsConfig,
    /// Origins of other front ends.
    pub origins: Origins,
    /// What the dashboard is told.
    pub dashboard: DashboardConfig,
}

/// Which documents are answered.
#[derive(Clone, Debug)]
pub struct DocumentsConfig {
    /// The largest.
    pub limits: Limits,
    /// What executing one may cost.
    pub max_complexity: usize,
    /// File of those that may be asked; all may if there is none.
    pub registered: Option<PathBuf>,
    /// Whether the schema can be asked for.
    pub introspection: bool,
}

/// What the dashboard is configured with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DashboardConfig {
    /// Currency of all amounts: a code of ISO 4217.
    pub currency: String,
    /// What maps are drawn on.
    pub base_map: Option<BaseMap>,
}

/// A map that others serve.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BaseMap {
    /// Raster tiles with `{z}`, `{x}` and `{y}` in their URL, or a MapLibre style.
    pub url: String,
    /// Whom it is by.
    pub attribution: Option<String>,
    /// Scheme, host and port of the URL: what browsers have to be allowed to ask.
    pub origin: String,
}

impl ServerConfig {
    /// A server at `address` with the defaults, and without pages.
    pub fn at(address: SocketAddr) -> Self {
        Self {
            address,
            web_dir: None,
            deadline: Duration::from_secs(30),
            upload_bytes: UPLOAD_BYTES,
            access: AccessConfig::default(),
            documents: DocumentsConfig::default(),
            origins: Origins::default(),
            dashboard: DashboardConfig::default(),
        }
    }

    /// Reads the variables above.
    pub fn from_env() -> Result<Self, ConfigError> {
        let address = optional("PAYSTATS_HTTP_ADDR").unwrap_or_else(|| "127.0.0.1:8080".to_owned());
        let web_dir = PathBuf::from(optional("PAYSTATS_WEB_DIR").unwrap_or_else(|| "web/dist".to_owned()));
        let address = address.parse().map_err(|_| ConfigError::Invalid {
            variable: "PAYSTATS_HTTP_ADDR",
            reason: format!("'{address}' is not an address such as 127.0.0.1:8080"),
        })?;
        let origins = optional("PAYSTATS_CORS_ORIGINS").unwrap_or_default();
        Ok(Self {
            address,
            web_dir: web_dir.join("index.html").is_file().then_some(web_dir),
            deadline: Duration::from_secs(seconds("PAYSTATS_REQUEST_SECONDS", 30)?),
            upload_bytes: number("PAYSTATS_UPLOAD_BYTES", UPLOAD_BYTES, 0..=MOST_UPLOAD_BYTES)?,
            access: AccessConfig::from_env(address)?,
            documents: DocumentsConfig::from_env()?,
            origins: Origins::parse(&origins)
                .map_err(|reason| ConfigError::Invalid { variable: "PAYSTATS_CORS_ORIGINS", reason })?,
            dashboard: DashboardConfig::from_env()?,
        })
    }
}

impl Default for DocumentsConfig {
    fn default() -> Self {
        Self { limits: Limits::default(), max_complexity: 500_000, registered: None, introspection: true }
    }
}

impl DocumentsConfig {
    fn from_env() -> Result<Self, ConfigError> {
        let Self { limits, max_complexity, .. } = Self::default();
        Ok(Self {
            limits: Limits { depth: number("PAYSTATS_MAX_DEPTH", limits.depth as u64, 1..=64)? as usize, ..limits },
            max_complexity: number("PAYSTATS_MAX_COMPLEXITY", max_complexity as u64, 1..=1 << 32)? as usize,
            registered: optional("PAYSTATS_DOCUMENTS").map(PathBuf::from),
            introspection: on_or_off("PAYSTATS_INTROSPECTION", true)?,
        })
    }

    /// The documents that are known by their hash.
    pub(crate) fn persisted(&self) -> Result<PersistedDocuments, ConfigError> {
        let Some(file) = &self.registered else { return Ok(PersistedDocuments::default()) };
        let text = std::fs::read_to_string(file).map_err(|error| error.to_string());
        text.and_then(|text| PersistedDocuments::registered(&text)).map_err(|reason| ConfigError::Invalid {
            variable: "PAYSTATS_DOCUMENTS",
            reason: format!("reading {}: {reason}", file.display()),
        })
    }
}

impl Default for DashboardConfig {
    fn default() -> Self {
        Self { currency: "EUR".to_owned(), base_map: None }
    }
}

impl DashboardConfig {
    fn from_env() -> Result<Self, ConfigError> {
        let invalid = |variable| move |reason| ConfigError::Invalid { variable, reason };
        let mut dashboard = Self::default();
        if let Some(code) = optional("PAYSTATS_CURRENCY") {
            dashboard.currency = currency(code).map_err(invalid("PAYSTATS_CURRENCY"))?;
        }
        if let Some(url) = optional("PAYSTATS_BASE_MAP") {
            let map = BaseMap::parse(&url, optional("PAYSTATS_BASE_MAP_ATTRIBUTION"));
            dashboard.base_map = Some(map.map_err(invalid("PAYSTATS_BASE_MAP"))?);
        }
        Ok(dashboard)
    }
}

fn currency(code: String) -> Result<String, String> {
    if code.len() == 3 && code.bytes().all(|letter| letter.is_ascii_uppercase()) {
        Ok(code)
    } else {
        Err(format!("'{code}' is not a code of ISO 4217 such as EUR"))
    }
}

impl BaseMap {
    /// Reads its URL. The error says what is wrong, and repeats nothing, for there may be a password in it.
    pub fn parse(url: &str, attribution: Option<String>) -> Result<Self, String> {
        let wrong = |reason: &str| Err(format!("it {reason}"));
        let parsed = match Url::parse(url) {
            Ok(parsed) if matches!(parsed.scheme(), "https" | "http") => parsed,
            _ => return wrong("is not a URL with https:// or http://"),
        };
        // Some of these are dropped where a URL is read, so others might read another one.
        if url.contains(|c: char| c.is_whitespace() || c.is_control() || c == '\\') {
            return wrong("holds a space, a backslash or a control character");
        }
        // It stands in a header, where some of what a host may be made of means something.
        let origin = parsed.origin().ascii_serialization();
        if !origin.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '/' | '[' | ']')) {
            return wrong("names no host");
        }
        if !parsed.username().is_empty() || parsed.password().is_some() {
            return wrong("names a user: every browser would be told the password");
        }
        let holds = ["{z}", "{x}", "{y}"].map(|place| url.contains(place));
        if holds.contains(&true) && holds.contains(&false) {
            return wrong("has some of {z}, {x} and {y}: tiles need all, and a style none");
        }
        Ok(Self { url: url.to_owned(), attribution, origin })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_map_is_told_by_its_origin() {
        for (url, origin) in [
            ("https://tiles.example.org/{z}/{x}/{y}.png?key=1", "https://tiles.example.org"),
            ("https://Example.org:443/style.json", "https://example.org"),
            ("http://127.0.0.1:9000/{z}/{x}/{y}.png", "http://127.0.0.1:9000"),
        ] {
            let map = BaseMap::parse(url, None).unwrap();
            assert_eq!((map.url.as_str(), map.origin.as_str()), (url, origin));
        }
        for url in [
            "",
            "tiles/{z}/{x}/{y}.png",
            "//tiles.example.org/{z}/{x}/{y}.png",
            "ftp://example.org/style.json",
            "javascript:alert(1)",
            "https://",
            "https://{s}.example.org/{z}/{x}/{y}.png",
            "https://user@example.org/style.json",
            "https://:hunter2@example.org/style.json",
            "https://example.org; script-src *",
            "https://example.org;script-src/style.json",
            "https://example.org/a b",
            "https://example.org/\n",
            "https://example.org/{z}/{x}.png",
        ] {
            let error = BaseMap::parse(url, None).expect_err(url);
            assert!(!error.contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn a_currency_is_three_capital_letters() {
        assert_eq!(currency("USD".to_owned()).unwrap(), "USD");
        for code in ["usd", "US", "EURO", "E R", "€€€"] {
            assert!(currency(code.to_owned()).is_err(), "{code}");
        }
    }
}
