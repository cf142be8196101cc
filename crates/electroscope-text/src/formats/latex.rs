//! LaTeX, as it is written: macros are not expanded, so the words of a text are known and the words of
//! its macros are not.
//!
//! A reader of bytes with a stack of the groups that are open. An argument is prose if its command is
//! known to print it; the arguments of any other command are left out.

use std::ops::Range;

use super::Parsed;
use super::inline::Scan;
use crate::comments::Comment;
use crate::prose::{Collector, mark_len};
use crate::{SegmentKind, Span};

/// Environments in which there is no prose.
const LITERAL: [&str; 35] = [
    "Verbatim",
    "algorithm",
    "algorithmic",
    "alltt",
    "array",
    "asy",
    "axis",
    "bibdiv",
    "code",
    "comment",
    "cases",
    "empheq",
    "filecontents",
    "forest",
    "gnuplot",
    "lilypond",
    "listing",
    "lstlisting",
    "luacode",
    "matrix",
    "minted",
    "picture",
    "prooftree",
    "pspicture",
    "pgfpicture",
    "program",
    "pyconsole",
    "split",
    "tcblisting",
    "thebibliography",
    "tikzcd",
    "tikzpicture",
    "verbatim",
    "verbatimtab",
    "verbatimwrite",
];

/// What the names of environments have in them that hold a formula, those of packages and of the
/// author's own too.
const FORMULAS: [&str; 8] = [
    "align",
    "displaymath",
    "dmath",
    "eqnarray",
    "equation",
    "gather",
    "multline",
    "mathpar",
];

/// Environments whose cells are parted by `&`.
const TABLES: [&str; 9] = [
    "tabular",
    "tabularx",
    "tabulary",
    "longtable",
    "longtabu",
    "tabu",
    "supertabular",
    "tblr",
    "xltabular",
];

/// What an argument of a command is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Argument {
    /// Prose that stands in the sentence around it.
    Joined,
    /// Prose that is a block.
    Block,
    /// Prose that interrupts the sentence around it: a footnote.
    Note,
    /// Read and not scored.
    Context,
    /// Not read.
    Hidden,
}

/// The arguments of commands that print some of them.
fn arguments(name: &str) -> Option<&'static [Argument]> {
    use Argument::{Block, Context, Hidden, Joined, Note};
    Some(match name {
        "emph" | "textbf" | "textit" | "textsc" | "textsl" | "textrm" | "textsf" | "textup"
        | "textmd" | "textnormal" | "textlf" | "underline" | "text" | "uline" | "uuline"
        | "uwave" | "sout" | "hl" | "so" | "st" | "ul" | "enquote" | "mbox" | "hbox"
        | "uppercase" | "MakeUppercase" | "lowercase" | "MakeLowercase" | "textsubscript"
        | "textsuperscript" | "textquote" | "textins" | "fbox" | "framebox" | "makebox"
        | "alert" | "structure" | "textcomment" | "ensuretext" | "centerline" | "leftline"
        | "rightline" | "llap" | "rlap" | "smash" | "hyperref" | "term" | "defn" | "strong"
        | "added" | "intertext" => &[Joined],
        "textcolor" | "colorbox" | "href" | "parbox" | "raisebox" | "scalebox" | "rotatebox"
        | "hyperlink" | "hypertarget" | "adjustbox" => &[Hidden, Joined],
        "fcolorbox" | "resizebox" | "multicolumn" | "multirow" => &[Hidden, Hidden, Joined],
        "texorpdfstring" | "replaced" => &[Joined, Hidden],
        "part" | "chapter" | "section" | "subsection" | "subsubsection" | "paragraph"
        | "subparagraph" | "title" | "subtitle" | "caption" | "frametitle" | "framesubtitle"
        | "abstract" | "keywords" | "dedication" | "subcaption" | "captionabove"
        | "captionbelow" | "addchap" | "addsec" | "minisec" | "blockquote" | "abstracttext"
        | "summary" | "subfloat" | "subfigure" => &[Block],
        "captionof" => &[Hidden, Block],
        "epigraph" => &[Block, Block],
        "footnote" | "footnotetext" | "endnote" | "marginpar" | "marginnote" | "sidenote"
        | "thanks" | "tablefootnote" => &[Note],
        "texttt" | "code" | "ensuremath" | "ac" | "acs" | "acl" | "acp" | "acf" | "gls"
        | "glspl" | "Gls" | "Glspl" | "si" | "num" | "unit" | "ce" | "file" | "pkg" | "cmd"
        | "keys" | "menu" | "ang" => &[Context],
        "SI" | "qty" => &[Context, Hidden],
        _ => return None,
    })
}

