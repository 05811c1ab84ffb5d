//! How many files the process may open; each connection is one.

/// Raises the limit as far as this user may, and tells what it is now. `None`: there is none, or this
/// system doesn't tell.
#[cfg(target_os = "linux")]
pub(crate) fn raise_limit() -> Option<u64> {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let before = getrlimit(Resource::Nofile);
    let mut raised = before;
    raised.current = before.maximum;
    // The limit that systems start processes with is for programs that use `select`.
    match setrlimit(Resource::Nofile, raised) {
        Ok(()) => raised.current,
        Err(_) => before.current,
    }
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn raise_limit() -> Option<u64> {
    None
}
