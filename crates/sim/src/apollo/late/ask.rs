//! How a call of people enrichment asks for late results, and what its answer says of them.

use http::Uri;

use super::job::{Job, Kind, Somebody};
use crate::apollo::Call;
use crate::apollo::refusal::Refusal;
use crate::json::Object;
use crate::world::person::Person;

/// The late results that a call asks for, at least one kind.
#[derive(Debug)]
pub(in crate::apollo) struct LateAsk {
    phones: bool,
    waterfall: Option<Kind>,
    url: String,
}

/// What the answer says of the late results.
#[derive(Debug)]
pub(in crate::apollo) struct Promise {
    request_id: i64,
    waterfall: bool,
    phones: Option<Phones>,
}

#[derive(Debug)]
enum Phones {
    /// The id of the job.
    Pending(String),
    /// The numbers of all people are on their way already.
    Skipped,
}

impl LateAsk {
    /// `None` if the call asks for nothing late.
    pub(in crate::apollo) fn read(call: &Call<'_>) -> Result<Option<Self>, Refusal> {
        let emails = call.params.flag("run_waterfall_email");
        let numbers = call.params.flag("run_waterfall_phone");
        let waterfall = (emails || numbers).then_some(Kind::Waterfall { emails, numbers });
        // The waterfall finds the numbers too, if it is to.
        let phones = call.params.flag("reveal_phone_number");
        if waterfall.is_none() && !phones {
            return Ok(None);
        }
        let url = call.params.text("webhook_url");
        let url = url.filter(|url| is_allowed(url)).ok_or_else(|| {
            Refusal::invalid(concat!(
                "Phone numbers and waterfall results are sent to webhook_url, ",
                "which must be given and begin with https://"
            ))
        })?;
        Ok(Some(Self {
            phones: phones && !numbers,
            waterfall,
            url,
        }))
    }

    /// Whether the addresses come later too, and not in the answer.
    pub(in crate::apollo) fn takes_emails(&self) -> bool {
        matches!(self.waterfall, Some(Kind::Waterfall { emails: true, .. }))
    }

    /// Whether the answer has no counts, because the work goes on.
    pub(in crate::apollo) fn is_waterfall(&self) -> bool {
        self.waterfall.is_some()
    }

    /// Plans the work for the people, each of whom is given once; `missing` others are not known.
    pub(in crate::apollo) fn plan(
        &self,
        call: &mut Call<'_>,
        people: &[&Person],
        missing: usize,
    ) -> Promise {
        let request_id = call.team.late.request_id();
        let phones = self.phones && !people.is_empty();
        let phones = phones.then(|| self.plan_phones(call, request_id, people));
        if let Some(kind) = self.waterfall {
            let all = people.iter().map(|person| Somebody::of(person)).collect();
            let job = self.job(call, kind, request_id, all, missing);
            call.team.late.add(job);
        }
        Promise {
            request_id,
            waterfall: self.is_waterfall(),
            phones,
        }
    }

    fn plan_phones(&self, call: &mut Call<'_>, request_id: i64, people: &[&Person]) -> Phones {
        let known = &call.team.late.in_progress;
        let new = people.iter().filter(|person| !known.contains(&person.id));
        let new: Vec<Somebody> = new.map(|person| Somebody::of(person)).collect();
        if new.is_empty() {
            return Phones::Skipped;
        }
        let job = self.job(call, Kind::Phones, request_id, new, 0);
        call.team.late.add(job);
        Phones::Pending(call.team.mint(call.now))
    }

    fn job(
        &self,
        call: &Call<'_>,
        kind: Kind,
        request_id: i64,
        people: Vec<Somebody>,
        missing: usize,
    ) -> Job {
        Job {
            request_id,
            kind,
            url: self.url.clone(),
            asked: call.now,
            due: call.now + call.team.late.delay,
            key: call.key.map(str::to_owned),
            action: call.action,
            people,
            missing,
        }
    }
}

impl Promise {
    /// Writes the last members of the answer.
    pub(in crate::apollo) fn write(&self, o: &mut Object) {
        if self.waterfall {
            o.raw(
                "waterfall",
                r#"{"status":"accepted","message":"Accepted. The webhook URL gets the results."}"#,
            );
        }
        if let Some(phones) = &self.phones {
            o.raw("phone_enrichment", &phones.render());
        }
        o.number("request_id", self.request_id);
    }
}

impl Phones {
    fn render(&self) -> String {
        let mut o = Object::new();
        match self {
            Self::Pending(id) => o.text("request_id", id).text("status", "pending").text(
                "message",
                "The webhook URL gets the phone numbers, and webhook_result has them by the top-level request_id.",
            ),
            Self::Skipped => o.text("status", "skipped").text(
                "message",
                "An earlier request is looking for these phone numbers, and gets them.",
            ),
        };
        o.finish()
    }
}

/// Addresses without TLS are for tests on the same machine.
fn is_allowed(url: &str) -> bool {
    let Ok(uri) = url.parse::<Uri>() else {
        return false;
    };
    match (uri.scheme_str(), uri.host()) {
        (Some("https"), Some(host)) => !host.is_empty(),
        (Some("http"), Some(host)) => host == "127.0.0.1" || host == "localhost",
        _ => false,
    }
}
