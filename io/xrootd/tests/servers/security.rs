//! Who the server is, and who we are.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use xrootd::auth::Credentials;
use xrootd::{Cause, Client, Config, Error, ErrorCode, Url};

use crate::bed::{RANDOM, Server};
use crate::{server, within};

async fn refused(client: &Client, url: &Url) -> Error {
    let error = within(client.open(url)).await.expect_err("it must be refused");
    assert!(error.host.ends_with(&format!(":{}", url.port)) && error.path == url.path, "{error}");
    // To ask again would not help.
    assert_eq!((error.attempts, error.is_transient()), (1, false), "{error}");
    error
}

async fn not_trusted(server: &Server, why: &[&str]) {
    let error = refused(&server.client(), &server.url(RANDOM)).await;
    assert!(matches!(error.cause, Cause::Tls(_)), "{error}");
    let text = error.to_string();
    assert!(why.iter().any(|why| text.contains(why)), "{text}");
}

#[tokio::test]
async fn a_certificate_of_another_host() {
    let server = server!("wronghost");
    not_trusted(&server, &["elsewhere.example"]).await;
}

#[tokio::test]
async fn a_certificate_that_has_expired() {
    let server = server!("expired");
    not_trusted(&server, &["expired", "2020"]).await;
}

#[tokio::test]
async fn a_certificate_of_an_authority_that_nobody_trusts() {
    let server = server!("otherca");
    not_trusted(&server, &["authority", "nobody trusts this one", "issuer"]).await;
    // And where it is trusted, the other is not.
    let mut config = server.config();
    config.tls.folder = Some(server.text("other_ca").into());
    within(Client::new(config).open(&server.url(RANDOM))).await.unwrap();
}

#[tokio::test]
async fn a_certificate_that_vouches_for_itself() {
    let server = server!("selfsigned");
    not_trusted(&server, &["self", "authority", "issuer"]).await;
}

#[tokio::test]
async fn an_address_that_the_certificate_does_not_name() {
    let server = server!("tlsdata");
    let url = |host: &str| Url { host: host.to_owned(), ..server.url(RANDOM) };
    let error = refused(&server.client(), &url("127.0.0.2")).await;
    assert!(matches!(&error.cause, Cause::Tls(why) if why.contains("127.0.0.2")), "{error}");
    within(server.client().open(&url("127.0.0.1"))).await.unwrap();
}

#[tokio::test]
async fn tls_of_a_server_that_has_none() {
    let server = server!("plain");
    let error = refused(&server.client(), &server.encrypted(RANDOM)).await;
    assert!(matches!(error.cause, Cause::Tls(_)), "{error}");
    let wants = Client::new(Config { want_tls: true, ..server.config() });
    let error = refused(&wants, &server.url(RANDOM)).await;
    assert!(matches!(error.cause, Cause::Tls(_)), "{error}");
}

#[tokio::test]
async fn tokens() {
    let server = server!("ztn");
    let with = |token: &str| {
        Client::new(Config {
            credentials: Arc::new(Credentials::default().with_token_file(token)),
            ..server.config()
        })
    };
    let url = server.url(RANDOM);
    within(with(server.text("token")).open(&url)).await.unwrap();
    let error = refused(&with(server.text("expired_token")), &url).await;
    assert!(matches!(error.cause, Cause::Auth(_)), "{error}");
    assert!(error.to_string().contains("ztn"), "{error}");
    for name in ["scopeless_token", "other_scope_token"] {
        let error = refused(&with(server.text(name)), &url).await;
        assert!(
            matches!(error.cause, Cause::Server { code: ErrorCode::NotAuthorized, .. }),
            "{name}: {error}"
        );
    }
    let error = refused(&with("/not/there"), &url).await;
    assert!(matches!(error.cause, Cause::Auth(_)) && error.to_string().contains("/not/there"), "{error}");
    let without = Client::new(Config { credentials: Arc::default(), ..server.config() });
    let error = refused(&without, &url).await;
    assert!(matches!(error.cause, Cause::Auth(_)) && error.to_string().contains("token"), "{error}");
}

#[tokio::test]
async fn a_token_is_in_no_error_and_not_in_what_is_printed() {
    let server = server!("ztn");
    for name in ["expired_token", "scopeless_token"] {
        let token = fs::read_to_string(server.text(name)).unwrap();
        let credentials = Arc::new(Credentials::default().with_token_file(server.text(name)));
        let client = Client::new(Config { credentials, ..server.config() });
        for url in [server.url(RANDOM), server.url(&format!("{RANDOM}?authz=Bearer%20{}", token.trim()))] {
            let error = within(client.open(&url)).await.expect_err("it must be refused");
            let shown = format!("{error} {error:?} {client:?} {url} {url:?}");
            let signature = token.trim().rsplit('.').next().unwrap();
            assert!(!shown.contains(signature), "{name}");
        }
    }
}

#[tokio::test]
async fn a_shared_secret_that_is_not_shared() {
    let server = server!("sss");
    within(server.client().open(&server.url(RANDOM))).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let other = folder.path().join("other.keytab");
    // A key of the same name and user, and of other bytes.
    let keys = fs::read_to_string(server.text("keytab")).unwrap();
    let changed: Vec<_> = keys
        .split(' ')
        .map(|word| match word.strip_prefix("k:") {
            Some(key) => {
                format!("k:{}", key.chars().map(|c| if c == '0' { '1' } else { '0' }).collect::<String>())
            }
            None => word.to_owned(),
        })
        .collect();
    write_private(&other, &changed.join(" "));
    for (keytab, why) in [(other.as_path(), "sss"), (Path::new("/not/there"), "/not/there")] {
        let credentials = Arc::new(Credentials::default().with_keytab(keytab));
        let client = Client::new(Config { credentials, ..server.config() });
        let error = refused(&client, &server.url(RANDOM)).await;
        assert!(matches!(error.cause, Cause::Auth(_)) && error.to_string().contains(why), "{error}");
    }
}

fn write_private(path: &Path, text: &str) {
    use std::os::unix::fs::OpenOptionsExt;
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).unwrap();
    std::io::Write::write_all(&mut file, text.as_bytes()).unwrap();
}

#[tokio::test]
async fn methods_that_may_not_be_used() {
    let server = server!("unix");
    within(server.client().open(&server.url(RANDOM))).await.unwrap();
    let credentials = Arc::new(Credentials::default().only(["ztn"]));
    let error = refused(&Client::new(Config { credentials, ..server.config() }), &server.url(RANDOM)).await;
    assert!(matches!(error.cause, Cause::Auth(_)) && error.to_string().contains("unix"), "{error}");
}

#[tokio::test]
async fn a_server_that_wants_a_proxy_certificate() {
    let server = server!("gsi");
    let file = within(server.client().open(&server.url(RANDOM))).await.unwrap();
    assert_eq!(within(file.read(0..100)).await.unwrap(), server.bytes(RANDOM)[..100]);
    let config = server.config();
    let none = Credentials::default().with_proxy("/not/there").with_authorities(config.tls.clone());
    let error =
        refused(&Client::new(Config { credentials: Arc::new(none), ..config }), &server.url(RANDOM)).await;
    assert!(matches!(error.cause, Cause::Auth(_)) && error.to_string().contains("/not/there"), "{error}");
}
