//! Makes hostile text safe to show: step output, names and messages from logs. Pure.
//!
//! Only SGR escapes (colours) may pass, and only where they are asked for; they are always reset. What a carriage return
//! would overwrite is gone, as it would be on a terminal.

use std::fmt::Write as _;

/// May colours pass?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colors {
    /// Yes; the line ends with a reset.
    Keep,
    /// No.
    Drop,
}

/// One line of step output as it may be shown: no line end, no control characters, no escapes but SGR.
pub fn line(bytes: &[u8], colors: Colors) -> String {
    let text = String::from_utf8_lossy(bytes);
    let text = text.trim_end_matches(['\n', '\r']);
    let mut out = String::with_capacity(text.len());
    let (mut painted, mut column) = (false, 0);
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        match c {
            '\x1b' => {
                if let Some(sgr) = escape(&mut rest)
                    && colors == Colors::Keep
                {
                    painted = true;
                    let _ = write!(out, "\x1b[{sgr}m");
                }
            }
            '\u{9b}' => {
                control_sequence(&mut rest);
            }
            '\u{90}' | '\u{98}' | '\u{9d}' | '\u{9e}' | '\u{9f}' => string(&mut rest),
            '\r' => {
                out.clear();
                (painted, column) = (false, 0);
            }
            '\t' => {
                let stop = 8 - column % 8;
                out.extend(std::iter::repeat_n(' ', stop));
                column += stop;
            }
            c if c.is_control() => {}
            // Letters that change the direction of others can make a line look like another; the last two are no
            // characters at all, and not allowed in XML.
            c if turns(c) || matches!(c, '\u{fffe}' | '\u{ffff}') => out.push('\u{fffd}'),
            c => {
                out.push(c);
                column += 1;
            }
        }
    }
    if painted {
        out.push_str("\x1b[0m");
    }
    of_azure(out)
}

/// Does a character change the direction of others?
pub fn turns(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}')
}

/// Disarms logging commands of Azure's agent, which it takes wherever in a line they stand
/// (<https://learn.microsoft.com/azure/devops/pipelines/scripts/logging-commands>). No other text looks so: it is done for all.
fn of_azure(mut line: String) -> String {
    const COMMAND: &str = "##vso[";
    let is = |at: &usize| line.get(*at..*at + COMMAND.len()).is_some_and(|text| text.eq_ignore_ascii_case(COMMAND));
    let places: Vec<usize> = memchr::memmem::find_iter(line.as_bytes(), "#").filter(is).collect();
    for at in places.into_iter().rev() {
        line.insert(at + 2, ' ');
    }
    line
}

/// A name or message on one line, without colours.
pub fn text(text: &str) -> String {
    if text.bytes().all(|b| (b' '..0x7f).contains(&b)) {
        return of_azure(text.to_owned());
    }
    // A line break in a message would let it fake a line of its own.
    line(text.trim_end().replace(['\n', '\r'], " ").as_bytes(), Colors::Drop)
}

/// Disarms workflow commands of GitHub's runner (`::name::`, `##[name]`) in one line.
pub fn disarm(line: &str) -> String {
    let line = of_azure(line.replace("##[", "## ["));
    let start = line.trim_start();
    // The runner trims, and skips a byte order mark; colours before the colons would disarm it already.
    match start.strip_prefix("::") {
        Some(rest) => format!("{}: :{rest}", &line[..line.len() - start.len()]),
        None => match line.find("::").filter(|at| !line[..*at].chars().any(char::is_alphanumeric)) {
            Some(at) => format!("{}: :{}", &line[..at], &line[at + 2..]),
            None => line,
        },
    }
}

/// After ESC: takes the rest of an escape sequence. The parameters, if it is an SGR sequence.
fn escape(rest: &mut std::str::Chars<'_>) -> Option<String> {
    match rest.clone().next() {
        Some('[') => {
            rest.next();
            control_sequence(rest)
        }
        Some(']' | 'P' | 'X' | '^' | '_') => {
            rest.next();
            string(rest);
            None
        }
        Some(' '..='/') => {
            while matches!(rest.clone().next(), Some(' '..='/')) {
                rest.next();
            }
            rest.next();
            None
        }
        Some('0'..='~') => {
            rest.next();
            None
        }
        _ => None,
    }
}

