//! Requests that name a path: wherever they lead, and however often they must be made.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::connection::{Connection, Endpoint};
use crate::file::{File, OpenOptions};
use crate::info::{Checksum, Entry, Location, Stat};
use crate::pool::Pool;
use crate::session::{Answer, Outcome};
use crate::wire::Request;
use crate::wire::reply::Redirect;
use crate::wire::request::Query;
use crate::{Cause, Config, Error, ErrorCode, Result, Url};

/// A client: connections to any number of servers, and what is known of them. Clones share all.
///
/// It must be used within a tokio runtime, and by one process: after a `fork`, the child needs its own.
#[derive(Clone, Debug)]
pub struct Client {
    pub(crate) pool: Arc<Pool>,
    pub(crate) config: Arc<Config>,
}

/// A server, and what it must be told beside the path.
#[derive(Clone, Debug)]
pub(crate) struct Hop {
    pub(crate) endpoint: Endpoint,
    path: String,
    opaque: String,
}

/// How a request is made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    /// How often.
    pub(crate) attempts: u32,
    /// And for how long at least, while nobody answers: a server that is started again.
    pub(crate) at_least: Duration,
    /// But not past this; the client's time for a request if not set.
    pub(crate) deadline: Option<Instant>,
}

/// Where a request ended up.
pub(crate) struct Reached {
    pub(crate) answer: Answer,
    pub(crate) connection: Arc<Connection>,
    pub(crate) hop: Hop,
}

impl Client {
    /// Nothing is connected yet.
    pub fn new(config: Config) -> Self {
        let config = Arc::new(config);
        Self { pool: Arc::new(Pool::new(Arc::clone(&config))), config }
    }

    /// Opens a file to read it.
    ///
    /// # Errors
    /// Where it is not there, may not be read, or no server answers.
    pub async fn open(&self, url: &Url) -> Result<File> {
        self.open_with(url, &OpenOptions::default()).await
    }

    /// Opens a file.
    ///
    /// # Errors
    /// Where it cannot be opened that way, or no server answers.
    pub async fn open_with(&self, url: &Url, options: &OpenOptions) -> Result<File> {
        File::open(self, url, options).await
    }

    /// What is known of a file or folder.
    ///
    /// # Errors
    /// Where it is not there, or no server answers.
    pub async fn stat(&self, url: &Url) -> Result<Stat> {
        self.text(url, &Request::stat, Stat::parse).await
    }

    /// Who has a file.
    ///
    /// # Errors
    /// Where nobody has it, or no server answers.
    pub async fn locate(&self, url: &Url) -> Result<Vec<Location>> {
        self.text(url, &Request::locate, |text| Some(Location::parse_all(text))).await
    }

    /// What is in a folder, in the server's order.
    ///
    /// # Errors
    /// Where it is not there or no folder, or no server answers.
    pub async fn list(&self, url: &Url) -> Result<Vec<Entry>> {
        self.text(url, &Request::list, |text| Some(Entry::parse_all(text))).await
    }

    /// The checksum that the server has or makes of a file; `cks.type=adler32` in the URL's options asks
    /// for one kind.
    ///
    /// # Errors
    /// Where it has none, or no server answers.
    pub async fn checksum(&self, url: &Url) -> Result<Checksum> {
        self.text(url, &|path| Request::query(Query::Checksum, path), Checksum::parse).await
    }

    /// The values of settings of the server, in the order of `names`; an unknown one is its own name.
    ///
    /// # Errors
    /// Where the server does not answer.
    pub async fn settings(&self, url: &Url, names: &[&str]) -> Result<Vec<String>> {
        let make = |_: &str| Request::query(Query::Config, &names.join(" "));
        self.text(url, &make, |text| Some(text.trim_matches('\0').lines().map(str::to_owned).collect())).await
    }

    /// Makes a folder, and those it is in if `parents`.
    ///
    /// # Errors
    /// Where that may not be done, or no server answers.
    pub async fn make_folder(&self, url: &Url, parents: bool) -> Result<()> {
        const MODE: u16 = 0o755;
        self.done(url, &|path| Request::make_folder(path, parents, MODE)).await
    }

    /// Gives a file or folder another path on the same server.
    ///
    /// # Errors
    /// Where that may not be done, or no server answers.
    pub async fn rename(&self, from: &Url, to: &str) -> Result<()> {
        self.done(from, &|path| Request::rename(path, to)).await
    }

