//! Changes as a unified diff, as `patch` and `git apply` read it.

use std::fmt::Write;
use std::path::Path;

use electroscope_analysis::suggestions::{Edit, apply};
use electroscope_text::{LineIndex, Span};

/// Lines before and after a change.
const CONTEXT: usize = 3;

/// Lines of the old text that become others.
struct Change {
    first: usize,
    /// After the last.
    end: usize,
    new: String,
}

/// The diff of `text`, which is at `path`, to `text` with `edits`; empty without any.
pub(super) fn unified(path: &Path, text: &str, edits: &[Edit]) -> String {
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let changes = changes(text, edits);
    let mut diff = String::new();
    if changes.is_empty() {
        return diff;
    }
    let path = path.display().to_string();
    let (old, new) = match path.starts_with('/') {
        true => (path.clone(), path),
        false => (format!("a/{path}"), format!("b/{path}")),
    };
    // A String takes all that is written to it.
    let _ = write!(diff, "--- {old}\n+++ {new}\n");
    let mut shift = 0;
    let near = |a: &Change, b: &Change| b.first <= a.end + 2 * CONTEXT;
    for hunk in changes.chunk_by(near) {
        let (Some(first), Some(last)) = (hunk.first(), hunk.last()) else {
            continue;
        };
        let start = first.first.saturating_sub(CONTEXT);
        let end = (last.end + CONTEXT).min(lines.len());
        let added: usize = hunk
            .iter()
            .map(|change| change.new.split_inclusive('\n').count())
            .sum();
        let removed: usize = hunk.iter().map(|change| change.end - change.first).sum();
        let count = end - start;
        let new_count = count + added - removed;
        let new_start = (start as isize + shift) as usize;
        let _ = writeln!(
            diff,
            "@@ -{},{count} +{},{new_count} @@",
            start + 1,
            new_start + 1,
        );
        let mut at = start;
        for change in hunk {
            put(
                &mut diff,
                ' ',
                lines.get(at..change.first).unwrap_or_default(),
            );
            put(
                &mut diff,
                '-',
                lines.get(change.first..change.end).unwrap_or_default(),
            );
            let new: Vec<&str> = change.new.split_inclusive('\n').collect();
            put(&mut diff, '+', &new);
            at = change.end;
        }
        put(&mut diff, ' ', lines.get(at..end).unwrap_or_default());
        shift += added as isize - removed as isize;
    }
    diff
}

fn put(diff: &mut String, sign: char, lines: &[&str]) {
    for line in lines {
        diff.push(sign);
        diff.push_str(line);
        if !line.ends_with('\n') {
            diff.push_str("\n\\ No newline at end of file\n");
        }
    }
}

/// The lines that change, edits on neighbouring or the same lines together.
fn changes(text: &str, edits: &[Edit]) -> Vec<Change> {
    let lines = LineIndex::new(text);
    let last_line = |edit: &Edit| lines.line_of(edit.span.end().max(edit.span.start() + 1) - 1);
    let touches = |a: &Edit, b: &Edit| lines.line_of(b.span.start()) <= last_line(a);
    let groups = edits.chunk_by(touches).filter_map(|group| {
        let (from, to) = (group.first()?, group.last()?);
        let (first, last) = (lines.line_of(from.span.start()), last_line(to));
        let (start, end) = (lines.span(first).start(), lines.span(last).end());
        let part = text.get(start..end)?;
        let moved: Vec<Edit> = (group.iter())
            .map(|edit| Edit {
                span: Span::new(edit.span.start() - start, edit.span.end() - start),
                ..edit.clone()
            })
            .collect();
        Some(Change {
            first,
            end: last + 1,
            new: apply(part, &moved).ok()?,
        })
    });
    groups.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edit(text: &str, wrong: &str, right: &str) -> Edit {
        let start = text.find(wrong).unwrap();
        Edit {
            span: Span::new(start, start + wrong.len()),
            before: wrong.to_owned(),
            replacement: right.to_owned(),
        }
    }

    #[test]
    fn changes_far_apart_are_hunks_of_their_own() {
        let text: String = (1..=20).map(|n| format!("line {n}.\n")).collect::<String>() + "last";
        let edits = [
            edit(&text, "line 2.", "Line 2!"),
            edit(&text, "last", "the end"),
        ];
        insta::assert_snapshot!(unified(Path::new("notes.md"), &text, &edits), @r"
        --- a/notes.md
        +++ b/notes.md
        @@ -1,5 +1,5 @@
         line 1.
        -line 2.
        +Line 2!
         line 3.
         line 4.
         line 5.
        @@ -18,4 +18,4 @@
         line 18.
         line 19.
         line 20.
        -last
        \ No newline at end of file
        +the end
        \ No newline at end of file
        ");
    }

    #[test]
    fn edits_of_one_line_are_one_change_and_a_line_may_go() {
        let text = "a b\nthe\nthe c\n";
        let edits = [edit(text, "a", "A"), edit(text, "the\n", "")];
        insta::assert_snapshot!(unified(Path::new("/x.md"), text, &edits), @r"
        --- /x.md
        +++ /x.md
        @@ -1,3 +1,2 @@
        -a b
        +A b
        -the
         the c
        ");
        assert_eq!(unified(Path::new("x.md"), text, &[]), "");
    }
}
