//! TLS, where we are the client: ring, and the authorities that this machine trusts.

use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore};

/// Trusts the authorities of this machine (`SSL_CERT_FILE` names others).
pub fn by_authorities_of_this_machine() -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("ring serves the default versions of TLS")
        .with_root_certificates(roots)
        .with_no_client_auth()
}
