//! Private keys of which a text shows only a part: one end, or the middle alone, as a hunk of a diff or a file that was cut
//! does. Pure.
//!
//! The body of a key in a text is base64 in lines of 64 characters (RFC 7468, 2), in other tools up to 76 (RFC 2045, 6.8).
//! Whether such lines are a key or something else that nobody can read is not known here; for a model both are worth the same.

/// What stands in place of such lines.
const REMOVED: &str = "[key material removed]";
/// Lines of a key's body have at least so many characters of base64, where an end of a key is shown.
const SHORTEST: usize = 16;
/// In one line with its mark a body has at least so many.
const LONG: usize = 40;
/// Where no end is shown: so many lines in a row, each at least so long, and so mixed as random bytes are.
const ALONE: (usize, usize) = (3, 60);

/// Does a text show the beginning or the end of a private key?
pub fn shows_an_end(text: &str) -> bool {
    mark(text, "-----BEGIN ") || mark(text, "-----END ")
}

/// Is there a line `-----BEGIN … PRIVATE KEY-----`, or one with `END`?
fn mark(text: &str, begin: &str) -> bool {
    let found = memchr::memmem::find_iter(text.as_bytes(), begin.as_bytes()).map(|at| &text[at + begin.len()..]);
    found.into_iter().any(|rest| {
        let rest = rest.trim_start_matches(|c: char| c.is_ascii_uppercase() || c == ' ');
        let label = &text[..text.len() - rest.len()];
        rest.starts_with("-----") && label.ends_with("PRIVATE KEY")
    })
}

/// The text without lines that are, or may be, a part of a key; `None` if there are none. Line breaks stay.
pub fn removed(text: &str) -> Option<String> {
    let ends = shows_an_end(text);
    if !ends && !text.lines().any(is_random) {
        return None;
    }
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let mut gone = vec![false; lines.len()];
    let mut from = 0;
    while from < lines.len() {
        let run = lines[from..].iter().take_while(|line| is_body(core(line))).count();
        let all = &lines[from..from + run];
        if run > 0 && (ends || alone(all)) {
            // The last line of a body is as long as is left.
            let rest = lines.get(from + run).is_some_and(|line| !core(line).is_empty());
            gone[from..from + run + usize::from(rest)].fill(true);
        }
        from += run.max(1);
    }
    // In one line with its mark: `-----BEGIN PRIVATE KEY-----\\nMII…`.
    for (line, gone) in lines.iter().zip(&mut gone) {
        *gone |= ends && shows_an_end(line) && line.split(|c| !is_base64(c)).any(|word| word.len() >= LONG);
    }
    if !gone.contains(&true) {
        return None;
    }
    let mut out = String::with_capacity(text.len());
    let mut before = false;
    for (line, gone) in lines.iter().zip(gone) {
        match (gone, before) {
            (false, _) => out.push_str(line),
            (true, false) => out.push_str(REMOVED),
            (true, true) => {}
        }
        if gone && line.ends_with('\n') {
            out.push('\n');
        }
        before = gone;
    }
    Some(out)
}

/// The base64 of a line that has nothing else; empty for any other line. The mark of a diff, quotes, a comma and the like do
/// not count.
fn core(line: &str) -> &str {
    let around = |c: char| c.is_whitespace() || "\"'`,;()>|#*-".contains(c);
    let line = line.trim_matches(around);
    let line = line.strip_suffix(" +").map_or(line, |line| line.trim_matches(around));
    let line = line.strip_suffix("\\n").map_or(line, |line| line.trim_matches(around));
    let line = line.strip_prefix('+').map_or(line, |line| line.trim_matches(around));
    if line.chars().all(is_base64) { line } else { "" }
}

fn is_base64(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '=')
}

/// May it be a line of a key's body, and no word of a program?
fn is_body(core: &str) -> bool {
    let has = |what: fn(&u8) -> bool| core.as_bytes().iter().any(what);
    core.len() >= LONG || (core.len() >= SHORTEST && has(u8::is_ascii_digit) && has(u8::is_ascii_uppercase))
}

/// Lines that look like the middle of a key, with none of its ends.
fn alone(lines: &[&str]) -> bool {
    lines.iter().filter(|line| is_random(line)).count() >= ALONE.0
}

/// Is a line long, of nothing but base64, and of all kinds of its characters?
fn is_random(line: &str) -> bool {
    let line = if line.len() < ALONE.1 { "" } else { core(line) };
    let has = |what: fn(&u8) -> bool| line.as_bytes().iter().any(what);
    line.len() >= ALONE.1 && has(u8::is_ascii_uppercase) && has(u8::is_ascii_lowercase) && has(u8::is_ascii_digit)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(lines: usize) -> String {
        (0..lines).map(|n| format!("{n}MIIEpAIBAAKCAQEA7bq+Xy/0123456789abcdefghijklmnopqrstuvwxyzABCDE\n")).collect()
    }

    #[test]
    fn one_end_is_enough_and_the_middle_too() {
        let begin = "-----BEGIN RSA PRIVATE KEY-----\n";
        let end = "-----END RSA PRIVATE KEY-----\n";
        for text in [
            format!("x\n{begin}{}", body(2)),
            format!("{}{end}x\n", body(2)),
            format!("@@ -1 +1 @@\n {begin}@@ -9 +9 @@\n-{}+{}", body(1), body(1)),
            body(3),
            body(4).replace('7', "+"),
            format!("  \"{}", body(3).replace('\n', "\\n\" +\n")),
            format!("key = \"-----BEGIN PRIVATE KEY-----\\n{}\"\n", body(1).trim()),
        ] {
            let clean = removed(&text).unwrap_or_else(|| panic!("{text}"));
            assert!(!clean.contains("KCAQEA") && clean.contains(REMOVED), "{clean}");
            assert_eq!(clean.matches('\n').count(), text.matches('\n').count(), "lines keep their numbers");
        }
        assert!(removed(&format!("{begin}{}YWJj\n{end}", body(1))).is_some_and(|clean| !clean.contains("YWJj")));
    }

    #[test]
    fn words_and_digests_stay() {
        let digest = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\n".repeat(5);
        for text in ["a line of words\n".repeat(9), digest, "look for `-----BEGIN`\n".into(), body(2)] {
            assert_eq!(removed(&text), None, "{text}");
        }
        let code = "if text.contains(\"-----BEGIN PRIVATE KEY-----\") {\n    return;\n}\n";
        assert_eq!(removed(code), None);
    }
}
