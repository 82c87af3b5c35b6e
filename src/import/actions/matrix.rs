//! The combination of a job's `matrix` that a step stands for. Pure.
//!
//! GitHub's rules ("Running variations of jobs in a workflow"): every value of each axis with every other, those left out
//! that an `exclude` matches; an `include` adds to combinations whose axes it agrees with, and stands alone without any.

use crate::config::yaml::Node;
use crate::import::node::Look;
use std::collections::BTreeMap;

/// More combinations than GitHub allows are not looked at.
const COMBINATIONS_MAX: usize = 256;

/// Values by name; what is inside an object as `name.key`.
pub(super) type Combination = BTreeMap<String, String>;

/// The first combination that is known and `fits`; none if there is none. What others have and it has not is empty, as GitHub
/// reads it.
pub(super) fn first(matrix: &Node, fits: &impl Fn(&Combination) -> bool) -> Option<Combination> {
    let mut one = chosen(matrix, fits)?;
    for (name, is_known) in names(matrix) {
        if is_known && !one.contains_key(&name) {
            one.insert(name, String::new());
        }
    }
    Some(one)
}

/// Every name in the entries of `include` and of the axes, and whether its value is known wherever it has one.
fn names(matrix: &Node) -> BTreeMap<String, bool> {
    let mut out = BTreeMap::new();
    let is_expression = |node: &Node| node.text().is_some_and(|text| text.contains("${{"));
    // What an expression adds nobody knows.
    let open = |list: &Node| is_expression(list) || list.items().iter().any(is_expression);
    if matrix.get("include").is_some_and(open) {
        return out;
    }
    for (axis, list) in matrix.entries().iter().filter(|(name, list)| name.value != "exclude" && !open(list)) {
        let above = if axis.value == "include" { String::new() } else { format!("{}.", axis.value) };
        for (name, value) in list.items().iter().flat_map(Look::entries) {
            // An axis has a value in each combination, known or not.
            if above.is_empty() && matrix.get(&name.value).is_some() {
                continue;
            }
            let is_known = value.text().is_some_and(|text| !text.contains("${{"));
            *out.entry(format!("{above}{}", name.value)).or_insert(true) &= is_known;
        }
    }
    out
}

fn chosen(matrix: &Node, fits: &impl Fn(&Combination) -> bool) -> Option<Combination> {
    let known = |node: &Node| node.text().is_none_or(|text| !text.contains("${{"));
    let axes: Vec<(&str, Vec<&Node>)> = matrix
        .entries()
        .iter()
        .filter(|(name, _)| name.value != "include" && name.value != "exclude")
        .map(|(name, list)| (name.value.as_str(), list.items().iter().filter(|node| known(node)).collect::<Vec<_>>()))
        .filter(|(_, values)| !values.is_empty())
        .collect();
    let listed = |key: &str| matrix.get(key).map(Look::items).unwrap_or_default().iter().map(flat).collect::<Vec<_>>();
    let (includes, excludes) = (listed("include"), listed("exclude"));
    if axes.is_empty() {
        return includes.into_iter().filter(|one| !one.is_empty()).find(fits);
    }
    let count = axes.iter().fold(1_usize, |count, (_, values)| count.saturating_mul(values.len()));
    let names: Vec<&str> = axes.iter().map(|(name, _)| *name).collect();
    let of_axis = |key: &str| names.iter().any(|name| key == *name || key.starts_with(&format!("{name}.")));
    (0..count.min(COMBINATIONS_MAX)).find_map(|number| {
        // The last axis turns fastest.
        let (mut one, mut rest) = (Combination::new(), number);
        for (name, values) in axes.iter().rev() {
            put(&mut one, name, values[rest % values.len()]);
            rest /= values.len();
        }
        let agrees = |other: &Combination| other.iter().all(|(key, value)| one.get(key) == Some(value));
        if excludes.iter().any(|exclude| !exclude.is_empty() && agrees(exclude)) {
            return None;
        }
        let added = includes.iter().filter(|include| {
            include.iter().filter(|(key, _)| of_axis(key)).all(|(key, value)| one.get(key) == Some(value))
        });
        let added: Vec<(String, String)> =
            added.flatten().filter(|(key, _)| !of_axis(key)).map(|(key, value)| (key.clone(), value.clone())).collect();
        one.extend(added);
        fits(&one).then_some(one)
    })
}

/// The values of one entry, those that depend on expressions left out.
fn flat(entry: &Node) -> Combination {
    let mut out = Combination::new();
    for (name, value) in entry.entries() {
        put(&mut out, &name.value, value);
    }
    out
}

fn put(out: &mut Combination, name: &str, value: &Node) {
    if let Some(text) = value.text() {
        if !text.contains("${{") {
            out.insert(name.to_owned(), text.to_owned());
        }
        return;
    }
    for (key, inner) in value.entries() {
        if let Some(text) = inner.text().filter(|text| !text.contains("${{")) {
            out.insert(format!("{name}.{}", key.value), text.to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::import::node::from_yaml;

    #[test]
    fn the_first_combination_that_fits() {
        for (text, expected) in [
            ("{os: [windows, linux], py: [a, b], exclude: [{os: linux, py: a}]}", Some("os=linux py=b")),
            ("{py: [a, b], include: [{py: b, x: 1}, {py: a, y: 2}, {z: 3}]}", Some("py=a x= y=2 z=3")),
            ("{include: [{os: windows, t: e}, {t: unit, cmd: npm test}]}", Some("cmd=npm test os= t=unit")),
            ("{cfg: [{n: a, v: 1}, {n: b, w: 2}]}", Some("cfg.n=a cfg.v=1 cfg.w=")),
            ("{include: [{t: a}, {t: b, x: '${{ y }}'}]}", Some("t=a")),
            ("{include: [{t: a}, {t: b, x: 1}, '${{ y }}']}", Some("t=a")),
            ("{os: [linux], py: '${{ y }}', include: [{os: mac, py: 3, z: 1}]}", Some("os=linux z=")),
            ("{os: [windows]}", None),
            ("{py: '${{ fromJSON(x) }}'}", None),
        ] {
            let root = from_yaml(text).unwrap();
            let fits = |one: &Combination| one.get("os").is_none_or(|os| os != "windows");
            let shown = first(&root, &fits)
                .map(|one| one.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" "));
            assert_eq!(shown.as_deref(), expected, "{text}");
        }
    }
}
