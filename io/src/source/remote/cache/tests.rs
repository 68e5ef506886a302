#![allow(clippy::single_range_in_vec_init)]

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::sync::atomic::AtomicU32;

use super::*;
use crate::source::remote::fake::{Act, Fakes};
use crate::source::remote::{Opener, place};

const URL: &str = "root://a//f.root";

/// A folder that goes with the test.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let n = NEXT.fetch_add(1, Ordering::Relaxed);
        Self(std::env::temp_dir().join(format!("hep-io-cache-{}-{n}", std::process::id())))
    }

    fn files(&self, extension: &str) -> Vec<PathBuf> {
        let files = fs::read_dir(&self.0).unwrap().map(|entry| entry.unwrap().path());
        let mut files: Vec<PathBuf> =
            files.filter(|path| path.extension().is_some_and(|found| found == extension)).collect();
        files.sort();
        files
    }

    fn blocks(&self) -> u64 {
        let files = [self.files("data"), self.files("index")].concat();
        files.iter().map(|path| fs::metadata(path).unwrap().blocks() * 512).sum()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn content(seed: u32) -> Vec<u8> {
    (0..1_000_000_u32).map(|n| (n.wrapping_mul(2_654_435_761).wrapping_add(seed) >> 24) as u8).collect()
}

/// One run: a cache of its own over the folder.
struct Run {
    cache: Arc<Cache>,
    fakes: Arc<Fakes>,
    sites: Arc<Sites>,
}

impl Run {
    fn new(folder: &Path, size: u64) -> Self {
        let (fakes, sites) = (Arc::new(Fakes::default()), Arc::<Sites>::default());
        fakes.serve(URL, &content(0), &[], &[Act::Answer(std::time::Duration::ZERO)]);
        Self { cache: Arc::new(Cache::new(folder, size, sites.clone())), fakes, sites }
    }

    async fn open(&self, url: &str) -> Arc<dyn RemoteFile> {
        let file = self.fakes.open(url, true).await.unwrap();
        let host = place::host(url);
        self.cache.over(Arc::new(Measured::new(file, host.clone(), self.sites.clone())), &host, "").await
    }

    /// What went over the network.
    fn asked(&self) -> Vec<Range<u64>> {
        let mut asked: Vec<Range<u64>> =
            self.fakes.take_reads().into_iter().flat_map(|(_, ranges)| ranges).collect();
        asked.sort_by_key(|range| range.start);
        asked
    }
}

async fn check(file: &dyn RemoteFile, ranges: &[Range<u64>]) {
    let content = content(0);
    let answers = file.read(ranges.to_vec()).await.unwrap();
    let expected = ranges.iter().map(|range| &content[range.start as usize..range.end as usize]);
    assert!(answers.iter().map(Bytes::as_ref).eq(expected), "{ranges:?}");
}

fn some() -> Vec<Range<u64>> {
    vec![0..10, 65_530..65_540, 200_000..200_001, 600_000..900_000]
}

const PLENTY: u64 = 1 << 30;

#[tokio::test]
async fn a_second_run_asks_nobody() {
    let folder = Folder::new();
    let first = Run::new(&folder.0, PLENTY);
    let file = first.open(URL).await;
    check(&*file, &some()).await;
    assert_eq!(first.asked(), some(), "no more than without a cache");
    check(&*file, &some()).await;
    assert_eq!(first.asked(), []);
    let second = Run::new(&folder.0, PLENTY);
    let file = second.open(URL).await;
    check(&*file, &some()).await;
    check(&*file, &[600_100..700_000, 65_535..65_540]).await;
    assert_eq!(second.asked(), []);
    let traffic = &second.sites.traffic()[0];
    assert_eq!((traffic.cache_hits, traffic.cache_bytes, traffic.bytes), (6, 300_021 + 99_905, 0));
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&folder.0), 0o700);
    assert!([folder.files("data"), folder.files("index")].concat().iter().all(|path| mode(path) == 0o600));
}

#[tokio::test]
async fn only_gaps_are_asked_for() {
    let folder = Folder::new();
    let run = Run::new(&folder.0, PLENTY);
    let file = run.open(URL).await;
    check(&*file, &[100_000..200_000, 300_000..400_000]).await;
    run.asked();
    check(&*file, &[50_000..350_000, 390_000..400_000, 500_000..500_010]).await;
    assert_eq!(run.asked(), [50_000..100_000, 200_000..300_000, 500_000..500_010]);
    check(&*file, &[50_000..400_000]).await;
    assert_eq!(run.asked(), []);
}