/// Commands that print nothing and take no argument, so that a group behind them is text.
const DECLARATIONS: [&str; 62] = [
    "Huge",
    "LARGE",
    "Large",
    "appendix",
    "backmatter",
    "bfseries",
    "bigskip",
    "boldmath",
    "centering",
    "cleardoublepage",
    "clearpage",
    "em",
    "empty",
    "endfirsthead",
    "endfoot",
    "endhead",
    "endlastfoot",
    "flushbottom",
    "footnotesize",
    "frontmatter",
    "hfill",
    "hline",
    "huge",
    "indent",
    "it",
    "itshape",
    "large",
    "linebreak",
    "listoffigures",
    "listoftables",
    "mainmatter",
    "makeatletter",
    "makeatother",
    "maketitle",
    "mdseries",
    "medskip",
    "newline",
    "newpage",
    "noindent",
    "nolinebreak",
    "nonumber",
    "normalfont",
    "normalsize",
    "nopagebreak",
    "onecolumn",
    "pagebreak",
    "printbibliography",
    "protect",
    "raggedleft",
    "raggedright",
    "rmfamily",
    "sc",
    "scriptsize",
    "scshape",
    "sffamily",
    "sloppy",
    "small",
    "smallskip",
    "tiny",
    "toprule",
    "ttfamily",
    "twocolumn",
];

/// Commands that part blocks.
const BREAKS: [&str; 24] = [
    "appendix",
    "bigskip",
    "bottomrule",
    "chapter",
    "cleardoublepage",
    "clearpage",
    "hline",
    "maketitle",
    "medskip",
    "midrule",
    "newpage",
    "pagebreak",
    "par",
    "smallskip",
    "toprule",
    "vspace",
    "item",
    "bibitem",
    "tableofcontents",
    "cmidrule",
    "cline",
    "pause",
    "vfill",
    "include",
];

/// Letters and marks with names.
fn symbol(name: &str) -> Option<char> {
    Some(match name {
        "ss" => 'ß',
        "ae" => 'æ',
        "AE" => 'Æ',
        "oe" => 'œ',
        "OE" => 'Œ',
        "o" => 'ø',
        "O" => 'Ø',
        "aa" => 'å',
        "AA" => 'Å',
        "l" => 'ł',
        "L" => 'Ł',
        "i" => 'ı',
        "j" => 'ȷ',
        "ldots" | "dots" | "textellipsis" => '…',
        "textendash" => '–',
        "textemdash" => '—',
        "textquoteleft" | "lq" => '‘',
        "textquoteright" | "rq" => '’',
        "textquotedblleft" => '“',
        "textquotedblright" => '”',
        "textasciitilde" => '~',
        "textasciicircum" => '^',
        "textbackslash" => '\\',
        "textbar" => '|',
        "textless" => '<',
        "textgreater" => '>',
        "textdegree" => '°',
        "textregistered" => '®',
        "texttrademark" => '™',
        "copyright" | "textcopyright" => '©',
        "pounds" | "textsterling" => '£',
        "euro" | "texteuro" => '€',
        "S" => '§',
        "P" => '¶',
        "slash" => '/',
        _ => return None,
    })
}

