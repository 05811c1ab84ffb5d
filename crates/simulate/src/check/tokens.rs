//! OAuth tokens: a new pair is stored before it is used, one process refreshes at a time, and only the
//! provider ends an authorization.

use std::collections::BTreeSet;

use super::{Checker, ids};
use crate::wire::TokenFault;

impl Checker {
    pub(super) fn look_at_token_faults(&mut self) {
        for fault in self.wire.take_token_faults() {
            let (rule, text) = match fault {
                TokenFault::UsedBeforeStored => (
                    "a new token is stored before it is used",
                    "a request had an access token that is nowhere stored",
                ),
                TokenFault::RefreshedTwice => (
                    "tokens are refreshed once at a time",
                    "a refresh token was sent while another refresh of it was on its way",
                ),
            };
            self.violated(rule, text.to_owned());
        }
    }

    /// Checked whenever the tables have changed.
    pub(super) async fn look_at_tokens(&mut self) -> anyhow::Result<()> {
        if self.world.provider.client.is_none() {
            return Ok(());
        }
        self.vault.look(&self.world).await;
        let now: BTreeSet<String> = self.tables.unauthorized().await?.into_iter().collect();
        let lost: Vec<String> = now.difference(&self.unauthorized).cloned().collect();
        self.unauthorized = now;
        for connection in lost {
            let team = self.team_of(&connection);
            if !self.world.may_have_lost_tokens(team) {
                let text = format!("connection {connection} has to be authorized again");
                self.violated("only the provider ends an authorization", text);
            }
        }
        Ok(())
    }

    /// Checked while nobody uses the tokens and the processes keep them alive.
    pub(crate) async fn authorizations_live(&mut self) {
        let mut died = Vec::new();
        for (connection, connected) in &self.connections {
            let has_ended = self.unauthorized.contains(connection)
                || self.world.may_have_lost_tokens(connected.team);
            if !has_ended && !self.vault.is_alive(&self.world, connected).await {
                died.push(connection.clone());
            }
        }
        if !died.is_empty() {
            let text = format!("the refresh tokens of {} died of idleness", ids(&died));
            self.violated("an authorization that nobody uses is kept alive", text);
        }
    }
}