#[tokio::test]
async fn damage_costs_a_read_and_nothing_else() {
    let folder = Folder::new();
    check(&*Run::new(&folder.0, PLENTY).open(URL).await, &some()).await;
    let (data, index) = (folder.files("data").remove(0), folder.files("index").remove(0));
    let (good_data, good_index) = (fs::read(&data).unwrap(), fs::read(&index).unwrap());
    let mut flipped = good_data.clone();
    flipped[700_000] ^= 1;
    fs::write(&data, &flipped).unwrap();
    let run = Run::new(&folder.0, PLENTY);
    let file = run.open(URL).await;
    check(&*file, &some()).await;
    // Its block, and no more.
    assert_eq!(run.asked(), [655_360..720_896]);
    check(&*file, &some()).await;
    assert_eq!(run.asked(), []);
    assert_eq!(fs::read(&data).unwrap(), good_data);
    // Whatever happens to the index, or to the length of the data.
    for cut in (0..good_index.len()).step_by(7) {
        let mut flipped = good_index.clone();
        flipped[cut] ^= 0x10;
        for bad in [&good_index[..cut], &flipped, &[&good_index[..cut], b"partparpart", &good_index].concat()]
        {
            fs::write(&index, bad).unwrap();
            let run = Run::new(&folder.0, PLENTY);
            check(&*run.open(URL).await, &some()).await;
            // And it has recovered.
            run.asked();
            let run = Run::new(&folder.0, PLENTY);
            check(&*run.open(URL).await, &some()).await;
            assert_eq!(run.asked(), [], "cut at {cut}");
        }
        fs::write(&index, &good_index).unwrap();
        fs::write(&data, &good_data[..cut * 1000 % good_data.len()]).unwrap();
        check(&*Run::new(&folder.0, PLENTY).open(URL).await, &some()).await;
    }
}

#[tokio::test]
async fn another_file_or_another_version_is_not_mistaken_for_it() {
    let folder = Folder::new();
    let run = Run::new(&folder.0, PLENTY);
    check(&*run.open(URL).await, &some()).await;
    let other = "root://a//g.root";
    run.fakes.serve(other, &content(7), &[], &[]);
    let answers = run.open(other).await.read(some()).await.unwrap();
    assert_eq!(answers[3], content(7)[600_000..900_000]);
    run.fakes.serve(URL, &content(9), &[], &[]);
    run.fakes.change(URL, |script| script.version = "2".to_owned());
    let answers = run.open(URL).await.read(some()).await.unwrap();
    assert_eq!(answers[3], content(9)[600_000..900_000]);
    assert_eq!(folder.files("data").len(), 3);
    // A server that gives no version: nothing would tell a replaced file.
    run.fakes.change(URL, |script| script.version.clear());
    run.open(URL).await.read(some()).await.unwrap();
    assert_eq!(folder.files("data").len(), 3);
}

