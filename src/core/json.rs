//! Writing JSON.

/// A string as RFC 8259 section 7 wants it.
#[must_use]
pub fn string(text: &str) -> String {
    let escaped: String = text
        .chars()
        .map(|c| match c {
            '"' | '\\' => format!("\\{c}"),
            c if c < ' ' => format!("\\u{:04x}", u32::from(c)),
            c => c.to_string(),
        })
        .collect();
    format!("\"{escaped}\"")
}

/// A list of objects, one a line.
#[must_use]
pub fn lines(objects: &[String]) -> String {
    if objects.is_empty() { "[]\n".to_owned() } else { format!("[\n  {}\n]\n", objects.join(",\n  ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_escaped() {
        assert_eq!(string("/a\"b\\c\n"), r#""/a\"b\\c\u000a""#);
    }

    #[test]
    fn lists_have_an_object_a_line() {
        assert_eq!(lines(&[]), "[]\n");
        assert_eq!(lines(&["{}".to_owned(), "{}".to_owned()]), "[\n  {},\n  {}\n]\n");
    }
}