/// A letter with an accent that is written as a command before it.
fn accented(accent: char, letter: char) -> Option<(char, Option<char>)> {
    let combining = match accent {
        '`' => '\u{300}',
        '\'' => '\u{301}',
        '^' => '\u{302}',
        '~' => '\u{303}',
        '=' => '\u{304}',
        'u' => '\u{306}',
        '.' => '\u{307}',
        '"' => '\u{308}',
        'r' => '\u{30a}',
        'H' => '\u{30b}',
        'v' => '\u{30c}',
        'c' => '\u{327}',
        'k' => '\u{328}',
        _ => return None,
    };
    const COMPOSED: [(char, &str, &str); 10] = [
        ('`', "aeiouAEIOU", "àèìòùÀÈÌÒÙ"),
        ('\'', "aeiouyAEIOUYcnszCNSZ", "áéíóúýÁÉÍÓÚÝćńśźĆŃŚŹ"),
        ('^', "aeiouAEIOU", "âêîôûÂÊÎÔÛ"),
        ('~', "anoANO", "ãñõÃÑÕ"),
        ('"', "aeiouyAEIOU", "äëïöüÿÄËÏÖÜ"),
        ('r', "aA", "åÅ"),
        ('v', "cenrszCENRSZ", "čěňřšžČĚŇŘŠŽ"),
        ('c', "cstCST", "çşţÇŞŢ"),
        ('H', "ouOU", "őűŐŰ"),
        ('.', "zZ", "żŻ"),
    ];
    let composed = COMPOSED.iter().find(|(mark, ..)| *mark == accent);
    let composed = composed.and_then(|(_, letters, marked)| {
        let place = letters.chars().position(|c| c == letter)?;
        marked.chars().nth(place)
    });
    match composed {
        Some(composed) => Some((composed, None)),
        None => letter.is_alphabetic().then_some((letter, Some(combining))),
    }
}

/// Reads LaTeX.
pub(super) fn read(text: &str) -> Parsed {
    let mut latex = Latex {
        scan: Scan::new(text),
        out: Collector::new(text),
        comments: Vec::new(),
        groups: Vec::new(),
        tables: 0,
        // A file that another one takes in has no preamble.
        in_preamble: has_preamble(text),
        printed: 0,
        done: mark_len(text),
    };
    latex.run();
    Parsed {
        blocks: latex.out.blocks,
        comments: latex.comments,
    }
}

/// Whether the text begins with a class before its document.
fn has_preamble(text: &str) -> bool {
    let class = text
        .find("\\documentclass")
        .or_else(|| text.find("\\documentstyle"));
    let document = text.find("\\begin{document}");
    matches!((class, document), (Some(class), Some(document)) if class < document)
}

/// What the end of an open group does.
#[derive(Clone, Debug)]
struct Group {
    what: Argument,
    /// The arguments that follow this one.
    rest: &'static [Argument],
    /// Whether it is an argument, or only a pair of braces.
    is_argument: bool,
}

struct Latex<'a> {
    scan: Scan<'a>,
    out: Collector<'a>,
    comments: Vec<Comment>,
    /// The groups that are open, outermost first.
    groups: Vec<Group>,
    /// How many tables are open.
    tables: usize,
    /// Whether what is read is set up and not printed.
    in_preamble: bool,
    /// How many arguments around are printed wherever they stand: a title in the preamble.
    printed: usize,
    /// All before this byte has been taken.
    done: usize,
}

