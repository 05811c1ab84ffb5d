//! The catalogue: every action that can be called, at the providers and on our own tables.

use std::{collections::BTreeSet, sync::LazyLock};

use axum::{Json as JsonBody, extract::State};
use serde::{Deserialize, Serialize};
use syncline_model::{
    Access, Action, Grants, InvalidGrant, Permission, ProviderName, Role, Schema,
    action::read_catalogue,
};
use syncline_providers::{Providers, actions::ProviderAction};
use utoipa::{IntoParams, ToSchema};

use crate::{
    AppState,
    error::{ApiError, ApiResult},
    extract::{Caller, Query},
};

/// Actions that the synced tables answer.
static OF_TABLES: LazyLock<Vec<Action>> = LazyLock::new(|| {
    let mut all: Vec<Action> =
        read_catalogue(include_str!("tables.json")).expect("tables.json is whole");
    for action in &mut all {
        action.widen_output();
    }
    all
});

/// Actions that the synced tables answer.
pub(super) fn of_tables() -> &'static [Action] {
    &OF_TABLES
}

/// An action, and who carries it out.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Listed {
    Tables(&'static Action),
    Provider(ProviderName, &'static ProviderAction),
}

impl Listed {
    pub(crate) fn action(self) -> &'static Action {
        match self {
            Self::Tables(action) => action,
            Self::Provider(_, it) => &it.action,
        }
    }

    pub(crate) fn provider(self) -> Option<ProviderName> {
        match self {
            Self::Tables(_) => None,
            Self::Provider(provider, _) => Some(provider),
        }
    }
}

/// Every action: those of the tables first, then each provider's.
pub(crate) fn all(providers: &Providers) -> Vec<Listed> {
    let of_tables = OF_TABLES.iter().map(Listed::Tables);
    let of_providers = providers.all().filter_map(|provider| {
        let actions = provider.capabilities().actions?;
        let name = provider.capabilities().provider;
        Some(
            actions
                .catalogue()
                .iter()
                .map(move |it| Listed::Provider(name, it)),
        )
    });
    of_tables.chain(of_providers.flatten()).collect()
}

/// The action that this name means at a provider.
pub(crate) fn find(providers: &Providers, provider: ProviderName, name: &str) -> Option<Listed> {
    let here = |it: &Listed| it.provider().is_none_or(|other| other == provider);
    let mut all = all(providers).into_iter().filter(here);
    all.find(|it| it.action().name == name)
}

/// Whether grants name only groups and actions that there are.
pub fn check_grants(providers: &Providers, grants: &Grants) -> Result<(), InvalidGrant> {
    let all = all(providers);
    let groups: BTreeSet<&str> = all.iter().map(|it| it.action().group()).collect();
    let actions: BTreeSet<&str> = all.iter().map(|it| it.action().name.as_str()).collect();
    grants.check(&groups, &actions)
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListActions {
    /// Only actions of this provider, and those of the synced tables.
    provider_name: Option<String>,
    /// Only actions of providers that one of the key's customers is connected to, and those of the
    /// synced tables.
    #[serde(default)]
    connected: bool,
}

#[derive(Serialize, ToSchema)]
#[schema(as = actions)]
pub(crate) struct ActionList {
    actions: Vec<ActionBody>,
    /// The providers that the key's customers are connected to.
    #[schema(value_type = Vec<String>)]
    connected_providers: Vec<ProviderName>,
}

#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
#[derive(Serialize, ToSchema)]
#[schema(as = action)]
pub(crate) struct ActionBody {
    /// Such as `contacts.create`. Two providers can have an action of the same name.
    #[schema(example = "contacts.create")]
    name: &'static str,
    /// What grants are given for: the part of the name before the dot.
    group: &'static str,
    /// Null: the synced tables answer, and no provider is asked.
    #[schema(required = true, value_type = Option<String>)]
    provider: Option<ProviderName>,
    title: &'static str,
    description: &'static str,
    access: Access,
    /// Whether it changes or ends something that is there.
    destructive: bool,
    /// Whether doing it twice is like doing it once.
    idempotent: bool,
    /// Whether it costs the customer's credits.
    spends_credits: bool,
    /// Whether the provider wants a key of an administrator, or one with this endpoint in its scope.
    needs_master_key: bool,
    /// What an agent may do: `allow`, or `ask` if a person has to approve each call. Null for other keys,
    /// which are held to the rules of their own requests.
    #[schema(required = true)]
    permission: Option<Permission>,
    /// A JSON Schema.
    #[schema(value_type = Object)]
    input: &'static Schema,
    /// A JSON Schema. Every field may be null.
    #[schema(value_type = Object)]
    output: &'static Schema,
}

impl ActionBody {
    fn new(listed: Listed, permission: Option<Permission>) -> Self {
        let action = listed.action();
        Self {
            name: &action.name,
            group: action.group(),
            provider: listed.provider(),
            title: &action.title,
            description: &action.description,
            access: action.access,
            destructive: action.destructive,
            idempotent: action.idempotent,
            spends_credits: action.spends_credits(),
            needs_master_key: action.needs_master_key,
            permission,
            input: &action.input,
            output: &action.output,
        }
    }
}

/// The actions that the caller's key may call. An agent sees those that its grants allow.
#[utoipa::path(get, path = "/actions", tag = "Actions", operation_id = "getActions",
    params(ListActions),
    responses((status = 200, description = "Actions", body = ActionList)))]
pub(crate) async fn list_actions(
    caller: Caller,
    State(state): State<AppState>,
    Query(query): Query<ListActions>,
) -> ApiResult<JsonBody<ActionList>> {
    let provider = query.provider_name.as_deref().map(|name| {
        let known = name
            .parse()
            .ok()
            .filter(|it| state.providers.get(*it).is_ok());
        known.ok_or_else(|| ApiError::validation("provider_name", "is not a provider"))
    });
    let provider: Option<ProviderName> = provider.transpose()?;
    let here = |it: &Listed| {
        let its = it.provider();
        its.zip(provider).is_none_or(|(its, asked)| its == asked)
    };
    let customers = caller.key.grants.as_ref();
    let customers = customers.and_then(|grants| grants.customers.as_ref());
    let connected = caller.tenant.connected_providers(customers).await?;
    let is_connected = |it: &Listed| {
        let its = it.provider();
        !query.connected || its.is_none_or(|its| connected.contains(&its))
    };
    let listed = all(&state.providers).into_iter();
    let listed = listed.filter(here).filter(is_connected);
    let grants = caller.key.grants.as_ref();
    let actions = listed.filter_map(|it| {
        let permission = match caller.key.role {
            Role::Agent => Some(grants.map_or(Permission::Off, |all| all.permission(it.action()))),
            _ => None,
        };
        (permission != Some(Permission::Off)).then(|| ActionBody::new(it, permission))
    });
    Ok(JsonBody(ActionList {
        actions: actions.collect(),
        connected_providers: connected.clone(),
    }))
}
