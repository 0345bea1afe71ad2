//! The grammar of nginx's configuration, and which file includes which.
//!
//! Directives come one at a time, so that memory does not grow with the input. Source of every rule: nginx,
//! `src/core/ngx_conf_file.c`, `ngx_conf_read_token()` and `ngx_conf_include()`; for Lua blocks lua-nginx-module,
//! `src/ngx_http_lua_lex.c`.

use std::collections::{HashMap, HashSet};

/// One configuration file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct File<'a> {
    /// Its path, as nginx calls it.
    pub path: &'a str,
    /// What is in it.
    pub text: &'a [u8],
}

/// What `nginx -T` puts before the path of each file.
const MARKER: &[u8] = b"# configuration file ";

/// Splits the output of `nginx -T` into its files, the main one first; `None` if it is not that output.
///
/// Any file may hold a comment that looks like the mark of another one. So the first line has to be a mark, but for nginx's
/// own talk (`nginx -T 2>&1`); a later one begins a file only between two directives outside of all blocks, and only if what
/// comes before it includes that path, once. Source: nginx, `src/core/nginx.c` `main()` and `src/core/ngx_conf_file.c`
/// `ngx_conf_add_dump()`: each file is written once, where it was opened first.
#[must_use]
pub fn dumped_files(input: &[u8]) -> Option<Vec<File<'_>>> {
    let talk: usize = input.split_inclusive(|b| *b == b'\n').take_while(|line| is_talk(line)).map(<[u8]>::len).sum();
    let mut parser = Parser::new(&input[talk..]);
    let main = parser.mark().filter(|path| path.starts_with(['/', '.']))?;
    parser = Parser::new(parser.rest());
    let mut files = vec![File { path: main, text: parser.text }];
    let mut known = HashSet::from([main]);
    let mut included = Included::default();
    loop {
        parser.skip_blank();
        let before = &parser.text[..parser.at];
        if let Some(path) = parser.mark() {
            if included.has(path) && known.insert(path) {
                end(&mut files, before);
                parser = Parser::new(parser.rest());
                files.push(File { path, text: parser.text });
            }
        } else if !parser.skip_comment() {
            match parser.next_item() {
                Ok(Some((item, _))) => included.extend(main, item),
                // What does not parse is for those to say who read it.
                Ok(None) | Err(_) => return Some(files),
            }
        }
    }
}

fn end<'a>(files: &mut [File<'a>], text: &'a [u8]) {
    if let Some(file) = files.last_mut() {
        file.text = text;
    }
}

/// What nginx says on standard error: `nginx: [warn] …`, and once it has a log `2026/11/24 00:00:00 [warn] …`.
fn is_talk(line: &[u8]) -> bool {
    let has_time = || {
        let form = b"0000/00/00 00:00:00 [";
        let fits = |(byte, wanted): (&u8, &u8)| if *wanted == b'0' { byte.is_ascii_digit() } else { byte == wanted };
        line.len() > form.len() && line.iter().zip(form).all(fits)
    };
    line.starts_with(b"nginx: ") || line.starts_with(b"angie: ") || has_time()
}

fn marked_path(line: &[u8]) -> Option<&str> {
    let path = line.strip_prefix(MARKER)?.trim_ascii_end().strip_suffix(b":")?;
    std::str::from_utf8(path).ok()
}

/// The paths that a configuration includes.
#[derive(Default)]
struct Included {
    paths: HashSet<String>,
    /// By their directories, of which there may be thousands.
    patterns: HashMap<String, HashSet<String>>,
    /// With a wildcard in the directory as well.
    wide: HashSet<String>,
}

impl Included {
    fn extend(&mut self, main: &str, item: Item) {
        let Some(path) = value_of(item, "include") else { return };
        let path = full_path(main, &path);
        match directory_and_name(&path) {
            _ if !is_pattern(&path) => self.paths.insert(path),
            (directory, _) if is_pattern(directory) => self.wide.insert(path),
            (directory, name) => self.patterns.entry(directory.to_owned()).or_default().insert(name.to_owned()),
        };
    }

