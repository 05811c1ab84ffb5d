//! Routes: how a dialect's table of endpoints is written and searched.

use http::Method;

/// An endpoint. The type of its handler is the dialect's.
#[derive(Debug)]
pub(crate) struct Route<H> {
    pub(crate) method: Method,
    pub(crate) path: &'static str,
    /// The name in the ledger.
    pub(crate) action: &'static str,
    /// The required scope, empty if none is.
    pub(crate) scope: &'static str,
    pub(crate) handler: H,
}

pub(crate) const fn route<H: Copy>(
    method: Method,
    path: &'static str,
    action: &'static str,
    scope: &'static str,
    handler: H,
) -> Route<H> {
    Route {
        method,
        path,
        action,
        scope,
        handler,
    }
}

/// The first endpoint that has the method and the path below the base, with the id in the path.
pub(crate) fn find<'a, H>(
    routes: &'static [Route<H>],
    method: &Method,
    path: &'a str,
) -> Option<(&'static Route<H>, &'a str)> {
    let mut routes = routes.iter().filter(|route| route.method == *method);
    routes.find_map(|route| Some((route, id_in(route.path, path)?)))
}

/// The id that makes `path` fit `pattern`; empty if the pattern has none.
pub(crate) fn id_in<'a>(pattern: &str, path: &'a str) -> Option<&'a str> {
    let (mut wanted, mut given) = (pattern.split('/'), path.split('/'));
    let mut id = "";
    loop {
        match (wanted.next(), given.next()) {
            (None, None) => return Some(id),
            (Some("{id}"), Some(part)) if !part.is_empty() => id = part,
            (Some(wanted), Some(part)) if wanted == part => {}
            _ => return None,
        }
    }
}
