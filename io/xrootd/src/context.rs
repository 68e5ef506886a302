use std::ops::Deref;
use std::sync::{Arc, OnceLock};

use rustls::ClientConfig;

use crate::{Config, tls};

/// What all connections of a client share: its settings, and what TLS makes of them.
#[derive(Debug)]
pub(crate) struct Context {
    config: Config,
    tls: OnceLock<Result<Arc<ClientConfig>, String>>,
}

impl Context {
    pub(crate) fn new(config: Config) -> Self {
        Self { config, tls: OnceLock::new() }
    }

    /// Made at the first server that wants it: it reads hundreds of certificates.
    pub(crate) fn tls(&self) -> Result<Arc<ClientConfig>, String> {
        self.tls.get_or_init(|| tls::client_config(&self.config.tls)).clone()
    }
}

impl Deref for Context {
    type Target = Config;

    fn deref(&self) -> &Config {
        &self.config
    }
}
