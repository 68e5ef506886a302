//! What is written is on disk.

use bytes::Bytes;
use xrootd::{Cause, Client, ErrorCode, OpenOptions, ReadMode};

use crate::bed::Server;
use crate::{server, within};

fn content(size: usize) -> Bytes {
    (0..size).map(|n| (n as u32).wrapping_mul(2_654_435_761).to_be_bytes()[1]).collect()
}

/// A folder of its own for each test.
async fn folder(server: &Server, client: &Client, name: &str) -> String {
    let path = format!("/write/{name}");
    within(client.make_folder(&server.url(&path), true)).await.unwrap();
    assert!(server.path(&path).is_dir());
    path
}

#[tokio::test]
async fn a_file_large_and_small_with_and_without_page_checksums() {
    let server = server!("plain");
    for (mode, size) in [(ReadMode::Plain, 20 << 20), (ReadMode::Paged, 20_000_001), (ReadMode::Paged, 5)] {
        let client = server.client_that_reads(mode);
        let folder = folder(&server, &client, &format!("whole-{mode:?}-{size}")).await;
        let (path, content) = (format!("{folder}/file.bin"), content(size));
        let file =
            within(client.open_with(&server.url(&path), &OpenOptions::default().create())).await.unwrap();
        within(file.write(0, content.clone())).await.unwrap();
        // Over what is there, at an offset that no page begins at.
        within(file.write(3, Bytes::from_static(b"!"))).await.unwrap();
        within(file.sync()).await.unwrap();
        within(file.close()).await.unwrap();
        let mut expected = content.to_vec();
        expected[3] = b'!';
        assert!(server.bytes(&path) == expected, "{mode:?}, {size} bytes");
        let file = within(client.open(&server.url(&path))).await.unwrap();
        assert!(within(file.read(0..size as u64)).await.unwrap() == expected);
    }
}

#[tokio::test]
async fn pieces_in_any_order_and_a_hole() {
    let server = server!("plain");
    for mode in [ReadMode::Plain, ReadMode::Paged] {
        let client = server.client_that_reads(mode);
        let path = format!("{}/file.bin", folder(&server, &client, &format!("pieces-{mode:?}")).await);
        let options = OpenOptions::default().create().folders();
        let file = within(client.open_with(&server.url(&path), &options)).await.unwrap();
        let content = content(100_000);
        for at in [70_001, 4096, 10] {
            within(file.write(at as u64, content.slice(at..at + 10_000))).await.unwrap();
        }
        within(file.close()).await.unwrap();
        let mut expected = vec![0; 80_001];
        for at in [70_001, 4096, 10] {
            expected[at..at + 10_000].copy_from_slice(&content[at..at + 10_000]);
        }
        assert!(server.bytes(&path) == expected, "{mode:?}");
    }
}

#[tokio::test]
async fn how_a_file_is_opened() {
    let server = server!("plain");
    let client = server.client();
    let url = |name: &str| server.url(&format!("/write/opened/{name}"));
    let write = async |name: &str, options: OpenOptions, text: &'static str| {
        let file = within(client.open_with(&url(name), &options)).await?;
        within(file.write(0, Bytes::from_static(text.as_bytes()))).await?;
        within(file.close()).await
    };
    let on_disk = |name: &str| server.bytes(&format!("/write/opened/{name}"));
    // There is no folder yet.
    let error = write("a", OpenOptions::default().create(), "first").await.unwrap_err();
    assert!(matches!(error.cause, Cause::Server { code: ErrorCode::NotFound, .. }), "{error}");
    write("a", OpenOptions::default().create().folders(), "first").await.unwrap();
    assert_eq!(on_disk("a"), b"first");
    let error = write("a", OpenOptions::default().create(), "again").await.unwrap_err();
    assert!(matches!(error.cause, Cause::Server { code: ErrorCode::ItExists, .. }), "{error}");
    write("a", OpenOptions::default().write(), "FI").await.unwrap();
    assert_eq!(on_disk("a"), b"FIrst");
    write("a", OpenOptions::default().replace(), "new").await.unwrap();
    assert_eq!(on_disk("a"), b"new");
    let error = write("b", OpenOptions::default().write(), "none").await.unwrap_err();
    assert!(matches!(error.cause, Cause::Server { code: ErrorCode::NotFound, .. }), "{error}");
    // What is open to be read is not written.
    let file = within(client.open(&url("a"))).await.unwrap();
    within(file.write(0, Bytes::from_static(b"x"))).await.unwrap_err();
    assert_eq!(on_disk("a"), b"new");
}

#[tokio::test]
async fn folders_and_names() {
    let server = server!("plain");
    let client = server.client();
    let folder = folder(&server, &client, "names/deep/er").await;
    let url = |path: &str| server.url(path);
    let file = format!("{folder}/a.bin");
    let open = within(client.open_with(&url(&file), &OpenOptions::default().create())).await.unwrap();
    within(open.write(0, content(5000))).await.unwrap();
    within(open.truncate(3000)).await.unwrap();
    within(open.close()).await.unwrap();
    assert_eq!(server.bytes(&file), content(5000)[..3000]);
    within(client.truncate(&url(&file), 1000)).await.unwrap();
    assert_eq!(server.bytes(&file), content(5000)[..1000]);
    let renamed = "/write/names/b.bin";
    within(client.rename(&url(&file), renamed)).await.unwrap();
    assert!(!server.path(&file).exists());
    assert_eq!(server.bytes(renamed), content(5000)[..1000]);
    let error = within(client.remove_folder(&url("/write/names"))).await.unwrap_err();
    assert!(matches!(error.cause, Cause::Server { .. }), "{error}");
    within(client.remove(&url(renamed))).await.unwrap();
    assert!(!server.path(renamed).exists());
    for path in ["/write/names/deep/er", "/write/names/deep", "/write/names"] {
        within(client.remove_folder(&url(path))).await.unwrap();
        assert!(!server.path(path).exists());
    }
    let error = within(client.remove(&url(renamed))).await.unwrap_err();
    assert!(matches!(error.cause, Cause::Server { code: ErrorCode::NotFound, .. }), "{error}");
    assert!(error.to_string().contains(renamed), "{error}");
}

#[tokio::test]
async fn what_a_token_allows_and_what_not() {
    let server = server!("ztn");
    let client = server.client();
    let options = OpenOptions::default().create().folders();
    let file = within(client.open_with(&server.url("/write/token/a.bin"), &options)).await.unwrap();
    within(file.write(0, content(10_000))).await.unwrap();
    within(file.close()).await.unwrap();
    assert_eq!(server.bytes("/write/token/a.bin"), content(10_000));
    let error = within(client.open_with(&server.url("/list/b.bin"), &options)).await.unwrap_err();
    assert!(matches!(error.cause, Cause::Server { code: ErrorCode::NotAuthorized, .. }), "{error}");
    assert!(!server.path("/list/b.bin").exists());
}
