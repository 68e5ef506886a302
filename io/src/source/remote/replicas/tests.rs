use std::io::ErrorKind::{ConnectionReset, NotFound, PermissionDenied};

use tokio::time::Instant;

use super::*;
use crate::source::remote::fake::{Act, FINE, Fakes};

const A: &str = "root://a//f.root";
const B: &str = "root://b//f.root";
const C: &str = "root://c//f.root";
const PACE: Pace = Pace { stall: Duration::from_secs(30), hedge: true };

fn content() -> Vec<u8> {
    (0..100_000_u32).map(|n| (n % 251) as u8).collect()
}

struct Bed {
    fakes: Arc<Fakes>,
    sites: Arc<Sites>,
    doubts: Arc<Doubts>,
}

impl Bed {
    /// `a`, `b` and `c` with the same file, and what `a` does to reads.
    fn new(reads: &[Act]) -> Self {
        let fakes = Arc::new(Fakes::default());
        fakes.serve(A, &content(), &[], reads);
        fakes.serve(B, &content(), &[], &[]);
        fakes.serve(C, &content(), &[], &[]);
        Self { fakes, sites: Arc::default(), doubts: Arc::default() }
    }

    fn means(&self, pace: Pace) -> Means {
        let (opener, sites) = (self.fakes.clone(), self.sites.clone());
        Means { opener, sites, doubts: self.doubts.clone(), cache: None, pace }
    }

    async fn open(&self, location: &str, replicas: &[&str]) -> Result<Replicas> {
        let replicas: Vec<String> = replicas.iter().map(|&url| url.to_owned()).collect();
        let file = Replicas::open(self.means(PACE), location, &replicas).await?;
        let bytes = Bytes::from(content());
        file.prove(&bytes.slice(..8192), &bytes.slice(90_000..));
        Ok(file)
    }

    fn under_way(&self) -> usize {
        self.fakes.log.lock().unwrap().under_way
    }
}

async fn read(file: &Replicas) -> Result<()> {
    let answers = file.read(vec![10..20, 50_000..60_000]).await?;
    let content = content();
    assert_eq!(answers, [&content[10..20], &content[50_000..60_000]]);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_read_goes_on_at_the_next_replica() {
    let bed = Bed::new(&[FINE, Act::Fail(ConnectionReset)]);
    let file = bed.open(A, &[B, C]).await.unwrap();
    read(&file).await.unwrap();
    let begun = Instant::now();
    read(&file).await.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(1));
    assert_eq!(bed.fakes.opened(), [A, B]);
    let notices = bed.sites.take_notices();
    assert_eq!(notices, [format!("{A}: scripted ConnectionReset; reading on from {B}")]);
    // And stays there.
    bed.fakes.take_reads();
    read(&file).await.unwrap();
    assert_eq!(bed.fakes.take_reads().len(), 1);
    let traffic = bed.sites.traffic();
    let of = |host: &str| traffic.iter().find(|traffic| traffic.host == host).unwrap();
    assert_eq!((of("a").failovers, of("a").errors, of("a").bytes), (1, 1, 10_010));
    assert_eq!((of("b").opens, of("b").bytes, of("b").failovers), (1, 8192 + 20_020, 0));
}

#[tokio::test(start_paused = true)]
async fn only_the_last_replica_is_waited_for_patiently() {
    let bed = Bed::new(&[Act::Fail(ConnectionReset)]);
    bed.fakes.change(B, |script| script.opens = vec![Act::Fail(ConnectionReset)]);
    let file = bed.open(A, &[B, C]).await.unwrap();
    read(&file).await.unwrap();
    let opens = bed.fakes.log.lock().unwrap().opens.clone();
    let expected = [(A, false), (B, false), (C, true)].map(|(url, patient)| (url.to_owned(), patient));
    assert_eq!(opens, expected);
    let alone = Bed::new(&[]);
    alone.open(A, &[]).await.unwrap();
    assert_eq!(alone.fakes.log.lock().unwrap().opens, [(A.to_owned(), true)]);
}

#[tokio::test(start_paused = true)]
async fn a_stalled_read_is_asked_elsewhere_before_the_deadline() {
    let bed = Bed::new(&[Act::Stall]);
    let file = bed.open(A, &[B]).await.unwrap();
    let begun = Instant::now();
    read(&file).await.unwrap();
    let took = begun.elapsed();
    assert!(took >= Duration::from_secs(15) && took < Duration::from_secs(16), "{took:?}");
    assert_eq!(bed.under_way(), 0, "the stalled read was given up");
    assert_eq!(bed.sites.take_notices(), [format!("{A}: slower than usual; reading on from {B}")]);
    let begun = Instant::now();
    read(&file).await.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(1), "the next one goes to `b` at once");
    assert_eq!(bed.sites.traffic()[0].hedges, 1);
}

