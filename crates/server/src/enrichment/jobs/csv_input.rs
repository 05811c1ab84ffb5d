//! A list as CSV, as spreadsheets write it: with or without a byte order mark, with commas, semicolons
//! or tabs, and with line breaks in quotes.

use csv::{ReaderBuilder, StringRecord, Trim};
use syncline_model::enrichment::{Kind, Lead, LeadError, MOST_ITEMS};
use syncline_store::NewEnrichmentItem;

use super::list::LONGEST_REF;

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
const MOST_COLUMNS: usize = 200;
/// In characters.
const LONGEST_NAME: usize = 200;
/// In bytes: the names of all columns, which are kept with the job.
const LONGEST_NAMES: usize = 16 * 1024;
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
    let (separator, text, first_line) = match told_separator(text) {
        Some((separator, rest)) => (separator, rest, 2),
        None => (separator_of(text), text, 1),
    };
    if let Some(line) = unclosed_line(text, separator, first_line) {
        return Err(format!("line {line}: a quotation mark is not closed"));
    }
    let mut lines = Lines::of(text, first_line);
    let mut reader = ReaderBuilder::new()
        .delimiter(separator)
        .trim(Trim::Headers)
        .from_reader(text);
    let header = reader.headers();
    let header = header.map_err(|error| explain(&error, &mut lines))?;
    let columns: Vec<String> = header.iter().map(str::to_owned).collect();
    check_names(&columns, lines.at(0))?;
    let roles = roles_of(&columns)?;
    let mut items = Vec::new();
    let mut record = StringRecord::new();
    while reader
        .read_record(&mut record)
        .map_err(|error| explain(&error, &mut lines))?
    {
        if items.len() == MOST_ITEMS {
            return Err(format!(
                "must have at most {MOST_ITEMS} lines after the first"
            ));
        }
        let line = lines.at(record.position().map_or(0, csv::Position::byte));
        items.push(item_of(&record, line, &roles, kind)?);
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
    fn of(text: &'t [u8], first_line: i64) -> Self {
        Self {
            text,
            at: 0,
            line: first_line,
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
}

/// Where the text is. A quotation mark means something only at the beginning of a cell and within quotes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    CellStart,
    Plain,
    Quoted,
    /// After a quotation mark within quotes: the end of them, unless another one follows.
    Closing,
}

impl Place {
    fn after(self, byte: u8, separators: &[u8]) -> Self {
        match (self, byte) {
            (Self::Quoted, b'"') => Self::Closing,
            (Self::Quoted, _) | (Self::CellStart | Self::Closing, b'"') => Self::Quoted,
            (_, b'\r' | b'\n') => Self::CellStart,
            _ if separators.contains(&byte) => Self::CellStart,
            _ => Self::Plain,
        }
    }
}

/// The line with a quotation mark that is never closed: it swallows all further lines.
fn unclosed_line(text: &[u8], separator: u8, first_line: i64) -> Option<i64> {
    let mut place = Place::CellStart;
    let (mut line, mut opened) = (first_line, first_line);
    for byte in text {
        let next = place.after(*byte, &[separator]);
        if place == Place::CellStart && next == Place::Quoted {
            opened = line;
        }
        line += i64::from(*byte == b'\n');
        place = next;
    }
    (place == Place::Quoted).then_some(opened)
}

/// The separator of a first line such as `sep=;`, which tells it to Excel, and the text after that line.
fn told_separator(text: &[u8]) -> Option<(u8, &[u8])> {
    let (word, rest) = text.split_at_checked(4)?;
    let (separator, rest) = rest.split_first()?;
    let is_separator = *separator == b'\t' || separator.is_ascii_punctuation();
    if !word.eq_ignore_ascii_case(b"sep=") || !is_separator || *separator == b'"' {
        return None;
    }
    let rest = rest.strip_prefix(b"\r").unwrap_or(rest);
    Some((*separator, rest.strip_prefix(b"\n")?))
}

/// The one of the usual separators that the first line has most of, outside of quotes.
fn separator_of(text: &[u8]) -> u8 {
    const SEPARATORS: [u8; 3] = *b"\t;,";
    let mut counts = [0_usize; SEPARATORS.len()];
    let mut place = Place::CellStart;
    let is_break = |byte: &u8| matches!(byte, b'\r' | b'\n');
    for byte in text.iter().skip_while(|it| is_break(it)) {
        if place != Place::Quoted {
            if is_break(byte) {
                break;
            }
            if let Some(at) = SEPARATORS.iter().position(|it| it == byte) {
                counts[at] += 1;
            }
        }
        place = place.after(*byte, &SEPARATORS);
    }
    let counted = SEPARATORS.into_iter().zip(counts);
    let most = counted.max_by_key(|(_, count)| *count);
    most.map_or(b',', |(separator, _)| separator)
}

/// The names are kept as they are, and come back with the results.
fn check_names(columns: &[String], line: i64) -> Result<(), String> {
    for (name, column) in columns.iter().zip(1..) {
        if name.chars().count() > LONGEST_NAME {
            return Err(format!(
                "line {line}: the name of column {column} must not be longer than {LONGEST_NAME} characters"
            ));
        }
        let is_wrong = |it: char| it.is_control() && !matches!(it, '\t' | '\r' | '\n');
        if name.contains(is_wrong) {
            return Err(format!(
                "line {line}: the name of column {column} must not contain NUL or other control characters"
            ));
        }
    }
    if columns.iter().map(String::len).sum::<usize>() > LONGEST_NAMES {
        return Err(format!(
            "line {line}: the names of the columns must not be longer than {LONGEST_NAMES} bytes together"
        ));
    }
    Ok(())
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

fn explain(error: &csv::Error, lines: &mut Lines) -> String {
    let line = lines.at(error.position().map_or(0, csv::Position::byte));
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
