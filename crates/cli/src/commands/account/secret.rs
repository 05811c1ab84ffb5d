//! What an account is connected with, from the environment variable that an argument names.

use anyhow::{Context, bail};
use secrecy::SecretString;
use syncline_model::AuthType;
use syncline_providers::Provider;

use crate::cli::SecretArgs;

pub(in crate::commands) enum Secret {
    ApiKey(SecretString),
    /// Of an authorization that was made elsewhere.
    RefreshToken(SecretString),
}

impl Secret {
    /// Refuses what the provider has no use for.
    pub(in crate::commands) fn of(
        args: &SecretArgs,
        provider: &dyn Provider,
    ) -> anyhow::Result<Self> {
        match (&args.api_key_env, &args.refresh_token_env) {
            (_, Some(variable)) => {
                if provider.oauth().is_none() {
                    bail!("{} has no OAuth: use --api-key-env", provider.name());
                }
                let token = value_of(
                    "--refresh-token-env",
                    variable,
                    "a refresh token of the account",
                )?;
                Ok(Self::RefreshToken(token))
            }
            (variable, None) => {
                if !provider.auth_types().contains(&AuthType::ApiKey) {
                    bail!(
                        "{} is connected by OAuth: use --refresh-token-env",
                        provider.name()
                    );
                }
                let variable = variable.as_deref().unwrap_or_default();
                let key = value_of("--api-key-env", variable, "the account's API key")?;
                Ok(Self::ApiKey(key))
            }
        }
    }
}

/// The argument may be the secret itself by mistake, so it is not printed.
fn value_of(argument: &str, variable: &str, what: &str) -> anyhow::Result<SecretString> {
    let value = std::env::var(variable).ok();
    let value = value.filter(|value| !value.trim().is_empty());
    let value = value.with_context(|| {
        format!(
            "{argument} takes the name of an environment variable, and that variable is not set: \
             export it with {what}"
        )
    })?;
    Ok(value.trim().into())
}
