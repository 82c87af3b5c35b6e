//! The `packages:` of a pnpm-workspace.yaml. Pure.

use saphyr_parser::{Event, Parser};

/// The patterns over member folders.
pub(super) fn members(text: &str) -> Result<Vec<String>, String> {
    let mut parser = Parser::new_from_str(text);
    let (mut depth, mut key, mut at_key, mut members) = (0u32, String::new(), true, Vec::new());
    while let Some(event) = parser.next_event() {
        match event.map_err(|error| error.to_string())?.0 {
            Event::MappingStart(..) | Event::SequenceStart(..) => depth += 1,
            Event::MappingEnd | Event::SequenceEnd => {
                depth = depth.saturating_sub(1);
                at_key |= depth == 1; // the value of a top-level key ended
            }
            Event::Scalar(text, ..) if depth == 1 && at_key => (key, at_key) = (text.into_owned(), false),
            Event::Scalar(..) | Event::Alias(_) if depth == 1 => at_key = true,
            Event::Scalar(text, ..) if depth == 2 && key == "packages" => members.push(text.into_owned()),
            _ => {}
        }
    }
    Ok(members)
}

#[cfg(test)]
mod tests {
    use super::members;

    #[test]
    fn only_packages_count() {
        let text = "catalog:\n  vue: ^3\n  nested: {packages: [no]}\nlinkWorkspacePackages: true\npackages:\n  - 'packages/*'\n  \
                    - '!**/test/**'\nignoredBuiltDependencies:\n  - esbuild\n";
        assert_eq!(members(text).unwrap(), ["packages/*", "!**/test/**"]);
        assert_eq!(members("packages: [a, b]").unwrap(), ["a", "b"]);
        assert!(members("").unwrap().is_empty() && members("packages: [").is_err());
    }
}
