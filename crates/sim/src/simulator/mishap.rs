//! How faults change a finished answer, in every dialect.

use bytes::Bytes;

use crate::fault::Action;
use crate::request::SimReply;

/// Applies a fault to a finished answer.
pub(super) fn spoil(reply: &mut SimReply, fault: Option<&Action>) {
    match fault {
        Some(Action::Answer { content_type, .. }) => {
            if let Some((_, value)) = reply
                .headers
                .iter_mut()
                .find(|(name, _)| name == "content-type")
            {
                value.clone_from(content_type);
            }
        }
        Some(Action::AppliedThenServerError) => {
            reply.status = 500;
            reply.body = Bytes::from_static(br#"{"status":500,"error":"Internal Server Error"}"#);
        }
        Some(Action::Respell(from, to)) => {
            let body = String::from_utf8_lossy(&reply.body).replace(from, to);
            reply.body = Bytes::from(body);
        }
        Some(Action::InvalidResponse) => {
            reply.body = Bytes::from_static(b"{\"contacts\":[{\"id\":\"6a0a\x00\xff<html>");
        }
        Some(Action::Wire(wire)) => reply.wire = Some(*wire),
        _ => {}
    }
}

/// Records that were served, whether they arrived or not.
pub(super) fn reply_records(reply: &SimReply, records: usize) -> usize {
    if (200..300).contains(&reply.status) {
        records
    } else {
        0
    }
}
