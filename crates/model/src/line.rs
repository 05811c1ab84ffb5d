//! Quoting foreign text: in one line and with a maximum length.

/// `text` without characters that break or disguise its line, truncated to `most` bytes; a `…` at
/// the end shows that it was truncated.
pub fn line(text: &str, most: usize) -> String {
    const CUT: char = '…';
    // Nearly every text: it stays as it is.
    if text.len() <= most && text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return text.to_owned();
    }
    let mut line = String::with_capacity(text.len().min(most));
    for character in text.chars() {
        let character = if breaks_lines(character) {
            ' '
        } else {
            character
        };
        if line.len() + character.len_utf8() > most {
            while line.len() + CUT.len_utf8() > most && line.pop().is_some() {}
            line.push(CUT);
            return line;
        }
        line.push(character);
    }
    line
}

/// The same in quotes, which nothing in it ends.
pub fn quoted(text: &str, most: usize) -> String {
    format!("\"{}\"", line(text, most).replace('"', "'"))
}

/// A name as it is if it can be one, and otherwise quoted, so that it can't pass for other words of its
/// sentence.
pub fn name_or_quoted(name: &str) -> String {
    const LONGEST: usize = 100;
    let plain = |it: char| it.is_ascii_alphanumeric() || matches!(it, '.' | '_' | '-' | '@' | '/');
    if !name.is_empty() && name.len() <= LONGEST && name.chars().all(plain) {
        name.to_owned()
    } else {
        quoted(name, LONGEST)
    }
}

/// Control characters, line separators and characters that change the text direction.
pub fn breaks_lines(character: char) -> bool {
    character.is_control() || matches!(character, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_breaks_out_of_its_line_or_its_bound() {
        assert_eq!(line("a\r\nb\u{1b}[2J\u{202e}c", 100), "a  b [2J c");
        assert_eq!(line("abcdef", 6), "abcdef");
        assert_eq!(line("abcdefg", 6), "abc…");
        assert_eq!(line("ääääääää", 6), "ä…");
        assert_eq!(line("\0", 6), " ");
    }

    #[test]
    fn what_could_pass_for_other_words_is_quoted() {
        assert_eq!(name_or_quoted("contacts.create"), "contacts.create");
        assert_eq!(name_or_quoted("a b"), "\"a b\"");
        assert_eq!(name_or_quoted(""), "\"\"");
        assert_eq!(quoted("x\" (200)\n", 100), "\"x' (200) \"");
    }
}
