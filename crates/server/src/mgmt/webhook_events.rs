//! The `webhooks` section of the management API's document: which event is sent when, generated
//! from the types that are sent.

use syncline_model::event::{
    APPROVAL_REQUESTED, ApprovalRequested, CONNECTION_CREATED, CONNECTION_DELETED,
    ConnectionCreated, ConnectionDeleted, ENRICHMENT_COMPLETE, EnrichmentComplete, RECORDS_CHANGED,
    RecordsChanged, SYNC_COMPLETE, SYNC_PAUSED, SyncComplete, SyncPaused,
    WEBHOOK_ENDPOINT_DISABLED, WEBHOOK_TEST, WebhookEndpointDisabled, WebhookTest,
};
use utoipa::{
    OpenApi, ToSchema,
    openapi::{
        ContentBuilder, HttpMethod, OpenApi as Document, PathItem, Paths, PathsBuilder, Ref,
        ResponseBuilder, SecurityRequirement, path::OperationBuilder,
        request_body::RequestBodyBuilder,
    },
};

/// The payloads, and the types that they contain.
#[derive(OpenApi)]
#[openapi(components(schemas(
    SyncComplete,
    RecordsChanged,
    SyncPaused,
    ConnectionCreated,
    ConnectionDeleted,
    ApprovalRequested,
    EnrichmentComplete,
    WebhookEndpointDisabled,
    WebhookTest
)))]
struct Payloads;

/// Adds the events to the document.
pub(crate) fn describe(document: &mut Document) {
    document.merge(Payloads::openapi());
    document.webhooks = Some(paths());
}

fn paths() -> Paths {
    PathsBuilder::new()
        .path(
            SYNC_COMPLETE,
            event::<SyncComplete>("syncComplete", "A run ended"),
        )
        .path(
            RECORDS_CHANGED,
            event::<RecordsChanged>("recordsChanged", "Records of a connection have changed"),
        )
        .path(
            SYNC_PAUSED,
            event::<SyncPaused>("syncPaused", "A sync was paused"),
        )
        .path(
            CONNECTION_CREATED,
            event::<ConnectionCreated>("connectionCreated", "A customer was connected"),
        )
        .path(
            CONNECTION_DELETED,
            event::<ConnectionDeleted>("connectionDeleted", "A connection was deleted"),
        )
        .path(
            APPROVAL_REQUESTED,
            event::<ApprovalRequested>("approvalRequested", "An agent's call waits for approval"),
        )
        .path(
            ENRICHMENT_COMPLETE,
            event::<EnrichmentComplete>("enrichmentComplete", "An enrichment job ended"),
        )
        .path(
            WEBHOOK_ENDPOINT_DISABLED,
            event::<WebhookEndpointDisabled>(
                "webhookEndpointDisabled",
                "Syncline has disabled another endpoint",
            ),
        )
        .path(
            WEBHOOK_TEST,
            event::<WebhookTest>("webhookTest", "A test of this endpoint"),
        )
        .build()
}

fn event<Payload: ToSchema>(operation_id: &str, summary: &str) -> PathItem {
    let schema = Ref::from_schema_name(Payload::name());
    let content = ContentBuilder::new().schema(Some(schema)).build();
    let body = RequestBodyBuilder::new().content("application/json", content);
    let taken = ResponseBuilder::new().description("Any 2xx acknowledges the event");
    let operation = OperationBuilder::new()
        .operation_id(Some(operation_id))
        .summary(Some(summary))
        .tag("Webhooks")
        .request_body(Some(body.build()))
        // Requests to webhook endpoints carry no API key.
        .securities(Some(Vec::<SecurityRequirement>::new()))
        .response("2XX", taken);
    PathItem::new(HttpMethod::Post, operation)
}
