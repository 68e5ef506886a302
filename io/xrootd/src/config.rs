use std::env;
use std::sync::Arc;
use std::time::Duration;

use crate::auth::Credentials;
use crate::tls::TlsOptions;

/// How a client goes about. The defaults give up earlier than those of the official client, on which
/// a dead host can cost ten minutes.
#[derive(Clone, Debug)]
pub struct Config {
    /// How long one attempt to connect may take, name look-up, TLS and login included: 10 s.
    /// `XRD_CONNECTIONWINDOW`, in seconds.
    pub connection_window: Duration,
    /// How often a host is tried before it is given up: 3. `XRD_CONNECTIONRETRY`.
    pub connection_retry: u32,
    /// How long a request may take, waits that the server asks for included: 300 s. The time starts again while
    /// bytes move on its connection, at least 16 KiB in that time. `XRD_REQUESTTIMEOUT`, in seconds.
    pub request_timeout: Duration,
    /// How long a connection with requests under way may be silent before it is given up: 30 s.
    /// `XRD_STREAMTIMEOUT`, in seconds.
    pub stream_timeout: Duration,
    /// How many redirects a request may follow: 16. `XRD_REDIRECTLIMIT`.
    pub redirect_limit: u32,
    /// How many connections to one server carry data, at most 4: one, and four where the server is 10 ms
    /// away or more, which is too far for one to fill the line. `XRD_SUBSTREAMSPERCHANNEL`.
    pub streams: Option<usize>,
    /// How long an idle connection is kept: 300 s.
    pub idle: Duration,
    /// Whether reads ask for page checksums.
    pub read_mode: ReadMode,
    /// Whether TLS is asked for even of `root://` URLs. `XRD_WANTTLS`.
    pub want_tls: bool,
    /// The name to log in with where the URL has none, for the server's log: the process's user.
    pub user: String,
    /// Which servers are believed to be who they say they are.
    pub tls: TlsOptions,
    /// Who we are.
    pub credentials: Arc<Credentials>,
}

/// Whether reads carry checksums: TCP's own misses one flipped bit in about 65,000.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReadMode {
    /// With checksums where the server can and the link is neither encrypted nor within this host.
    #[default]
    Auto,
    /// Never with checksums.
    Plain,
    /// With checksums wherever the server can.
    Paged,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            connection_window: Duration::from_secs(10),
            connection_retry: 3,
            request_timeout: Duration::from_secs(300),
            stream_timeout: Duration::from_secs(30),
            redirect_limit: 16,
            streams: None,
            idle: Duration::from_secs(300),
            read_mode: ReadMode::Auto,
            want_tls: false,
            user: env::var("USER").or_else(|_| env::var("LOGNAME")).unwrap_or_else(|_| "nobody".to_owned()),
            tls: TlsOptions::default(),
            credentials: Arc::default(),
        }
    }
}

impl Config {
    /// The defaults, changed by the variables that the official client knows.
    pub fn from_env() -> Self {
        let number = |name: &str| env::var(name).ok()?.trim().parse::<u32>().ok();
        let seconds = |name: &str, default| {
            number(name).filter(|&s| s > 0).map_or(default, |s| Duration::from_secs(s.into()))
        };
        let default = Self::default();
        Self {
            connection_window: seconds("XRD_CONNECTIONWINDOW", default.connection_window),
            connection_retry: number("XRD_CONNECTIONRETRY").unwrap_or(default.connection_retry).max(1),
            request_timeout: seconds("XRD_REQUESTTIMEOUT", default.request_timeout),
            stream_timeout: seconds("XRD_STREAMTIMEOUT", default.stream_timeout),
            redirect_limit: number("XRD_REDIRECTLIMIT").unwrap_or(default.redirect_limit),
            streams: number("XRD_SUBSTREAMSPERCHANNEL").map(|n| n.clamp(1, 4) as usize),
            want_tls: number("XRD_WANTTLS").is_some_and(|n| n != 0),
            tls: TlsOptions::from_env(),
            credentials: Arc::new(Credentials::from_env()),
            ..default
        }
    }
}
