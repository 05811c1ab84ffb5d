//! Customers.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

use axum::{Json as JsonBody, extract::State, http::StatusCode, response::Response};
use serde::{Deserialize, Serialize};
use syncline_model::{Health, HealthStatus};
use syncline_store::{Customer, NewCustomer};
use utoipa::{IntoParams, ToSchema};

use super::health::HealthBody;
use crate::{
    AppState,
    array::{self, Part},
    cursor::{self, MAX_PAGE_SIZE},
    error::{ApiError, ApiResult},
    extract::{Caller, Json, Path, Query},
    texts::check_name,
};

/// The id is part of many keys, and PostgreSQL limits the size of index entries.
const MAX_CUSTOMER_ID_CHARS: usize = 255;
const MAX_NAME_CHARS: usize = 255;
const MAX_EMAIL_CHARS: usize = 320;

#[derive(Serialize, ToSchema)]
#[schema(as = simple_customer)]
pub(crate) struct CustomerBody {
    application_id: String,
    customer_id: String,
    name: String,
    email: String,
    /// The health of its worst connection. Null if it has no connections.
    #[schema(required = true)]
    health: Option<HealthBody>,
}

impl CustomerBody {
    fn new(customer: Customer, health: Option<Health>) -> Self {
        Self {
            health: health.map(Into::into),
            application_id: customer.application_id,
            customer_id: customer.customer_id,
            name: customer.name,
            email: customer.email,
        }
    }

    fn is(&self, status: HealthStatus) -> bool {
        let health = self.health.as_ref();
        health.is_some_and(|health| health.status == status)
    }
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListCustomers {
    /// Customers after this id.
    after: Option<String>,
    /// 1 to 1000; all of them if it is missing.
    page_size: Option<String>,
    /// Customers whose id, name or e-mail address contains this text.
    search: Option<String>,
    /// `healthy`, `degraded` or `failing`: customers whose worst connection is.
    health: Option<HealthStatus>,
}

/// Customers, by id.
#[utoipa::path(get, path = "/customers", tag = "Customers", operation_id = "getCustomers",
    params(ListCustomers),
    responses((status = 200, description = "Customers", body = [CustomerBody])))]
pub(crate) async fn list_customers(
    caller: Caller,
    Query(query): Query<ListCustomers>,
) -> ApiResult<Response> {
    let size = cursor::page_size(query.page_size.as_deref(), i64::MAX, MAX_PAGE_SIZE)?;
    let size = usize::try_from(size).unwrap_or(usize::MAX);
    let (search, wanted) = (query.search, query.health);
    // Everybody's at once is cheaper for a whole list, and needed to choose by it.
    let all = match (query.page_size, wanted) {
        (Some(_), None) => None,
        _ => Some(Arc::new(caller.tenant.health_of_customers().await?)),
    };
    let (left, begin) = (Arc::new(AtomicUsize::new(size)), query.after);
    array::respond(move |after| {
        let (tenant, all) = (caller.tenant.clone(), all.clone());
        let (search, left) = (search.clone(), left.clone());
        // The list's own first part begins at the empty id.
        let after = begin.clone().filter(|_| after.is_empty()).unwrap_or(after);
        async move {
            let page = tenant.list_customers(&after, search.as_deref()).await?;
            let after = page.next_after(|it| &it.customer_id);
            let health = if let Some(all) = all {
                all
            } else {
                let shown = page.rows.iter().take(left.load(Relaxed));
                let ids: Vec<&str> = shown.map(|it| it.customer_id.as_str()).collect();
                Arc::new(tenant.health_of_some(&ids).await?)
            };
            let body = |customer: Customer| {
                let health = health.get(&customer.customer_id).cloned();
                CustomerBody::new(customer, health)
            };
            let bodies = page.rows.into_iter().map(body);
            let fits = |it: &CustomerBody| wanted.is_none_or(|wanted| it.is(wanted));
            let items: Vec<_> = bodies.filter(fits).take(left.load(Relaxed)).collect();
            let left = left.fetch_sub(items.len(), Relaxed) - items.len();
            Ok(Part {
                items,
                after: after.filter(|_| left > 0),
            })
        }
    })
    .await
}

#[derive(Serialize, ToSchema)]
#[schema(as = customer_health)]
pub(crate) struct CustomerHealth {
    /// Customers with at least one connection, by the health of their worst one.
    healthy: usize,
    degraded: usize,
    failing: usize,
    /// The worst of them, failing ones first: 20 at most.
    worst: Vec<CustomerBody>,
}

/// How many customers are healthy, and which are the worst.
#[utoipa::path(get, path = "/customer_health", tag = "Customers", operation_id = "getCustomerHealth",
    responses((status = 200, description = "Numbers", body = CustomerHealth)))]