impl Latex<'_> {
    fn run(&mut self) {
        let mut at = self.done;
        while let Some(byte) = self.scan.byte(at) {
            let next = match byte {
                b'%' => Some(self.comment(at)),
                b'\\' => self.command(at),
                b'{' => {
                    self.groups.push(Group {
                        what: Argument::Joined,
                        rest: &[],
                        is_argument: false,
                    });
                    Some(self.mark(at..at + 1, None))
                }
                b'}' => Some(self.end_group(at)),
                b'$' => self.math(at),
                b'~' => Some(self.mark(at..at + 1, Some(SegmentKind::Break))),
                b'&' if self.tables > 0 => {
                    self.mark(at..at + 1, None);
                    self.out.close();
                    Some(at + 1)
                }
                b'`' => Some(self.quote(at, ("``", '“'), ("`", '‘'))),
                b'\'' if self.scan.is_at(at, "''") => {
                    Some(self.mark(at..at + 2, Some(SegmentKind::Entity('”', None))))
                }
                b'-' if self.scan.is_at(at, "---") => {
                    Some(self.mark(at..at + 3, Some(SegmentKind::Entity('—', None))))
                }
                b'-' if self.scan.is_at(at, "--") => {
                    Some(self.mark(at..at + 2, Some(SegmentKind::Entity('–', None))))
                }
                b'\n' => Some(self.line_end(at)),
                _ => None,
            };
            at = next.unwrap_or_else(|| at + self.scan.char_at(at).map_or(1, char::len_utf8));
        }
        self.prose(self.scan.text.len());
        self.out.close();
    }

    /// Whether text here is printed.
    fn is_printed(&self) -> bool {
        !self.in_preamble || self.printed > 0
    }

    /// Takes the prose before `end`.
    fn prose(&mut self, end: usize) {
        if self.done < end {
            if self.is_printed() {
                let span = Span::new(self.done, end);
                self.out.push(span, SegmentKind::Prose);
            }
            self.done = end;
        }
    }

    /// Takes what stands at `range`, which is read as `kind`, or as nothing.
    fn mark(&mut self, range: Range<usize>, kind: Option<SegmentKind>) -> usize {
        self.prose(range.start);
        let start = range.start.max(self.done);
        if start < range.end {
            if let Some(kind) = kind
                && self.is_printed()
            {
                self.out.push(Span::new(start, range.end), kind);
            }
            self.done = range.end;
        }
        range.end
    }

    /// Takes what stands at `range`, of which only `inner` is read and not scored.
    fn context(&mut self, range: Range<usize>, inner: Range<usize>) -> usize {
        let text = self.scan.slice(inner.clone());
        let start = inner.start + (text.len() - text.trim_start().len());
        let inner = start..start + text.trim().len();
        self.mark(range.start..inner.start, None);
        self.mark(inner.clone(), Some(SegmentKind::Context));
        self.mark(inner.end..range.end, None)
    }

    fn close(&mut self, at: usize) {
        self.prose(at);
        self.out.close();
    }

    /// A comment takes the end of its line with it, and the white space of the next.
    fn comment(&mut self, at: usize) -> usize {
        let line = self.scan.rest(at);
        let line = line
            .get(..line.find('\n').unwrap_or(line.len()))
            .unwrap_or_default();
        let line = line.trim_end_matches('\r');
        let end = at + line.len();
        self.comments.push(Comment {
            span: Span::new(at, end),
            body: Span::new(at + 1, end),
        });
        // A line that is only a comment is none at all.
        let is_white = |c: char| matches!(c, ' ' | '\t' | '\r');
        let after = self.scan.rest(end).trim_start_matches(is_white);
        let Some(next) = after.strip_prefix('\n') else {
            return self.mark(at..end, None);
        };
        let rest = next.trim_start_matches(is_white);
        if rest.starts_with('\n') {
            self.close(at);
        }
        self.mark(at..self.scan.text.len() - rest.len(), None)
    }

    /// The end of a line: of a paragraph, if blank lines follow.
    fn line_end(&mut self, at: usize) -> usize {
        let rest = self.scan.rest(at);
        let next = rest.trim_start();
        let white = rest.get(..rest.len() - next.len()).unwrap_or_default();
        let end = at + white.len();
        if white.matches('\n').count() > 1 {
            self.close(at);
            return self.mark(at..end, None);
        }
        let start = self.scan.slice(self.done.min(at)..at).trim_end().len() + self.done.min(at);
        self.mark(start..end, Some(SegmentKind::Break))
    }

    fn quote(&mut self, at: usize, double: (&str, char), single: (&str, char)) -> usize {
        let (mark, shown) = if self.scan.is_at(at, double.0) {
            double
        } else {
            single
        };
        self.mark(at..at + mark.len(), Some(SegmentKind::Entity(shown, None)))
    }

    fn math(&mut self, at: usize) -> Option<usize> {
        let mark = if self.scan.is_at(at, "$$") { "$$" } else { "$" };
        let from = at + mark.len();
        let close = self.scan.find_where(mark, from, |place| {
            self.scan.char_before(place) != Some('\\')
        })?;
        // A formula in a line does not go over paragraphs.
        let inside = self.scan.slice(from..close);
        if mark == "$" && is_parted(inside) {
            return None;
        }
        let end = close + mark.len();
        Some(match mark {
            "$" => self.context(at..end, from..close),
            _ => self.mark(at..end, Some(SegmentKind::Break)),
        })
    }

    /// What begins with a backslash.
    fn command(&mut self, at: usize) -> Option<usize> {
        let is_letter = |byte: u8| byte.is_ascii_alphabetic() || byte == b'@';
        let name = self.scan.name(at + 1, is_letter);
        if name.is_empty() {
            return self.control(at);
        }
        let end = at + 1 + name.len();
        match name {
            "begin" | "end" => return self.environment(at, name),
            "verb" | "lstinline" | "mintinline" | "Verb" => return self.verbatim(at, name),
            "item" => return Some(self.item(at, end)),
            _ => {}
        }
        if let Some(symbol) = symbol(name) {
            let end = self.past_name(end);
            return Some(self.mark(at..end, Some(SegmentKind::Entity(symbol, None))));
        }
        let accent = name.chars().next().filter(|_| name.len() == 1);
        if let Some(accent) = accent
            && let Some(next) = self.accent(at, end, accent)
        {
            return Some(next);
        }
        if BREAKS.contains(&name) {
            self.close(at);
        }
        let mut end = end + usize::from(self.scan.byte(end) == Some(b'*'));
        if DECLARATIONS.contains(&name) || name == "par" {
            let end = self.past_name(end);
            return Some(self.mark(at..end, None));
        }
        if let Some(arguments) = arguments(name) {
            while let Some(next) = self.option(end) {
                end = next;
            }
            return self.begin_arguments(at, end, arguments);
        }
        let is_definition = matches!(
            name,
            "newcommand"
                | "renewcommand"
                | "providecommand"
                | "def"
                | "gdef"
                | "edef"
                | "let"
                | "newenvironment"
                | "renewenvironment"
                | "DeclareMathOperator"
                | "newtheorem"
                | "NewDocumentCommand"
                | "RenewDocumentCommand"
                | "DeclareRobustCommand"
                | "setlength"
                | "addtolength"
                | "setcounter"
                | "newcolumntype"
                | "newacronym"
                | "newglossaryentry"
                | "DeclareDocumentCommand"
                | "tikzset"
                | "lstset"
                | "hypersetup"
        );
        let arguments_end = self.hidden_arguments(end, is_definition);
        let is_bare = arguments_end == end || self.scan.slice(end..arguments_end) == "{}";
        if is_bare && !is_definition {
            // A macro without arguments stands for words; its name is all that is known of them.
            let end = self.past_name(end);
            if name.len() < 2 || name.contains('@') || BREAKS.contains(&name) {
                return Some(self.mark(at..end, None));
            }
            return Some(self.context(at..end, at + 1..at + 1 + name.len()));
        }
        // `\label` and `\index` show nothing, not even a space.
        let is_nothing = matches!(
            name,
            "label"
                | "index"
                | "vspace"
                | "phantomsection"
                | "glsadd"
                | "nocite"
                | "markboth"
                | "thispagestyle"
                | "pagestyle"
                | "footnotemark"
                | "vskip"
        ) || is_definition;
        let kind = (!is_nothing).then_some(SegmentKind::Break);
        Some(self.mark(at..arguments_end, kind))
    }

    /// The byte after the white space, or the empty group, that ends the name of a command.
    fn past_name(&self, end: usize) -> usize {
        if self.scan.is_at(end, "{}") {
            return end + 2;
        }
        let blanks = self.scan.name(end, |byte| matches!(byte, b' ' | b'\t'));
        let next = end + blanks.len();
        // A letter follows: the space only ended the name.
        end + if self.scan.byte(next) == Some(b'\n') {
            0
        } else {
            blanks.len()
        }
    }

    /// A command whose name is no letter.
    fn control(&mut self, at: usize) -> Option<usize> {
        let c = self.scan.char_at(at + 1)?;
        let end = at + 1 + c.len_utf8();
        match c {
            '\\' => {
                let mut end = end + usize::from(self.scan.byte(end) == Some(b'*'));
                if let Some(next) = self.option(end) {
                    end = next;
                }
                if self.tables > 0 {
                    self.close(at);
                    return Some(self.mark(at..end, None));
                }
                Some(self.mark(at..end, Some(SegmentKind::Break)))
            }
            '(' => {
                let close = self.scan.find("\\)", end)?;
                if is_parted(self.scan.slice(end..close)) {
                    return Some(end);
                }
                Some(self.context(at..close + 2, end..close))
            }
            '[' => {
                let close = self.scan.find("\\]", end)?;
                Some(self.mark(at..close + 2, Some(SegmentKind::Break)))
            }
            ',' | ';' | ':' | ' ' | '\n' | '>' => {
                let end = if c == '\n' { at + 1 } else { end };
                Some(self.mark(at..end, Some(SegmentKind::Break)))
            }
            '-' | '/' | '!' | '@' | ')' | ']' => Some(self.mark(at..end, None)),
            '&' | '%' | '$' | '#' | '_' | '{' | '}' => {
                self.mark(at..at + 1, None);
                Some(end)
            }
            accent => self
                .accent(at, end, accent)
                .or_else(|| Some(self.mark(at..end, None))),
        }
    }

    /// A letter with the accent whose command ends at `end`.
    fn accent(&mut self, at: usize, end: usize, accent: char) -> Option<usize> {
        let is_named = accent.is_alphabetic();
        let blanks = self.scan.name(end, |byte| byte == b' ').len();
        let from = end + blanks;
        let in_braces = self.scan.byte(from) == Some(b'{');
        if is_named && !in_braces && blanks == 0 && self.scan.byte(from) != Some(b'\\') {
            return None;
        }
        let start = from + usize::from(in_braces);
        let dotless = ["\\i", "\\j"].into_iter().find(|name| {
            let after = self.scan.char_at(start + 2);
            self.scan.is_at(start, name) && after.is_none_or(|c| !c.is_alphabetic())
        });
        let (letter, mut next) = match dotless {
            Some(name) => (if name == "\\i" { 'i' } else { 'j' }, start + 2),
            None => {
                let letter = self.scan.char_at(start)?;
                (letter, start + letter.len_utf8())
            }
        };
        let (first, second) = accented(accent, letter)?;
        if in_braces {
            if self.scan.byte(next) != Some(b'}') {
                return None;
            }
            next += 1;
        }
        Some(self.mark(at..next, Some(SegmentKind::Entity(first, second))))
    }

    /// The end of the argument in brackets at `at`, if there is one.
    fn option(&self, at: usize) -> Option<usize> {
        if self.scan.byte(at) != Some(b'[') {
            return None;
        }
        self.argument_end(at, b'[', b']')
    }

    /// The byte after the argument that begins at `at`; it ends before the next blank line.
    fn argument_end(&self, at: usize, open: u8, close: u8) -> Option<usize> {
        let mut depth = 0usize;
        let mut braces = 0usize;
        let mut next = at;
        while let Some(byte) = self.scan.byte(next) {
            self.scan.spend(1)?;
            match byte {
                b'\\' => next += 1,
                b'%' => {
                    let rest = self.scan.rest(next);
                    next += rest.find('\n').unwrap_or(rest.len());
                    continue;
                }
                b'{' if open != b'{' => braces += 1,
                b'}' if open != b'{' => braces = braces.checked_sub(1)?,
                byte if byte == open && braces == 0 => depth += 1,
                byte if byte == close && braces == 0 => {
                    depth = depth.saturating_sub(1);
                    if depth == 0 {
                        return Some(next + 1);
                    }
                }
                _ => {}
            }
            next += 1;
        }
        None
    }

    /// The end of the arguments from `end` on that are not printed.
    fn hidden_arguments(&self, mut end: usize, is_definition: bool) -> usize {
        let is_letter = |byte: u8| byte.is_ascii_alphabetic() || byte == b'@';
        if is_definition {
            // `\def\name#1{…}`, `\let\name\other`.
            for _ in 0..2 {
                let from = end
                    + self
                        .scan
                        .name(end, |byte| matches!(byte, b' ' | b'='))
                        .len();
                let name = self.scan.name(from + 1, is_letter);
                if self.scan.byte(from) != Some(b'\\') || name.is_empty() {
                    break;
                }
                end = from + 1 + name.len();
                end += self
                    .scan
                    .name(end, |byte| matches!(byte, b'#' | b'1'..=b'9'))
                    .len();
            }
        }
        loop {
            let mut from = end;
            if is_definition {
                // Its arguments may have lines of their own, with a comment at the end of each.
                loop {
                    let blanks = self.scan.name(from, |byte| byte.is_ascii_whitespace());
                    if is_parted(blanks) {
                        return end;
                    }
                    from += blanks.len();
                    if self.scan.byte(from) != Some(b'%') {
                        break;
                    }
                    from += self.scan.name(from, |byte| byte != b'\n').len();
                }
            }
            let next = match self.scan.byte(from) {
                Some(b'{') => self.argument_end(from, b'{', b'}'),
                Some(b'[') => self.argument_end(from, b'[', b']'),
                _ => None,
            };
            match next {
                Some(next) => end = next,
                None => return end,
            }
        }
    }

    /// Goes into the first argument of a command that is printed, whose arguments begin at `end`.
    fn begin_arguments(
        &mut self,
        at: usize,
        mut end: usize,
        arguments: &'static [Argument],
    ) -> Option<usize> {
        let mut rest = arguments;
        loop {
            let Some((&what, after)) = rest.split_first() else {
                return Some(self.mark(at..end, None));
            };
            rest = after;
            // An argument may stand behind a space.
            let blanks = self
                .scan
                .name(end, |byte| matches!(byte, b' ' | b'\n' | b'\t' | b'\r'));
            let from = end + if is_parted(blanks) { 0 } else { blanks.len() };
            let from = self.option(from).unwrap_or(from);
            if self.scan.byte(from) != Some(b'{') {
                return Some(self.mark(at..end, None));
            }
            match what {
                Argument::Hidden => end = self.argument_end(from, b'{', b'}').unwrap_or(from + 1),
                Argument::Context => {
                    let close = self.argument_end(from, b'{', b'}')?;
                    end = self.context(at..close, from + 1..close - 1);
                }
                Argument::Joined | Argument::Block | Argument::Note => {
                    self.groups.push(Group {
                        what,
                        rest,
                        is_argument: true,
                    });
                    if what == Argument::Block {
                        self.close(at);
                        self.printed += 1;
                    }
                    let kind = (what == Argument::Note).then_some(SegmentKind::Break);
                    self.mark(at..from + 1, kind);
                    return Some(from + 1);
                }
            }
        }
    }

    /// The end of the group that is open.
    fn end_group(&mut self, at: usize) -> usize {
        let Some(group) = self.groups.pop() else {
            return self.mark(at..at + 1, None);
        };
        let kind = (group.what == Argument::Note).then_some(SegmentKind::Break);
        if group.what == Argument::Block {
            self.close(at);
            self.printed = self.printed.saturating_sub(1);
        }
        self.mark(at..at + 1, kind);
        if group.is_argument && !group.rest.is_empty() {
            return self
                .begin_arguments(at + 1, at + 1, group.rest)
                .unwrap_or(at + 1);
        }
        at + 1
    }

    /// `\verb|…|`, where any character may be the mark.
    fn verbatim(&mut self, at: usize, name: &str) -> Option<usize> {
        let mut end = at + 1 + name.len();
        end += usize::from(self.scan.byte(end) == Some(b'*'));
        if name != "verb" {
            while let Some(next) = self.option(end) {
                end = next;
            }
        }
        if name == "mintinline" && self.scan.byte(end) == Some(b'{') {
            end = self.argument_end(end, b'{', b'}')?;
        }
        let mark = self
            .scan
            .char_at(end)
            .filter(|c| !c.is_whitespace() && !c.is_alphanumeric())?;
        let from = end + mark.len_utf8();
        let line = self.scan.rest(from);
        let line = line
            .get(..line.find('\n').unwrap_or(line.len()))
            .unwrap_or_default();
        if mark == '{' {
            let close = self.argument_end(end, b'{', b'}')?;
            return Some(self.context(at..close, from..close - 1));
        }
        let close = from + line.find(mark)?;
        Some(self.context(at..close + mark.len_utf8(), from..close))
    }

    /// An item of a list; what stands in brackets is the term that it describes.
    fn item(&mut self, at: usize, end: usize) -> usize {
        self.close(at);
        self.mark(at..end, None);
        let from = end + self.scan.name(end, |byte| byte == b' ').len();
        if let Some(close) = self.option(from) {
            let inside = self.scan.slice(from + 1..close - 1);
            if inside.contains(['\\', '$', '%', '{']) {
                return self.mark(end..close, None);
            }
            self.mark(end..from + 1, None);
            self.close(close - 1);
            return self.mark(close - 1..close, None);
        }
        end
    }

    /// The beginning or the end of an environment.
    fn environment(&mut self, at: usize, which: &str) -> Option<usize> {
        let open = at + 1 + which.len();
        if self.scan.byte(open) != Some(b'{') {
            return Some(self.mark(at..open, None));
        }
        let limit = self.scan.text.floor_char_boundary(open + 64);
        let Some(close) = self.scan.find_before("}", open, limit) else {
            return Some(self.mark(at..open, None));
        };
        let full = self.scan.slice(open + 1..close);
        let name = full.trim_end_matches('*');
        let mut end = close + 1;
        if name == "document" {
            self.close(at);
            self.mark(at..end, None);
            self.in_preamble = which == "end";
            self.groups.clear();
            self.printed = 0;
            return Some(end);
        }
        if TABLES.contains(&name) {
            self.tables = match which {
                "begin" => self.tables + 1,
                _ => self.tables.saturating_sub(1),
            };
        }
        let is_formula = FORMULAS.iter().any(|part| name.contains(part));
        if which == "begin" && (is_formula || LITERAL.contains(&name)) {
            let closing = format!("\\end{{{full}}}");
            if let Some(found) = self.scan.find(&closing, end) {
                // A formula does not end the sentence that it stands in.
                return Some(self.mark(at..found + closing.len(), Some(SegmentKind::Break)));
            }
        }
        self.close(at);
        self.mark(at..end, None);
        if which == "begin" {
            while let Some(next) = self.option(end) {
                end = self.mark(end..next, None);
            }
            let is_titled = matches!(name, "frame" | "block" | "alertblock" | "exampleblock");
            if is_titled && self.scan.byte(end) == Some(b'{') {
                return self.begin_arguments(end, end, &[Argument::Block]);
            }
            let next = self.hidden_arguments(end, false);
            self.mark(end..next, None);
            return Some(next);
        }
        Some(end)
    }
}

/// Whether there is a blank line in `text`.
fn is_parted(text: &str) -> bool {
    let mut lines = text.split('\n').skip(1).peekable();
    while let Some(line) = lines.next() {
        if lines.peek().is_some() && line.trim().is_empty() {
            return true;
        }
    }
    false
}