    /// Removes a file.
    ///
    /// # Errors
    /// Where it is not there or may not be removed, or no server answers.
    pub async fn remove(&self, url: &Url) -> Result<()> {
        self.done(url, &Request::remove).await
    }

    /// Removes an empty folder.
    ///
    /// # Errors
    /// Where it is not there, not empty or may not be removed, or no server answers.
    pub async fn remove_folder(&self, url: &Url) -> Result<()> {
        self.done(url, &Request::remove_folder).await
    }

    /// Cuts a file to `size` bytes, or fills it up to them.
    ///
    /// # Errors
    /// Where it is not there or may not be written, or no server answers.
    pub async fn truncate(&self, url: &Url, size: u64) -> Result<()> {
        self.done(url, &|path| Request::truncate(path, size)).await
    }

    /// Whether the server answers.
    ///
    /// # Errors
    /// Where it does not.
    pub async fn ping(&self, url: &Url) -> Result<()> {
        self.done(url, &|_| Request::ping()).await
    }

    /// Lets all connections go; files that are still open fail.
    pub fn close(&self) {
        self.pool.clear();
    }

    async fn done(&self, url: &Url, make: &(dyn Fn(&str) -> Request + Sync)) -> Result<()> {
        self.execute(url, make, self.patience(None), Vec::new()).await.map(drop)
    }

    async fn text<T>(
        &self,
        url: &Url,
        make: &(dyn Fn(&str) -> Request + Sync),
        parse: impl Fn(&str) -> Option<T>,
    ) -> Result<T> {
        let Reached { answer, hop, .. } = self.execute(url, make, self.patience(None), Vec::new()).await?;
        parse(&String::from_utf8_lossy(&answer.whole())).ok_or_else(|| Error {
            request: make("").name(),
            host: hop.endpoint.to_string(),
            path: url.path.clone(),
            ..Error::new(Cause::Protocol("its answer cannot be understood".to_owned()))
        })
    }

    pub(crate) fn patience(&self, retries: Option<u32>) -> Patience {
        let attempts = retries.map_or(self.config.connection_retry, |retries| retries.saturating_add(1));
        Patience { attempts, at_least: Duration::ZERO, deadline: None }
    }

