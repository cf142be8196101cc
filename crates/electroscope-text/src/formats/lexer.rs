//! Where the comments of a program are: a lexer of strings and comments, which knows nothing else of a
//! language.

use crate::{CodeLanguage, Span};

/// What a comment is by its syntax.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// It takes the rest of its line.
    Line,
    /// It has an end of its own.
    Block,
    /// A string that stands where a statement is due, in Python.
    Docstring,
}

/// A comment in a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) form: Form,
    /// All of it.
    pub(super) span: Span,
    /// What stands between the characters that open and close it.
    pub(super) body: Span,
    /// Whether it is documentation by its first characters.
    pub(super) is_doc: bool,
}

/// The comments of a program, in order and without overlap.
pub(super) fn comments(text: &str, language: CodeLanguage) -> Vec<Found> {
    let mut lexer = Lexer {
        text,
        bytes: text.as_bytes(),
        at: crate::prose::mark_len(text),
        found: Vec::new(),
        misses: 0,
    };
    if lexer.is_at("#!") && !lexer.is_at("#![") {
        lexer.skip_line();
    }
    match language {
        CodeLanguage::Python => lexer.python(),
        CodeLanguage::Shell => lexer.shell(),
        _ => lexer.c_like(language),
    }
    lexer.found
}

struct Lexer<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    found: Vec<Found>,
    /// How many here-documents had no end, each of which was sought in all of the rest.
    misses: usize,
}

