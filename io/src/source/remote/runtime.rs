use std::future::Future;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, PoisonError, mpsc};
use std::time::Duration;

use tokio::runtime::Builder;
use tokio::task::AbortHandle;

/// Name look-ups and the files of the cache block; so many at once.
const BLOCKING_THREADS: usize = 16;

/// How long a thread may take to start on a machine that is busy.
const START: Duration = Duration::from_secs(10);

/// Makes sure that as many threads can be started as are needed for a start.
fn can_start_threads() -> io::Result<()> {
    std::thread::scope(|scope| {
        let (go_on, wait) = mpsc::channel::<()>();
        let first = std::thread::Builder::new().spawn_scoped(scope, move || {
            // The other end is dropped once both have started.
            let _ = wait.recv();
        });
        let both = first.and_then(|_| std::thread::Builder::new().spawn_scoped(scope, || ()));
        drop(go_on);
        both.map(drop).map_err(|_| no_thread())
    })
}

fn no_thread() -> io::Error {
    io::Error::other("the threads that move the bytes of remote files cannot be started (ulimit -u)")
}

/// The thread on which all traffic of a run goes.
///
/// One thread is enough: it moves bytes, and the workers decode them. A `fork` leaves threads behind,
/// so a child process of one gets an error, rather than an answer that never comes.
#[derive(Debug)]
pub(super) struct Runtime {
    /// None once it was closed.
    inner: Mutex<Option<tokio::runtime::Runtime>>,
    process: u32,
}

impl Runtime {
    pub(super) fn start() -> io::Result<Self> {
        let mut builder = Builder::new_multi_thread();
        builder
            .worker_threads(1)
            .max_blocking_threads(BLOCKING_THREADS)
            // The one that is started here stays: no later look-up can be left without any.
            .thread_keep_alive(Duration::from_secs(1 << 30))
            .thread_name("hep-io-network")
            .enable_all();
        can_start_threads()?;
        // It panics where the system gives it no thread, which may have changed since.
        let inner = catch_unwind(AssertUnwindSafe(|| builder.build())).map_err(|_| no_thread())??;
        let (sender, receiver) = mpsc::sync_channel(1);
        let asked = AssertUnwindSafe(|| drop(inner.spawn_blocking(move || sender.send(()))));
        let started = catch_unwind(asked).is_ok() && receiver.recv_timeout(START).is_ok();
        if !started {
            inner.shutdown_background();
            return Err(no_thread());
        }
        Ok(Self { inner: Mutex::new(Some(inner)), process: std::process::id() })
    }

    /// Begins `future`; it is given up when what is returned is dropped.
    pub(super) fn spawn<T: Send + 'static>(
        &self,
        future: impl Future<Output = T> + Send + 'static,
    ) -> io::Result<Pending<T>> {
        if self.process != std::process::id() {
            // Its locks may be held by a thread that does not exist in this process.
            return Err(io::Error::other(
                "it was opened before this process was forked: remote files do not survive that",
            ));
        }
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let inner = inner.as_ref().ok_or_else(|| io::Error::other("the storage was closed"))?;
        let (sender, receiver) = mpsc::sync_channel(1);
        let task = inner.spawn(async move {
            // Nobody waits any more: nothing to tell.
            let _ = sender.send(future.await);
        });
        Ok(Pending { receiver, task: task.abort_handle() })
    }

    /// Ends all that is under way; who waits for it gets nothing.
    pub(super) fn close(&self) {
        if self.process == std::process::id()
            && let Some(inner) = self.inner.lock().unwrap_or_else(PoisonError::into_inner).take()
        {
            inner.shutdown_background();
        }
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        let inner = self.inner.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some(inner) = inner.take() {
            if self.process == std::process::id() {
                // Waits for nothing, so that it may be called anywhere.
                inner.shutdown_background();
            } else {
                // Its locks may be held by a thread that does not exist in this process.
                std::mem::forget(inner);
            }
        }
    }
}

/// What a task will give.
#[derive(Debug)]
pub(super) struct Pending<T> {
    receiver: mpsc::Receiver<T>,
    task: AbortHandle,
}

impl<T> Pending<T> {
    /// Blocks this thread, whether it belongs to a runtime or not. Nothing comes if the task ended early.
    pub(super) fn wait(self) -> Option<T> {
        self.receiver.recv().ok()
    }
}

impl<T> Drop for Pending<T> {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_inside_of_another_runtime_does_not_panic() {
        let ours = Runtime::start().unwrap();
        let other = Builder::new_current_thread().build().unwrap();
        let answer = other.block_on(async {
            let answer = ours.spawn(async { 7 }).unwrap().wait();
            drop(ours);
            answer
        });
        assert_eq!(answer, Some(7));
    }

    #[test]
    fn what_is_dropped_is_given_up() {
        struct Told(mpsc::Sender<()>);
        impl Drop for Told {
            fn drop(&mut self) {
                let _ = self.0.send(());
            }
        }
        let runtime = Runtime::start().unwrap();
        let (sender, receiver) = mpsc::channel();
        let told = Told(sender);
        drop(runtime.spawn(async move {
            std::future::pending::<()>().await;
            drop(told);
        }));
        receiver.recv().unwrap();
    }

    #[test]
    fn closing_ends_what_is_under_way_and_what_follows() {
        let runtime = Runtime::start().unwrap();
        let pending = runtime.spawn(std::future::pending::<()>()).unwrap();
        runtime.close();
        runtime.close();
        assert_eq!(pending.wait(), None);
        assert!(runtime.spawn(async { 7 }).unwrap_err().to_string().contains("was closed"));
    }

    #[test]
    fn dropping_the_runtime_does_not_wait_for_tasks() {
        let runtime = Runtime::start().unwrap();
        let pending = runtime.spawn(std::future::pending::<()>()).unwrap();
        drop(runtime);
        assert_eq!(pending.wait(), None);
    }
}
