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

/// `py{39,310}-{a,b}`: every combination.
pub(super) fn expanded(name: &str) -> Vec<String> {
    let mut all = vec![String::new()];
    let mut rest = name;
    while let Some((before, after)) = rest.split_once('{') {
        let Some((inside, next)) = after.split_once('}') else { break };
        // `{env:X}` and the like are not alternatives.
        let choices: Vec<String> = if inside.contains(':') {
            vec![format!("{{{inside}}}")]
        } else {
            inside.split(',').flat_map(numbers).collect()
        };
        if all.len() * choices.len() > ENVIRONMENTS_MAX {
            return vec![];
        }
        all =
            all.iter().flat_map(|start| choices.iter().map(move |choice| format!("{start}{before}{choice}"))).collect();
        rest = next;
    }
    all.iter().map(|start| format!("{start}{rest}")).collect()
}

/// `39-312` in braces (tox 4.25) is every number from one to the other.
fn numbers(text: &str) -> Vec<String> {
    let text = text.trim();
    let ends = text.split_once('-').and_then(|(from, to)| Some((from.parse::<u32>().ok()?, to.parse::<u32>().ok()?)));
    match ends {
        Some((from, to)) if from <= to && to - from < ENVIRONMENTS_MAX as u32 => {
            (from..=to).map(|n| n.to_string()).collect()
        }
        _ => vec![text.to_owned()],
    }
}
