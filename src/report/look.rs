//! How text looks: colours, widths in display cells, counts and sizes in words. Pure.
//!
//! Colour never carries meaning alone: every painted word also says it.

use crate::base::{Millis, duration};
use console::Style;
use std::fmt::Write as _;

/// What a writer of text needs to know about where it goes.
#[derive(Clone, Debug)]
pub struct Look {
    /// Colours.
    pub color: bool,
    /// Columns.
    pub width: usize,
    /// GitHub Actions reads it.
    pub github: bool,
    /// Fold nothing.
    pub verbose: bool,
    /// Where times are shown.
    pub zone: jiff::tz::TimeZone,
}

/// What a word tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// All is well.
    Good,
    /// It failed.
    Bad,
    /// Look at it.
    Warn,
    /// Less important.
    Dim,
    /// A heading.
    Strong,
}

impl Look {
    /// Paints a text.
    pub fn paint(&self, tone: Tone, text: &str) -> String {
        if !self.color || text.is_empty() {
            return text.to_owned();
        }
        let style = match tone {
            Tone::Good => Style::new().green(),
            Tone::Bad => Style::new().red().bold(),
            Tone::Warn => Style::new().yellow(),
            Tone::Dim => Style::new().dim(),
            Tone::Strong => Style::new().bold(),
        };
        style.force_styling(true).apply_to(text).to_string()
    }

    /// Paints a text and fills it up to `width` cells.
    pub fn column(&self, tone: Tone, text: &str, width: usize) -> String {
        let fill = width.saturating_sub(console::measure_text_width(text));
        format!("{}{}", self.paint(tone, text), " ".repeat(fill))
    }

    /// A UTC time of RFC 3339 as local time with its zone; what is no time is shown as it is.
    pub fn time(&self, utc: &str) -> String {
        match utc.parse::<jiff::Timestamp>() {
            Ok(at) => at.to_zoned(self.zone.clone()).strftime("%Y-%m-%d %H:%M:%S %Z").to_string(),
            Err(_) => super::clean::text(utc),
        }
    }
}

/// `1 step`, `3 steps`.
pub fn count(n: usize, noun: &str) -> String {
    format!("{n} {noun}{}", if n == 1 { "" } else { "s" })
}

/// The first few names, and how many more there are.
pub fn names<S: AsRef<str>>(all: &[S], most: usize) -> String {
    let mut text = String::new();
    // One more name is as short as saying that there is one more.
    let shown = if all.len() <= most + 1 { all.len() } else { most };
    for (i, name) in all[..shown].iter().enumerate() {
        let _ = write!(text, "{}{}", if i == 0 { "" } else { ", " }, super::clean::text(name.as_ref()));
    }
    if shown < all.len() {
        let _ = write!(text, " and {} more", all.len() - shown);
    }
    text
}

/// `12 B`, `3.4 KiB`, `1.2 GiB`.
pub fn bytes(n: u64) -> String {
    let mut value = n as f64;
    for unit in ["B", "KiB", "MiB", "GiB"] {
        if value < 1024.0 || unit == "GiB" {
            return if unit == "B" { format!("{n} B") } else { format!("{value:.1} {unit}") };
        }
        value /= 1024.0;
    }
    unreachable!("the last unit takes everything")
}

/// Breaks each line at spaces where it is too wide; what follows begins below the text, not below its first word.
pub fn wrap(text: &str, width: usize) -> String {
    let indent = if width < 40 { 2 } else { 10 };
    let mut out = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        if console::measure_text_width(line.trim_end()) <= width {
            out.push_str(line);
            continue;
        }
        let mut column = 0;
        for word in line.split_inclusive(' ') {
            let cells = console::measure_text_width(word.trim_end());
            if column + cells > width && column > indent {
                out.truncate(out.trim_end_matches(' ').len());
                let _ = write!(out, "\n{}", " ".repeat(indent));
                column = indent;
            }
            out.push_str(word);
            column += console::measure_text_width(word.trim_end_matches('\n'));
        }
    }
    out
}

/// A duration for people.
pub fn time(ms: Millis) -> String {
    duration::human(ms)
}

/// A time that is expected, and how sure that is: `about 12s (9s to 17s)`.
pub fn span(span: &crate::event::Interval) -> String {
    format!("about {} ({} to {})", time(span.ms), time(span.low_ms), time(span.high_ms))
}

/// The words that belong in one line of a shell, quoted where needed.
pub fn shell<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    let quote = |word: &'a str| shlex::try_quote(word).map_or_else(|_| "''".into(), std::borrow::Cow::into_owned);
    words.into_iter().map(quote).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_numbers() {
        assert_eq!((count(1, "step"), count(0, "step")), ("1 step".into(), "0 steps".into()));
        assert_eq!(names(&["a", "b", "c"], 2), "a, b, c");
        assert_eq!(names(&["a", "b", "c", "d"], 2), "a, b and 2 more");
        assert_eq!(
            (bytes(1023), bytes(1536), bytes(5 << 40)),
            ("1023 B".into(), "1.5 KiB".into(), "5120.0 GiB".into())
        );
        assert_eq!(shell(["wf", "run", "--steps", "build@a b"]), "wf run --steps 'build@a b'");
    }

    #[test]
    fn long_lines_break_at_spaces() {
        assert_eq!(wrap("short\nwarning   a b\n", 40), "short\nwarning   a b\n");
        let text = "warning   one two three four five six seven eight nine\nnext\n";
        assert_eq!(wrap(text, 40), "warning   one two three four five six\n          seven eight nine\nnext\n");
        assert_eq!(wrap("\x1b[33mwarning\x1b[0m   eight nine\n", 19), "\x1b[33mwarning\x1b[0m   eight\n  nine\n");
        // A word that is wider than everything is left to the terminal.
        assert_eq!(
            wrap("log: /a/very/long/path/that/cannot/break\n", 20),
            "log:\n  /a/very/long/path/that/cannot/break\n"
        );
    }

    #[test]
    fn times_are_local_with_zone() {
        let zone = jiff::tz::TimeZone::fixed(jiff::tz::offset(2));
        let look = Look { color: false, width: 80, github: false, verbose: false, zone };
        assert_eq!(look.time("2026-02-09T18:45:23Z"), "2026-02-09 20:45:23 +02");
        assert_eq!(look.time("never\n"), "never");
    }
}
