//! Connections that are shared: one to each server and identity.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use tokio::time::Instant;

use crate::connection::{Connection, Endpoint, Profile};
use crate::locking::lock;
use crate::{Cause, Config};

#[derive(Debug)]
pub(crate) struct Pool {
    config: Arc<Config>,
    slots: Mutex<HashMap<Endpoint, Arc<Slot>>>,
}

#[derive(Debug, Default)]
struct Slot {
    connection: Mutex<Option<Arc<Connection>>>,
    /// Who holds it connects; the others wait, rather than connect too.
    connecting: tokio::sync::Mutex<Attempt>,
}

#[derive(Debug, Default)]
struct Attempt {
    profile: Option<Profile>,
    failed: Option<(Instant, Cause)>,
}

impl Pool {
    pub(crate) fn new(config: Arc<Config>) -> Self {
        Self { config, slots: Mutex::default() }
    }

    /// The connection to `endpoint`, made if there is none that lives.
    pub(crate) async fn get(&self, endpoint: &Endpoint) -> Result<Arc<Connection>, Cause> {
        let slot = Arc::clone(lock(&self.slots).entry(endpoint.clone()).or_default());
        if let Some(connection) = slot.living() {
            return Ok(connection);
        }
        let asked = Instant::now();
        let mut attempt = slot.connecting.lock().await;
        if let Some(connection) = slot.living() {
            return Ok(connection);
        }
        // Of many that wait for one dead host, the first waits for all; and of those that come after it, one
        // in a while.
        if let Some((when, cause)) = &attempt.failed
            && (*when >= asked
                || matches!(cause, Cause::TimedOut { .. })
                    && when.elapsed() < self.config.connection_window * 3)
        {
            return Err(cause.clone());
        }
        // It presumed that nothing stands between, and something does.
        if lock(&slot.connection).take().is_some_and(|last| last.is_presumed()) {
            attempt.profile = None;
        }
        match Connection::open(endpoint, &self.config, attempt.profile).await {
            Ok((connection, profile)) => {
                *attempt = Attempt { profile, failed: None };
                *lock(&slot.connection) = Some(Arc::clone(&connection));
                Ok(connection)
            }
            Err(cause) => {
                *attempt = Attempt { profile: None, failed: Some((Instant::now(), cause.clone())) };
                Err(cause)
            }
        }
    }

    /// Lets all connections go. What was learnt of the servers stays.
    pub(crate) fn clear(&self) {
        for slot in lock(&self.slots).values() {
            if let Some(connection) = lock(&slot.connection).take() {
                connection.close(Cause::Lost(Arc::new(std::io::Error::other("the client was closed"))));
            }
        }
    }
}

impl Slot {
    fn living(&self) -> Option<Arc<Connection>> {
        lock(&self.connection).clone().filter(|connection| !connection.is_closed())
    }
}