/// After CSI: parameters, intermediates, one final byte. Another byte ends it and is left alone.
fn control_sequence(rest: &mut std::str::Chars<'_>) -> Option<String> {
    let mut parameters = String::new();
    while let Some(c @ ' '..='?') = rest.clone().next() {
        rest.next();
        parameters.push(c);
    }
    let last = rest.clone().next().filter(|c| ('@'..='~').contains(c))?;
    rest.next();
    let plain = parameters.len() <= 40 && parameters.chars().all(|c| c.is_ascii_digit() || c == ';' || c == ':');
    (last == 'm' && plain).then_some(parameters)
}

/// After OSC, DCS, …: everything up to BEL or ST. One that does not end takes the whole line, as on a terminal.
fn string(rest: &mut std::str::Chars<'_>) {
    while let Some(c) = rest.next() {
        match c {
            '\x07' | '\u{9c}' => return,
            '\x1b' => {
                if rest.clone().next() == Some('\\') {
                    rest.next();
                }
                return;
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn only_colours_pass() {
        for (given, kept, dropped) in [
            ("plain", "plain", "plain"),
            ("\x1b[1;31mred\x1b[0m", "\x1b[1;31mred\x1b[0m\x1b[0m", "red"),
            ("\x1b[2Jgone\x1b[H", "gone", "gone"),
            ("\x1b]0;title\x07text", "text", "text"),
            ("\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "link", "link"),
            ("\x1bPdevice\x1b\\after", "after", "after"),
            ("50%\r100%", "100%", "100%"),
            ("dos\r\n", "dos", "dos"),
            ("a\tb", "a       b", "a       b"),
            ("a\x08\x07\x7f\u{9b}31mb", "ab", "ab"),
            ("\x1b(B\x1bcx", "x", "x"),
            ("\x1b[?1049hx", "x", "x"),
            ("user\u{202e}cod", "user\u{fffd}cod", "user\u{fffd}cod"),
        ] {
            assert_eq!(line(given.as_bytes(), Colors::Keep), kept, "{given:?}");
            assert_eq!(line(given.as_bytes(), Colors::Drop), dropped, "{given:?}");
        }
        assert_eq!(text("a\nb\x1b[31m"), "a b");
    }

    #[test]
    fn github_commands_are_disarmed() {
        for (given, shown) in [
            ("::error::x", ": :error::x"),
            ("  ::set-output name=a::b", "  : :set-output name=a::b"),
            ("std::env::var", "std::env::var"),
            ("##[group]x", "## [group]x"),
            ("\u{feff}::add-mask::x", "\u{feff}: :add-mask::x"),
        ] {
            assert_eq!(disarm(given), shown);
        }
    }

    #[test]
    fn azures_commands_are_disarmed_wherever_they_stand() {
        for (given, shown) in [
            ("x ##vso[task.setvariable variable=a]b", "x ## vso[task.setvariable variable=a]b"),
            ("##VSO[a]##vso[b] ###vso[c]", "## VSO[a]## vso[b] ### vso[c]"),
            ("# vso[ ##[", "# vso[ ##["),
        ] {
            assert_eq!(line(given.as_bytes(), Colors::Keep), shown);
            assert_eq!(text(given), shown);
        }
    }

    proptest! {
        #[test]
        fn nothing_but_colours_is_left_of_any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let shown = line(&bytes, Colors::Drop);
            prop_assert!(!shown.chars().any(char::is_control), "{shown:?}");
            let colored = line(&bytes, Colors::Keep);
            for (at, _) in colored.match_indices('\x1b') {
                let tail = &colored[at + 1..];
                prop_assert!(tail.starts_with('[') && tail[1..].trim_start_matches(|c: char| c.is_ascii_digit() || c == ';' || c == ':').starts_with('m'));
            }
        }
    }
}
