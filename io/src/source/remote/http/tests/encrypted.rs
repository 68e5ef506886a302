//! TLS, and what is said only under its protection.

use std::io::ErrorKind::PermissionDenied;
use std::path::PathBuf;

use ::xrootd::auth::{Credentials, Token};
use ::xrootd::tls::TlsOptions;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, SanType};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;

use super::*;

const SECRET: &str = "a-secret-token";

struct Bed {
    authorities: tempfile::TempDir,
    acceptor: TlsAcceptor,
}

impl Bed {
    /// An authority, and a certificate of it for 127.0.0.1.
    fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let authority = params.self_signed(&key).unwrap();
        let issuer = Issuer::new(params, key);
        let mut params = CertificateParams::default();
        params.subject_alt_names = vec![SanType::IpAddress("127.0.0.1".parse().unwrap())];
        let key = KeyPair::generate().unwrap();
        let chain = vec![params.signed_by(&key, &issuer).unwrap().der().clone()];
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let config = config.unwrap().with_no_client_auth().with_single_cert(chain, key).unwrap();
        let authorities = tempfile::tempdir().unwrap();
        std::fs::write(authorities.path().join("ca.pem"), authority.pem()).unwrap();
        Self { authorities, acceptor: TlsAcceptor::from(Arc::new(config)) }
    }

    async fn server(&self, script: impl Fn(&Ask) -> Act + Send + Sync + 'static) -> Server {
        Server::with(Some(self.acceptor.clone()), script).await
    }

    /// A client with a token, which trusts the authority.
    fn client(&self) -> Arc<HttpClient> {
        trusting(Some(self.authorities.path().to_owned()))
    }
}

fn trusting(folder: Option<PathBuf>) -> Arc<HttpClient> {
    let token = Token::new(SECRET, "test").unwrap();
    let config = Config {
        tls: TlsOptions { folder, ..TlsOptions::default() },
        credentials: Arc::new(Credentials::default().with_token(token)),
        ..Config::default()
    };
    Arc::new(HttpClient::new(config, Duration::from_secs(5), 0))
}

fn url(server: &Server, path: &str) -> String {
    format!("davs://127.0.0.1:{}{path}", server.port)
}

fn with_token(ask: &Ask) -> bool {
    ask.headers.get("authorization").is_some_and(|value| value == &format!("Bearer {SECRET}"))
}

#[tokio::test]
async fn a_token_is_sent_once_it_is_asked_for_and_then_at_once() {
    let bed = Bed::new();
    let server = bed
        .server(|ask| match with_token(ask) {
            true => Act::Answer(fine(ask, "")),
            false => Act::Answer(answer("401 Unauthorized", "", b"who are you?")),
        })
        .await;
    let client = bed.client();
    for opened in 0..2 {
        let file = HttpFile::open(&client, &url(&server, "/f"), true).await.unwrap();
        check(&*file, &large(1)).await;
        let tokens: Vec<bool> = server.asked().iter().map(with_token).collect();
        assert_eq!(tokens, [&[false, true, true][opened..]].concat());
    }
}

#[tokio::test]
async fn a_server_that_serves_everybody_never_sees_the_token() {
    let bed = Bed::new();
    let server = bed.server(|ask| Act::Answer(fine(ask, ""))).await;
    let file = HttpFile::open(&bed.client(), &url(&server, "/f"), true).await.unwrap();
    check(&*file, &large(3)).await;
    assert!(server.asked().iter().all(|ask| !ask.headers.contains_key("authorization")));
}

#[tokio::test]
async fn no_other_host_gets_the_token() {
    let bed = Bed::new();
    let pool = bed.server(|_| Act::Answer(answer("403 Forbidden", "", b""))).await;
    let to = format!("Location: {}\r\n", url(&pool, "/f?authz=theirs"));
    let door = bed
        .server(move |ask| match with_token(ask) {
            true => Act::Answer(answer("307 Temporary Redirect", &to, b"")),
            false => Act::Answer(answer("401 Unauthorized", "", b"")),
        })
        .await;
    let error = HttpFile::open(&bed.client(), &url(&door, "/f"), true).await.unwrap_err();
    let text = error.to_string();
    assert!(text.contains("answers 403 Forbidden, without a token; redirected by 127.0.0.1:"), "{text}");
    assert!(!text.contains(SECRET) && !text.contains("theirs"), "{text}");
    assert!(door.asked().iter().any(with_token));
    assert!(pool.asked().iter().all(|ask| !ask.headers.contains_key("authorization")));
    // Nor is anything sent where nothing is encrypted.
    let plain = Server::new(|_| Act::Answer(answer("401 Unauthorized", "", b""))).await;
    let error = HttpFile::open(&bed.client(), &plain.url("/f"), true).await.unwrap_err().to_string();
    assert!(error.ends_with("401 Unauthorized: a token is sent over https only"), "{error}");
    assert!(plain.asked().iter().all(|ask| !ask.headers.contains_key("authorization")));
}

