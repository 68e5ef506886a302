use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;

/// Attempts of which the first that ends counts, each with what it is called by. Dropping it gives all
/// of them up.
pub(super) struct Race<'a, K, T> {
    running: Vec<(K, Attempt<'a, T>)>,
}

type Attempt<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

impl<'a, K: Copy, T> Race<'a, K, T> {
    pub(super) fn new() -> Self {
        Self { running: Vec::new() }
    }

    pub(super) fn len(&self) -> usize {
        self.running.len()
    }

    pub(super) fn add(&mut self, key: K, attempt: impl Future<Output = T> + Send + 'a) {
        self.running.push((key, Box::pin(attempt)));
    }

    /// The next attempt that ends, which is taken out; never, if there is none. Nothing is lost if this
    /// is dropped before.
    pub(super) async fn next(&mut self) -> (K, T) {
        poll_fn(|context| {
            for at in 0..self.running.len() {
                if let Poll::Ready(result) = self.running[at].1.as_mut().poll(context) {
                    let (key, _) = self.running.swap_remove(at);
                    return Poll::Ready((key, result));
                }
            }
            Poll::Pending
        })
        .await
    }
}
