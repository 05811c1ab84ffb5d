use super::*;

fn people(text: &str) -> CsvList {
    read_csv(text.as_bytes(), Kind::People).unwrap()
}

fn wrong(text: &[u8]) -> String {
    read_csv(text, Kind::People).unwrap_err()
}

fn emails(list: &CsvList) -> Vec<Option<String>> {
    let leads = list.items.iter().map(|item| item.lead.as_ref());
    let leads = leads.map(|lead| lead.unwrap_or_else(|(lead, _)| lead).email.clone());
    leads.collect()
}

#[test]
fn what_spreadsheets_write_is_read() {
    let list =
        people("\u{feff}Email;Notes\r\nInes@heron.example;\"two\r\nlines; \"\"quoted\"\"\"\r\n");
    assert_eq!(list.columns, ["Email", "Notes"]);
    assert_eq!(emails(&list), [Some("ines@heron.example".to_owned())]);
    let cells = list.items[0].cells.as_deref().unwrap();
    assert_eq!(cells[1], "two\r\nlines; \"quoted\"");
    let tabs = people("email\tref\nines@heron.example\t7\n");
    assert_eq!(tabs.items[0].reference.as_deref(), Some("7"));
}

#[test]
fn columns_are_known_by_other_names_too() {
    let list = people(
        "First Name,last-name,Company,Website\nInes,Duarte,Heron Foods,https://www.heron.example/\n",
    );
    let lead = list.items[0].lead.as_ref().unwrap();
    assert_eq!(lead.first_name.as_deref(), Some("Ines"));
    assert_eq!(lead.organization_name.as_deref(), Some("Heron Foods"));
    assert_eq!(lead.domain.as_deref(), Some("heron.example"));
}

#[test]
fn a_wrong_lead_keeps_its_line_and_what_is_wrong() {
    let list = people("email,x\n\"a\nb\",\"1\n2\"\nines@heron.example,3\n");
    let lines: Vec<_> = list.items.iter().map(|item| item.line).collect();
    assert_eq!(lines, [Some(2), Some(5)]);
    let windows = people("email,x\r\n\"a\r\nb\",1\r\n\r\nines@heron.example,3\r\n");
    let lines: Vec<_> = windows.items.iter().map(|item| item.line).collect();
    assert_eq!(lines, [Some(2), Some(5)]);
    let (_, error) = list.items[0].lead.as_ref().unwrap_err();
    assert_eq!(error.to_string(), "email: must be an e-mail address");
}

#[test]
fn a_file_that_is_no_list_is_refused_by_line() {
    assert_eq!(
        wrong(b"email,x\na@b.example\n"),
        "line 2 has 1 cells, and the first line has 2"
    );
    assert!(wrong(b"email\na@b.example\n\xff\xfe@b.example\n").starts_with("line 3 is not UTF-8"));
    assert!(wrong(b"telephone\n1\n").starts_with("no column has a name that is known"));
    assert!(wrong(b"").starts_with("no column has a name that is known"));
    let unclosed = wrong(b"email\na@b.example\n\"c@d.example\ne@f.example\n");
    assert_eq!(unclosed, "line 3: a quotation mark is not closed");
    assert!(wrong(b"email\n").starts_with("must have a line"));
    assert!(wrong(b"email,E-Mail\na,b\n").contains("are the same field"));
    assert_eq!(
        wrong(b"email\na\0@b.example\n"),
        "line 2: a cell must not contain NUL"
    );
    let many = format!("email\n{}", "a@b.example\n".repeat(MOST_ITEMS + 1));
    assert_eq!(
        wrong(many.as_bytes()),
        "must have at most 10000 lines after the first"
    );
}
