//! Servers that give no ranges.

use super::*;

fn whole(headers: &str) -> Vec<u8> {
    answer("200 OK", headers, content())
}

#[tokio::test]
async fn a_small_file_comes_with_the_opening() {
    let server = Server::new(|_| Act::Answer(answer("200 OK", "", &content()[..100_000]))).await;
    let file = open(&server.url("/f"), true).await.unwrap();
    assert_eq!(file.size(), 100_000);
    check(&*file, &[99_000..100_000, 5..10]).await;
    assert_eq!(server.asked().len(), 1);
}

#[tokio::test]
async fn a_file_is_read_once() {
    let server = Server::new(|_| Act::Answer(whole("ETag: \"a\"\r\n"))).await;
    let client = client();
    let file = HttpFile::open(&client, &server.url("/f"), true).await.unwrap();
    assert_eq!((file.size(), file.version()), (SIZE as u64, "\"a\""));
    check(&*file, &[small(60), large(10)].concat()).await;
    check(&*file, &[2_999_999..3_000_000]).await;
    assert_eq!(server.asked().len(), 1);
    drop(file);
    let again = HttpFile::open(&client, &server.url("/f"), true).await.unwrap();
    check(&*again, &large(3)).await;
    assert_eq!(server.asked().len(), 1, "asked for its version only");
}

#[tokio::test]
async fn a_file_that_gave_its_room_to_another_is_read_again() {
    for (header, later, says) in [
        ("ETag: \"a\"\r\n", "ETag: \"a\"\r\n", None),
        ("", "", None),
        ("ETag: \"a\"\r\n", "ETag: \"b\"\r\n", Some("its ETag was \"a\" and is \"b\"")),
    ] {
        let server =
            Server::new(move |ask| Act::Answer(whole(if ask.before < 2 { header } else { later }))).await;
        let client = client();
        let one = HttpFile::open(&client, &server.url("/1"), true).await.unwrap();
        let two = HttpFile::open(&client, &server.url("/2"), true).await.unwrap();
        check(&*two, &large(3)).await;
        assert_eq!(server.log.lock().unwrap().len(), 2);
        match says {
            None => check(&*one, &large(3)).await,
            Some(says) => {
                let error = one.read(large(3)).await.map(drop).unwrap_err().to_string();
                assert!(error.ends_with(&format!("the file changed while it was read: {says}")), "{error}");
            }
        }
    }
    // Without a version its bytes tell.
    let server = Server::new(|ask| {
        let mut bytes = content().to_vec();
        bytes[1_500_000] ^= u8::from(ask.before == 2);
        Act::Answer(answer("200 OK", "", &bytes))
    })
    .await;
    let client = client();
    let one = HttpFile::open(&client, &server.url("/1"), true).await.unwrap();
    HttpFile::open(&client, &server.url("/2"), true).await.unwrap();
    let error = one.read(large(1)).await.map(drop).unwrap_err().to_string();
    assert!(error.ends_with("the file changed while it was read: it has other bytes"), "{error}");
}

#[tokio::test]
async fn a_file_that_is_larger_than_the_room_is_named_with_its_size() {
    let chunked = |bytes: &[u8]| {
        let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        let chunks = bytes
            .chunks(50_000)
            .map(|chunk| [format!("{:x}\r\n", chunk.len()).as_bytes(), chunk, b"\r\n"].concat());
        [head.as_bytes(), &chunks.collect::<Vec<_>>().concat(), b"0\r\n\r\n"].concat()
    };
    let server = Server::new(move |ask| {
        let endless = b"HTTP/1.1 200 OK\r\n\r\nendless".to_vec();
        let larger = answer("200 OK", "", &[content(), content()].concat());
        match &*ask.path {
            "/larger" => Act::Answer(larger),
            "/chunked" => Act::Answer(chunked(&[content(), content()].concat())),
            "/fits" => Act::Answer(chunked(content())),
            _ => Act::Last(endless),
        }
    })
    .await;
    let host = format!("127.0.0.1:{}", server.port);
    for (path, says) in [
        (
            "/larger",
            format!(
                "{host} gives only whole files, not ranges of them; this one has 6000000 bytes, and 4194304 may be"
            ),
        ),
        (
            "/chunked",
            format!(
                "{host} gives only whole files, not ranges of them; its size it does not tell, and 4194304 may"
            ),
        ),
        ("/endless", format!("{host} gives no ranges of the file and does not tell its size")),
    ] {
        server.asked();
        let error = open(&server.url(path), true).await.unwrap_err();
        assert!(!error.is_transient() && error.to_string().contains(&says), "{error}");
        assert_eq!(server.asked().len(), 1, "{path}");
    }
    let file = open(&server.url("/fits"), true).await.unwrap();
    check(&*file, &[2_999_000..3_000_000, 0..10]).await;
}

#[tokio::test]
async fn a_server_that_refuses_ranges_is_asked_for_the_whole() {
    for status in ["416 Range Not Satisfiable", "400 Bad Request", "501 Not Implemented"] {
        let server = Server::new(move |ask| {
            Act::Answer(if ask.ranges.is_empty() { whole("") } else { answer(status, "", b"no") })
        })
        .await;
        let file = open(&server.url("/f"), true).await.unwrap();
        check(&*file, &small(20)).await;
        assert_eq!(server.asked().len(), 2, "{status}");
    }
}

#[tokio::test]
async fn a_server_that_gives_no_ranges_any_more_is_read_whole() {
    let server = Server::new(|ask| {
        Act::Answer(if ask.before == 0 { fine(ask, "ETag: \"a\"\r\n") } else { whole("ETag: \"a\"\r\n") })
    })
    .await;
    let file = open(&server.url("/f"), true).await.unwrap();
    check(&*file, &large(20)).await;
    server.asked();
    check(&*file, &[small(60), large(20)].concat()).await;
    assert!(server.asked().is_empty());
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_not_the_whole_file() {
    let server = Server::new(|ask| match ask.before {
        0 => Act::Last(whole("")[..2_000_000].to_vec()),
        _ => Act::Answer(whole("")),
    })
    .await;
    let error = open(&server.url("/f"), false).await.unwrap_err();
    assert!(error.is_transient() && error.to_string().contains("the answer broke off after"), "{error}");
    check(&*open(&server.url("/f"), true).await.unwrap(), &large(2)).await;
}
