//! Names of environments of tox: lists of them, and what stands in braces. Pure.
//!
//! Source: tox's documentation, "Generative environment list". Does not know: files.

/// More environments than this come of a list that nobody meant.
pub(super) const ENVIRONMENTS_MAX: usize = 200;

/// Names separated by commas outside of braces.
pub(super) fn list(text: &str) -> Vec<String> {
    let (mut depth, mut names) = (0_usize, vec![String::new()]);
    for c in text.chars() {
        match c {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        match names.last_mut() {
            Some(last) if !((c == ',' || c.is_whitespace()) && depth == 0) => last.push(c),
            _ => names.push(String::new()),
        }
    }
    names.into_iter().map(|name| name.split_whitespace().collect::<String>()).filter(|name| !name.is_empty()).collect()
}

/// `py{39,310}-{a,b}`: every combination; none if there are too many.
pub(super) fn expanded(name: &str) -> Option<Vec<String>> {
    let mut all = vec![String::new()];
    let mut rest = name;
    while let Some((before, after)) = rest.split_once('{') {
        let Some((inside, next)) = after.split_once('}') else { break };
        // `{env:X}` and the like are not alternatives.
        let choices: Vec<String> = if inside.contains(':') {
            vec![format!("{{{inside}}}")]
        } else {
            inside.split(',').map(numbers).collect::<Option<Vec<_>>>()?.concat()
        };
        if all.len() * choices.len() > ENVIRONMENTS_MAX {
            return None;
        }
        all =
            all.iter().flat_map(|start| choices.iter().map(move |choice| format!("{start}{before}{choice}"))).collect();
        rest = next;
    }
    Some(all.iter().map(|start| format!("{start}{rest}")).collect())
}

/// `39-312` in braces (tox 4.25) is every number from one to the other; none if they are too many.
fn numbers(text: &str) -> Option<Vec<String>> {
    let text = text.trim();
    let ends = text.split_once('-').and_then(|(from, to)| Some((from.parse::<u32>().ok()?, to.parse::<u32>().ok()?)));
    let Some((from, to)) = ends else { return Some(vec![text.to_owned()]) };
    let all = || (from.min(to)..=from.max(to)).map(|n| n.to_string());
    match (from.abs_diff(to) as usize) < ENVIRONMENTS_MAX {
        true if from <= to => Some(all().collect()),
        true => Some(all().rev().collect()),
        false => None,
    }
}

/// Does a line that begins with `py39,lint-x,!docs:` count for this environment? And what stands behind that.
pub(super) fn counts<'a>(line: &'a str, environment: &str) -> Option<&'a str> {
    let line = line.trim();
    let is_condition =
        |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "_.,{}!- ".contains(c));
    let Some((condition, rest)) = line.split_once(": ").filter(|(condition, _)| is_condition(condition)) else {
        return Some(line);
    };
    let has = |factor: &str| environment.split('-').any(|own| own == factor);
    let holds =
        |one: &String| one.split('-').all(|factor| factor.strip_prefix('!').map_or(has(factor), |not| !has(not)));
    // What cannot be told counts: what is left out because of it is told.
    let any = list(condition).iter().any(|one| expanded(one).is_none_or(|all| all.iter().any(holds)));
    any.then_some(rest.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn braces_ranges_and_conditions() {
        assert_eq!(expanded("py{39,310}-{a,b}").unwrap(), ["py39-a", "py39-b", "py310-a", "py310-b"]);
        assert_eq!(expanded("py3{9-11}").unwrap(), ["py39", "py310", "py311"]);
        assert_eq!(expanded("py3{11-9,x}").unwrap(), ["py311", "py310", "py39", "py3x"]);
        assert!(expanded("py3{1-999}").is_none() && expanded("{1-20}-{1-20}").is_none());
        for (line, environment, expected) in [
            ("pytest", "a", Some("pytest")),
            ("py39,fmt: black src", "fmt", Some("black src")),
            ("py39,fmt: black src", "py310", None),
            ("py{39,310}-x: a: b", "py310-x", Some("a: b")),
            ("!py39: x", "py39-b", None),
            ("!py39: x", "b", Some("x")),
            ("python -c \"print(': ')\"", "b", Some("python -c \"print(': ')\"")),
        ] {
            assert_eq!(counts(line, environment), expected, "{line}");
        }
    }
}
