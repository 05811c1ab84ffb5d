//! Results as CSV: the input's own columns, and what is known beside them.

use csv::{QuoteStyle, Writer, WriterBuilder};
use syncline_model::{
    enrichment::{Enriched, EnrichedPerson, Kind, Lead},
    live::Company,
};
use syncline_store::{EnrichmentItem, EnrichmentJob};

/// The columns of both kinds.
const STATUS: [&str; 3] = ["enriched_status", "enriched_error", "enriched_reused"];
const PERSON: [&str; 15] = [
    "enriched_id",
    "enriched_first_name",
    "enriched_last_name",
    "enriched_name",
    "enriched_title",
    "enriched_seniority",
    "enriched_email",
    "enriched_email_status",
    "enriched_personal_emails",
    "enriched_phone_numbers",
    "enriched_linkedin_url",
    "enriched_city",
    "enriched_state",
    "enriched_country",
    "enriched_headline",
];
const COMPANY: [&str; 5] = [
    "enriched_company",
    "enriched_company_domain",
    "enriched_company_industry",
    "enriched_company_employees",
    "enriched_company_revenue",
];

/// A file of results that is written item by item.
pub struct CsvResults {
    kind: Kind,
    /// The input's columns; `None`: the input was JSON.
    columns: Option<usize>,
    file: Writer<Vec<u8>>,
}

impl CsvResults {
    /// Begins with the names of the columns.
    #[must_use]
    pub fn of(job: &EnrichmentJob) -> Self {
        let mut results = Self {
            kind: job.kind,
            columns: job.columns.as_ref().map(Vec::len),
            file: new_file(),
        };
        let own: Vec<String> = match &job.columns {
            Some(columns) => columns.clone(),
            None => ["ref"]
                .into_iter()
                .chain(Lead::FIELDS)
                .map(Into::into)
                .collect(),
        };
        let mut line = own;
        line.extend(STATUS.map(str::to_owned));
        if job.kind == Kind::People {
            line.extend(PERSON.map(str::to_owned));
        }
        line.extend(COMPANY.map(str::to_owned));
        results.write_line(&line);
        results
    }

    pub fn write(&mut self, item: &EnrichmentItem) {
        let mut line = self.input_of(item);
        let reused = if item.reused { "true" } else { "false" };
        let mut known = vec![
            item.status.as_str().to_owned(),
            item.error.clone().unwrap_or_default(),
            reused.to_owned(),
        ];
        match (&item.enriched, self.kind) {
            (Some(Enriched::Person(person)), _) => {
                known.extend(of_person(person));
                known.extend(of_company(person.company.as_ref()));
            }
            (Some(Enriched::Company(company)), _) => known.extend(of_company(Some(company))),
            (None, Kind::People) => {
                known.extend(vec![String::new(); PERSON.len() + COMPANY.len()]);
            }
            (None, Kind::Companies) => known.extend(vec![String::new(); COMPANY.len()]),
        }
        line.extend(known.into_iter().map(harmless));
        self.write_line(&line);
    }

    /// What was written since.
    pub fn take(&mut self) -> Vec<u8> {
        let file = std::mem::replace(&mut self.file, new_file());
        file.into_inner().expect("a vector takes every byte")
    }

    fn input_of(&self, item: &EnrichmentItem) -> Vec<String> {
        if let Some(columns) = self.columns {
            let mut cells = item.cells.clone().unwrap_or_default();
            cells.resize(columns, String::new());
            return cells;
        }
        let mut lead = item.lead.clone();
        let fields = Lead::FIELDS.map(|name| lead.field(name).and_then(Option::take));
        let reference = std::iter::once(item.reference.clone());
        reference
            .chain(fields)
            .map(Option::unwrap_or_default)
            .collect()
    }

    fn write_line(&mut self, cells: &[String]) {
        self.file
            .write_record(cells)
            .expect("a vector takes every line");
    }
}

fn new_file() -> Writer<Vec<u8>> {
    WriterBuilder::new()
        .quote_style(QuoteStyle::Necessary)
        .flexible(true)
        .from_writer(Vec::new())
}

fn of_person(person: &EnrichedPerson) -> Vec<String> {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let numbers = person.phone_numbers.iter();
    let numbers: Vec<&str> = numbers
        .filter_map(|it| it.phone_number.as_deref())
        .collect();
    vec![
        text(&person.id),
        text(&person.first_name),
        text(&person.last_name),
        text(&person.name),
        text(&person.title),
        text(&person.seniority),
        text(&person.email),
        text(&person.email_status),
        person.personal_emails.join(" "),
        numbers.join(" "),
        text(&person.linkedin_url),
        text(&person.city),
        text(&person.state),
        text(&person.country),
        text(&person.headline),
    ]
}

fn of_company(company: Option<&Company>) -> Vec<String> {
    let Some(company) = company else {
        return vec![String::new(); COMPANY.len()];
    };
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    vec![
        text(&company.name),
        text(&company.domain),
        text(&company.industry),
        company
            .employee_count
            .map_or(String::new(), |it| it.to_string()),
        company
            .annual_revenue
            .as_ref()
            .map_or(String::new(), ToString::to_string),
    ]
}

/// A spreadsheet takes some beginnings for a formula, and the text is a stranger's.
fn harmless(cell: String) -> String {
    // Spreadsheets pass over what can't be seen before a formula, and some read wide signs as plain
    // ones.
    let seen = cell.trim_start_matches(|it: char| it.is_whitespace() || it.is_control());
    let is_formula = match seen.chars().next() {
        Some('=' | '@' | '＝' | '＠') => true,
        Some('+' | '-' | '＋' | '－') => !is_number(&cell),
        _ => cell.starts_with(['\t', '\r', '\n']),
    };
    if is_formula { format!("'{cell}") } else { cell }
}

/// Whether it is no more than a number or a telephone number, which can't name anything to run.
fn is_number(cell: &str) -> bool {
    let is_part = |it: char| it.is_ascii_digit() || " +-()./".contains(it);
    cell.chars().all(is_part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_spreadsheet_would_run_is_text() {
        for (cell, shown) in [
            ("=1+1", "'=1+1"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("+cmd", "'+cmd"),
            ("+1 555 0100", "+1 555 0100"),
            ("+1 (555) 010-0100", "+1 (555) 010-0100"),
            ("-5", "-5"),
            ("-1.5", "-1.5"),
            ("-2+3+cmd|' /C calc'!A0", "'-2+3+cmd|' /C calc'!A0"),
            ("+1+HYPERLINK(\"x\")", "'+1+HYPERLINK(\"x\")"),
            (" =1+1", "' =1+1"),
            ("\r\n=1+1", "'\r\n=1+1"),
            ("\u{a0}@SUM(A1)", "'\u{a0}@SUM(A1)"),
            ("＝1+1", "'＝1+1"),
            (" Ines", " Ines"),
            ("a = b", "a = b"),
            ("Ines", "Ines"),
            ("", ""),
        ] {
            assert_eq!(harmless(cell.to_owned()), shown);
        }
    }
}