#[tokio::test(start_paused = true)]
async fn a_read_that_takes_much_longer_than_usual_is_asked_elsewhere() {
    let bed = Bed::new(&[FINE, FINE, Act::Answer(Duration::from_secs(20))]);
    let file = bed.open(A, &[B]).await.unwrap();
    read(&file).await.unwrap();
    read(&file).await.unwrap();
    let begun = Instant::now();
    read(&file).await.unwrap();
    let took = begun.elapsed();
    assert!(took >= SOONEST && took < SOONEST + Duration::from_millis(500), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_slow_read_is_left_alone_where_nobody_asks_for_hedging() {
    let bed = Bed::new(&[Act::Answer(Duration::from_secs(20))]);
    let pace = Pace { hedge: false, ..PACE };
    let others = [B.to_owned()];
    let file = Replicas::open(bed.means(pace), A, &others).await.unwrap();
    read(&file).await.unwrap();
    assert_eq!(bed.fakes.opened(), [A]);
}

#[tokio::test(start_paused = true)]
async fn a_replica_that_failed_lately_is_asked_late_but_asked() {
    let bed = Bed::new(&[FINE, Act::Stall]);
    let file = bed.open(A, &[B]).await.unwrap();
    read(&file).await.unwrap();
    bed.sites.failed("b", true);
    let begun = Instant::now();
    read(&file).await.unwrap();
    let took = begun.elapsed();
    assert!(took >= Duration::from_secs(15) && took < Duration::from_secs(16), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_host_that_accepts_and_never_answers_does_not_hold_an_opening() {
    let bed = Bed::new(&[]);
    bed.fakes.change(A, |script| script.opens = vec![Act::Stall]);
    let begun = Instant::now();
    bed.open(A, &[B]).await.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(4));
    // The next file goes to `b` first.
    let begun = Instant::now();
    bed.open(A, &[B]).await.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(1));
    assert_eq!(bed.fakes.opened(), [A, B, B]);
}

#[tokio::test(start_paused = true)]
async fn the_error_names_every_replica() {
    let bed = Bed::new(&[Act::Fail(ConnectionReset)]);
    bed.fakes.change(B, |script| script.opens = vec![Act::Fail(PermissionDenied)]);
    let file = bed.open(A, &[B, "root://none//f.root?authz=secret"]).await.unwrap();
    let error = read(&file).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "cannot read {A}: none of its 3 replicas can be read\n  {A}: scripted ConnectionReset\n  {B}: \
             scripted PermissionDenied\n  root://none//f.root: no such file"
        )
    );
    assert!(error.is_transient(), "one of them may come back");
    bed.fakes.change(A, |script| script.opens = vec![Act::Fail(NotFound)]);
    let error = read(&file).await.unwrap_err();
    assert!(!error.is_transient(), "{error}");
    let error = bed.open("root://none//g.root", &[]).await.unwrap_err();
    assert_eq!(error.to_string(), "cannot open root://none//g.root: no such file");
}

#[tokio::test(start_paused = true)]
async fn a_replica_with_other_bytes_is_refused() {
    let mut other_head = content();
    other_head[300] ^= 1;
    let mut other_tail = content();
    other_tail[99_999] ^= 1;
    let mut longer = content();
    longer.push(0);
    for (bytes, says) in [
        (other_head, "its first or last bytes are not those"),
        (other_tail, "its first or last bytes are not those"),
        (longer, "it has 100001 bytes, and had or has elsewhere 100000"),
    ] {
        let bed = Bed::new(&[Act::Fail(ConnectionReset)]);
        bed.fakes.serve(B, &bytes, &[], &[]);
        let file = bed.open(A, &[B]).await.unwrap();
        let error = read(&file).await.unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
        let file = bed.open(A, &[B, C]).await.unwrap();
        read(&file).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_file_that_was_replaced_under_its_url_is_refused_and_not_tried_again() {
    let bed = Bed::new(&[Act::Fail(ConnectionReset), FINE]);
    let file = bed.open(A, &[]).await.unwrap();
    assert!(read(&file).await.unwrap_err().is_transient());
    bed.fakes.change(A, |script| script.version = "2".to_owned());
    let error = read(&file).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "cannot read {A}: the file changed while it was read: its time of modification or its ETag is \
             another"
        )
    );
    assert!(!error.is_transient());
}

