//! What servers tell of files, folders and themselves, as on disk and as the official client sees it.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;

use xrootd::{Cause, ErrorCode};

use crate::bed::RANDOM;
use crate::{server, within};

#[tokio::test]
async fn stat_as_on_disk() {
    let server = server!("plain");
    let client = server.client();
    for path in [RANDOM, "/small.txt", "/empty.bin", "/list", "/list/deep/er/file.bin"] {
        let stat = within(client.stat(&server.url(path))).await.unwrap();
        let metadata = fs::metadata(server.path(path)).unwrap();
        assert_eq!((stat.is_folder, stat.modified), (metadata.is_dir(), metadata.mtime()), "{path}");
        if !metadata.is_dir() {
            assert_eq!(stat.size, metadata.len(), "{path}");
            let file = within(client.open(&server.url(path))).await.unwrap();
            assert_eq!((file.size(), file.modified()), (metadata.len(), metadata.mtime()), "{path}");
            assert_eq!(within(file.stat()).await.unwrap().size, metadata.len(), "{path}");
        }
        assert!(stat.is_readable && !stat.is_offline, "{path}");
    }
    let error = within(client.stat(&server.url("/not/there"))).await.unwrap_err();
    assert!(matches!(error.cause, Cause::Server { code: ErrorCode::NotFound, .. }), "{error}");
    assert!(error.to_string().starts_with("cannot stat /not/there at "), "{error}");
}

#[tokio::test]
async fn a_folder_as_the_official_client_lists_it() {
    let server = server!("plain");
    for path in ["/", "/list", "/list/deep", "/write/.."] {
        let Ok(entries) = within(server.client().list(&server.url(path))).await else {
            assert_eq!(path, "/write/..");
            continue;
        };
        let ours: BTreeMap<_, _> = entries
            .into_iter()
            .map(|entry| (entry.name, entry.stat.map(|stat| (stat.is_folder, stat.size))))
            .collect();
        // drwxr-xr-x xrootd xrootd 4096 2026-01-01 00:00:00 /list/deep
        let listed = server.xrdfs(&["ls", "-l", path]);
        let theirs: BTreeMap<_, _> = listed
            .lines()
            .map(|line| {
                let words: Vec<_> = line.split_whitespace().collect();
                let name = words.last().unwrap().rsplit('/').next().unwrap().to_owned();
                (name, Some((words[0].starts_with('d'), words[3].parse::<u64>().unwrap())))
            })
            .collect();
        assert_eq!(ours, theirs, "{path}");
        let on_disk = fs::read_dir(server.path(path)).unwrap();
        assert_eq!(ours.len(), on_disk.count(), "{path}");
    }
    let error = within(server.client().list(&server.url("/small.txt"))).await.unwrap_err();
    assert!(matches!(error.cause, Cause::Server { .. }), "{error}");
}

#[tokio::test]
async fn checksums_that_others_have_calculated() {
    let server = server!("plain");
    let client = server.client();
    // Of zlib and xrdcrc32c; see tests/python/xrootd/served.py.
    let known = [("adler32", "2f1bf167"), ("crc32c", "8fc38542")];
    for (kind, value) in known {
        let url = server.url(&format!("{RANDOM}?cks.type={kind}"));
        let checksum = within(client.checksum(&url)).await.unwrap();
        assert_eq!((checksum.algorithm.as_str(), checksum.value.as_str()), (kind, value));
    }
    let theirs = server.xrdfs(&["query", "checksum", "/small.txt"]);
    let ours = within(client.checksum(&server.url("/small.txt"))).await.unwrap();
    assert_eq!(format!("{} {}", ours.algorithm, ours.value), theirs.trim());
}

#[tokio::test]
async fn settings_as_the_official_client_asks_for_them() {
    let server = server!("plain");
    let names = ["readv_iov_max", "readv_ior_max", "version", "bind_max", "no_such_setting"];
    let ours = within(server.client().settings(&server.url("/"), &names)).await.unwrap();
    let theirs: Vec<_> =
        names.iter().map(|name| server.xrdfs(&["query", "config", name]).trim().to_owned()).collect();
    assert_eq!(ours, theirs);
    assert_eq!(&ours[..2], ["1024", "2097136"]);
}

#[tokio::test]
async fn a_server_knows_where_its_own_files_are() {
    let server = server!("plain");
    let found = within(server.client().locate(&server.url(RANDOM))).await.unwrap();
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!((found[0].port, found[0].is_manager), (server.port(), false));
    within(server.client().ping(&server.url("/"))).await.unwrap();
}