    fn has(&self, path: &str) -> bool {
        let (directory, name) = directory_and_name(path);
        let fits = |patterns: &HashSet<String>| {
            patterns.iter().any(|pattern| matches_part(pattern.as_bytes(), name.as_bytes()))
        };
        self.paths.contains(path)
            || self.patterns.get(directory).is_some_and(fits)
            || self.wide.iter().any(|pattern| matches(pattern, path))
    }
}

/// A path before and after its last slash.
#[must_use]
pub fn directory_and_name(path: &str) -> (&str, &str) {
    path.rsplit_once('/').unwrap_or(("", path))
}

/// The full path of what a configuration names: relative to the directory of the main file.
#[must_use]
pub fn full_path(main: &str, path: &str) -> String {
    match main.rsplit_once('/') {
        Some((directory, _)) if !path.starts_with('/') => format!("{directory}/{path}"),
        _ => path.to_owned(),
    }
}

/// Whether `include` takes this for a pattern.
#[must_use]
pub fn is_pattern(path: &str) -> bool {
    path.contains(['*', '?', '['])
}

/// Whether a glob(7) pattern matches a path: wildcards match neither a slash nor a leading dot.
#[must_use]
pub fn matches(pattern: &str, path: &str) -> bool {
    let (mut patterns, mut parts) = (pattern.split('/'), path.split('/'));
    loop {
        match (patterns.next(), parts.next()) {
            (None, None) => return true,
            (Some(pattern), Some(part)) if matches_part(pattern.as_bytes(), part.as_bytes()) => {}
            _ => return false,
        }
    }
}

/// One component. A star that does not fit is widened by one byte; only the last star ever needs to be.
fn matches_part(pattern: &[u8], part: &[u8]) -> bool {
    if part.starts_with(b".") && !pattern.starts_with(b".") && !pattern.starts_with(b"\\.") {
        return false;
    }
    let (mut p, mut t) = (0, 0);
    let mut star = None;
    while t < part.len() {
        if pattern.get(p) == Some(&b'*') {
            p += 1;
            star = Some((p, t));
        } else if let Some(length) = matches_byte(&pattern[p..], part[t]) {
            p += length;
            t += 1;
        } else if let Some((after, from)) = star {
            (p, t) = (after, from + 1);
            star = Some((after, from + 1));
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|b| *b == b'*')
}

/// How much of the pattern one byte of a file's name uses up, if it fits.
fn matches_byte(pattern: &[u8], byte: u8) -> Option<usize> {
    match *pattern.first()? {
        b'?' => Some(1),
        b'\\' if pattern.len() > 1 => (pattern[1] == byte).then_some(2),
        b'[' => matches_set(pattern, byte),
        literal => (literal == byte).then_some(1),
    }
}

/// `[a-z]`, `[!a]`; without an end a bracket stands for itself.
fn matches_set(pattern: &[u8], byte: u8) -> Option<usize> {
    let negated = matches!(pattern.get(1), Some(b'!' | b'^'));
    let first = if negated { 2 } else { 1 };
    let Some(length) = pattern.iter().skip(first + 1).position(|b| *b == b']') else {
        return (byte == b'[').then_some(1);
    };
    let set = &pattern[first..=first + length];
    let mut at = 0;
    let mut found = false;
    while at < set.len() {
        if set.get(at + 1) == Some(&b'-') && at + 2 < set.len() {
            found |= (set[at]..=set[at + 2]).contains(&byte);
            at += 3;
        } else {
            found |= set[at] == byte;
            at += 1;
        }
    }
    (found != negated).then_some(first + length + 2)
}

/// What a configuration consists of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    /// `words;`, or a block of Lua, whose inside is none of nginx's.
    Directive(Vec<String>),
    /// `words {`
    Open(Vec<String>),
    /// `}`
    Close,
}

/// Where and why nginx would not go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrong {
    /// The line, from 1.
    pub line: usize,
    /// In words for a person.
    pub what: String,
}

