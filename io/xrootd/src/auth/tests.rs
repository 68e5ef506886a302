use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::*;

fn peer(tls: bool) -> Peer<'static> {
    Peer {
        host: "se.example.org",
        address: "192.0.2.7".parse().unwrap(),
        local: "192.0.2.1:40000".parse().unwrap(),
        tls,
    }
}

fn names(methods: &[Box<dyn Method>]) -> Vec<&'static str> {
    methods.iter().map(|method| method.name()).collect()
}

fn with_token() -> Credentials {
    Credentials::default().with_token(Token::new("secret-word", "a test").unwrap())
}

const ALL: &str = "&P=ztn,0:4096:&P=gsi,v:10400,c:ssl,ca:bb74b9b4.0&P=krb5,host@se&P=unix&P=host";

#[test]
fn the_server_s_order_is_kept() {
    assert_eq!(names(&with_token().choose(ALL, &peer(true)).0), ["ztn", "unix", "host"]);
    let (methods, refusals) = with_token().choose("&P=host&P=unix&P=ztn,0:4096:", &peer(true));
    assert_eq!(names(&methods), ["host", "unix", "ztn"]);
    assert!(refusals.is_empty());
}

#[test]
fn no_token_leaves_without_tls() {
    let (methods, refusals) = with_token().choose(ALL, &peer(false));
    assert_eq!(names(&methods), ["unix", "host"]);
    assert_eq!(refusals[0].to_string(), "ztn: a token is sent over TLS only: use roots://");
    // Nor is it read: a file that is not there would be told of.
    let missing = Credentials::default().with_token_file("/nonexistent/token");
    assert_eq!(missing.choose("&P=ztn,0:4096:", &peer(false)).1[0].reason, refusals[0].reason);
    let (_, refusals) = missing.choose("&P=ztn,0:4096:", &peer(true));
    assert_eq!(refusals[0].reason, "/nonexistent/token is not there");
    let (methods, refusals) = with_token().choose("&P=unix,TLS:", &peer(false));
    assert!(methods.is_empty());
    assert!(refusals[0].reason.contains("over TLS only"));
}

#[test]
fn those_passed_over_say_why() {
    let (methods, refusals) = with_token().choose(ALL, &peer(true));
    assert_eq!(methods.len(), 3);
    let refused: Vec<_> = refusals.iter().map(|refusal| refusal.method.as_str()).collect();
    assert_eq!(refused, ["gsi", "krb5"]);
    let (_, refusals) = Credentials::default().choose("&P=sss,0.+13:/etc/k&P=ztn,0:4096:", &peer(true));
    let reasons: Vec<_> = refusals.iter().map(ToString::to_string).collect();
    assert_eq!(reasons, ["sss: no keys are to be used", "ztn: no token is to be used"]);
}

#[test]
fn methods_can_be_chosen() {
    let unix = with_token().only(["unix", "krb5"]);
    let (methods, refusals) = unix.choose(ALL, &peer(true));
    assert_eq!(names(&methods), ["unix"]);
    assert_eq!(refusals[0].to_string(), "ztn: only unix, krb5 may be used (XrdSecPROTOCOL)");
    assert!(with_token().only(["sss"]).choose(ALL, &peer(true)).0.is_empty());
}

#[test]
fn a_token_is_read_again_for_each_connection() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    let credentials = Credentials::default().with_token_file(&path);
    for content in ["first", "second\n"] {
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        let (mut methods, _) = credentials.choose("&P=ztn,0:4096:", &peer(true));
        let packet = methods[0].start().unwrap();
        assert!(packet.ends_with(format!("{}\0", content.trim()).as_bytes()));
    }
}

#[test]
fn challenges_that_no_method_has_are_refused() {
    for mut method in with_token().choose(ALL, &peer(true)).0 {
        method.start().unwrap();
        for challenge in [&b""[..], b"\0", &[0xff; 4096]] {
            assert_eq!(method.answer(challenge).unwrap_err().method, method.name());
        }
    }
}

#[test]
fn nothing_shows_a_secret() {
    let credentials = with_token().with_keytab("/some/file");
    let shown = format!("{credentials:?} {credentials:#?}");
    assert!(!shown.contains("secret-word"), "{shown}");
    for list in [ALL, "&P=ztn,x", "&P=ztn,0:4:", "&P=ztn,0:11:", "&P=sss,0.+13:"] {
        for tls in [true, false] {
            let (_, refusals) = credentials.choose(list, &peer(tls));
            let shown =
                format!("{refusals:?}{}", refusals.iter().map(ToString::to_string).collect::<String>());
            assert!(!shown.contains("secret-word"), "{shown}");
        }
    }
}
