//! The limit of open files; each connection is one.

/// Raises the limit as far as this user may, and returns it. `None`: there is no limit, or it is
/// unknown on this system.
#[cfg(target_os = "linux")]
pub(crate) fn raise_limit() -> Option<u64> {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let before = getrlimit(Resource::Nofile);
    let mut raised = before;
    raised.current = before.maximum;
    // The low default is for programs that use `select`.
    match setrlimit(Resource::Nofile, raised) {
        Ok(()) => raised.current,
        Err(_) => before.current,
    }
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn raise_limit() -> Option<u64> {
    None
}
