//! How requests are sent to a bucket: our client in place of the library's.
//!
//! The endpoint is chosen by a caller. So requests go to the public internet only, unless private
//! addresses are allowed: `config` looks at one in the URL, the resolver at those of a name. Redirects
//! and the environment's proxies are ignored; connecting, waiting and the size of answers have bounds.
//! Credentials and settings come from the destination alone, never from the environment or from a
//! cloud's metadata service.

use std::{error::Error, net::SocketAddr, sync::Arc, time::Duration};

use async_trait::async_trait;
use http_body_util::{BodyExt, Limited};
use object_store::{
    ClientOptions,
    client::{
        HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse,
        HttpResponseBody, HttpService,
    },
};
use reqwest::{Client, redirect};
use syncline_outgoing::{Lookup, PublicOnly, is_global};

const USER_AGENT: &str = concat!("Syncline/", env!("CARGO_PKG_VERSION"));
const CONNECT_WITHIN: Duration = Duration::from_secs(10);
/// How long a connection may say nothing.
const READ_WITHIN: Duration = Duration::from_mins(1);
/// A file of 128 MiB at 4 Mbit/s.
const ANSWER_WITHIN: Duration = Duration::from_mins(5);
/// Twice the largest file that is written.
const LARGEST_ANSWER: usize = 256 << 20;
const LARGEST_ERROR: usize = 64 << 10;

/// Sends requests to where they may go.
#[derive(Debug, Clone)]
pub(super) struct Guarded(Client);

impl Guarded {
    /// With `plain`, requests aren't encrypted, and go to private networks only.
    pub(super) fn new(
        lookup: impl Lookup,
        allow_private: bool,
        plain: bool,
    ) -> Result<Self, reqwest::Error> {
        let builder = Client::builder()
            .user_agent(USER_AGENT)
            .connect_timeout(CONNECT_WITHIN)
            .read_timeout(READ_WITHIN)
            .timeout(ANSWER_WITHIN)
            .redirect(redirect::Policy::none())
            .no_proxy()
            .no_gzip();
        let builder = if plain {
            builder.dns_resolver(Arc::new(PublicOnly::new(
                PrivateOnly(lookup),
                allow_private,
            )))
        } else {
            builder
                .https_only(true)
                .dns_resolver(Arc::new(PublicOnly::new(lookup, allow_private)))
        };
        Ok(Self(builder.build()?))
    }
}

#[async_trait]
impl HttpService for Guarded {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let (head, body) = self.0.call(request).await?.into_parts();
        let status = head.status.as_u16();
        if head.status.is_success() {
            return Ok(HttpResponse::from_parts(
                head,
                at_most(LARGEST_ANSWER, body),
            ));
        }
        let body = at_most(LARGEST_ERROR, body).bytes().await?;
        let region = head.headers.get("x-amz-bucket-region");
        let region = region.and_then(|it| it.to_str().ok());
        let answer = Refused::of(status, region, &String::from_utf8_lossy(&body));
        if answer.is_final() {
            // As an error, because the library keeps what it knows of an answer to itself.
            return Err(HttpError::new(HttpErrorKind::Unknown, answer));
        }
        Ok(HttpResponse::from_parts(head, body.to_vec().into()))
    }
}

impl HttpConnector for Guarded {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(self.clone()))
    }
}

fn at_most(bytes: usize, body: HttpResponseBody) -> HttpResponseBody {
    let limited = Limited::new(body, bytes);
    HttpResponseBody::new(
        limited.map_err(|error| match error.downcast::<HttpError>() {
            Ok(error) => *error,
            Err(error) => HttpError::new_boxed(HttpErrorKind::Decode, error),
        }),
    )
}

/// An answer that says no.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the server answered {status} {code} {message}")]
pub(super) struct Refused {
    pub(super) status: u16,
    /// S3's name for what is wrong.
    pub(super) code: String,
    pub(super) message: String,
    /// Where the bucket is, if the server says so.
    pub(super) region: Option<String>,
}

impl Refused {
    pub(super) fn of(status: u16, region: Option<&str>, body: &str) -> Self {
        let region = region.or_else(|| element(body, "Region"));
        Self {
            status,
            code: element(body, "Code").unwrap_or_default().to_owned(),
            message: element(body, "Message").unwrap_or_default().to_owned(),
            region: region.map(str::to_owned),
        }
    }

    /// Whether it is neither worth another try nor a part of the ordinary: an object that isn't
    /// there, or is already.
    fn is_final(&self) -> bool {
        match self.status {
            404 => self.code == "NoSuchBucket",
            304 | 408 | 409 | 412 | 429 => false,
            status => status < 500,
        }
    }
}

/// The text of an XML element that has nothing else in it.
fn element<'a>(xml: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = xml.split_once(&format!("<{name}>"))?;
    let (text, _) = rest.split_once("</")?;
    Some(text)
}

/// Removes the addresses on the public internet, where requests would go in the clear.
struct PrivateOnly<L>(L);

impl<L: Lookup> Lookup for PrivateOnly<L> {
    async fn lookup(&self, host: String) -> std::io::Result<Vec<SocketAddr>> {
        let mut addresses = self.0.lookup(host.clone()).await?;
        addresses.retain(|address| !is_global(address.ip()));
        if addresses.is_empty() {
            let problem: Box<dyn Error + Send + Sync> =
                format!("{host} is on the public internet, which needs https://").into();
            return Err(std::io::Error::other(problem));
        }
        Ok(addresses)
    }
}
