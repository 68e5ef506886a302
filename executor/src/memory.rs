//! How much memory a run takes, and what it does about it.
//!
//! | part | for |
//! | --- | --- |
//! | [`BASE`] | the program, its threads, what is known of the files |
//! | [`check_outputs`](Memory::check_outputs) | the merged outputs, one merge of the largest, and writing them, should all bins be filled |
//! | half of the rest | ranges at work: their compressed bytes, a decompressed basket of each column, a batch, the output. A worker whose range does not fit waits until another is done. |
//! | the rest | partial outputs that wait for their sibling. What is more goes into a temporary file. |
//!
//! A quarter of the rest may be read ahead of remote files, and as much may hold files whose servers give no ranges.
//! What has to fit, and cannot, is found when the files have been looked at and before any is processed.

use std::sync::{Condvar, Mutex, PoisonError};

use crate::Dataset;
use crate::error::{Error, RunResult};
use crate::registry::AnyProcessor;

/// What every process takes, whatever it does.
pub(crate) const BASE: u64 = 40 << 20;
/// What a thread keeps of memory that it has used and freed; the allocator gives back what is beyond.
const THREAD: u64 = 12 << 20;
/// The least that can be asked for.
pub(crate) const LEAST: u64 = 64 << 20;

/// How much memory a run may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    bytes: u64,
    /// What is kept free for merged outputs.
    outputs: u64,
    /// Whether somebody has said so: then what cannot fit is an error.
    is_asked: bool,
}

impl Memory {
    /// So much, and no more.
    ///
    /// # Errors
    /// Where it is less than [`LEAST`].
    pub fn of(bytes: u64) -> RunResult<Self> {
        if bytes < LEAST {
            return Err(Error::Usage(format!(
                "--memory {}: the least is {}",
                in_mebibytes(bytes),
                in_mebibytes(LEAST)
            )));
        }
        Ok(Self { bytes, outputs: 0, is_asked: true })
    }

    /// Half of what this machine has, or of what its control group may have. What may take more than that is
    /// tried even so.
    pub fn of_machine() -> Self {
        let bytes = limit::of_this_process().map_or(u64::MAX, |bytes| (bytes / 2).max(LEAST));
        Self { bytes, outputs: 0, is_asked: false }
    }

    /// What is left for ranges and for what waits.
    fn free(self) -> u64 {
        self.bytes.saturating_sub(BASE).saturating_sub(self.outputs)
    }

    /// What ranges at work may take together.
    pub(crate) fn at_work(self) -> u64 {
        self.free() / 2
    }

    /// What waiting outputs may take together.
    pub(crate) fn waiting(self) -> u64 {
        self.free() / 2
    }

    /// Outputs that are larger than this merge one after the other.
    pub(crate) fn large(self) -> u64 {
        self.free() / 32
    }

    /// What files may take whose servers give no ranges of them.
    pub(crate) fn whole_files(self) -> u64 {
        self.free() / 4
    }

    /// What is read ahead of remote files, if so much is wanted.
    pub(crate) fn ahead(self, wanted: u64) -> u64 {
        wanted.min(self.free() / 4)
    }

    /// How many threads there may be, of so many that are wanted.
    pub(crate) fn threads(self, wanted: usize) -> usize {
        if self.is_asked { wanted.min((self.free() / THREAD) as usize).max(1) } else { wanted }
    }

    /// How many worker processes there may be, of so many that are wanted, if a range takes so many bytes.
    pub(crate) fn processes(self, wanted: usize, range: u64) -> usize {
        let each = range.saturating_add(BASE);
        if self.is_asked { wanted.min((self.at_work() / each) as usize).max(1) } else { wanted }
    }

