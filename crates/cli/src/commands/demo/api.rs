//! The service's API, as a customer's backend calls it.

use std::net::SocketAddr;

use anyhow::{Context, bail};
use reqwest::{Client, Method, RequestBuilder};
use serde_json::Value;

use super::customers::Customer;

pub(super) struct Api {
    http: Client,
    pub(super) base: String,
    pub(super) key: String,
}

impl Api {
    pub(super) fn new(address: SocketAddr, key: String) -> Self {
        Self {
            http: Client::builder().no_proxy().build().unwrap_or_default(),
            base: format!("http://{address}"),
            key,
        }
    }

    pub(super) async fn get(&self, path: &str) -> anyhow::Result<Value> {
        self.answer(self.request(Method::GET, path)).await
    }

    /// A GET that selects the customer's connection.
    pub(super) async fn get_of(&self, customer: &Customer, path: &str) -> anyhow::Result<Value> {
        self.answer(of(customer, self.request(Method::GET, path)))
            .await
    }

    pub(super) async fn put(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        self.answer(self.request(Method::PUT, path).json(body))
            .await
    }

    pub(super) async fn post(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        self.answer(self.request(Method::POST, path).json(body))
            .await
    }

    pub(super) async fn post_of(
        &self,
        customer: &Customer,
        path: &str,
        body: &Value,
    ) -> anyhow::Result<Value> {
        let request = self.request(Method::POST, path).json(body);
        self.answer(of(customer, request)).await
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.base));
        request.header("x-api-key", &self.key)
    }

    async fn answer(&self, request: RequestBuilder) -> anyhow::Result<Value> {
        let response = request.send().await?;
        let (status, path) = (response.status(), response.url().path().to_owned());
        let body: Value = response
            .json()
            .await
            .with_context(|| format!("{path} was not answered with JSON"))?;
        if !status.is_success() {
            bail!(
                "{path} was answered with {status}: {}",
                body["errors"][0]["title"]
            );
        }
        Ok(body)
    }
}

fn of(customer: &Customer, request: RequestBuilder) -> RequestBuilder {
    request
        .header("x-customer-id", customer.id)
        .header("x-provider-name", customer.provider.name())
}
