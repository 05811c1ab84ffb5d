//! The list of a new job, in either of its forms.

use axum::{
    body::Bytes,
    extract::{FromRequest, Request},
    http::header,
};
use serde::Deserialize;
use syncline_model::enrichment::{Kind, Lead, MOST_ITEMS, MatchOptions};
use syncline_store::NewEnrichmentItem;
use utoipa::{IntoParams, ToSchema};

use super::{
    csv_input::{CsvList, read_csv},
    whole_number,
};
use crate::{
    AppState,
    error::{ApiError, ApiResult, MAX_BODY_BYTES},
    extract::Json,
    guard::{RequestSlot, read_body},
};

/// The longest `ref`, in characters.
pub(super) const LONGEST_REF: usize = 255;

/// How a job is done.
#[derive(Debug, Clone, Copy, Default, Deserialize, ToSchema, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
#[schema(as = enrichment_job_options)]
pub(crate) struct JobOptions {
    /// For CSV: what the lines are, `people` if it is left out.
    #[param(inline)]
    pub(super) kind: Option<Kind>,
    /// Also tell people's private e-mail addresses.
    pub(super) reveal_personal_emails: Option<bool>,
    /// Also tell phone numbers. They come later, and the public URL has to begin with https:// for it.
    pub(super) reveal_phone_number: Option<bool>,
    /// Also ask the provider's other sources for addresses, which come later.
    pub(super) run_waterfall_email: Option<bool>,
    /// Also ask the provider's other sources for phone numbers, which come later.
    pub(super) run_waterfall_phone: Option<bool>,
    /// The most credits that the job may spend. It stops before it could spend more.
    #[serde(deserialize_with = "whole_number::of_query")]
    pub(super) max_credits: Option<u32>,
    /// For how many days an answer to the same question is used again at no cost: at most 90, 30 if it
    /// is left out, 0 to ask everything anew.
    #[serde(deserialize_with = "whole_number::of_query")]
    #[param(maximum = 90)]
    #[schema(maximum = 90)]
    pub(super) reuse_days: Option<u32>,
    /// Ask again what was asked before and may have been paid for, because its answer was lost.
    pub(super) retry_uncertain: Option<bool>,
}

impl JobOptions {
    pub(super) fn of_matching(&self) -> MatchOptions {
        MatchOptions {
            reveal_personal_emails: self.reveal_personal_emails.unwrap_or(false),
            reveal_phone_number: self.reveal_phone_number.unwrap_or(false),
            run_waterfall_email: self.run_waterfall_email.unwrap_or(false),
            run_waterfall_phone: self.run_waterfall_phone.unwrap_or(false),
        }
    }

    fn are_given(&self) -> bool {
        self.kind.is_some()
            || self.reveal_personal_emails.is_some()
            || self.reveal_phone_number.is_some()
            || self.run_waterfall_email.is_some()
            || self.run_waterfall_phone.is_some()
            || self.max_credits.is_some()
            || self.reuse_days.is_some()
            || self.retry_uncertain.is_some()
    }
}

/// A list as JSON: `people` or `companies`.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = create_enrichment_job)]
pub(crate) struct JsonList {
    /// Up to 10,000. Each needs an `email`, a `linkedin_url`, an `id`, or a name with `domain` or
    /// `organization_name`.
    #[schema(max_items = 10_000)]
    people: Option<Vec<JsonItem>>,
    /// Up to 10,000. Each needs a `domain`.
    #[schema(max_items = 10_000)]
    companies: Option<Vec<JsonItem>>,
    reveal_personal_emails: Option<bool>,
    reveal_phone_number: Option<bool>,
    run_waterfall_email: Option<bool>,
    run_waterfall_phone: Option<bool>,
    #[serde(default, deserialize_with = "whole_number::of_json")]
    max_credits: Option<u32>,
    #[serde(default, deserialize_with = "whole_number::of_json")]
    #[schema(maximum = 90)]
    reuse_days: Option<u32>,
    retry_uncertain: Option<bool>,
}

/// A person or a company.
#[derive(Deserialize, ToSchema)]
#[serde(
    deny_unknown_fields,
    expecting = "an object with fields such as email or domain"
)]
#[schema(as = enrichment_item)]
pub(crate) struct JsonItem {
    /// Yours, for example your own id. It comes back with the result.
    #[serde(rename = "ref")]
    #[schema(max_length = 255)]
    reference: Option<String>,
    id: Option<String>,
    email: Option<String>,
    linkedin_url: Option<String>,
    name: Option<String>,
    first_name: Option<String>,
    last_name: Option<String>,
    domain: Option<String>,
    organization_name: Option<String>,
}

