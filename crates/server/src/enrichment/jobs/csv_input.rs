//! A list as CSV, as spreadsheets write it: with or without a byte order mark, with commas, semicolons
//! or tabs, and with line breaks in quotes.

use csv::{ReaderBuilder, StringRecord, Trim};
use syncline_model::enrichment::{Kind, Lead, LeadError, MOST_ITEMS};
use syncline_store::NewEnrichmentItem;

use super::list::LONGEST_REF;

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
const MOST_COLUMNS: usize = 200;
/// In bytes. What is longer is no cell of a list of leads.
const LONGEST_CELL: usize = 32 * 1024;

/// Other names of fields, in lower case and with `_` for spaces.
const ALIASES: &[(&str, &str)] = &[
    ("e_mail", "email"),
    ("email_address", "email"),
    ("work_email", "email"),
    ("full_name", "name"),
    ("firstname", "first_name"),
    ("lastname", "last_name"),
    ("company", "organization_name"),
    ("company_name", "organization_name"),
    ("organization", "organization_name"),
    ("company_domain", "domain"),
    ("website", "domain"),
    ("linkedin", "linkedin_url"),
    ("person_linkedin_url", "linkedin_url"),
];

/// A CSV list: the names of its columns, and its lines.
#[derive(Debug)]
pub struct CsvList {
    pub columns: Vec<String>,
    pub items: Vec<NewEnrichmentItem>,
}

/// What a column is read as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Column {
    Field(&'static str),
    Reference,
    /// It only comes back with the results.
    Other,
}

/// Reads a list. The error says what is wrong with the file and in which line; what is wrong with a
/// single lead is kept with it.
pub fn read_csv(body: &[u8], kind: Kind) -> Result<CsvList, String> {
    let text = body.strip_prefix(BYTE_ORDER_MARK).unwrap_or(body);
    let mut reader = ReaderBuilder::new()
        .delimiter(delimiter_of(text))
        .trim(Trim::Headers)
        .from_reader(text);
    let header = reader.headers().map_err(|error| explain(&error))?;
    let columns: Vec<String> = header.iter().map(str::to_owned).collect();
    let roles = roles_of(&columns)?;
    let mut items = Vec::new();
    let mut lines = Lines::of(text);
    let mut has_line_break = false;
    let mut record = StringRecord::new();
    while reader
        .read_record(&mut record)
        .map_err(|error| explain(&error))?
    {
        if items.len() == MOST_ITEMS {
            return Err(format!(
                "must have at most {MOST_ITEMS} lines after the first"
            ));
        }
        let line = lines.at(record.position().map_or(0, csv::Position::byte));
        has_line_break = record.iter().any(|cell| cell.contains('\n'));
        items.push(item_of(&record, line, &roles, kind)?);
    }
    if has_line_break && is_unclosed(lines.rest()) {
        let line = lines.line;
        return Err(format!("line {line}: a quotation mark is not closed"));
    }
    if items.is_empty() {
        return Err(
            "must have a line with the names of the columns, and at least one more".to_owned(),
        );
    }
    Ok(CsvList { columns, items })
}

/// The lines that records begin at. The reader's own count is one too low after a carriage return.
struct Lines<'t> {
    text: &'t [u8],
    at: usize,
    line: i64,
}

impl<'t> Lines<'t> {
    fn of(text: &'t [u8]) -> Self {
        Self {
            text,
            at: 0,
            line: 1,
        }
    }

    /// The line of the record that begins at this byte, or after the line breaks there.
    fn at(&mut self, byte: u64) -> i64 {
        let byte = usize::try_from(byte).unwrap_or(usize::MAX);
        while let Some(next) = self.text.get(self.at) {
            if self.at >= byte && !matches!(next, b'\r' | b'\n') {
                break;
            }
            self.line += i64::from(*next == b'\n');
            self.at += 1;
        }
        self.line
    }

    /// The text from the record on.
    fn rest(&self) -> &'t [u8] {
        self.text.get(self.at..).unwrap_or_default()
    }
}

