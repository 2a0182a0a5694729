//! How the commands reach a running server: where it is, what is wrong when it does not answer, and lists of any length.

use anyhow::{Context as _, Error, Result};
use clap::Args;
use paystats_core::config::secret;
use serde_json::Value;
use tokio_tungstenite::tungstenite::{
    self,
    error::UrlError,
    http::{StatusCode, Uri},
};

use crate::client::Client;

/// Greatest page that the API gives.
const PAGE: u64 = 1_000;

#[derive(Debug, Args)]
pub(super) struct Server {
    /// The running server; `/graphql` may be left out, and ws:// says the same as http://
    #[arg(
        long = "server",
        value_name = "URL",
        env = "PAYSTATS_SERVER",
        default_value = "http://127.0.0.1:8080",
        value_parser = client_of
    )]
    pub(super) client: Client,
}

fn client_of(url: &str) -> Result<Client, String> {
    let (scheme, rest) = url.split_once("://").ok_or("a URL looks like http://127.0.0.1:8080")?;
    let scheme = match scheme.to_ascii_lowercase().as_str() {
        "http" | "ws" => "ws",
        "https" | "wss" => "wss",
        other => return Err(format!("'{other}' is none of http, https, ws and wss")),
    };
    let base = rest.trim_end_matches('/').trim_end_matches("/graphql");
    if base.contains(['?', '#']) {
        return Err("a query or a fragment means nothing here".to_owned());
    }
    let url = format!("{scheme}://{base}/graphql");
    let parsed: Uri = url.parse().map_err(|error| format!("{error}"))?;
    let authority = parsed.authority().ok_or("the host is missing")?;
    // A port that is no number would be passed over.
    if authority.port_u16().is_none() && authority.as_str() != authority.host() {
        return Err("after the scheme comes HOST or HOST:PORT".to_owned());
    }
    let key = secret("PAYSTATS_API_KEY").map_err(|error| error.to_string())?;
    Ok(Client::new(&url).map_err(|error| format!("{error:#}"))?.with_key(key))
}

/// The error with what it means for the person who asked, where the connection is what failed.
pub(super) fn explained(error: Error) -> Error {
    use tungstenite::Error::{Http, Io, Url};
    let meaning = match error.chain().find_map(|cause| cause.downcast_ref::<tungstenite::Error>()) {
        Some(Io(_)) => "the server cannot be reached (--server or PAYSTATS_SERVER says where it is)",
        Some(Http(response)) if response.status() == StatusCode::SERVICE_UNAVAILABLE => {
            "the server is not ready: it waits for MongoDB or NATS"
        }
        Some(Http(_)) => "what answers there is no paystats server",
        Some(Url(UrlError::TlsFeatureNotEnabled)) => "this program speaks no TLS: use a http:// or ws:// address",
        _ => return error,
    };
    error.context(meaning)
}

/// The nodes of a list, a page at a time.
pub(super) struct Pages<'a> {
    client: &'a Client,
    document: &'a str,
    variables: Value,
    /// JSON pointer to the connection in the answer.
    connection: &'a str,
    left: u64,
    done: bool,
}

impl<'a> Pages<'a> {
    /// At most `most` nodes. `document` has the variables `$first` and `$after` beside those given; its connection has
    /// `nodes` and `pageInfo { hasNextPage endCursor }`.
    pub(super) fn new(client: &'a Client, document: &'a str, variables: Value, connection: &'a str, most: u64) -> Self {
        Self { client, document, variables, connection, left: most, done: false }
    }

    /// The next page; `None` after the last one.
    pub(super) async fn next(&mut self) -> Result<Option<Vec<Value>>> {
        if self.done {
            return Ok(None);
        }
        self.variables["first"] = self.left.min(PAGE).into();
        let mut answer = self.client.query(self.document, self.variables.clone()).await?;
        let connection = answer.pointer_mut(self.connection).context("the server knows no such load")?;
        let Value::Array(nodes) = connection["nodes"].take() else {
            anyhow::bail!("the server answered without nodes");
        };
        self.left = self.left.saturating_sub(nodes.len() as u64);
        self.done = self.left == 0 || connection["pageInfo"]["hasNextPage"] != true;
        self.variables["after"] = connection["pageInfo"]["endCursor"].take();
        Ok(Some(nodes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_to_name_a_server_leads_to_its_graphql_socket() {
        let url = |url| client_of(url).map(|client| format!("{client:?}"));
        let same = url("ws://127.0.0.1:8080/graphql").unwrap();
        for form in ["http://127.0.0.1:8080", "HTTP://127.0.0.1:8080/", "http://127.0.0.1:8080/graphql/"] {
            assert_eq!(url(form).unwrap(), same);
        }
        assert!(url("http://[::1]:80").is_ok());
        assert!(url("https://example.org/stats/").unwrap().contains("wss://example.org/stats/graphql"));
        for wrong in
            ["127.0.0.1:8080", "ftp://host", "http://", "http://host:808O", "http://host:80800", "http://host/?a=1"]
        {
            assert!(url(wrong).is_err(), "{wrong}");
        }
    }
}
