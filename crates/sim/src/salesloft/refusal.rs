//! The results of handlers, and the texts of Salesloft's errors.

use bytes::Bytes;

use crate::json::Object;

pub(super) const JSON: &str = "application/json; charset=utf-8";

/// A successful answer.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: Bytes,
    /// Records in it, for the ledger.
    pub(super) records: usize,
}

impl Answer {
    /// `{"data": record}`
    pub(super) fn record(status: u16, record: &str) -> Self {
        Self {
            status,
            body: Bytes::from(format!(r#"{{"data":{record}}}"#)),
            records: 1,
        }
    }

    /// A record without `data` around it.
    pub(super) fn bare(status: u16, record: String) -> Self {
        Self {
            status,
            body: Bytes::from(record),
            records: 1,
        }
    }

    pub(super) fn nothing() -> Self {
        Self {
            status: 204,
            body: Bytes::new(),
            records: 0,
        }
    }
}

/// An error answer.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) status: u16,
    pub(super) content_type: &'static str,
    pub(super) body: String,
}

impl Refusal {
    /// `{"error": text}`
    pub(super) fn told(status: u16, text: &str) -> Self {
        let mut o = Object::new();
        o.text("error", text);
        Self::json(status, o)
    }

    /// `{"status": status, "error": text}`
    fn numbered(status: u16, text: &str) -> Self {
        let mut o = Object::new();
        o.number("status", status).text("error", text);
        Self::json(status, o)
    }

    /// 422 for a field.
    pub(super) fn field(name: &str, words: &str) -> Self {
        let mut fields = Object::new();
        fields.texts(name, &[words]);
        let mut o = Object::new();
        o.raw("errors", &fields.finish());
        Self::json(422, o)
    }

    pub(super) fn not_found(without_status: bool) -> Self {
        if without_status {
            Self::told(404, "Not Found")
        } else {
            Self::numbered(404, "Not Found")
        }
    }

    pub(super) fn server_error() -> Self {
        Self::numbered(500, "Internal Server Error")
    }

    pub(super) fn no_token() -> Self {
        let text = "No Bearer Token attached to request, please see documentation at developers.salesloft.com";
        Self::told(401, text)
    }

    pub(super) fn bad_token() -> Self {
        Self::told(401, "Invalid Bearer token")
    }

    pub(super) fn no_scope(scope: &str) -> Self {
        let text = format!("Insufficient scope: {scope} is required");
        Self::numbered(403, &text)
    }

    pub(super) fn not_for_you() -> Self {
        Self::numbered(403, "You are not authorized to perform this action")
    }

    pub(super) fn unreadable() -> Self {
        Self::numbered(400, "Bad Request")
    }

    pub(super) fn too_many() -> Self {
        Self::told(429, "API rate limit exceeded")
    }

    pub(super) fn bad_gateway() -> Self {
        Self {
            status: 502,
            content_type: "text/html; charset=utf-8",
            body: "<html><head><title>502 Bad Gateway</title></head></html>\n".to_owned(),
        }
    }

    fn json(status: u16, o: Object) -> Self {
        Self {
            status,
            content_type: JSON,
            body: o.finish(),
        }
    }
}
