//! Finding an account at the provider by its name, its domain, or both.
//!
//! Providers match loosely, or only one spelling, and Apollo not at all by domain. So an account is
//! also looked up among the synced ones, and every hit is compared with the search.

use std::collections::BTreeSet;

use syncline_model::{
    Account, Common, Object, Record, Records,
    draft::{AccountDraft, Field},
    spelling::bare_host,
};
use syncline_providers::{ErrorKind, ProviderError, Session, capabilities::LiveReads};
use syncline_store::{RecordQuery, Row, Search};

use crate::{
    AppState,
    error::{ApiError, ApiResult},
    remote::Remote,
};

/// The most synced accounts that are checked for one domain.
const MOST_KNOWN: i64 = 20;

/// What an account must match. At least one of the two is set, and a domain is a bare host.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    pub(super) name: Option<String>,
    pub(super) domain: Option<String>,
}

impl Wanted {
    pub(super) fn new(
        field: &str,
        name: Option<String>,
        domain: Option<String>,
    ) -> ApiResult<Self> {
        for (part, text) in [("name", &name), ("domain", &domain)] {
            if text.as_ref().is_some_and(|text| text.trim().is_empty()) {
                let field = format!("{field}.{part}");
                return Err(ApiError::validation(field, "must not be empty"));
            }
        }
        if name.is_none() && domain.is_none() {
            return Err(ApiError::validation(field, "name or domain must be given"));
        }
        let domain = domain.map(|domain| bare_host(&domain).into_owned());
        Ok(Self { name, domain })
    }

    fn fits(&self, account: &Account) -> bool {
        let fits = |wanted: &Option<String>, is: Option<&str>| {
            let Some(wanted) = wanted else { return true };
            is.is_some_and(|is| same(wanted, is))
        };
        let domain = account.domain.as_deref().map(bare_host);
        fits(&self.name, account.name.as_deref()) && fits(&self.domain, domain.as_deref())
    }

    /// The names of the locks for its upsert: one for each name and domain that it is searched by,
    /// or will have. Two upserts of the same account share at least one.
    pub(super) fn lock_names(&self, draft: &AccountDraft) -> BTreeSet<String> {
        let given = |field: &Field<String>| field.clone().flatten();
        let names = [self.name.clone(), given(&draft.name)];
        let given_domain = given(&draft.domain).map(|domain| bare_host(&domain).into_owned());
        let domains = [self.domain.clone(), given_domain];
        let lock =
            |kind: &str, text: String| format!("account {kind} {}", text.trim().to_lowercase());
        let names = names.into_iter().flatten().map(|it| lock("name", it));
        let domains = domains.into_iter().flatten().map(|it| lock("domain", it));
        names.chain(domains).collect()
    }

    /// What the provider finds: by the name if there is one, or by the domain.
    async fn hits(
        &self,
        reads: &dyn LiveReads,
        session: &Session<'_>,
    ) -> Result<Records, ProviderError> {
        match (&self.name, &self.domain) {
            (Some(name), _) => reads.accounts_by_name(session, name.trim()).await,
            (None, domain) => {
                let domain = domain.as_deref().unwrap_or_default();
                reads.accounts_by_domain(session, domain).await
            }
        }
    }
}

/// The accounts that match, each once. `known` are the ids of accounts that may match.
pub(super) async fn find(
    state: &AppState,
    remote: &Remote,
    wanted: &Wanted,
    known: &[String],
) -> ApiResult<Vec<Record<Account>>> {
    let reads = remote.capabilities().live_reads()?;
    let session = remote.session();
    let listed = wanted.hits(reads, &session).await?;
    let mut found: Vec<_> = Account::of(listed)
        .into_iter()
        .filter(|account| wanted.fits(&account.fields))
        .collect();
    let mut others: BTreeSet<String> = synced(state, remote, wanted).await?;
    others.extend(known.iter().cloned());
    for id in others {
        if found.iter().any(|account| account.id == id) {
            continue;
        }
        match reads.get_live(&session, Object::Account, &id).await {
            Ok(records) => found.extend(
                Account::of(records)
                    .into_iter()
                    .filter(|account| wanted.fits(&account.fields)),
            ),
            Err(error) if error.kind == ErrorKind::NotFound => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(found)
}

/// Ids of accounts in the tables that match.
async fn synced(state: &AppState, remote: &Remote, wanted: &Wanted) -> ApiResult<BTreeSet<String>> {
    let query = RecordQuery {
        connection: remote.connection(),
        modified: None,
        include_deleted: false,
        include_raw_data: false,
        search: Some(Search::Account {
            name: wanted.name.as_deref(),
            domain: wanted.domain.as_deref(),
        }),
        cursor: None,
        offset: 0,
        reverse: false,
        limit: MOST_KNOWN,
    };
    let rows: Vec<Row<Account>> = state.store.list_records(&query).await?.rows;
    Ok(rows.into_iter().map(|row| row.id).collect())
}

fn same(one: &str, other: &str) -> bool {
    one.trim().to_lowercase() == other.trim().to_lowercase()
}
