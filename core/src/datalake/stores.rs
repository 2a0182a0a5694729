//! The stores that remote sources are in, built when they are first asked and kept.

use std::{
    collections::HashMap,
    fmt,
    str::FromStr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use object_store::{
    BackoffConfig, ClientOptions, ObjectStore, RetryConfig, aws::AmazonS3Builder, azure::MicrosoftAzureBuilder,
    gcp::GoogleCloudStorageBuilder, http::HttpBuilder,
};

use super::{
    transport::Reach,
    url::{Scheme, SourceUrl},
};

/// How stores are reached and who we are there: the variables `AWS_…`, `GOOGLE_…` and `AZURE_…` that `object_store` knows. It never
/// prints, for it holds credentials.
#[derive(Clone, Default)]
pub struct StoreOptions(Vec<(String, String)>);

impl StoreOptions {
    /// What the environment says.
    pub fn from_env() -> Self {
        std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect()
    }

    fn of<'a, K: FromStr>(&'a self, prefix: &'a str) -> impl Iterator<Item = (K, &'a str)> {
        // What `object_store` does not know is none of its options, as in its own `from_env`.
        let known = |name: &str| name.to_ascii_lowercase().parse().ok();
        self.0
            .iter()
            .filter(move |(name, _)| name.starts_with(prefix))
            .filter_map(move |(name, value)| Some((known(name)?, value.as_str())))
    }
}

impl FromIterator<(String, String)> for StoreOptions {
    /// Keeps the variables that are options of stores.
    fn from_iter<I: IntoIterator<Item = (String, String)>>(variables: I) -> Self {
        let is_option = |name: &str| ["AWS_", "GOOGLE_", "AZURE_"].iter().any(|prefix| name.starts_with(prefix));
        Self(variables.into_iter().filter(|(name, value)| is_option(name) && !value.is_empty()).collect())
    }
}

impl fmt::Debug for StoreOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StoreOptions(***)")
    }
}

/// All stores of this process: one a bucket or host, so that connections and tokens are shared.
#[derive(Debug)]
pub(super) struct Stores {
    options: StoreOptions,
    built: Mutex<HashMap<(Scheme, String), Arc<dyn ObjectStore>>>,
}

impl Stores {
    pub(super) fn new(options: StoreOptions) -> Self {
        Self { options, built: Mutex::default() }
    }

    /// The store that a URL is in. Sources are asked for only after they were allowed, so there are as many as the operator lists.
    pub(super) fn of(&self, url: &SourceUrl) -> object_store::Result<Arc<dyn ObjectStore>> {
        let mut built = self.built.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (url.scheme(), url.authority());
        if let Some(store) = built.get(&key) {
            return Ok(store.clone());
        }
        let store = self.build(url)?;
        built.insert(key, store.clone());
        Ok(store)
    }

    fn build(&self, url: &SourceUrl) -> object_store::Result<Arc<dyn ObjectStore>> {
        Ok(match url.scheme() {
            Scheme::S3 => Arc::new(
                self.options
                    .of("AWS_")
                    .fold(AmazonS3Builder::new(), |builder, (key, value)| builder.with_config(key, value))
                    .with_bucket_name(url.authority())
                    .with_http_connector(Reach::Store)
                    .with_retry(retries())
                    .build()?,
            ),
            Scheme::Gs => Arc::new(
                self.options
                    .of("GOOGLE_")
                    .fold(GoogleCloudStorageBuilder::new(), |builder, (key, value)| builder.with_config(key, value))
                    .with_bucket_name(url.authority())
                    .with_http_connector(Reach::Store)
                    .with_retry(retries())
                    .build()?,
            ),
            Scheme::Az => Arc::new(
                self.options
                    .of("AZURE_")
                    .fold(MicrosoftAzureBuilder::new(), |builder, (key, value)| builder.with_config(key, value))
                    .with_container_name(url.authority())
                    .with_http_connector(Reach::Store)
                    .with_retry(retries())
                    .build()?,
            ),
            Scheme::Https | Scheme::Http => Arc::new(
                HttpBuilder::new()
                    .with_url(format!("{}://{}", url.scheme().name(), url.authority()))
                    .with_client_options(ClientOptions::new().with_allow_http(url.scheme() == Scheme::Http))
                    .with_http_connector(Reach::PublicHost)
                    .with_retry(retries())
                    .build()?,
            ),
        })
    }
}

/// A request that fails is tried twice more. Whoever wants the source decides about the rest: a client is told, work goes back to the queue.
fn retries() -> RetryConfig {
    let backoff =
        BackoffConfig { init_backoff: Duration::from_millis(100), max_backoff: Duration::from_secs(2), base: 2.0 };
    RetryConfig { backoff, max_retries: 2, retry_timeout: Duration::from_secs(20) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_of_stores_do_not_print_and_the_rest_of_the_environment_is_not_kept() {
        let variables = [("AWS_SECRET_ACCESS_KEY", "hunter2"), ("HOME", "/root"), ("GOOGLE_SERVICE_ACCOUNT", "")];
        let options: StoreOptions =
            variables.map(|(name, value)| (name.to_owned(), value.to_owned())).into_iter().collect();
        assert_eq!(format!("{options:?}"), "StoreOptions(***)");
        assert_eq!(options.0.len(), 1);
    }

    #[test]
    fn stores_are_built_once() {
        let stores = Stores::new(StoreOptions::default());
        let url = |text| SourceUrl::of_source(text).unwrap();
        let store = stores.of(&url("s3://lake/a")).unwrap();
        assert!(Arc::ptr_eq(&store, &stores.of(&url("s3://lake/b")).unwrap()));
        assert!(!Arc::ptr_eq(&store, &stores.of(&url("s3://other/a")).unwrap()));
        // Without the name of an account nobody knows where a container is.
        assert!(stores.of(&url("az://container/a")).is_err());
        assert!(stores.of(&url("gs://lake/a")).is_ok() && stores.of(&url("https://h:8443/a")).is_ok());
    }
}