    /// Makes a request of a path until it is answered: follows redirects, waits when told to, and asks
    /// whoever sent us to a server that fails for another. `tried` are hosts that are not to be sent to.
    pub(crate) async fn execute(
        &self,
        url: &Url,
        make: &(dyn Fn(&str) -> Request + Sync),
        patience: Patience,
        mut tried: Vec<(String, &'static str)>,
    ) -> Result<Reached> {
        let began = Instant::now();
        let mut deadline = patience.deadline.unwrap_or(began + self.config.request_timeout);
        let mut hop = Hop::first(url);
        let mut managers: Vec<Hop> = Vec::new();
        let mut redirects = Vec::new();
        let (mut attempts, mut presumptions, mut unknown) = (1, 0, false);
        // What made us look elsewhere says more than that there is no elsewhere.
        let mut reason: Option<(Cause, String)> = None;
        loop {
            let request = make(&hop.target(&tried));
            let cause = match self.attempt(&hop, &request, &mut deadline).await {
                Ok((Outcome::Done(answer), connection)) => return Ok(Reached { answer, connection, hop }),
                Ok((Outcome::Redirect(to), _)) => {
                    redirects.push(hop.endpoint.to_string());
                    let next = if redirects.len() > self.config.redirect_limit as usize {
                        Err(Cause::Redirects)
                    } else {
                        hop.follow(to)
                    };
                    match next {
                        Ok(next) => {
                            managers.push(std::mem::replace(&mut hop, next));
                            continue;
                        }
                        Err(cause) => cause,
                    }
                }
                Ok((Outcome::Wait(asked), _)) => match wait(asked, deadline).await {
                    Ok(()) => continue,
                    Err(cause) => cause,
                },
                Ok((Outcome::Failed { code, message }, _)) => Cause::Server { code, message },
                Ok((Outcome::More(_), _)) => Cause::Protocol("it goes on to authenticate".to_owned()),
                Err(Missed::Presumed) if presumptions < 3 => {
                    presumptions += 1;
                    continue;
                }
                Err(Missed::Presumed) => {
                    Cause::Protocol("now it asks who we are, and now it does not".to_owned())
                }
                Err(Missed::Failed(cause)) => cause,
                Err(Missed::Unknown(cause)) => {
                    unknown = true;
                    cause
                }
            };
            let nowhere_else = managers.is_empty() && !tried.is_empty() && nobody_has_it(&cause);
            let again = nowhere_else
                || Error::new(cause.clone()).is_transient()
                || !managers.is_empty() && nobody_has_it(&cause);
            let persists = attempts < patience.attempts || began.elapsed() < patience.at_least;
            if unknown || !again || !persists || Instant::now() >= deadline {
                let at = hop.endpoint.to_string();
                let (cause, host) = reason.filter(|_| nobody_has_it(&cause)).unwrap_or((cause, at));
                let cause = match cause {
                    Cause::Tls(why) if !url.tls && has_secret(&url.opaque) => Cause::Tls(format!(
                        "{why}, and the token in the URL's options goes through TLS or not at all"
                    )),
                    cause => cause,
                };
                return Err(Error {
                    cause,
                    request: request.name(),
                    host,
                    path: url.path.clone(),
                    attempts,
                    redirects,
                });
            }
            if nowhere_else {
                // Rather the server that failed than none: it may have been started again.
                tried.clear();
                tokio::time::sleep(backoff(attempts)).await;
            } else if let Some(manager) = managers.pop() {
                tried.push((hop.endpoint.host.clone(), tried_because(&cause)));
                reason = Some((cause, hop.endpoint.to_string()));
                hop = manager;
            } else {
                tokio::time::sleep(backoff(attempts)).await;
            }
            attempts += 1;
        }
    }

    async fn attempt(
        &self,
        hop: &Hop,
        request: &Request,
        deadline: &mut Instant,
    ) -> Result<(Outcome, Arc<Connection>), Missed> {
        let began = Instant::now();
        let late = || Cause::TimedOut { waiting_for: "a connection", after: began.elapsed() };
        let connection = tokio::time::timeout_at(*deadline, self.pool.get(&hop.endpoint)).await;
        let connection = connection.unwrap_or_else(|_| Err(late())).map_err(Missed::Failed)?;
        let answer = connection.ask(request, deadline).await;
        // A server may well say of a request that went ahead of the login that it knows nobody.
        let done = matches!(answer, Ok(Outcome::Done(_)));
        let presumed = !done && connection.is_presumed() && !connection.was_right().await;
        match answer {
            Ok(_) if presumed => Err(Missed::Presumed),
            Err(_) if presumed && request.repeats() => Err(Missed::Presumed),
            Ok(outcome) => Ok((outcome, connection)),
            Err(cause) if request.repeats() => Err(Missed::Failed(cause)),
            Err(cause) => Err(Missed::Unknown(cause)),
        }
    }
}

/// A request that was not answered.
enum Missed {
    /// It went ahead of a login that needed more than was presumed.
    Presumed,
    Failed(Cause),
    /// It may have been done: to make it again might do it twice, or elsewhere too.
    Unknown(Cause),
}

impl Hop {
    fn first(url: &Url) -> Self {
        let mut endpoint = Endpoint::of(url);
        // A token in the URL goes nowhere in clear text.
        endpoint.tls |= has_secret(&url.opaque);
        Self { endpoint, path: url.path.clone(), opaque: url.opaque.clone() }
    }

    /// Where a redirect leads. Once encrypted, it stays so.
    fn follow(&self, to: Redirect) -> Result<Self, Cause> {
        let mut next = self.clone();
        let opaque = match to {
            Redirect::Host { host, port, opaque } => {
                (next.endpoint.host, next.endpoint.port) = (host, port);
                opaque
            }
            Redirect::Url(url) => {
                let url: Url = url.parse().map_err(|error: Error| {
                    Cause::Protocol(format!("it redirects to a place that is {}", error.cause))
                })?;
                (next.endpoint.host, next.endpoint.port) = (url.host, url.port);
                next.endpoint.tls |= url.tls;
                if !url.path.is_empty() {
                    next.path = url.path;
                }
                url.opaque
            }
        };
        next.endpoint.tls |= has_secret(&opaque);
        for option in opaque.split('&').filter(|option| !option.is_empty()) {
            // What the manager says replaces what was said before.
            let name = option.split_once('=').map_or(option, |(name, _)| name);
            let kept: Vec<_> = next
                .opaque
                .split('&')
                .filter(|old| !old.is_empty() && old.split_once('=').map_or(*old, |(name, _)| name) != name)
                .chain([option])
                .collect();
            next.opaque = kept.join("&");
        }
        Ok(next)
    }