pub(crate) async fn get_customer_health(caller: Caller) -> ApiResult<JsonBody<CustomerHealth>> {
    const WORST: usize = 20;
    let health = caller.tenant.health_of_customers().await?;
    let count = |status| health.values().filter(|it| it.status == status).count();
    let mut worst: Vec<&String> = health.keys().collect();
    worst.retain(|id| health[*id].status != HealthStatus::Healthy);
    worst.sort_by_key(|id| std::cmp::Reverse(health[*id].status));
    worst.truncate(WORST);
    let ids: Vec<&str> = worst.iter().map(|id| id.as_str()).collect();
    let customers = caller.tenant.customers_named(&ids).await?.into_iter();
    let mut worst: Vec<CustomerBody> = customers
        .map(|customer| {
            let health = health.get(&customer.customer_id).cloned();
            CustomerBody::new(customer, health)
        })
        .collect();
    worst.sort_by_key(|it| !it.is(HealthStatus::Failing));
    Ok(JsonBody(CustomerHealth {
        healthy: count(HealthStatus::Healthy),
        degraded: count(HealthStatus::Degraded),
        failing: count(HealthStatus::Failing),
        worst,
    }))
}

/// A customer with the health of its connections.
async fn shown(caller: &Caller, customer: Customer) -> ApiResult<JsonBody<CustomerBody>> {
    let connections = caller
        .tenant
        .list_connections(&customer.customer_id)
        .await?;
    let health = caller.tenant.health_of(&connections).await?;
    let worst = Health::worst(health.values());
    Ok(JsonBody(CustomerBody::new(customer, worst)))
}

#[derive(Deserialize, ToSchema)]
#[schema(as = create_update_customer)]
pub(crate) struct UpsertCustomer {
    /// Your own id for the customer; not empty.
    #[schema(min_length = 1, max_length = 255)]
    customer_id: String,
    #[schema(max_length = 255)]
    name: String,
    #[schema(max_length = 320)]
    email: String,
}

/// Creates a customer, or updates the one with this id.
#[utoipa::path(put, path = "/customers", tag = "Customers", operation_id = "upsertCustomer",
    request_body = UpsertCustomer,
    responses((status = 200, description = "The customer", body = CustomerBody)))]
pub(crate) async fn upsert_customer(
    caller: Caller,
    Json(body): Json<UpsertCustomer>,
) -> ApiResult<JsonBody<CustomerBody>> {
    if body.customer_id.is_empty() {
        return Err(ApiError::validation(
            "customer_id",
            "Customer id is required",
        ));
    }
    check_name("customer_id", &body.customer_id, MAX_CUSTOMER_ID_CHARS)?;
    check_name("name", &body.name, MAX_NAME_CHARS)?;
    check_name("email", &body.email, MAX_EMAIL_CHARS)?;
    caller.call.set_customer(&body.customer_id);
    let new = NewCustomer {
        customer_id: &body.customer_id,
        name: &body.name,
        email: &body.email,
    };
    let customer = caller.tenant.upsert_customer(&new).await?;
    shown(&caller, customer).await
}

/// One customer.
#[utoipa::path(get, path = "/customers/{customer_id}", tag = "Customers",
    operation_id = "getCustomer",
    params(("customer_id" = String, Path, description = "Your id for the customer")),
    responses((status = 200, description = "The customer", body = CustomerBody)))]
pub(crate) async fn get_customer(
    caller: Caller,
    Path(customer_id): Path<String>,
) -> ApiResult<JsonBody<CustomerBody>> {
    let customer = find_customer(&caller, &customer_id).await?;
    shown(&caller, customer).await
}

/// Deletes a customer with its connections and their records.
#[utoipa::path(delete, path = "/customers/{customer_id}", tag = "Customers",
    operation_id = "deleteCustomer",
    params(("customer_id" = String, Path, description = "Your id for the customer")),
    responses((status = 204, description = "The customer is gone")))]
pub(crate) async fn delete_customer(
    caller: Caller,
    State(state): State<AppState>,
    Path(customer_id): Path<String>,
) -> ApiResult<StatusCode> {
    let deleted = caller.tenant.delete_customer(&customer_id).await?;
    if deleted {
        state.wake.wake();
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(unknown_customer(&customer_id))
    }
}

pub(crate) async fn find_customer(caller: &Caller, customer_id: &str) -> ApiResult<Customer> {
    caller
        .tenant
        .get_customer(customer_id)
        .await?
        .ok_or_else(|| unknown_customer(customer_id))
}

fn unknown_customer(customer_id: &str) -> ApiError {
    ApiError::NotFound(format!("Can't find customer with id {customer_id}"))
}
