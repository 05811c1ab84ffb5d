//! What becomes known about a call while it is handled, for the layers around the handler.
//!
//! A layer sees a request before its key is checked, and a response that no longer says who called.
//! So the outermost layer ([`every_request`](crate::every_request)) puts a [`CallContext`] into the request's extensions, and the
//! extractors fill it in. A layer that needs it takes the context out of the request before it
//! calls `next`, and reads it afterwards:
//!
//! ```ignore
//! let call = CallContext::of(request.extensions());
//! let response = next.run(request).await;
//! if let Some(key) = call.key() { /* … */ }
//! ```

use std::sync::{Arc, OnceLock};

use axum::http::{Extensions, StatusCode};
use syncline_model::{ApiKey, ProviderName, line};
use syncline_providers::{Target, http::Method};
use syncline_store::Connection;

use crate::{error::Asked, guard::Share};

/// The longest logged text that the caller wrote, in bytes.
const LOGGED: usize = 300;
/// An id has 255 characters at most, of up to four bytes.
const LOGGED_ID: usize = 1020;

/// Cheap to clone; all clones are of the same call. A value that is set doesn't change again.
#[derive(Clone, Default)]
pub(crate) struct CallContext(Arc<Known>);

#[derive(Default)]
struct Known {
    key: OnceLock<Arc<ApiKey>>,
    former_key: OnceLock<ApiKey>,
    share: OnceLock<Share>,
    customer_id: OnceLock<String>,
    connection_id: OnceLock<String>,
    denied: OnceLock<String>,
    provider: OnceLock<ProviderName>,
    provider_request: OnceLock<String>,
    object: OnceLock<String>,
    action: OnceLock<CalledAction>,
    approval: OnceLock<CallApproval>,
}

/// The approval that a call waits for, or waited for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CallApproval {
    pub(crate) id: String,
    /// `pending`, or what became of it.
    pub(crate) status: &'static str,
}

/// An action that is called, for the audit log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CalledAction {
    /// Such as `contacts.create`.
    pub(crate) name: String,
    /// What the call does: `create the contact "ada@…"`.
    pub(crate) words: String,
}

impl CallContext {
    /// Says in the log who called.
    pub(crate) fn log(&self, asked: &Asked, status: StatusCode) {
        if let Some(key) = self.key() {
            tracing::debug!(
                key.id = key.id,
                key.name = key.name,
                customer.id = self.customer_id(),
                connection.id = self.connection_id(),
                denied = self.denied(),
                "{} {}: {status}",
                asked.method,
                line(asked.uri.path(), LOGGED)
            );
        }
    }

    /// The context of the request that has these extensions.
    pub(crate) fn of(extensions: &Extensions) -> Self {
        extensions.get::<Self>().cloned().unwrap_or_default()
    }

    /// The key, once it was found to be valid.
    pub(crate) fn key(&self) -> Option<&Arc<ApiKey>> {
        self.0.key.get()
    }

    /// The customer that the path, the headers or the body name, whether it exists or not.
    pub(crate) fn customer_id(&self) -> Option<&str> {
        self.0.customer_id.get().map(String::as_str)
    }

    /// The connection that the headers select, once it was found.
    pub(crate) fn connection_id(&self) -> Option<&str> {
        self.0.connection_id.get().map(String::as_str)
    }

    /// What the key may still send in this minute, once the call is counted.
    pub(crate) fn share(&self) -> Option<Share> {
        self.0.share.get().copied()
    }

    pub(crate) fn set_share(&self, share: Share) {
        self.0.share.get_or_init(|| share);
    }

    /// What the key lacked, if the call was denied for that.
    pub(crate) fn denied(&self) -> Option<&str> {
        self.0.denied.get().map(String::as_str)
    }

    /// A key that was valid once, if that is why the call was denied.
    pub(crate) fn former_key(&self) -> Option<&ApiKey> {
        self.0.former_key.get()
    }

    /// The provider of the connection.
    pub(crate) fn provider(&self) -> Option<ProviderName> {
        self.0.provider.get().copied()
    }

    /// Method and path of the caller's own request to the provider, without the query, which may
    /// contain secrets.
    pub(crate) fn provider_request(&self) -> Option<&str> {
        self.0.provider_request.get().map(String::as_str)
    }

    /// What a write is about, where the route doesn't say it well enough.
    pub(crate) fn object(&self) -> Option<&str> {
        self.0.object.get().map(String::as_str)
    }

    pub(crate) fn set_object(&self, words: String) {
        self.0.object.get_or_init(|| words);
    }

    pub(crate) fn action(&self) -> Option<&CalledAction> {
        self.0.action.get()
    }

    pub(crate) fn set_action(&self, action: CalledAction) {
        self.0.action.get_or_init(|| action);
    }

    pub(crate) fn approval(&self) -> Option<&CallApproval> {
        self.0.approval.get()
    }

    pub(crate) fn set_approval(&self, approval: CallApproval) {
        self.0.approval.get_or_init(|| approval);
    }

    pub(crate) fn set_provider(&self, provider: ProviderName) {
        self.0.provider.get_or_init(|| provider);
    }

    pub(crate) fn set_former_key(&self, key: ApiKey) {
        self.0.former_key.get_or_init(|| key);
    }

    pub(crate) fn set_provider_request(&self, method: &Method, target: &Target) {
        let path = target.path.split('?').next().unwrap_or_default();
        self.0
            .provider_request
            .get_or_init(|| format!("{method} {path}"));
    }

    pub(crate) fn set_key(&self, key: Arc<ApiKey>) -> Arc<ApiKey> {
        self.0.key.get_or_init(|| key).clone()
    }

    pub(crate) fn set_denied(&self, reason: &str) {
        self.0.denied.get_or_init(|| reason.to_owned());
    }

    pub(crate) fn set_customer(&self, customer_id: &str) {
        self.0
            .customer_id
            .get_or_init(|| line(customer_id, LOGGED_ID));
    }

    pub(crate) fn set_connection(&self, connection: &Connection) {
        self.set_customer(&connection.customer_id);
        self.0.provider.get_or_init(|| connection.provider);
        self.0.connection_id.get_or_init(|| connection.id.clone());
    }
}