impl Lexer<'_> {
    fn byte(&self, ahead: usize) -> Option<u8> {
        self.bytes.get(self.at + ahead).copied()
    }

    fn before(&self) -> Option<u8> {
        self.at
            .checked_sub(1)
            .and_then(|at| self.bytes.get(at))
            .copied()
    }

    fn is_at(&self, wanted: &str) -> bool {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        rest.starts_with(wanted.as_bytes())
    }

    /// The next `wanted` from byte `from` on.
    fn find(&self, wanted: &str, from: usize) -> Option<usize> {
        Some(from + self.text.get(from..)?.find(wanted)?)
    }

    /// Goes to the end of the line, and gives where that is without its own bytes.
    fn skip_line(&mut self) -> usize {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let len = rest.iter().position(|&byte| byte == b'\n');
        self.at += len.unwrap_or(rest.len());
        match self.before() {
            Some(b'\r') if len.is_some() => self.at - 1,
            _ => self.at,
        }
    }

    /// Goes past a quoted string that begins here, in which a backslash escapes; without `over_lines` it
    /// ends with its line.
    fn string(&mut self, quote: u8, over_lines: bool) {
        self.at += 1;
        while let Some(byte) = self.byte(0) {
            match byte {
                b'\\' => self.at += 1,
                b'\n' if !over_lines => return,
                byte if byte == quote => {
                    self.at += 1;
                    return;
                }
                _ => {}
            }
            self.at += 1;
        }
    }

    /// Goes past a string that begins here with the `open` bytes and ends with `close`.
    fn string_to(&mut self, open: usize, close: &str) {
        let end = self.find(close, self.at + open);
        self.at = end.map_or(self.bytes.len(), |end| end + close.len());
    }

    /// Takes in a comment up to the end of the line, whose opening has `open` bytes.
    fn line_comment(&mut self, open: usize, is_doc: bool) {
        let start = self.at;
        let end = self.skip_line();
        self.found.push(Found {
            form: Form::Line,
            span: Span::new(start, end),
            body: Span::new((start + open).min(end), end),
            is_doc,
        });
    }

    /// Takes in a comment `/* … */`.
    fn block_comment(&mut self, nests: bool) {
        let start = self.at;
        let is_doc =
            (self.is_at("/**") && !self.is_at("/***") && !self.is_at("/**/")) || self.is_at("/*!");
        self.at += 2;
        let mut depth = 1usize;
        while self.at < self.bytes.len() && depth > 0 {
            if self.is_at("*/") {
                depth -= 1;
                self.at += 2;
            } else if nests && self.is_at("/*") {
                depth += 1;
                self.at += 2;
            } else {
                self.at += 1;
            }
        }
        let end = self.at.min(self.bytes.len());
        let open = start + 2 + usize::from(is_doc);
        let close = if depth == 0 { end - 2 } else { end };
        self.found.push(Found {
            form: Form::Block,
            span: Span::new(start, end),
            body: Span::new(open.min(close), close),
            is_doc,
        });
    }

    fn c_like(&mut self, language: CodeLanguage) {
        /// What a brace closes that is open in JavaScript.
        #[derive(PartialEq)]
        enum Brace {
            Code,
            Template,
        }
        let is_rust = language == CodeLanguage::Rust;
        let is_script = language == CodeLanguage::JavaScript;
        let mut braces: Vec<Brace> = Vec::new();
        // Whether a slash here would begin a regular expression and not divide.
        let mut is_operand_due = true;
        while let Some(byte) = self.byte(0) {
            let start = self.at;
            match byte {
                b'/' if self.is_at("//") && !(is_script && self.before() == Some(b':')) => {
                    let is_doc = match language {
                        CodeLanguage::Rust => {
                            (self.is_at("///") && !self.is_at("////")) || self.is_at("//!")
                        }
                        CodeLanguage::C => self.is_at("///") || self.is_at("//!"),
                        _ => false,
                    };
                    self.line_comment(if is_doc { 3 } else { 2 }, is_doc);
                    continue;
                }
                b'/' if self.is_at("/*") => {
                    self.block_comment(is_rust);
                    continue;
                }
                b'/' if is_script && is_operand_due => self.regular_expression(),
                b'"' => match language {
                    CodeLanguage::Java if self.is_at("\"\"\"") => {
                        self.at += 3;
                        while self.at < self.bytes.len() && !self.is_at("\"\"\"") {
                            self.at += 1 + usize::from(self.byte(0) == Some(b'\\'));
                        }
                        self.at += 3;
                    }
                    _ => self.string(b'"', is_rust),
                },
                b'`' if is_script => {
                    self.at += 1;
                    if self.template() {
                        braces.push(Brace::Template);
                    }
                }
                b'`' if language == CodeLanguage::Go => self.string_to(1, "`"),
                b'\'' if is_rust => self.rust_quote(),
                b'\'' => {
                    // Digits may be grouped by it in C++.
                    let in_number = language == CodeLanguage::C && self.in_number();
                    match in_number {
                        true => self.at += 1,
                        false => self.string(b'\'', false),
                    }
                }
                b'{' if is_script => {
                    braces.push(Brace::Code);
                    self.at += 1;
                }
                b'}' if is_script => {
                    self.at += 1;
                    if braces.pop() == Some(Brace::Template) && self.template() {
                        braces.push(Brace::Template);
                    }
                }
                b'a'..=b'z' | b'A'..=b'Z' | b'_' | b'$' | 0x80.. => {
                    while self.byte(0).is_some_and(|byte| {
                        byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$' | 0x80..)
                    }) {
                        self.at += 1;
                    }
                    let word = self.text.get(start..self.at).unwrap_or_default();
                    match language {
                        CodeLanguage::Rust => self.raw_string_of_rust(word),
                        CodeLanguage::C if word.ends_with('R') && self.byte(0) == Some(b'"') => {
                            self.raw_string_of_c();
                        }
                        _ => {}
                    }
                    is_operand_due = matches!(
                        word,
                        "return"
                            | "typeof"
                            | "case"
                            | "in"
                            | "of"
                            | "delete"
                            | "void"
                            | "throw"
                            | "new"
                            | "do"
                            | "else"
                            | "yield"
                            | "await"
                            | "instanceof"
                    );
                    continue;
                }
                _ => self.at += 1,
            }
            if !byte.is_ascii_whitespace() {
                is_operand_due = !matches!(
                    byte,
                    b')' | b']' | b'}' | b'"' | b'\'' | b'`' | b'/' | b'0'..=b'9'
                );
            }
        }
    }

    /// Whether a quotation mark here stands between digits.
    fn in_number(&self) -> bool {
        let before = self.bytes.get(..self.at).unwrap_or_default();
        let word = before.iter().rev().take(64);
        let word = word.take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'\'');
        let first = word.last();
        first.is_some_and(u8::is_ascii_digit)
            && self
                .byte(1)
                .is_some_and(|byte| byte.is_ascii_alphanumeric())
    }

    /// Goes past a regular expression of JavaScript, unless there is none.
    fn regular_expression(&mut self) {
        const LONGEST: usize = 2 << 10;
        let mut next = self.at + 1;
        let mut in_class = false;
        while let Some(&byte) = self.bytes.get(next) {
            match byte {
                b'\n' => break,
                _ if next - self.at > LONGEST => break,
                b'\\' => next += 1,
                b'[' => in_class = true,
                b']' => in_class = false,
                b'/' if !in_class => {
                    self.at = next + 1;
                    return;
                }
                _ => {}
            }
            next += 1;
        }
        self.at += 1;
    }

    /// Goes past the text of a template of JavaScript, and says whether code in it begins.
    fn template(&mut self) -> bool {
        while let Some(byte) = self.byte(0) {
            match byte {
                b'\\' => self.at += 1,
                b'`' => {
                    self.at += 1;
                    return false;
                }
                b'$' if self.byte(1) == Some(b'{') => {
                    self.at += 2;
                    return true;
                }
                _ => {}
            }
            self.at += 1;
        }
        false
    }

    /// A character, or the name of a lifetime.
    fn rust_quote(&mut self) {
        self.at += 1;
        if self.byte(0) == Some(b'\\') {
            self.at += 2;
            // `'\u{1F600}'`, `'\x7f'`.
            let rest = self.bytes.get(self.at..).unwrap_or_default();
            let close = rest.iter().take(12).position(|&byte| byte == b'\'');
            self.at += close.map_or(0, |close| close + 1);
            return;
        }
        let rest = self.text.get(self.at..).unwrap_or_default();
        if let Some(c) = rest.chars().next()
            && rest
                .get(c.len_utf8()..)
                .is_some_and(|rest| rest.starts_with('\''))
        {
            self.at += c.len_utf8() + 1;
        }
    }

    /// `r#"…"#`, if `word` is what opens it.
    fn raw_string_of_rust(&mut self, word: &str) {
        if !matches!(word, "r" | "br" | "cr") {
            return;
        }
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let marks = rest.iter().take_while(|&&byte| byte == b'#').count();
        if rest.get(marks) == Some(&b'"') {
            let close = format!("\"{}", "#".repeat(marks));
            self.string_to(marks + 1, &close);
        }
    }

    /// `R"name(…)name"`.
    fn raw_string_of_c(&mut self) {
        const LONGEST_NAME: usize = 16;
        let rest = self.bytes.get(self.at + 1..).unwrap_or_default();
        let len = rest
            .iter()
            .take(LONGEST_NAME + 1)
            .position(|&byte| byte == b'(');
        let name = len.and_then(|len| self.text.get(self.at + 1..self.at + 1 + len));
        match name {
            Some(name) => {
                let close = format!("){name}\"");
                self.string_to(1 + name.len() + 1, &close);
            }
            None => self.string(b'"', false),
        }
    }

    fn python(&mut self) {
        // How many brackets are open: in them no statement begins.
        let mut depth = 0usize;
        // Whether a statement may begin here.
        let mut is_statement_due = true;
        while let Some(byte) = self.byte(0) {
            let start = self.at;
            match byte {
                b'#' => {
                    self.line_comment(1, false);
                    continue;
                }
                b'"' | b'\'' => self.python_string(start, is_statement_due && depth == 0),
                b'(' | b'[' | b'{' => {
                    depth += 1;
                    self.at += 1;
                }
                b')' | b']' | b'}' => {
                    depth = depth.saturating_sub(1);
                    self.at += 1;
                }
                b'\\' => {
                    // The line goes on.
                    self.at += 1;
                    if self.is_at("\r\n") {
                        self.at += 1;
                    }
                    self.at += 1;
                }
                b'\n' => {
                    is_statement_due = true;
                    self.at += 1;
                    continue;
                }
                b' ' | b'\t' | b'\r' | 0x0c => {
                    self.at += 1;
                    continue;
                }
                b'a'..=b'z' | b'A'..=b'Z' | b'_' | 0x80.. => {
                    while self.byte(0).is_some_and(|byte| {
                        byte.is_ascii_alphanumeric() || matches!(byte, b'_' | 0x80..)
                    }) {
                        self.at += 1;
                    }
                    let word = self.text.get(start..self.at).unwrap_or_default();
                    let is_prefix =
                        word.len() <= 2 && word.bytes().all(|byte| b"rRbBuUfFtT".contains(&byte));
                    if is_prefix && matches!(self.byte(0), Some(b'"' | b'\'')) {
                        let is_plain = !word.contains(['b', 'B', 'f', 'F', 't', 'T']);
                        self.python_string(start, is_plain && is_statement_due && depth == 0);
                    }
                }
                _ => self.at += 1,
            }
            is_statement_due = false;
        }
    }

    /// Goes past a string of Python that begins here, with its prefix at `start`; one of three quotes
    /// that is a statement is a docstring.
    fn python_string(&mut self, start: usize, is_statement: bool) {
        let quote = self.byte(0).unwrap_or_default();
        let triple = [quote; 3];
        let is_long = self.bytes.get(self.at..self.at + 3) == Some(&triple[..]);
        if !is_long {
            return self.string(quote, false);
        }
        self.at += 3;
        let body = self.at;
        while self.at < self.bytes.len()
            && self.bytes.get(self.at..self.at + 3) != Some(&triple[..])
        {
            self.at += 1 + usize::from(self.byte(0) == Some(b'\\'));
        }
        let close = self.at.min(self.bytes.len());
        self.at = (close + 3).min(self.bytes.len());
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let after = rest
            .iter()
            .find(|byte| !matches!(byte, b' ' | b'\t' | b'\r' | b';'));
        if is_statement && matches!(after, None | Some(b'\n' | b'#')) {
            self.found.push(Found {
                form: Form::Docstring,
                span: Span::new(start, self.at),
                body: Span::new(body, close),
                is_doc: true,
            });
        }
    }

    fn shell(&mut self) {
        /// What a `)` or a `"` may end.
        #[derive(PartialEq)]
        enum Open {
            /// `$(…)` inside of quotes.
            Command,
            /// `"…"`.
            Quotes,
        }
        let mut open: Vec<Open> = Vec::new();
        let mut parentheses: Vec<usize> = vec![0];
        // The ends of here-documents that begin with the next line, and whether tabs stand before them.
        let mut here: Vec<(String, bool)> = Vec::new();
        while let Some(byte) = self.byte(0) {
            let in_quotes = open.last() == Some(&Open::Quotes);
            match byte {
                b'\\' => self.at += 2,
                b'"' => {
                    match in_quotes {
                        true => drop(open.pop()),
                        false => open.push(Open::Quotes),
                    }
                    self.at += 1;
                }
                b'$' if self.byte(1) == Some(b'(') => {
                    open.push(Open::Command);
                    parentheses.push(0);
                    self.at += 2;
                }
                b'$' if self.byte(1) == Some(b'\'') && !in_quotes => {
                    self.at += 1;
                    self.string(b'\'', true);
                }
                b'$' => self.at += 1 + usize::from(self.byte(1) == Some(b'#')),
                b'\'' if !in_quotes => self.string_to(1, "'"),
                b'(' if !in_quotes => {
                    if let Some(count) = parentheses.last_mut() {
                        *count += 1;
                    }
                    self.at += 1;
                }
                b')' if !in_quotes => {
                    match parentheses.last_mut() {
                        Some(count) if *count > 0 => *count -= 1,
                        _ if open.last() == Some(&Open::Command) => {
                            open.pop();
                            parentheses.pop();
                        }
                        // The pattern of a case.
                        _ => {}
                    }
                    self.at += 1;
                }
                b'#' if !in_quotes && self.begins_word() => self.line_comment(1, false),
                b'<' if !in_quotes && self.is_at("<<") && !self.is_at("<<<") => {
                    here.extend(self.here_document());
                }
                b'<' if self.is_at("<<<") => self.at += 3,
                b'\n' => {
                    self.at += 1;
                    for (end, has_tabs) in here.drain(..) {
                        self.skip_here_document(&end, has_tabs);
                    }
                }
                _ => self.at += 1,
            }
        }
    }

    /// Whether a word of the shell may begin here.
    fn begins_word(&self) -> bool {
        self.before().is_none_or(|byte| {
            byte.is_ascii_whitespace() || matches!(byte, b';' | b'&' | b'|' | b'(' | b')' | b'`')
        })
    }

    /// The word that ends the here-document that begins here.
    fn here_document(&mut self) -> Option<(String, bool)> {
        self.at += 2;
        let has_tabs = self.byte(0) == Some(b'-');
        self.at += usize::from(has_tabs);
        while matches!(self.byte(0), Some(b' ' | b'\t')) {
            self.at += 1;
        }
        let start = self.at;
        while self.byte(0).is_some_and(|byte| {
            !byte.is_ascii_whitespace() && !matches!(byte, b';' | b'&' | b'|' | b')' | b'<' | b'>')
        }) {
            self.at += 1;
        }
        let word = self.text.get(start..self.at).unwrap_or_default();
        let word = word.replace(['\'', '"', '\\'], "");
        // `1 << 3` in arithmetic is none.
        let is_word = word.starts_with(|c: char| c.is_alphabetic() || matches!(c, '_' | '%' | '!'));
        is_word.then_some((word, has_tabs))
    }

    /// Goes past the line that is `end`, if there is one.
    fn skip_here_document(&mut self, end: &str, has_tabs: bool) {
        const MOST_MISSES: usize = 32;
        if self.misses > MOST_MISSES {
            return;
        }
        let mut at = self.at;
        for line in self
            .text
            .get(self.at..)
            .unwrap_or_default()
            .split_inclusive('\n')
        {
            at += line.len();
            let line = line.trim_end_matches(['\n', '\r']);
            let line = if has_tabs {
                line.trim_start_matches('\t')
            } else {
                line
            };
            if line == end {
                self.at = at;
                return;
            }
        }
        self.misses += 1;
    }
}
