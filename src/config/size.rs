//! Sizes as people write them: `512MiB`, `2GB`. Pure.

const UNITS: [(&str, u64); 9] = [
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("TB", 1_000_000_000_000),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("kB", 1_000),
    ("B", 1),
];

/// Reads a whole number with a unit.
///
/// # Errors
/// A sentence for people.
pub fn parse(text: &str) -> Result<u64, String> {
    let trimmed = text.trim();
    let digits = trimmed.len() - trimmed.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = (&trimmed[..digits], trimmed[digits..].trim_start());
    let Ok(number) = number.parse::<u64>() else {
        return Err(format!("`{}` is not a size", super::yaml::shorten(text)));
    };
    if unit.is_empty() {
        return Err(format!("`{number}` has no unit; nobody can know whether bytes or megabytes are meant"));
    }
    let Some((_, factor)) = UNITS.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit)) else {
        return Err(format!("`{}` is not a unit of size; use KiB, MiB, GiB or kB, MB, GB", super::yaml::shorten(unit)));
    };
    match number.checked_mul(*factor) {
        Some(0) => Err("a size of nothing".into()),
        Some(bytes) => Ok(bytes),
        None => Err(format!("`{trimmed}` is more than wf can count")),
    }
}

/// Prints a size so that [`parse`] reads exactly it back.
pub fn exact(bytes: u64) -> String {
    let (unit, factor) =
        UNITS.iter().find(|(_, factor)| bytes >= *factor && bytes.is_multiple_of(*factor)).unwrap_or(&("B", 1));
    format!("{}{unit}", bytes / factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_refuses() {
        for (text, bytes) in [("512MiB", 512 << 20), ("2GB", 2_000_000_000), ("1 kb", 1_000), ("7B", 7)] {
            assert_eq!(parse(text), Ok(bytes), "{text}");
        }
        for text in ["", "512", "MiB", "2 apples", "1.5GB", "-1MB", "99999999999TiB", "0MB"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn exact_is_read_back(bytes in 1u64..) {
            proptest::prop_assert_eq!(parse(&exact(bytes)), Ok(bytes));
        }
    }
}