    /// The same with room for the results, should every bin be filled: the merged output of each dataset, and
    /// beside them the largest twice more, while it is read back and merges, or is written.
    ///
    /// # Errors
    /// What would be needed.
    pub(crate) fn check_outputs(
        self,
        processor: &dyn AnyProcessor,
        name: &str,
        datasets: &[Dataset],
    ) -> RunResult<Self> {
        let (mut all, mut besides) = (0_u64, 0);
        let mut largest = (0, String::new());
        for dataset in datasets {
            let mut one = 0_u64;
            let output = processor.output(dataset)?;
            output.most_memory("", &mut |path, bytes| {
                one = one.saturating_add(bytes as u64);
                if bytes as u64 > largest.0 {
                    largest = (bytes as u64, if path.is_empty() { name } else { path }.to_owned());
                }
            });
            all = all.saturating_add(one);
            besides = one.saturating_mul(2).max(besides);
        }
        let outputs = all.saturating_add(besides);
        let needed = outputs.saturating_add(LEAST);
        // Small ones are within what any run has.
        if !self.is_asked || outputs <= BASE / 4 {
            return Ok(self);
        }
        if needed <= self.bytes {
            return Ok(Self { outputs, ..self });
        }
        let of =
            if datasets.len() == 1 { "1 dataset".to_owned() } else { format!("{} datasets", datasets.len()) };
        Err(Error::Usage(format!(
            "--memory {}: the outputs of {of} may take {}, of which `{}` takes {}, and merging and writing them \
             {} besides; --memory {} would do, or fewer bins or datasets at a time",
            in_mebibytes(self.bytes),
            in_mebibytes(all),
            largest.1,
            in_mebibytes(largest.0),
            in_mebibytes(besides),
            in_mebibytes(needed),
        )))
    }

    /// Makes sure that a range of a file fits which takes so many bytes.
    ///
    /// # Errors
    /// What would be needed.
    pub(crate) fn check_range(self, path: &str, bytes: u64) -> RunResult<()> {
        if !self.is_asked || bytes <= self.at_work() {
            return Ok(());
        }
        Err(Error::Usage(format!(
            "--memory {}: a range of {path} takes {}, compressed and with the largest basket of each of its \
             columns; --memory {} would do, or fewer columns",
            in_mebibytes(self.bytes),
            in_mebibytes(bytes),
            in_mebibytes((2 * bytes).saturating_add(BASE).saturating_add(self.outputs)),
        )))
    }
}

/// Rounded up.
fn in_mebibytes(bytes: u64) -> String {
    format!("{}MiB", bytes.div_ceil(1 << 20))
}

/// Lets ranges begin as long as they fit.
pub(crate) struct Gate {
    room: u64,
    taken: Mutex<u64>,
    left: Condvar,
}

/// What a range at work takes, which is given back with it.
pub(crate) struct Pass<'a> {
    gate: &'a Gate,
    bytes: u64,
}

impl Gate {
    pub(crate) fn new(room: u64) -> Self {
        Self { room, taken: Mutex::new(0), left: Condvar::new() }
    }

    /// Waits until there is room, or nobody else is at work.
    pub(crate) fn enter(&self, bytes: u64) -> Pass<'_> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        while *taken > 0 && taken.saturating_add(bytes) > self.room {
            taken = self.left.wait(taken).unwrap_or_else(PoisonError::into_inner);
        }
        *taken += bytes;
        Pass { gate: self, bytes }
    }
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        *self.gate.taken.lock().unwrap_or_else(PoisonError::into_inner) -= self.bytes;
        self.gate.left.notify_all();
    }
}

mod limit {
    use std::fs;
    use std::path::Path;

    /// The least of what the machine has and what control groups allow this process.
    pub(super) fn of_this_process() -> Option<u64> {
        let meminfo = fs::read_to_string("/proc/meminfo").unwrap_or_default();
        let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        let limits = groups.lines().flat_map(|line| of_group(line, "/sys/fs/cgroup".as_ref()));
        limits.chain(total(&meminfo)).min()
    }

    /// `MemTotal:       24554412 kB`
    pub(super) fn total(meminfo: &str) -> Option<u64> {
        let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
        line.split_whitespace().next()?.parse::<u64>().ok()?.checked_mul(1024)
    }