/// Whether a quotation mark of the last record is never closed: then it has swallowed all further lines.
fn is_unclosed(last: &[u8]) -> bool {
    last.split(|byte| *byte == b'"').count() % 2 == 0
}

/// The one of the usual separators that the first line has most of.
fn delimiter_of(text: &[u8]) -> u8 {
    let first = text.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let count = |separator: u8| first.split(|byte| *byte == separator).count();
    let separators = [b'\t', b';', b','].into_iter();
    separators.max_by_key(|it| count(*it)).unwrap_or(b',')
}

fn roles_of(columns: &[String]) -> Result<Vec<Column>, String> {
    if columns.len() > MOST_COLUMNS {
        return Err(format!("must have at most {MOST_COLUMNS} columns"));
    }
    let roles: Vec<Column> = columns.iter().map(|name| role_of(name)).collect();
    for (at, role) in roles.iter().enumerate() {
        let first = roles.iter().position(|it| it == role);
        if *role != Column::Other && first != Some(at) {
            let first = first.map_or("", |first| &columns[first]);
            let second = &columns[at];
            return Err(format!(
                "the columns \"{first}\" and \"{second}\" are the same field: leave one out"
            ));
        }
    }
    if roles.iter().any(|role| matches!(role, Column::Field(_))) {
        return Ok(roles);
    }
    Err(format!(
        "no column has a name that is known: the first line must name at least one of {}",
        Lead::FIELDS.join(", ")
    ))
}

fn role_of(name: &str) -> Column {
    let plain = name.trim().to_lowercase().replace([' ', '-'], "_");
    if plain == "ref" {
        return Column::Reference;
    }
    let alias = ALIASES.iter().find(|(alias, _)| *alias == plain);
    let plain = alias.map_or(plain.as_str(), |(_, field)| field);
    let field = Lead::FIELDS.into_iter().find(|field| *field == plain);
    field.map_or(Column::Other, Column::Field)
}

fn item_of(
    record: &StringRecord,
    line: i64,
    roles: &[Column],
    kind: Kind,
) -> Result<NewEnrichmentItem, String> {
    let mut lead = Lead::default();
    let mut reference = None;
    for (cell, role) in record.iter().zip(roles) {
        if cell.len() > LONGEST_CELL {
            return Err(format!(
                "line {line}: a cell is longer than {LONGEST_CELL} bytes"
            ));
        }
        if cell.contains('\0') {
            return Err(format!("line {line}: a cell must not contain NUL"));
        }
        let value = Some(cell.to_owned()).filter(|it| !it.trim().is_empty());
        match role {
            Column::Field(name) => {
                if let Some(field) = lead.field(name) {
                    *field = value;
                }
            }
            Column::Reference => reference = value,
            Column::Other => {}
        }
    }
    let too_long = reference
        .as_deref()
        .is_some_and(|text| text.chars().count() > LONGEST_REF);
    let lead = if too_long {
        let reason = format!("must not be longer than {LONGEST_REF} characters");
        reference = None;
        Err((
            lead,
            LeadError {
                field: "ref",
                reason,
            },
        ))
    } else {
        lead.clone().checked(kind).map_err(|error| (lead, error))
    };
    Ok(NewEnrichmentItem {
        line: Some(line),
        reference,
        lead,
        cells: Some(record.iter().map(str::to_owned).collect()),
    })
}

fn explain(error: &csv::Error) -> String {
    let line = error.position().map_or(1, csv::Position::line);
    match error.kind() {
        csv::ErrorKind::Utf8 { .. } => {
            format!("line {line} is not UTF-8: save the file as \"CSV UTF-8\"")
        }
        csv::ErrorKind::UnequalLengths {
            expected_len, len, ..
        } => format!("line {line} has {len} cells, and the first line has {expected_len}"),
        _ => format!("line {line}: {error}"),
    }
}

#[cfg(test)]
#[path = "csv_input_tests.rs"]
mod tests;
