//! Patterns in which `**` crosses folders anywhere, as patterns in which it is a segment of its own. Pure.

/// One part of a segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token {
    /// Any characters but `/`.
    Star,
    /// Any characters at all.
    Deep,
    /// One character but `/`.
    One,
    /// What is between brackets.
    Class(String),
    /// A character that means itself.
    Char(char),
    /// The token, or nothing.
    Maybe(Box<Token>),
}

/// More patterns than this are no filter that anybody reads.
const PATTERNS_MAX: usize = 64;

/// The patterns, in wf's dialect, that together match what these segments match.
///
/// # Errors
/// Why it is not said: too many patterns, or an empty segment, which no path has.
pub(super) fn spread(segments: Vec<Vec<Token>>) -> Result<Vec<String>, String> {
    let (mut waiting, mut done) = (vec![segments], Vec::new());
    while let Some(segments) = waiting.pop() {
        if waiting.len() + done.len() >= PATTERNS_MAX {
            return Err(format!("it would take more than {PATTERNS_MAX} patterns"));
        }
        let inner = segments.iter().enumerate().find_map(|(n, segment)| {
            let at = segment.iter().position(|token| *token == Token::Deep)?;
            (segment.len() > 1).then_some((n, at))
        });
        let Some((n, at)) = inner else {
            done.push(written(&segments)?);
            continue;
        };
        let (before, after) = (&segments[n][..at], &segments[n][at + 1..]);
        let with = |middle: Vec<Vec<Token>>| [&segments[..n], &middle, &segments[n + 1..]].concat();
        let mut far = Vec::new();
        if !before.is_empty() {
            far.push([before, &[Token::Star]].concat());
        }
        far.push(vec![Token::Deep]);
        if !after.is_empty() {
            far.push([&[Token::Star], after].concat());
        }
        waiting.push(with(far));
        // `**x` needs only the far form: `**/` may be nothing.
        if !before.is_empty() {
            waiting.push(with(vec![[before, &[Token::Star], after].concat()]));
        }
    }
    Ok(done)
}

fn written(segments: &[Vec<Token>]) -> Result<String, String> {
    let mut texts = Vec::new();
    for segment in segments {
        if segment.is_empty() {
            return Err("it has an empty segment, which no path has".into());
        }
        let mut text = String::new();
        for token in segment {
            write(token, &mut text);
        }
        texts.push(text);
    }
    Ok(texts.join("/"))
}

fn write(token: &Token, out: &mut String) {
    match token {
        Token::Star if out.ends_with('*') && !out.ends_with("\\*") => {}
        Token::Star => out.push('*'),
        Token::Deep => out.push_str("**"),
        Token::One => out.push('?'),
        Token::Class(inside) => {
            out.push('[');
            out.push_str(inside);
            out.push(']');
        }
        Token::Char(c) => {
            // A leading `!` or `.` segment would be read as something else.
            if "*?[]{}\\!".contains(*c) {
                out.push('\\');
            }
            out.push(*c);
        }
        Token::Maybe(token) => {
            out.push('{');
            write(token, out);
            out.push_str(",}");
        }
    }
}