/// Reads the directives of one file.
pub struct Parser<'a> {
    text: &'a [u8],
    at: usize,
    line: usize,
    depth: usize,
}

impl<'a> Parser<'a> {
    /// Begins at the first line.
    #[must_use]
    pub fn new(text: &'a [u8]) -> Self {
        Self { text, at: 0, line: 1, depth: 0 }
    }

    /// The next item and the line where it begins; `None` at the end.
    ///
    /// # Errors
    /// nginx would not parse it either.
    pub fn next_item(&mut self) -> Result<Option<(Item, usize)>, Wrong> {
        let mut words: Vec<String> = Vec::new();
        let mut begin = self.line;
        loop {
            self.skip_space();
            let Some(byte) = self.peek() else {
                if words.is_empty() && self.depth == 0 {
                    return Ok(None);
                }
                let wanted = if words.is_empty() { "\"}\"" } else { "\";\"" };
                return Err(self.wrong(format!("unexpected end of file, expecting {wanted}")));
            };
            if words.is_empty() {
                begin = self.line;
            }
            match (byte, words.is_empty()) {
                (b';', false) => {
                    self.step();
                    return Ok(Some((Item::Directive(words), begin)));
                }
                (b'{', false) => {
                    self.step();
                    if words[0].ends_with("_by_lua_block") {
                        self.skip_lua()?;
                        return Ok(Some((Item::Directive(words), begin)));
                    }
                    self.depth += 1;
                    return Ok(Some((Item::Open(words), begin)));
                }
                (b'}', true) if self.depth > 0 => {
                    self.step();
                    self.depth -= 1;
                    return Ok(Some((Item::Close, begin)));
                }
                (b';' | b'{', true) | (b'}', _) => {
                    return Err(self.wrong(format!("unexpected \"{}\"", char::from(byte))));
                }
                (b'"' | b'\'', _) => words.push(self.quoted(byte)?),
                _ => words.push(self.bare()),
            }
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn step(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.at += 1;
        self.line += usize::from(byte == b'\n');
        Some(byte)
    }

    fn wrong(&self, what: impl Into<String>) -> Wrong {
        Wrong { line: self.line, what: what.into() }
    }

    fn skip_space(&mut self) {
        self.skip_blank();
        while self.skip_comment() {
            self.skip_blank();
        }
    }

    fn skip_blank(&mut self) {
        while let Some(b' ' | b'\t' | b'\r' | b'\n') = self.peek() {
            self.step();
        }
    }

    fn skip_comment(&mut self) -> bool {
        let is_comment = self.peek() == Some(b'#');
        if is_comment {
            while !matches!(self.step(), None | Some(b'\n')) {}
        }
        is_comment
    }

    /// Reads a line with which `nginx -T` may begin a file, if one stands here: between directives, outside of all blocks.
    fn mark(&mut self) -> Option<&'a str> {
        let rest = self.rest();
        let begins_line = self.at == 0 || self.text[self.at - 1] == b'\n';
        let path = marked_path(rest.split_inclusive(|b| *b == b'\n').next()?)?;
        (self.depth == 0 && begins_line).then(|| {
            self.skip_comment();
            path
        })
    }

    fn rest(&self) -> &'a [u8] {
        &self.text[self.at..]
    }

    /// A word up to white space, `;` or a `{` that does not follow a `$`. A quote inside it is an ordinary byte.
    fn bare(&mut self) -> String {
        let start = self.at;
        let mut after_dollar = false;
        while let Some(byte) = self.peek() {
            match byte {
                b' ' | b'\t' | b'\r' | b'\n' | b';' => break,
                b'{' if !after_dollar => break,
                b'{' => {}
                b'\\' => {
                    self.step();
                    after_dollar = false;
                }
                _ => after_dollar = byte == b'$',
            }
            self.step();
        }
        unescaped(&self.text[start..self.at])
    }