    /// The limits of a group and of those it is in: `0::/user.slice/job` of version 2,
    /// `4:memory:/slurm/job` of version 1. In a container the group may be mounted as the root.
    pub(super) fn of_group(line: &str, mounted: &Path) -> Vec<u64> {
        let mut parts = line.splitn(3, ':');
        let (Some(_), Some(controllers), Some(path)) = (parts.next(), parts.next(), parts.next()) else {
            return Vec::new();
        };
        let (root, file) = match controllers {
            "" => (mounted.to_owned(), "memory.max"),
            _ if controllers.split(',').any(|one| one == "memory") => {
                (mounted.join("memory"), "memory.limit_in_bytes")
            }
            _ => return Vec::new(),
        };
        let group = root.join(path.trim_start_matches('/'));
        let groups = group.ancestors().take_while(|group| group.starts_with(&root));
        let limits = groups.filter_map(|group| fs::read_to_string(group.join(file)).ok());
        limits.filter_map(|limit| limit.trim().parse().ok()).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use serde_json::Map;

    use super::*;
    use crate::Registry;

    #[test]
    fn ranges_at_work_take_no_more_than_there_is() {
        let gate = Gate::new(100);
        let (now, most) = (AtomicU64::new(0), AtomicU64::new(0));
        std::thread::scope(|scope| {
            for worker in 0..8 {
                let (gate, now, most) = (&gate, &now, &most);
                scope.spawn(move || {
                    for turn in 0..50 {
                        // One of them alone takes more than there is.
                        let bytes =
                            if worker == 0 && turn == 7 { 500 } else { 10 + (worker * 7 + turn) % 40 };
                        let pass = gate.enter(bytes);
                        let together = now.fetch_add(bytes, Ordering::SeqCst) + bytes;
                        most.fetch_max(
                            if bytes == 500 { together - 500 } else { together },
                            Ordering::SeqCst,
                        );
                        std::thread::yield_now();
                        now.fetch_sub(bytes, Ordering::SeqCst);
                        drop(pass);
                    }
                });
            }
        });
        assert!(most.load(Ordering::SeqCst) <= 100);
        assert_eq!(*gate.taken.lock().unwrap(), 0);
    }

    #[test]
    fn few_workers_share_little_memory() {
        let workers = |mebibytes: u64| {
            let memory = Memory::of(mebibytes << 20).unwrap();
            [memory.threads(16), memory.processes(16, 8 << 20)]
        };
        assert_eq!([workers(64), workers(256), workers(4096)], [[2, 1], [16, 2], [16, 16]]);
        let free = Memory { bytes: LEAST, outputs: 0, is_asked: false };
        assert_eq!([free.threads(64), free.processes(64, 1 << 30)], [64, 64]);
    }

    #[test]
    fn limits_of_machines_and_groups_are_read() {
        assert_eq!(limit::total("MemTotal:       24554412 kB\nMemFree: 1 kB\n"), Some(24_554_412 << 10));
        let folder = std::env::temp_dir().join(format!("hep-run-groups-{}", std::process::id()));
        let write = |path: &str, text: &str| {
            let path = folder.join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        write("slurm/job_1/step_0/memory.max", "max\n");
        write("slurm/job_1/memory.max", "2147483648\n");
        write("memory/slurm/job_2/memory.limit_in_bytes", "1073741824\n");
        write("memory/memory.limit_in_bytes", "9223372036854771712\n");
        let of = |line| limit::of_group(line, &folder);
        let found = [
            of("0::/slurm/job_1/step_0"),
            of("4:cpu,memory:/slurm/job_2"),
            of("3:cpu:/slurm/job_1"),
            of("0::/not/mounted/here"),
            of("nonsense"),
        ];
        std::fs::remove_dir_all(&folder).unwrap();
        assert_eq!(found, [vec![2 << 30], vec![1 << 30, 9_223_372_036_854_771_712], vec![], vec![], vec![]]);
    }

    #[test]
    fn what_cannot_fit_is_refused_with_what_would() {
        let mut registry = Registry::default();
        registry.add::<hep_examples::Dimuon>("Dimuon");
        let processor = registry.make(None, &Map::new()).unwrap().1;
        let datasets = [Dataset::default(), Dataset::default()];
        let memory = Memory::of(LEAST).unwrap();
        assert_eq!(memory.check_outputs(&*processor, "dimuon", &datasets).unwrap(), memory);
        let error = memory.check_range("a.root", 100 << 20).unwrap_err().to_string();
        assert_eq!(
            error,
            "--memory 64MiB: a range of a.root takes 100MiB, compressed and with the largest basket of each of \
             its columns; --memory 240MiB would do, or fewer columns"
        );
        Memory::of(240 << 20).unwrap().check_range("a.root", 100 << 20).unwrap();
        assert_eq!(Memory::of(1 << 20).unwrap_err().to_string(), "--memory 1MiB: the least is 64MiB");
        // Nobody has asked for a limit.
        Memory { bytes: LEAST, outputs: 0, is_asked: false }.check_range("a.root", 100 << 20).unwrap();
    }
}
