use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, SanType, date_time_ymd,
};
use rustls::{ClientConnection, ServerConfig, ServerConnection};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use super::*;

struct Authority {
    certificate: rcgen::Certificate,
    issuer: Issuer<'static, KeyPair>,
}

fn authority(name: &str) -> Authority {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::OrganizationName, "Test");
    params.distinguished_name.push(DnType::CommonName, name);
    let key = KeyPair::generate().unwrap();
    let certificate = params.self_signed(&key).unwrap();
    Authority { certificate, issuer: Issuer::new(params, key) }
}

type Identity = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

fn host(authority: &Authority, change: impl FnOnce(&mut CertificateParams)) -> Identity {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "se.example.org");
    params.subject_alt_names = vec![
        SanType::DnsName("se.example.org".try_into().unwrap()),
        SanType::IpAddress("192.0.2.7".parse().unwrap()),
        SanType::IpAddress("2001:db8::7".parse().unwrap()),
    ];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    change(&mut params);
    let key = KeyPair::generate().unwrap();
    let certificate = params.signed_by(&key, &authority.issuer).unwrap();
    (vec![certificate.der().clone()], PrivateKeyDer::try_from(key.serialize_der()).unwrap())
}

fn folder(authorities: &[(&str, &Authority)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, authority) in authorities {
        fs::write(folder.path().join(name), authority.certificate.pem()).unwrap();
    }
    folder
}

fn only(folder: &Path) -> TlsOptions {
    TlsOptions { system: false, folder: Some(folder.into()), file: None, identity: None }
}

/// A handshake in memory, and a byte each way.
fn handshake(options: &TlsOptions, name: &str, server: Identity) -> Result<(), String> {
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_protocol_versions(rustls::DEFAULT_VERSIONS)
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(server.0, server.1)
        .unwrap();
    connect(make(options)?.config, name, Arc::new(config))
}

fn connect(client: Arc<ClientConfig>, name: &str, server: Arc<ServerConfig>) -> Result<(), String> {
    let mut client = ClientConnection::new(client, server_name(name)?).unwrap();
    let mut server = ServerConnection::new(server).unwrap();
    for _ in 0..10 {
        let mut wire = Vec::new();
        client.write_tls(&mut wire).unwrap();
        server.read_tls(&mut wire.as_slice()).unwrap();
        if let Err(error) = server.process_new_packets() {
            return Err(format!("server: {error}"));
        }
        wire.clear();
        server.write_tls(&mut wire).unwrap();
        client.read_tls(&mut wire.as_slice()).unwrap();
        client.process_new_packets().map_err(|error| explain(&error, name))?;
    }
    client.writer().write_all(b"?").unwrap();
    let mut wire = Vec::new();
    client.write_tls(&mut wire).unwrap();
    server.read_tls(&mut wire.as_slice()).unwrap();
    server.process_new_packets().unwrap();
    let mut byte = [0];
    server.reader().read_exact(&mut byte).unwrap();
    assert_eq!(&byte, b"?");
    Ok(())
}

#[test]
fn a_host_is_known_by_its_name_and_addresses() {
    let ca = authority("Root");
    let folder = folder(&[("0123abcd.0", &ca)]);
    for name in ["se.example.org", "SE.example.org.", "192.0.2.7", "2001:db8::7", "[2001:db8::7]"] {
        handshake(&only(folder.path()), name, host(&ca, |_| {})).unwrap();
    }
}

#[test]
fn authorities_are_found_by_any_name_of_theirs_and_damaged_ones_passed_over() {
    let ca = authority("Root");
    for name in ["0123abcd.0", "0123abcd.12", "Root.pem"] {
        let folder = folder(&[(name, &ca)]);
        fs::write(folder.path().join("damaged.pem"), "-----BEGIN CERTIFICATE-----\nAAAA").unwrap();
        fs::write(folder.path().join("empty.0"), "").unwrap();
        fs::create_dir(folder.path().join("folder.pem")).unwrap();
        handshake(&only(folder.path()), "se.example.org", host(&ca, |_| {})).unwrap();
    }
    // A revocation list or policy is not an authority, whatever it holds.
    for name in ["0123abcd.r0", "0123abcd.signing_policy", "Root.pem~"] {
        let folder = folder(&[(name, &ca)]);
        let error = handshake(&only(folder.path()), "se.example.org", host(&ca, |_| {})).unwrap_err();
        assert!(error.contains("no certificate authority was found"), "{error}");
        assert!(error.contains(folder.path().to_str().unwrap()), "{error}");
    }
    let file = folder(&[("all.crt", &ca)]);
    let options = TlsOptions { folder: None, file: Some(file.path().join("all.crt")), ..only(file.path()) };
    handshake(&options, "se.example.org", host(&ca, |_| {})).unwrap();
}