#[tokio::test]
async fn a_redirect_out_of_tls_is_not_followed() {
    let bed = Bed::new();
    let plain = Server::new(|ask| Act::Answer(fine(ask, ""))).await;
    let to = format!("Location: {}\r\n", plain.url("/f"));
    let door = bed.server(move |_| Act::Answer(answer("302 Found", &to, b""))).await;
    let error = HttpFile::open(&bed.client(), &url(&door, "/f"), true).await.unwrap_err();
    let text = error.to_string();
    assert!(
        text.ends_with(&format!("redirects to 127.0.0.1:{} without TLS: not followed", plain.port)),
        "{text}"
    );
    assert!(!error.is_transient());
    assert_eq!(plain.asked().len(), 0);
}

#[tokio::test]
async fn a_certificate_of_nobody_we_know_ends_it() {
    let bed = Bed::new();
    let server = bed.server(|ask| Act::Answer(fine(ask, ""))).await;
    let error = HttpFile::open(&trusting(None), &url(&server, "/f"), true).await.unwrap_err();
    assert_eq!(kind(&error), PermissionDenied);
    assert!(error.to_string().contains("no TLS: "), "{error}");
    // A name that the certificate does not have.
    let other = format!("https://localhost:{}/f", server.port);
    let error = HttpFile::open(&bed.client(), &other, true).await.unwrap_err();
    assert_eq!(kind(&error), PermissionDenied);
    assert!(error.to_string().contains("localhost"), "{error}");
    assert_eq!(server.asked().len(), 0);
}

#[tokio::test]
async fn a_server_without_tls_says_so() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        // As a server answers what it takes for a request.
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
    });
    let location = format!("https://127.0.0.1:{port}/f");
    let error = HttpFile::open(&Bed::new().client(), &location, false).await.unwrap_err().to_string();
    assert!(error.contains("no TLS"), "{error}");
}

#[tokio::test]
async fn a_token_that_cannot_be_used_is_the_reason_of_a_refusal() {
    use std::os::unix::fs::PermissionsExt;
    let bed = Bed::new();
    let server = bed.server(|_| Act::Answer(answer("403 Forbidden", "", b""))).await;
    let path = bed.authorities.path().join("token");
    // The claims are {"exp":1612310400}.
    let endless = "eyJhbGciOiJub25lIn0.e30.c2lnbmF0dXJl";
    let expired = "eyJhbGciOiJub25lIn0.eyJleHAiOjE2MTIzMTA0MDB9.c2lnbmF0dXJl";
    for (content, mode, reason) in [
        (SECRET, 0o644, "the token of FILE is no JWT and may be read by others (mode 0644)"),
        (SECRET, 0o600, "the token of FILE is no JWT"),
        (endless, 0o604, "the token of FILE may be read by others (mode 0604)"),
        (expired, 0o600, "the token of FILE expired on 2021-02-03 00:00 UTC: get a new one"),
        ("", 0o600, "the token of FILE is empty"),
        (SECRET, 0o666, "the token of FILE is not used: others can change it (mode 666): chmod go-w"),
    ] {
        std::fs::write(&path, content).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        let config = Config {
            tls: TlsOptions { folder: Some(bed.authorities.path().to_owned()), ..TlsOptions::default() },
            credentials: Arc::new(Credentials::default().with_token_file(&path)),
            ..Config::default()
        };
        let client = Arc::new(HttpClient::new(config, Duration::from_secs(5), 0));
        let error = HttpFile::open(&client, &url(&server, "/f"), true).await.unwrap_err().to_string();
        let reason = reason.replace("FILE", &path.display().to_string());
        let sent = if reason.contains("JWT") || reason.contains("may be") { "with" } else { "without" };
        assert!(error.ends_with(&format!("answers 403 Forbidden, {sent} a token: {reason}")), "{error}");
        assert!(!error.contains(SECRET), "{error}");
    }
}
