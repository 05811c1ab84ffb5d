//! What docs/compatibility.md says is missing, read from its tables.
//!
//! A table's first column names operations as people write them: `` `GET`, `PUT /a`, `/b` `` is GET
//! and PUT of `/a` and of `/b`; `…/a` is a path that ends so; `/a` without any method stands for
//! everything below it; `{id}` is any parameter.

const PAGE: &str = include_str!("../../../docs/compatibility.md");

pub(super) struct Row {
    /// The API of the section, or `None` where the paths name it.
    api: Option<&'static str>,
    pub(super) operations: &'static str,
    state: &'static str,
    note: &'static str,
}

/// The rows whose state is `not yet` or `left out`.
pub(super) fn missing() -> Vec<Row> {
    let mut api = None;
    let mut rows = Vec::new();
    for line in PAGE.lines() {
        if let Some(heading) = line.strip_prefix("## ") {
            api = match heading {
                "Management API" => Some("mgmt"),
                "Engagement API" => Some("engagement"),
                _ => None,
            };
        }
        let cells: Vec<_> = line.split('|').map(str::trim).collect();
        let (operations, state, note) = match cells[..] {
            ["", operations, state, note, ""] => (operations, state, note),
            ["", operations, state, ""] => (operations, state, ""),
            _ => continue,
        };
        if state.starts_with("not yet") || state.starts_with("left out") {
            rows.push(Row {
                api,
                operations,
                state,
                note,
            });
        }
    }
    rows
}

impl Row {
    pub(super) fn is_left_out(&self) -> bool {
        self.state.starts_with("left out")
    }

    /// The row's text after its state.
    pub(super) fn reason(&self) -> String {
        format!("{} {}", &self.state["left out".len()..], self.note)
    }

    pub(super) fn names(&self, api: &str, method: &str, path: &str) -> bool {
        let whole = format!("/{api}/v2{path}");
        let path = match self.api {
            Some(section) if section == api => path,
            Some(_) => return false,
            None => &whole,
        };
        let mut methods: Vec<&str> = Vec::new();
        let mut methods_have_path = false;
        // Every second piece is between backquotes.
        for span in self.operations.split('`').skip(1).step_by(2) {
            let (own, pattern) = match span.split_once(' ') {
                Some((own, pattern)) => (Some(own), Some(pattern)),
                None if span.starts_with(['/', '…']) => (None, Some(span)),
                None => (Some(span), None),
            };
            if let Some(own) = own {
                if methods_have_path {
                    methods.clear();
                }
                methods.push(own);
            }
            methods_have_path = pattern.is_some();
            let named = pattern.is_some_and(|pattern| {
                if methods.is_empty() {
                    path == pattern || path.starts_with(&format!("{pattern}/"))
                } else {
                    methods.contains(&method) && is_path(pattern, path)
                }
            });
            if named {
                return true;
            }
        }
        false
    }
}

fn is_path(pattern: &str, path: &str) -> bool {
    let (pattern, path): (Vec<_>, Vec<_>) = (segments(pattern), segments(path));
    let skipped = match pattern.first() {
        Some(&"…") if path.len() >= pattern.len() => path.len() - pattern.len() + 1,
        Some(&"…") => return false,
        _ => 0,
    };
    let pattern = &pattern[usize::from(skipped > 0)..];
    let path = &path[skipped..];
    pattern.len() == path.len()
        && pattern
            .iter()
            .zip(path)
            .all(|(pattern, part)| pattern == part || (*pattern == "{id}" && part.starts_with('{')))
}

fn segments(path: &str) -> Vec<&str> {
    path.trim_start_matches('/').split('/').collect()
}

#[test]
fn operations_are_read_as_people_write_them() {
    let row = |operations| Row {
        api: Some("mgmt"),
        operations,
        state: "not yet",
        note: "",
    };
    let several = row("`GET`, `POST /a`; `PUT /a/{a_id}`, `/b/{id}`");
    assert!(several.names("mgmt", "GET", "/a") && several.names("mgmt", "POST", "/a"));
    assert!(several.names("mgmt", "PUT", "/a/{a_id}") && several.names("mgmt", "PUT", "/b/{x}"));
    assert!(!several.names("mgmt", "PUT", "/a") && !several.names("mgmt", "GET", "/a/{a_id}"));
    assert!(!several.names("engagement", "GET", "/a"));
    let end = row("`GET …/b/_c`");
    assert!(end.names("mgmt", "GET", "/a/b/_c") && !end.names("mgmt", "GET", "/a/_c"));
    let family = row("`/a`, `/b`");
    assert!(family.names("mgmt", "GET", "/b") && family.names("mgmt", "PUT", "/a/{id}"));
    assert!(!family.names("mgmt", "GET", "/ab"));
}