#[test]
fn another_host_is_refused_and_those_of_the_certificate_named() {
    let ca = authority("Root");
    let folder = folder(&[("0123abcd.0", &ca)]);
    for name in ["other.example.org", "192.0.2.8", "localhost"] {
        let error = handshake(&only(folder.path()), name, host(&ca, |_| {})).unwrap_err();
        assert_eq!(
            error,
            format!(
                "the certificate of {name} is for another host: it names se.example.org, 192.0.2.7, 2001:db8::7"
            )
        );
    }
}

#[test]
fn a_name_in_the_subject_alone_is_none() {
    let ca = authority("Root");
    let folder = folder(&[("0123abcd.0", &ca)]);
    let identity = host(&ca, |params| params.subject_alt_names.clear());
    let error = handshake(&only(folder.path()), "se.example.org", identity).unwrap_err();
    assert_eq!(error, "the certificate of se.example.org is for no host: it has no name in it");
}

#[test]
fn expired_and_early_certificates_are_refused_with_their_dates() {
    let ca = authority("Root");
    let folder = folder(&[("0123abcd.0", &ca)]);
    let expired = host(&ca, |params| {
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(2021, 2, 3);
    });
    let error = handshake(&only(folder.path()), "se.example.org", expired).unwrap_err();
    let start = "the certificate of se.example.org is expired: the time ended on 2021-02-03 00:00 UTC, and this \
                 machine has 20";
    assert!(error.starts_with(start), "{error}");
    let early = host(&ca, |params| params.not_before = date_time_ymd(2999, 1, 1));
    let error = handshake(&only(folder.path()), "se.example.org", early).unwrap_err();
    let start = "the certificate of se.example.org is not valid yet: its time begins on 2999-01-01 00:00 UTC";
    assert!(error.starts_with(start), "{error}");
}

#[test]
fn a_stranger_s_certificate_is_refused_and_its_issuer_named() {
    let (ca, stranger) = (authority("Root"), authority("Somebody Else"));
    let folder = folder(&[("0123abcd.0", &ca)]);
    let error = handshake(&only(folder.path()), "se.example.org", host(&stranger, |_| {})).unwrap_err();
    assert_eq!(
        error,
        format!(
            "the certificate of se.example.org is issued by /O=Test/CN=Somebody Else, and no authority trusted \
             here vouches for that: searched {} (1)",
            folder.path().display()
        )
    );
    // An authority of the same name with another key does not vouch for it.
    let impostor = authority("Root");
    let error = handshake(&only(folder.path()), "se.example.org", host(&impostor, |_| {})).unwrap_err();
    assert!(error.starts_with("the certificate of se.example.org"), "{error}");
}

#[test]
fn a_self_signed_certificate_is_refused() {
    let ca = authority("Root");
    let folder = folder(&[("0123abcd.0", &ca)]);
    let mut params = CertificateParams::new(vec!["se.example.org".to_owned()]).unwrap();
    params.distinguished_name.push(DnType::CommonName, "se.example.org");
    let key = KeyPair::generate().unwrap();
    let certificate = params.self_signed(&key).unwrap();
    let identity = (vec![certificate.der().clone()], PrivateKeyDer::try_from(key.serialize_der()).unwrap());
    let error = handshake(&only(folder.path()), "se.example.org", identity).unwrap_err();
    assert!(error.starts_with("the certificate of se.example.org is self-signed, by "), "{error}");
    // That of an authority, which `openssl req -x509` makes without being asked.
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let certificate = params.self_signed(&key).unwrap();
    let identity = (vec![certificate.der().clone()], PrivateKeyDer::try_from(key.serialize_der()).unwrap());
    let error = handshake(&only(folder.path()), "se.example.org", identity).unwrap_err();
    assert!(error.contains("is that of an authority"), "{error}");
}

#[test]
fn the_chain_may_hold_intermediates_or_leave_them_to_the_folder() {
    let root = authority("Root");
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, "Issuing");
    let key = KeyPair::generate().unwrap();
    let certificate = params.signed_by(&key, &root.issuer).unwrap();
    let issuing = Authority { certificate, issuer: Issuer::new(params, key) };
    let folder_of_root = folder(&[("root.0", &root)]);
    let (mut chain, key) = host(&issuing, |_| {});
    let alone = (chain.clone(), key.clone_key());
    chain.push(issuing.certificate.der().clone());
    handshake(&only(folder_of_root.path()), "se.example.org", (chain, key)).unwrap();
    let error =
        handshake(&only(folder_of_root.path()), "se.example.org", (alone.0.clone(), alone.1.clone_key()));
    assert!(error.unwrap_err().contains("issued by /CN=Issuing"));
    let folder_of_both = folder(&[("root.0", &root), ("issuing.0", &issuing)]);
    handshake(&only(folder_of_both.path()), "se.example.org", alone).unwrap();
}

