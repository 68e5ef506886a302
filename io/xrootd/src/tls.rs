//! Which servers are believed to be who they say they are.

use std::sync::Arc;

/// Where trusted certificates are found.
#[derive(Clone, Debug, Default)]
pub struct TlsOptions {}

impl TlsOptions {
    pub(crate) fn client_config(&self) -> Result<Arc<rustls::ClientConfig>, String> {
        let mut roots = rustls::RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?;
        Ok(Arc::new(builder.with_root_certificates(roots).with_no_client_auth()))
    }

    pub(crate) fn explain(&self, error: &rustls::Error, host: &str) -> String {
        format!("{host}: {error}")
    }
}