impl JsonItem {
    fn read(self, kind: Kind) -> NewEnrichmentItem {
        let lead = Lead {
            id: self.id,
            email: self.email,
            linkedin_url: self.linkedin_url,
            name: self.name,
            first_name: self.first_name,
            last_name: self.last_name,
            domain: self.domain,
            organization_name: self.organization_name,
        };
        NewEnrichmentItem {
            line: None,
            reference: self.reference,
            lead: lead.clone().checked(kind).map_err(|error| (lead, error)),
            cells: None,
        }
    }
}

/// What a body asks for.
pub(super) struct List {
    pub(super) kind: Kind,
    pub(super) options: JobOptions,
    pub(super) columns: Option<Vec<String>>,
    pub(super) items: Vec<NewEnrichmentItem>,
}

/// A body, of which form its content type says.
pub(crate) enum ListBody {
    Json(Box<JsonList>),
    Csv(Bytes),
}

impl FromRequest<AppState> for ListBody {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &AppState) -> ApiResult<Self> {
        let content_type = request.headers().get(header::CONTENT_TYPE);
        let content_type = content_type.and_then(|it| it.to_str().ok()).unwrap_or("");
        let essence = content_type.split(';').next().unwrap_or_default().trim();
        if !essence.eq_ignore_ascii_case("text/csv") {
            let list = Json::from_request(request, state).await;
            let Json(list) = list.map_err(name_both_forms)?;
            return Ok(Self::Json(list));
        }
        check_charset(content_type)?;
        let slot = RequestSlot::of(request.extensions());
        let body = read_body(&state.guard, &slot, request.into_body(), MAX_BODY_BYTES).await?;
        Ok(Self::Csv(body))
    }
}

/// Elsewhere only JSON is known.
fn name_both_forms(error: ApiError) -> ApiError {
    match error {
        ApiError::UnsupportedMediaType(_) => {
            ApiError::UnsupportedMediaType("application/json or text/csv".to_owned())
        }
        error => error,
    }
}

/// A list in another charset would be read with wrong letters, or refused for a reason that misleads.
fn check_charset(content_type: &str) -> ApiResult<()> {
    let parameters = content_type.split(';').skip(1);
    let charsets = parameters
        .filter_map(|it| it.split_once('='))
        .filter(|(name, _)| name.trim().eq_ignore_ascii_case("charset"));
    for (_, charset) in charsets {
        let charset = charset.trim().trim_matches('"');
        let is_known = ["utf-8", "utf8", "us-ascii"]
            .iter()
            .any(|known| charset.eq_ignore_ascii_case(known));
        if !is_known {
            return Err(ApiError::UnsupportedMediaType(format!(
                "text/csv; charset=utf-8, not {charset}: save the file as \"CSV UTF-8\""
            )));
        }
    }
    Ok(())
}

impl ListBody {
    /// `query` has the options of a CSV list, which has no place for them in itself.
    pub(super) fn read(self, query: JobOptions) -> ApiResult<List> {
        match self {
            Self::Json(_) if query.are_given() => Err(ApiError::validation(
                "query",
                "the options of a JSON list belong into its body",
            )),
            Self::Json(list) => list.read(),
            Self::Csv(body) => {
                let kind = query.kind.unwrap_or(Kind::People);
                let list =
                    read_csv(&body, kind).map_err(|reason| ApiError::validation("body", reason))?;
                let CsvList { columns, items } = list;
                Ok(List {
                    kind,
                    options: query,
                    columns: Some(columns),
                    items,
                })
            }
        }
    }
}

impl JsonList {
    fn read(self) -> ApiResult<List> {
        let (kind, name, items) = match (self.people, self.companies) {
            (Some(people), None) => (Kind::People, "people", people),
            (None, Some(companies)) => (Kind::Companies, "companies", companies),
            (Some(_), Some(_)) => {
                let reason = "give people or companies, not both";
                return Err(ApiError::validation("companies", reason));
            }
            (None, None) => {
                return Err(ApiError::validation("people", "give people or companies"));
            }
        };
        if items.is_empty() || items.len() > MOST_ITEMS {
            let reason = format!("must have 1 to {MOST_ITEMS} entries, not {}", items.len());
            return Err(ApiError::validation(name, reason));
        }
        let too_long = |item: &JsonItem| {
            let reference = item.reference.as_deref();
            reference.is_some_and(|text| text.chars().count() > LONGEST_REF)
        };
        if let Some(at) = items.iter().position(too_long) {
            let reason = format!("must not be longer than {LONGEST_REF} characters");
            return Err(ApiError::validation(format!("{name}[{at}].ref"), reason));
        }
        Ok(List {
            kind,
            options: JobOptions {
                kind: None,
                reveal_personal_emails: self.reveal_personal_emails,
                reveal_phone_number: self.reveal_phone_number,
                run_waterfall_email: self.run_waterfall_email,
                run_waterfall_phone: self.run_waterfall_phone,
                max_credits: self.max_credits,
                reuse_days: self.reuse_days,
                retry_uncertain: self.retry_uncertain,
            },
            columns: None,
            items: items.into_iter().map(|item| item.read(kind)).collect(),
        })
    }
}