#[test]
fn variables_replace_the_default_authorities() {
    let named = TlsOptions::named_by(|name| (name == "X509_CERT_DIR").then(|| "/somewhere".into()));
    assert_eq!(named, only(Path::new("/somewhere")));
    assert!(named.and_system().system);
    let default = TlsOptions::named_by(|_| None);
    assert!(default.system);
    assert_eq!(default.folder.as_deref(), Some(Path::new("/etc/grid-security/certificates")));
}

#[test]
fn an_identity_is_shown_only_where_one_is_configured() {
    let ca = authority("Root");
    let folder = folder(&[("root.0", &ca)]);
    let mut roots = rustls::RootCertStore::empty();
    roots.add(ca.certificate.der().clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let clients =
        rustls::server::WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
    let (chain, key) = host(&ca, |_| {});
    let server = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(rustls::DEFAULT_VERSIONS)
        .unwrap()
        .with_client_cert_verifier(clients.build().unwrap())
        .with_single_cert(chain, key)
        .unwrap();
    let server = Arc::new(server);
    let error = connect(make(&only(folder.path())).unwrap().config, "se.example.org", Arc::clone(&server));
    assert!(error.unwrap_err().contains("peer sent no certificates"));

    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::default();
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let certificate = params.signed_by(&key, &ca.issuer).unwrap();
    let path = folder.path().join("identity");
    fs::write(&path, certificate.pem() + &key.serialize_pem()).unwrap();
    let options = TlsOptions { identity: Some(path.clone()), ..only(folder.path()) };
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    assert!(make(&options).err().unwrap().contains("can be read by others (mode 640)"));
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    connect(make(&options).unwrap().config, "se.example.org", server).unwrap();
}

#[test]
fn hosts_that_are_none_are_refused() {
    for name in ["", " ", "a b", "-", "[]", "host:1094"] {
        assert!(server_name(name).is_err(), "{name:?}");
    }
    assert_eq!(server_name("[fe80::1%eth0]").unwrap(), server_name("fe80::1").unwrap());
}

#[test]
fn damaged_certificates_do_no_harm() {
    use certificate::Summary;
    let ca = authority("Root");
    let (chain, _) = host(&ca, |_| {});
    let whole = chain[0].as_ref();
    let summary = Summary::of(&chain[0]).unwrap();
    assert_eq!(
        (summary.issuer.as_str(), summary.subject.as_str()),
        ("/O=Test/CN=Root", "/CN=se.example.org")
    );
    for length in 0..whole.len() {
        let _ = Summary::of(&CertificateDer::from(&whole[..length]));
    }
    for at in 0..whole.len() {
        for byte in [0, 1, 0x30, 0x7f, 0x80, 0x84, 0xff] {
            let mut damaged = whole.to_vec();
            damaged[at] = byte;
            let _ = Summary::of(&CertificateDer::from(damaged));
        }
    }
}

#[test]
fn other_failures_are_told_too() {
    let text = explain(&Error::AlertReceived(rustls::AlertDescription::CertificateRequired), "se");
    assert_eq!(text, "se wants a certificate of ours");
    let text = explain(&Error::InvalidMessage(rustls::InvalidMessage::InvalidContentType), "se");
    assert!(text.starts_with("se does not answer in TLS"), "{text}");
    let inside = io::Error::new(io::ErrorKind::InvalidData, Error::DecryptError);
    assert!(explain_io(&inside, "se").unwrap().starts_with("the handshake with se failed"));
    assert!(explain_io(&io::Error::other("else"), "se").is_none());
}

#[test]
fn what_was_read_is_used_again() {
    let ca = authority("Root");
    let folder = folder(&[("root.0", &ca)]);
    let options = only(folder.path());
    let first = client_config(&options).unwrap();
    assert!(Arc::ptr_eq(&first, &client_config(&options).unwrap()));
    assert!(!Arc::ptr_eq(&first, &client_config(&options.clone().and_system()).unwrap()));
    // A failure is not remembered.
    let late = TlsOptions { folder: Some(folder.path().join("late")), ..options };
    client_config(&late).unwrap_err();
    fs::create_dir(folder.path().join("late")).unwrap();
    fs::write(folder.path().join("late/root.0"), ca.certificate.pem()).unwrap();
    client_config(&late).unwrap();
}
