use std::sync::{Mutex, MutexGuard, PoisonError};

/// What a mutex holds, also after a panic: nothing here is left half done.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
