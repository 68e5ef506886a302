//! Everything that is printed goes through here, and is escaped: names, titles and messages come from files,
//! servers and filesets, and a terminal obeys what control characters in them say.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::io::{self, ErrorKind, Write as _};
use std::path::PathBuf;

use crate::error::RunResult;

/// Whether a character moves the cursor, changes what the terminal shows, or is not seen though it is there:
/// C0, DEL and C1 controls, line separators, marks that reverse the direction of writing, and characters without
/// width.
fn is_unprintable(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

fn escaped(text: &str, keep: impl Fn(char) -> bool, escape: impl Fn(char, &mut String)) -> Cow<'_, str> {
    let wrong = |c: char| is_unprintable(c) && !keep(c);
    if !text.contains(wrong) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if wrong(c) { escape(c, &mut safe) } else { safe.push(c) }
    }
    Cow::Owned(safe)
}

fn as_rust(c: char, text: &mut String) {
    text.extend(c.escape_default());
}

/// A name, a title or another piece of a line, on one line.
pub(crate) fn name(text: &str) -> Cow<'_, str> {
    escaped(text, |_| false, as_rust)
}

/// Text that may have several lines. Names in it that come from outside were passed through [`name`] if they could
/// make lines of their own.
pub(crate) fn lines(text: &str) -> Cow<'_, str> {
    escaped(text, |c| matches!(c, '\n' | '\t'), as_rust)
}

/// A message. Its further lines are indented, so that none of them can pass for another message.
pub(crate) fn message(text: &str) -> String {
    let text = lines(text);
    let mut rows = text.trim_end_matches('\n').split('\n');
    let mut message = rows.next().unwrap_or_default().to_owned();
    for row in rows {
        message.push('\n');
        if !row.is_empty() && !row.starts_with("  ") {
            message.push_str("  ");
        }
        message.push_str(row);
    }
    message
}

/// JSON text with the same content in printable characters. Outside of its strings it has none of those that are
/// replaced, save line ends and tabs.
pub(crate) fn json(text: &str) -> Cow<'_, str> {
    escaped(
        text,
        |c| matches!(c, '\n' | '\t' | '\r'),
        |c, safe| {
            for unit in c.encode_utf16(&mut [0; 2]) {
                let _ = write!(safe, "\\u{unit:04x}");
            }
        },
    )
}

/// Prints a result on stdout.
///
/// # Errors
/// Where it cannot be written, to a full disk for example. A reader that has gone away (`| head`) is no error.
pub(crate) fn print(text: &str) -> RunResult<()> {
    write_out(&lines(text))
}

/// Prints JSON on stdout.
///
/// # Errors
/// Those of [`print`].
pub(crate) fn print_json(text: &str) -> RunResult<()> {
    write_out(&json(text))
}

fn write_out(text: &str) -> RunResult<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(source) if source.kind() != ErrorKind::BrokenPipe => {
            Err(crate::output::io("write", &PathBuf::from("standard output"), source))
        }
        _ => Ok(()),
    }
}

/// Tells something on stderr. A stderr that is closed must not end the run.
pub(crate) fn tell(text: &str) {
    let _ = writeln!(io::stderr(), "{}", message(text));
}

/// Shows panics as any other message; the rest is as Rust's own hook has it.
pub(crate) fn escape_panics() {
    std::panic::set_hook(Box::new(|info| {
        let thread = std::thread::current();
        tell(&format!("thread '{}' {info}", thread.name().unwrap_or("<unnamed>")));
        let backtrace = std::backtrace::Backtrace::capture();
        if backtrace.status() == std::backtrace::BacktraceStatus::Captured {
            tell(&format!("stack backtrace:\n{backtrace}"));
        }
    }));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_control_character_passes_and_no_letter_is_lost() {
        assert_eq!(name("\u{1b}]0;title\u{7}"), "\\u{1b}]0;title\\u{7}");
        assert_eq!(
            name("a\u{9b}31m\u{7f}\u{202e}b\u{200b}\u{feff}"),
            "a\\u{9b}31m\\u{7f}\\u{202e}b\\u{200b}\\u{feff}"
        );
        assert_eq!(name("Muon\r\npt\t"), "Muon\\r\\npt\\t");
        assert_eq!(name("m(μμ) [GeV] é 日本 🙂"), "m(μμ) [GeV] é 日本 🙂");
        assert_eq!(lines("a\n\u{1b}[2Jb"), "a\n\\u{1b}[2Jb");
    }

    #[test]
    fn a_line_in_a_name_passes_for_no_message_of_ours() {
        assert_eq!(message("no branch `x\nerror: y\r\n`"), "no branch `x\n  error: y\\r\n  `");
        assert_eq!(message("one\n  because of two\n"), "one\n  because of two");
    }

    #[test]
    fn json_keeps_its_content() {
        let value = serde_json::json!({"a\u{9b}\u{7f}": "\u{202e}\u{e0041}\u{1b}\n"});
        let text = format!("{value:#}\n");
        let safe = json(&text);
        assert!(safe.chars().all(|c| c == '\n' || !is_unprintable(c)), "{safe}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&safe).unwrap(), value);
    }
}
