//! What the OpenAPI document of this API has that the others don't: its errors, the bearer token, and a
//! second base address.

use utoipa::{
    Modify, OpenApi,
    openapi::{
        OpenApi as Document, SecurityRequirement, ServerBuilder, ServerVariableBuilder,
        security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme},
    },
};

use super::{BASE, BASE_OF_CUSTOMER, errors::ScimError};

/// What the document contains and no handler declares.
#[derive(OpenApi)]
#[openapi(components(schemas(ScimError)), modifiers(&Security))]
pub(crate) struct Common;

struct Security;

impl Modify for Security {
    fn modify(&self, document: &mut Document) {
        let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
        let key = ApiKey::Header(ApiKeyValue::new("x-api-key"));
        if let Some(components) = &mut document.components {
            components.add_security_scheme("bearer", SecurityScheme::Http(bearer));
            components.add_security_scheme("x-api-key", SecurityScheme::ApiKey(key));
        }
        let either = ["bearer", "x-api-key"];
        let either = either.map(|name| SecurityRequirement::new::<_, _, String>(name, []));
        document.security = Some(either.to_vec());
    }
}

/// Both addresses under which the paths are served.
pub(crate) fn describe(document: &mut Document) {
    let example = |value: &str| ServerVariableBuilder::new().default_value(value);
    let of_customer = ServerBuilder::new()
        .url(BASE_OF_CUSTOMER)
        .parameter("customer_id", example("acme"))
        .parameter("provider_name", example("apollo"));
    document.servers = Some(vec![
        ServerBuilder::new().url(BASE).build(),
        of_customer.build(),
    ]);
}