#[tokio::test(start_paused = true)]
async fn a_lost_file_is_opened_again_by_the_next_read() {
    let bed = Bed::new(&[Act::Fail(ConnectionReset), FINE]);
    let file = bed.open(A, &[]).await.unwrap();
    let error = read(&file).await.unwrap_err();
    assert_eq!(error.to_string(), format!("cannot read {A}: scripted ConnectionReset"));
    read(&file).await.unwrap();
    assert_eq!(bed.fakes.opened(), [A, A]);
}

#[tokio::test(start_paused = true)]
async fn too_few_bytes_are_a_failure() {
    let bed = Bed::new(&[Act::Short]);
    let file = bed.open(A, &[B]).await.unwrap();
    read(&file).await.unwrap();
    let notice = bed.sites.take_notices().remove(0);
    assert!(notice.contains("9 of 10 bytes at byte 10 came"), "{notice}");
}

#[tokio::test(start_paused = true)]
async fn many_reads_at_once_open_a_replica_once() {
    let bed = Bed::new(&[Act::Fail(ConnectionReset)]);
    let file = Arc::new(bed.open(A, &[B]).await.unwrap());
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let file = file.clone();
        tasks.spawn(async move { read(&file).await });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap().unwrap();
    }
    assert_eq!(bed.fakes.opened().iter().filter(|url| *url == B).count(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_replica_that_was_opened_before_there_was_a_proof_is_compared() {
    let mut other_head = content();
    other_head[300] ^= 1;
    let bed = Bed::new(&[Act::Stall, FINE]);
    bed.fakes.serve(B, &other_head, &[], &[FINE, Act::Fail(ConnectionReset)]);
    let file = Replicas::open(bed.means(PACE), A, &[B.to_owned()]).await.unwrap();
    // `a` is open and stalls, so that head and tail come from `b`.
    let metadata = file.read(vec![0..8192, 90_000..100_000]).await.unwrap();
    file.prove(&metadata[0], &metadata[1]);
    let error = file.read(vec![10..20, 50..60]).await.unwrap_err().to_string();
    assert!(error.contains("its first or last bytes are not those"), "{error}");
}

fn damaged() -> Error {
    let (path, what, reason) = (A.to_owned(), "a key".to_owned(), "of a test".to_owned());
    Error::Format { path, what, at: 7, reason }
}

#[tokio::test(start_paused = true)]
async fn a_place_with_damaged_bytes_is_gone_to_last_by_who_opens_the_file_again() {
    let bed = Bed::new(&[]);
    let file = bed.open(A, &[B]).await.unwrap();
    read(&file).await.unwrap();
    assert_eq!(file.origin().await, None, "from where its name says");
    assert!(file.doubt(&damaged()).await);
    let notices = bed.sites.take_notices();
    assert_eq!(notices, [format!("{A}: {}; reading again from {B}", damaged())]);
    assert!(bed.sites.is_failing("a"));
    // Another range of the same file says so too: `b` is not blamed for it.
    assert!(file.doubt(&damaged()).await);
    assert_eq!(bed.sites.take_notices(), [""; 0]);
    let again = bed.open(A, &[B]).await.unwrap();
    read(&again).await.unwrap();
    assert_eq!(bed.fakes.opened(), [A, B]);
    assert_eq!(again.origin().await.as_deref(), Some(B));
    // A minute later `a` is no failing host any more, and still has those bytes.
    tokio::time::advance(Duration::from_secs(300)).await;
    read(&bed.open(A, &[B]).await.unwrap()).await.unwrap();
    assert_eq!(bed.fakes.opened(), [A, B, B]);
    // It is asked where nobody else answers.
    bed.fakes.change(B, |script| script.opens = vec![Act::Fail(ConnectionReset)]);
    bed.open(A, &[B]).await.unwrap();
    assert_eq!(bed.fakes.opened(), [A, B, B, B, A]);
}

#[tokio::test(start_paused = true)]
async fn damaged_bytes_are_asked_for_twice_at_each_place_and_not_for_ever() {
    let bed = Bed::new(&[]);
    for more in [true, true, true, false] {
        let file = bed.open(A, &[B]).await.unwrap();
        assert_eq!(file.doubt(&damaged()).await, more);
    }
    assert_eq!(bed.fakes.opened(), [A, B, A, B]);
    let alone = Bed::new(&[]);
    let file = alone.open(A, &[]).await.unwrap();
    assert!(!file.doubt(&damaged()).await, "there is no other place");
    assert_eq!(alone.sites.take_notices(), [""; 0]);
}
