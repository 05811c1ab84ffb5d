//! The erasure of a person from everything that is kept of a customer.

use axum::{Json as JsonBody, extract::State};
use serde::{Deserialize, Serialize};
use syncline_model::{Object as ObjectName, ProviderName, Time, spelling::is_email};
use syncline_store::{ErasedRecords, Erasure};
use utoipa::{IntoParams, ToSchema};

use super::customers::find_customer;
use crate::{
    AppState,
    error::{ApiError, ApiResult},
    extract::{Caller, Path, Query},
    idempotency::erased_answer,
};

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct WhoToErase {
    /// The person's e-mail address, in upper or lower case.
    email: String,
}

/// What was erased. It has the provider's ids, so that copies can be erased too, and neither the
/// address nor anything else of the person. It isn't stored.
#[derive(Serialize, ToSchema)]
#[schema(as = erasure)]
pub(crate) struct ErasureBody {
    #[serde(with = "syncline_model::time::millis")]
    #[schema(value_type = String, format = DateTime)]
    erased_at: Time,
    customer_id: String,
    records: Vec<ErasedRecordsBody>,
    /// Entries of enrichment jobs, with their answers.
    enrichment_items: u64,
    /// Enrichment jobs that ask about the person now. Erase again when they have ended.
    enrichment_jobs_at_work: Vec<String>,
    /// Answers that were kept for idempotency keys.
    idempotent_answers: u64,
    /// Calls of agents that wait, or waited, for approval.
    approvals: u64,
    /// Entries of the audit log whose words were removed.
    audit_log_entries: u64,
    /// The destinations that have to remove the records too. They do as soon as they can be reached.
    destinations: Vec<String>,
    /// Nothing of it is left in the database's files. `false` while somebody reads from an embedded
    /// database's write-ahead log, which is emptied when they are done.
    files_are_clean: bool,
}

/// A person's records at a provider.
#[derive(Serialize, ToSchema)]
#[schema(as = erased_records)]
pub(crate) struct ErasedRecordsBody {
    provider_name: ProviderName,
    object: ObjectName,
    /// The provider's ids.
    ids: Vec<String>,
    /// The next sync stores them again, unless the provider has erased them.
    is_synced: bool,
}

impl From<ErasedRecords> for ErasedRecordsBody {
    fn from(records: ErasedRecords) -> Self {
        Self {
            provider_name: records.provider,
            object: records.object,
            ids: records.ids,
            is_synced: records.is_synced,
        }
    }
}

/// Erases a person: contacts with this address and their sequence states, users and mailboxes, and all
/// that is kept of them. Erase them at the provider first; otherwise the next sync reads them again.
#[utoipa::path(delete, path = "/customers/{customer_id}/records", tag = "Customers",
    operation_id = "erasePerson",
    params(("customer_id" = String, Path, description = "Your id for the customer"), WhoToErase),
    responses((status = 200, description = "What was erased", body = ErasureBody)))]
pub(crate) async fn erase_person(
    caller: Caller,
    State(state): State<AppState>,
    Path(customer_id): Path<String>,
    Query(who): Query<WhoToErase>,
) -> ApiResult<JsonBody<ErasureBody>> {
    let email = who.email.trim();
    if !is_email(email) {
        return Err(ApiError::validation(
            "email",
            "must be an e-mail address, such as lin@heron.example",
        ));
    }
    find_customer(&caller, &customer_id).await?;
    // What is still to be written may tell of the person.
    state.recorder.flush().await;
    let erased = caller
        .tenant
        .erase_person(&customer_id, email, &erased_answer())
        .await?;
    Ok(JsonBody(receipt(erased, customer_id, state.clock.now())))
}

fn receipt(erased: Erasure, customer_id: String, erased_at: Time) -> ErasureBody {
    ErasureBody {
        erased_at,
        customer_id,
        records: erased.records.into_iter().map(Into::into).collect(),
        enrichment_items: erased.enrichment_items,
        enrichment_jobs_at_work: erased.jobs_at_work,
        idempotent_answers: erased.answers,
        approvals: erased.approvals,
        audit_log_entries: erased.audit_entries,
        destinations: erased.destinations,
        files_are_clean: erased.files_are_clean,
    }
}