    /// A quoted word. What follows it must end it, or be a parenthesis, which begins a new one.
    fn quoted(&mut self, quote: u8) -> Result<String, Wrong> {
        let begin = self.line;
        self.step();
        let start = self.at;
        loop {
            match self.step() {
                Some(b'\\') => {
                    self.step();
                }
                Some(byte) if byte == quote => break,
                Some(_) => {}
                None => {
                    return Err(Wrong { line: begin, what: format!("missing terminating {}", char::from(quote)) });
                }
            }
        }
        let word = unescaped(&self.text[start..self.at - 1]);
        match self.peek() {
            None | Some(b' ' | b'\t' | b'\r' | b'\n' | b';' | b'{' | b')') => Ok(word),
            Some(byte) => Err(self.wrong(format!("unexpected \"{}\"", char::from(byte).escape_default()))),
        }
    }

    /// Skips Lua up to the brace that ends the block. Strings, long brackets and comments may hold other braces.
    fn skip_lua(&mut self) -> Result<(), Wrong> {
        let begin = self.line;
        let mut depth = 1;
        while depth > 0 {
            let Some(byte) = self.step() else {
                return Err(Wrong { line: begin, what: "the end of this block of Lua is missing".to_owned() });
            };
            match byte {
                b'{' => depth += 1,
                b'}' => depth -= 1,
                b'"' | b'\'' => loop {
                    match self.step() {
                        Some(b'\\') => {
                            self.step();
                        }
                        Some(inside) if inside != byte => {}
                        _ => break,
                    }
                },
                b'[' => self.skip_long_bracket(),
                b'-' if self.peek() == Some(b'-') => {
                    self.step();
                    if self.peek() == Some(b'[') {
                        self.step();
                        if self.skip_long_bracket_if_any() {
                            continue;
                        }
                    }
                    while !matches!(self.peek(), None | Some(b'\n')) {
                        self.step();
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn skip_long_bracket(&mut self) {
        self.skip_long_bracket_if_any();
    }

    /// After a `[`: if it begins `[[` or `[==[`, skips to the end that has as many signs.
    fn skip_long_bracket_if_any(&mut self) -> bool {
        let level = self.text[self.at..].iter().take_while(|b| **b == b'=').count();
        if self.text.get(self.at + level) != Some(&b'[') {
            return false;
        }
        let end = |rest: &[u8]| {
            rest.first() == Some(&b']')
                && rest.len() > level + 1
                && rest[1..=level].iter().all(|b| *b == b'=')
                && rest[level + 1] == b']'
        };
        while self.at < self.text.len() && !end(&self.text[self.at..]) {
            self.step();
        }
        self.at = self.text.len().min(self.at + level + 2);
        true
    }
}

/// Resolves the escapes that nginx knows; any other backslash stays.
fn unescaped(word: &[u8]) -> String {
    let mut bytes = Vec::with_capacity(word.len());
    let mut rest = word.iter().copied();
    while let Some(byte) = rest.next() {
        if byte != b'\\' {
            bytes.push(byte);
            continue;
        }
        match rest.next() {
            Some(escaped @ (b'"' | b'\'' | b'\\')) => bytes.push(escaped),
            Some(b't') => bytes.push(b'\t'),
            Some(b'r') => bytes.push(b'\r'),
            Some(b'n') => bytes.push(b'\n'),
            Some(other) => bytes.extend([b'\\', other]),
            None => bytes.push(b'\\'),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A word as a configuration may hold it: quoted where it must be.
#[must_use]
pub fn quote(word: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"/._-+@%,:=~".contains(&b) || b >= 0x80;
    if !word.is_empty() && word.bytes().all(plain) {
        return word.to_owned();
    }
    let escaped = word.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n").replace('\r', "\\r");
    format!("\"{escaped}\"")
}

/// What a file includes, as written, wherever it stands in it; empty if the file does not parse.
#[must_use]
pub fn includes(text: &[u8]) -> Vec<String> {
    values(text, "include")
}

/// The full paths of all ticket keys that a configuration names, as `nginx -T` prints it; `None` if this is not its output.
#[must_use]
pub fn ticket_keys(dump: &[u8]) -> Option<Vec<String>> {
    let files = dumped_files(dump)?;
    let main = files.first()?.path;
    let keys = files.iter().flat_map(|file| values(file.text, "ssl_session_ticket_key"));
    Some(keys.map(|key| full_path(main, &key)).collect())
}

/// The values of a directive that has one, as written, wherever it stands in a file; up to where that does not parse.
#[must_use]
pub fn values(text: &[u8], directive: &str) -> Vec<String> {
    let mut parser = Parser::new(text);
    let mut found = Vec::new();
    while let Ok(Some((item, _))) = parser.next_item() {
        found.extend(value_of(item, directive));
    }
    found
}

fn value_of(item: Item, directive: &str) -> Option<String> {
    match item {
        Item::Directive(mut words) if words.len() == 2 && words[0] == directive => words.pop(),
        _ => None,
    }
}

/// A duration in seconds: `1d`, `"1h 30m"`, `300`; `None` for what nginx refuses.
#[must_use]
pub fn seconds(text: &str) -> Option<i64> {
    let mut total: i64 = 0;
    let mut value: Option<i64> = None;
    for byte in text.bytes() {
        let unit = match byte {
            b'0'..=b'9' => {
                value = Some(value.unwrap_or(0).checked_mul(10)?.checked_add(i64::from(byte - b'0'))?);
                continue;
            }
            b'y' => 365 * 24 * 3600,
            b'M' => 30 * 24 * 3600,
            b'w' => 7 * 24 * 3600,
            b'd' => 24 * 3600,
            b'h' => 3600,
            b'm' => 60,
            b' ' if value.is_none() => continue,
            b's' | b' ' => 1,
            _ => return None,
        };
        total = total.checked_add(value.take()?.checked_mul(unit)?)?;
    }
    match value {
        Some(rest) => total.checked_add(rest),
        None => (!text.trim().is_empty()).then_some(total),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn items(text: &str) -> Result<String, Wrong> {
        let mut parser = Parser::new(text.as_bytes());
        let mut all = String::new();
        while let Some((item, line)) = parser.next_item()? {
            all += &match item {
                Item::Directive(words) => format!("{line}:{} ", words.join("|")),
                Item::Open(words) => format!("{line}:{}{{ ", words.join("|")),
                Item::Close => "} ".to_owned(),
            };
        }
        Ok(all)
    }

    #[test]
    fn words_quotes_comments_and_blocks() {
        for (text, wanted) in [
            ("a b;", "1:a|b "),
            ("# c; {\n a\tb\r\n c ;d;", "2:a|b|c 3:d "),
            ("http{server{listen 443;}}", "1:http{ 1:server{ 1:listen|443 } } "),
            ("a \"b;c {\" 'd\\'e' \"\" ;", "1:a|b;c {|d'e| "),
            ("a b#c \"d\\\"e\";", "1:a|b#c|d\"e "),
            ("a it's\"x ${v}y$z{ c; }", "1:a|it's\"x|${v}y$z{ 1:c } "),
            ("a \\; b\\ c \\{;", "1:a|\\;|b\\ c|\\{ "),
            ("if ($a ~ \"x\"){}", "1:if|($a|~|x|){ } "),
            ("a '\\n\\t\\\\x\\y';", "1:a|\n\t\\x\\y "),
            ("a '1\n2'\n;\nb;", "1:a|1\n2 4:b "),
        ] {
            assert_eq!(items(text).unwrap(), wanted, "{text}");
        }
    }

    #[test]
    fn what_nginx_refuses_is_refused() {
        for text in ["a", "a {", "}", ";", "{", "a \"b\"c;", "a \"b", "a }", "a { b; } }", "content_by_lua_block { a"] {
            assert!(items(text).is_err(), "{text}");
        }
        assert_eq!(items("\n\na {\n b;\n").unwrap_err().line, 5);
    }

    #[test]
    fn lua_is_skipped() {
        let lua = r#"location / {
            content_by_lua_block {
                local t = { ["}"] = '}', x = "\"}" } -- } comment's
                --[[ } ]] --[==[ }
                ]] } ]==] local s = [[ } ' ]] s = [=[ ]] } ]=]
                if a[b[1]] - -1 then ngx.say("{") end
            }
            set_by_lua_block $x { return "}" }
            after 1;
        }"#;
        assert_eq!(items(lua).unwrap(), "1:location|/{ 2:content_by_lua_block 8:set_by_lua_block|$x 9:after|1 } ");
    }

    #[test]
    fn a_dump_is_split_into_its_files() {
        let dump = b"nginx: the configuration file /a/nginx.conf syntax is ok\n# configuration file /a/nginx.conf:\ninclude c*;\n\n# configuration file /a/c d.conf:\ne;\n";
        let files = dumped_files(dump).unwrap();
        assert_eq!(
            files,
            [File { path: "/a/nginx.conf", text: b"include c*;\n\n" }, File { path: "/a/c d.conf", text: b"e;\n" }]
        );
        assert_eq!(dumped_files(b"a;\n # configuration file x:\n"), None);
        assert_eq!(dumped_files(b""), None);
    }

    /// The paths of the files of a dump.
    fn paths(dump: &str) -> Vec<&str> {
        dumped_files(dump.as_bytes()).unwrap_or_default().iter().map(|file| file.path).collect()
    }

    #[test]
    fn a_comment_begins_no_file() {
        let mark = |path: &str| format!("# configuration file {path}:\n");
        let (main, a) = (mark("/e/nginx.conf"), mark("/e/a"));
        // Only what a file before it includes, outside of blocks and quotes, at the beginning of a line, once.
        for (text, wanted) in [
            (format!("{main}include a;\n{a}b;\n"), vec!["/e/nginx.conf", "/e/a"]),
            (format!("{main}http {{ server {{ include a; }} }}\n\n{a}{a}b;\n{main}"), vec!["/e/nginx.conf", "/e/a"]),
            (format!("{main}include a;\nhttp {{\n{a}}}\n"), vec!["/e/nginx.conf"]),
            (format!("{main}include a;\nb '\n{a}';\n"), vec!["/e/nginx.conf"]),
            (format!("{main}include a;\nb\n{a};\n"), vec!["/e/nginx.conf"]),
            (format!("{main}include a;\n {a}"), vec!["/e/nginx.conf"]),
            (format!("{main}include a; # {a}"), vec!["/e/nginx.conf"]),
            (format!("{main}{a}include a;"), vec!["/e/nginx.conf"]),
            (format!("{main}include b;\n{a}"), vec!["/e/nginx.conf"]),
            (format!("{main}content_by_lua_block {{\ninclude a;\n}}\n{a}"), vec!["/e/nginx.conf"]),
            (format!("{main}include s/*.conf;\n{a}{}", mark("/e/s/x.conf")), vec!["/e/nginx.conf", "/e/s/x.conf"]),
            (
                format!("{main}include */x.c;\n{}{}", mark("/e/x.c"), mark("/e/s/x.c")),
                vec!["/e/nginx.conf", "/e/s/x.c"],
            ),
            (format!("{main}include a;\n{a}include b;\n{}", mark("/e/b")), vec!["/e/nginx.conf", "/e/a", "/e/b"]),
        ] {
            assert_eq!(paths(&text), wanted, "{text}");
        }
    }

    #[test]
    fn only_nginx_itself_may_speak_before_a_dump() {
        let mark = "# configuration file /e/nginx.conf:\n";
        for talk in ["", "nginx: [warn] x\nangie: y\n", "2026/11/24 01:02:03 [warn] 1#1: x\n"] {
            assert_eq!(paths(&format!("{talk}{mark}")), ["/e/nginx.conf"], "{talk}");
        }
        for other in ["\n", " ", "# nginx.conf\n", "http { }\n", "2026/11/24\n", "nginx:\n"] {
            assert_eq!(paths(&format!("{other}{mark}")), [""; 0], "{other}");
        }
        assert_eq!(paths("# configuration file of our web server:\n"), [""; 0]);
    }

    #[test]
    fn patterns_match_as_glob_does() {
        for (pattern, path) in [
            ("/e/sites-enabled/*", "/e/sites-enabled/default"),
            ("/e/*.conf", "/e/a.b.conf"),
            ("/e/*/x?.conf", "/e/q/x1.conf"),
            ("/e/[a-c]*[!0-9].conf", "/e/b1x.conf"),
            ("/e/a*b*c", "/e/aXbYbZc"),
            ("/e/\\*", "/e/*"),
            ("/e/[", "/e/["),
            ("/e/[]x]", "/e/]"),
            ("/e/.*", "/e/.a"),
        ] {
            assert!(matches(pattern, path), "{pattern} {path}");
        }
        for (pattern, path) in [
            ("/e/*", "/e/a/b"),
            ("/e/*", "/e/.a"),
            ("/e/*.conf", "/e/a.conf~"),
            ("/e/[a-c]", "/e/d"),
            ("/e/[!a]", "/e/a"),
            ("/e/?", "/e/"),
            ("/e/a*b", "/e/aXbY"),
        ] {
            assert!(!matches(pattern, path), "{pattern} {path}");
        }
    }

    #[test]
    fn durations_are_nginxs() {
        for (text, wanted) in
            [("300", 300), ("1d", 86400), ("1h 30m", 5400), ("1h30m", 5400), ("1w", 604_800), ("0", 0)]
        {
            assert_eq!(seconds(text), Some(wanted), "{text}");
        }
        for bad in ["", " ", "d", "1x", "-1", "99999999999999999999", "9223372036854775807d"] {
            assert_eq!(seconds(bad), None, "{bad}");
        }
    }

    #[test]
    fn relative_paths_begin_at_the_main_file() {
        assert_eq!(full_path("/etc/nginx/nginx.conf", "conf.d/*.conf"), "/etc/nginx/conf.d/*.conf");
        assert_eq!(full_path("/etc/nginx/nginx.conf", "/x"), "/x");
        assert_eq!(full_path("nginx.conf", "x"), "x");
    }

    proptest! {
        #[test]
        fn nothing_panics_and_everything_ends(text in proptest::collection::vec(any::<u8>(), 0..300)) {
            let mut parser = Parser::new(&text);
            let mut items = 0;
            while let Ok(Some(_)) = parser.next_item() { items += 1; }
            prop_assert!(items <= text.len());
            let _ = (dumped_files(&text), includes(&text), seconds(&String::from_utf8_lossy(&text)));
        }

        #[test]
        fn nothing_panics_on_what_looks_like_a_configuration(text in "([a\"'{};#\\\\$\\[\\]=\n -]|_by_lua_block \\{|http \\{|--\\[\\[){0,60}") {
            let mut parser = Parser::new(text.as_bytes());
            while let Ok(Some(_)) = parser.next_item() {}
        }

        #[test]
        fn a_quoted_word_is_read_back(word in "[^\0]{0,20}") {
            let text = format!("a {};", quote(&word));
            let item = Parser::new(text.as_bytes()).next_item().unwrap().unwrap().0;
            prop_assert_eq!(item, Item::Directive(vec!["a".to_owned(), word]));
        }

        #[test]
        fn a_path_matches_itself_and_a_star(part in "[a-z0-9._-]{1,12}") {
            let path = format!("/etc/{part}");
            prop_assert!(matches(&path, &path));
            prop_assert!(part.starts_with('.') || matches("/etc/*", &path));
        }

        #[test]
        fn matching_any_two_texts_ends(pattern in "[*?\\[\\]a!\\\\./-]{0,30}", path in "[a./*-]{0,40}") {
            let _ = matches(&pattern, &path);
        }
    }
}