    /// The path as a request has it, with what the server is told beside it.
    fn target(&self, tried: &[(String, &'static str)]) -> String {
        let mut options: Vec<String> = Vec::new();
        if !self.opaque.is_empty() {
            options.push(self.opaque.clone());
        }
        if !tried.is_empty() {
            let hosts: Vec<_> = tried.iter().map(|(host, _)| tried_name(host)).collect();
            let reasons: Vec<_> = tried.iter().map(|(_, because)| *because).collect();
            options.push(format!("tried={}&triedrc={}", hosts.join(","), reasons.join(",")));
        }
        if options.is_empty() { self.path.clone() } else { format!("{}?{}", self.path, options.join("&")) }
    }
}

/// A host as a manager knows it: addresses of version 6 in brackets, those of version 4 in them bare.
fn tried_name(host: &str) -> String {
    match host.strip_prefix("::ffff:") {
        Some(four) if four.contains('.') => four.to_owned(),
        _ if host.contains(':') => format!("[{host}]"),
        _ => host.to_owned(),
    }
}

/// Whether options hold what proves who we are.
fn has_secret(opaque: &str) -> bool {
    opaque.split('&').filter_map(|option| option.split_once('=')).any(|(name, _)| {
        matches!(name.to_ascii_lowercase().as_str(), "authz" | "access_token" | "xrd.gsiusrpxy" | "token")
    })
}

fn nobody_has_it(cause: &Cause) -> bool {
    matches!(cause, Cause::Server { code, .. }
        if matches!(*code, ErrorCode::NotFound | ErrorCode::noserver | ErrorCode::noReplicas))
}

/// What the manager is told of a server that failed, in the words of the protocol's `triedrc`.
fn tried_because(cause: &Cause) -> &'static str {
    match cause {
        Cause::Server { code: ErrorCode::NotFound, .. } => "enoent",
        Cause::Server { code: ErrorCode::IOError, .. } => "ioerr",
        Cause::Server { code: ErrorCode::FSError, .. } => "fserr",
        Cause::Server { .. } => "srverr",
        _ => "resel",
    }
}

/// Waits as the server asks, if there is time for that.
pub(crate) async fn wait(asked: Duration, deadline: Instant) -> Result<(), Cause> {
    let asked = asked.max(Duration::from_millis(100));
    if Instant::now() + asked >= deadline {
        return Err(Cause::WaitTooLong { asked });
    }
    tokio::time::sleep(asked).await;
    Ok(())
}

/// 0.1 s, 0.2 s, 0.4 s, and at most 1 s: short enough to be there when a server is started again.
pub(crate) fn backoff(attempt: u32) -> Duration {
    Duration::from_millis((50 << attempt.min(5)).min(1000))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hop(url: &str) -> Hop {
        Hop::first(&url.parse().unwrap())
    }

    #[test]
    fn a_token_in_the_url_goes_through_tls_only() {
        assert!(!hop("root://h//a?x=1").endpoint.tls);
        assert!(hop("root://h//a?x=1&authz=Bearer%20x").endpoint.tls);
        let host = Redirect::Host { host: "h".to_owned(), port: 1, opaque: "authz=x".to_owned() };
        let next = hop("root://h//a").follow(host).unwrap();
        assert!(next.endpoint.tls);
        let plain = Redirect::Url("root://other//b".to_owned());
        let next = hop("roots://h//a?z=1").follow(plain).unwrap();
        assert!(next.endpoint.tls);
        assert_eq!(next.target(&[]), "/b?z=1");
    }

    #[test]
    fn options_of_a_redirect_replace_those_of_the_same_name() {
        let to = Redirect::Host { host: "h".to_owned(), port: 1, opaque: "b=2&c=3".to_owned() };
        let next = hop("root://h//a?a=1&b=1").follow(to).unwrap();
        assert_eq!(next.target(&[("x".to_owned(), "enoent")]), "/a?a=1&b=2&c=3&tried=x&triedrc=enoent");
    }

    #[test]
    fn a_redirect_to_a_local_file_is_not_followed() {
        let cause = hop("root://h//a").follow(Redirect::Url("file:///etc/passwd".to_owned())).unwrap_err();
        assert!(cause.to_string().contains("its scheme is file"), "{cause}");
    }
}
