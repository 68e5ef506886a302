//! Threads of this process. Scoped threads and one counter rather than a work-stealing pool: each
//! worker keeps one set of buffers for the whole run, and a range is far too large to steal parts of.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// Where tasks run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Executor {
    /// On the calling thread, in order: for a debugger.
    Serial,
    /// On so many threads.
    Threads(usize),
}

impl Executor {
    /// A thread for each core this process may use.
    pub fn all_cores() -> Self {
        Self::Threads(std::thread::available_parallelism().map_or(1, usize::from))
    }

    /// How many workers there are.
    pub fn workers(self) -> usize {
        match self {
            Self::Serial => 1,
            Self::Threads(workers) => workers.max(1),
        }
    }

    /// Runs `task(state, i)` for each `i` in `0..tasks`, each worker with a state of its own, until
    /// all are done or `stop` is set. Tasks start in order and end in any.
    ///
    /// Where fewer threads can be started than there should be (`ulimit -u`), those do all tasks, and if need be the
    /// calling thread does; then a message says so.
    pub fn for_each<S: Default>(
        self,
        tasks: usize,
        stop: &AtomicBool,
        task: impl Fn(&mut S, usize) + Sync,
    ) -> Option<String> {
        let next = AtomicUsize::new(0);
        let work = || {
            let mut state = S::default();
            while !stop.load(Ordering::Relaxed) {
                let i = next.fetch_add(1, Ordering::Relaxed);
                if i >= tasks {
                    break;
                }
                task(&mut state, i);
            }
        };
        let Self::Threads(workers) = self else {
            work();
            return None;
        };
        let wanted = workers.clamp(1, tasks.max(1));
        std::thread::scope(|scope| {
            for started in 0..wanted {
                if let Err(error) = std::thread::Builder::new().spawn_scoped(scope, work) {
                    // This thread has nothing else to do.
                    work();
                    return Some(format!(
                        "{} of {wanted} threads work, more cannot be started: {error}",
                        started + 1
                    ));
                }
            }
            None
        })
    }
}

/// What `task` returns, or the message of its panic: a bug in a processor fails one range, not the
/// run.
pub(crate) fn without_panic<T>(task: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(task)).map_err(|payload| message(&*payload))
}

fn message(payload: &(dyn Any + Send)) -> String {
    let text =
        payload.downcast_ref::<&str>().copied().or(payload.downcast_ref::<String>().map(String::as_str));
    format!("it panicked: {}", text.unwrap_or("no message"))
}

/// The processor time that the calling thread has used.
pub(crate) fn thread_cpu() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec.unsigned_abs() as u32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    #[test]
    fn every_task_runs_once_on_any_executor() {
        for executor in [Executor::Serial, Executor::Threads(1), Executor::Threads(5)] {
            let seen = Mutex::new(vec![0; 100]);
            let few =
                executor.for_each::<()>(100, &AtomicBool::new(false), |(), i| seen.lock().unwrap()[i] += 1);
            assert_eq!(few, None);
            assert_eq!(*seen.lock().unwrap(), vec![1; 100]);
        }
    }

    #[test]
    fn a_panic_becomes_its_message() {
        assert_eq!(without_panic(|| panic!("index {}", 3)), Err::<(), _>("it panicked: index 3".to_owned()));
    }
}