#[tokio::test]
async fn what_one_run_reads_another_finds_while_both_go_on() {
    let folder = Folder::new();
    let (one, other) = (Run::new(&folder.0, PLENTY), Run::new(&folder.0, PLENTY));
    let (file, same) = (one.open(URL).await, other.open(URL).await);
    check(&*file, &some()).await;
    check(&*same, &some()).await;
    assert_eq!(other.asked(), []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn runs_at_the_same_time_get_the_right_bytes() {
    let folder = Folder::new();
    let mut tasks = tokio::task::JoinSet::new();
    for task in 0..6_u64 {
        let path = folder.0.clone();
        tasks.spawn(async move {
            // Little room, so that files are removed under those who read them.
            let run = Run::new(&path, 700_000);
            let mut state = task + 1;
            for _ in 0..10 {
                let file = run.open(URL).await;
                for _ in 0..10 {
                    let mut random = |below: u64| {
                        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                        (state >> 33) % below
                    };
                    let ranges: Vec<Range<u64>> = (0..5)
                        .map(|_| {
                            let start = random(900_000);
                            start..start + 1 + random(90_000)
                        })
                        .collect();
                    check(&*file, &ranges).await;
                }
            }
            run.sites.take_notices()
        });
    }
    while let Some(done) = tasks.join_next().await {
        assert_eq!(done.unwrap(), [] as [String; 0]);
    }
}

#[tokio::test]
async fn the_files_not_used_for_longest_make_room() {
    let folder = Folder::new();
    let size = 4_500_000;
    let run = Run::new(&folder.0, size);
    let names: Vec<String> = (0..8).map(|n| format!("root://a//{n}.root")).collect();
    let whole = || vec![0..500_000, 500_001..1_000_000];
    for (n, name) in names.iter().enumerate() {
        run.fakes.serve(name, &content(n as u32), &[], &[]);
        // The first is used again and again.
        for name in [name, &names[0]] {
            run.open(name).await.read(whole()).await.unwrap();
            // Times of modification are no finer than the clock's ticks.
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
    }
    assert!(folder.blocks() <= size + size / 10, "{}", folder.blocks());
    run.asked();
    for name in [&names[0], &names[7]] {
        run.open(name).await.read(whole()).await.unwrap();
    }
    assert_eq!(run.asked(), []);
    run.open(&names[1]).await.read(whole()).await.unwrap();
    assert_eq!(run.asked(), whole());
    assert_eq!(run.sites.take_notices(), [] as [String; 0]);
}

#[tokio::test]
async fn a_cache_that_cannot_be_is_said_once_and_not_used() {
    let foreign = Folder::new();
    fs::create_dir(&foreign.0).unwrap();
    // Whoever may not do that may not test it.
    let given_away = std::os::unix::fs::chown(&foreign.0, Some(1), None).is_ok();
    let open = Folder::new();
    fs::create_dir(&open.0).unwrap();
    fs::set_permissions(&open.0, fs::Permissions::from_mode(0o777)).unwrap();
    let mut cases = vec![
        (Path::new("/dev/null/cache"), "Not a directory"),
        (open.0.as_path(), "others may write to the folder"),
    ];
    if given_away {
        cases.push((foreign.0.as_path(), "the folder belongs to somebody else"));
    }
    for (folder, why) in cases {
        let run = Run::new(folder, PLENTY);
        for _ in 0..3 {
            let file = run.open(URL).await;
            check(&*file, &some()).await;
            assert_eq!(run.asked(), some());
        }
        let notices = run.sites.take_notices();
        assert_eq!(notices.len(), 1, "{notices:?}");
        let expected = format!("the cache {} is not used: {why}", folder.display());
        assert!(notices[0].starts_with(&expected), "{notices:?}");
    }
}

#[tokio::test]
async fn a_full_disk_ends_writing_and_not_reading() {
    let folder = Folder::new();
    let run = Run::new(&folder.0, PLENTY);
    check(&*run.open(URL).await, &[0..100_000]).await;
    let full = fs::File::options().read(true).write(true).open("/dev/full").unwrap();
    let identity = format!("{URL}\n1000000\n1");
    let store = Store::open(&folder.0, &identity).unwrap().with_data(full);
    let file = Measured::new(run.fakes.open(URL, true).await.unwrap(), "a".into(), run.sites.clone());
    let (file, cache) = (Arc::new(file), run.cache.clone());
    let broken = CachedFile {
        file,
        host: "a".to_owned(),
        store: Arc::new(store),
        cache,
        is_hit: AtomicBool::new(false),
    };
    for _ in 0..3 {
        check(&broken, &some()).await;
    }
    let notices = run.sites.take_notices();
    assert_eq!(notices.len(), 1, "{notices:?}");
    assert!(notices[0].contains("is not written any more: No space left"), "{notices:?}");
    run.asked();
    let file = run.open(URL).await;
    check(&*file, &[0..100_000]).await;
    assert_eq!(run.asked(), []);
    check(&*file, &some()).await;
    check(&*file, &some()).await;
    assert_eq!(run.asked().len(), 4, "two times what is not there");
}

#[tokio::test]
async fn a_short_answer_is_not_kept() {
    let folder = Folder::new();
    let run = Run::new(&folder.0, PLENTY);
    let file = run.open(URL).await;
    run.fakes.change(URL, |script| script.reads = vec![Act::Short, Act::Answer(std::time::Duration::ZERO)]);
    file.read(some()).await.unwrap_err();
    check(&*file, &some()).await;
}

#[tokio::test]
async fn what_is_forgotten_is_asked_for_again_and_kept_again() {
    let folder = Folder::new();
    let run = Run::new(&folder.0, PLENTY);
    let file = run.open(URL).await;
    check(&*file, &some()).await;
    assert_eq!(file.cached_in(), None, "all of it came over the network");
    run.asked();
    let again = run.open(URL).await;
    check(&*again, &some()).await;
    assert_eq!(again.cached_in(), Some(&*folder.0));
    again.forget();
    assert_eq!((folder.files("data").len(), folder.files("index").len()), (0, 0));
    // Whoever had it open keeps nothing more in it.
    check(&*file, &[500_000..600_000]).await;
    run.asked();
    let past = run.open(URL).await;
    check(&*past, &some()).await;
    assert_eq!(past.cached_in(), None);
    assert!(!run.asked().is_empty());
    check(&*run.open(URL).await, &some()).await;
    assert_eq!(run.asked(), []);
}
