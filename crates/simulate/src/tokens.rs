//! OAuth tokens on their way between a process and the provider, and what is stored of them.

use secrecy::ExposeSecret as _;
use serde_json::Value;
use syncline_model::Credentials;
use syncline_sim::{SimReply, SimRequest};
use syncline_store::Store;
use tokio::sync::OnceCell;

use crate::{check::Connected, world::World};

/// Looks into the database for tokens, with a connection of its own.
pub(crate) struct Vault {
    store: Store,
    /// The connections, once they are made.
    connections: OnceCell<Vec<String>>,
}

impl Vault {
    pub(crate) fn new(store: Store) -> Self {
        Self {
            store,
            connections: OnceCell::new(),
        }
    }

    /// From now on tokens have to be stored before they are used.
    pub(crate) fn watch(&self, connections: Vec<String>) {
        // Called once.
        let _ = self.connections.set(connections);
    }

    /// Whether the access token is stored, or is none that a refresh brought.
    pub(crate) async fn has(&self, world: &World, access_token: &str) -> bool {
        if !world.is_unstored(access_token) {
            return true;
        }
        self.look(world).await;
        !world.is_unstored(access_token)
    }

    /// Whether the provider takes the refresh token that is stored.
    pub(crate) async fn is_alive(&self, world: &World, connection: &Connected) -> bool {
        let stored = self.store.stored_credentials(&connection.id).await;
        let Ok(Some(stored)) = stored else {
            return true;
        };
        let Credentials::OAuth(tokens) = &stored.credentials else {
            return true;
        };
        let (now, token) = (world.now(), tokens.refresh_token.expose_secret());
        world.read(connection.team, |team| team.takes_refresh_token(now, token))
    }

    /// Takes note of the tokens that are stored now.
    pub(crate) async fn look(&self, world: &World) {
        for id in self.connections.get().into_iter().flatten() {
            // A process that crashes in the middle of a write is no reason to know less.
            let Ok(Some(stored)) = self.store.stored_credentials(id).await else {
                continue;
            };
            if let Credentials::OAuth(tokens) = &stored.credentials {
                world.note_stored(tokens.access_token.expose_secret());
            }
        }
    }
}

/// The refresh token that a request for new tokens has.
pub(crate) fn refresh_token(request: &SimRequest) -> String {
    let body = String::from_utf8_lossy(&request.body);
    if let Ok(json) = serde_json::from_str::<Value>(&body) {
        return json["refresh_token"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
    }
    let mut pairs = body.split('&').filter_map(|pair| pair.split_once('='));
    let token = pairs.find(|(name, _)| *name == "refresh_token");
    token.map(|(_, token)| token.to_owned()).unwrap_or_default()
}

/// The access token of an answer with a new pair.
pub(crate) fn new_access_token(reply: &SimReply) -> Option<String> {
    let json: Value = serde_json::from_slice(&reply.body).ok()?;
    Some(json["access_token"].as_str()?.to_owned())
}
