//! Durations as people write them: `90s`, `10m`, `1h30m`, `250ms`. Pure.

/// Milliseconds: either a duration, or a point on a run's monotonic clock that starts at 0.
pub type Millis = u64;

const UNITS: [(&str, u64); 5] = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];

/// Reads a duration. Units may be chained from large to small (`1h30m`); a bare number is refused, because
/// nobody can know its unit.
///
/// # Errors
/// A sentence for people: what is wrong and what would be right.
pub fn parse(text: &str) -> Result<Millis, String> {
    let (mut rest, mut total, mut ceiling) = (text.trim(), 0u64, u64::MAX);
    if rest.is_empty() {
        return Err("an empty duration; write one like `90s`, `10m` or `1h30m`".into());
    }
    while !rest.is_empty() {
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (number, tail) = rest.split_at(digits);
        let letters = tail.len() - tail.trim_start_matches(|c: char| c.is_ascii_alphabetic()).len();
        let (unit, next) = tail.split_at(letters);
        let Ok(number) = number.parse::<u64>() else {
            return Err(format!("`{text}` is not a duration; write one like `90s`, `10m` or `1h30m`"));
        };
        if unit.is_empty() && !tail.is_empty() {
            return Err(format!("`{text}` is not a duration; write whole numbers with a unit: `1h30m`, not `1.5h`"));
        }
        if unit.is_empty() {
            return Err(format!("`{text}` has no unit; write `{number}s` or `{number}m`"));
        }
        let Some(&(_, factor)) = UNITS.iter().find(|(name, _)| *name == unit) else {
            return Err(format!("`{unit}` is not a unit of time; use ms, s, m, h or d"));
        };
        if factor >= ceiling {
            return Err(format!("`{text}` repeats or reorders its units; write large units first, as in `1h30m`"));
        }
        ceiling = factor;
        total = number
            .checked_mul(factor)
            .and_then(|part| total.checked_add(part))
            .ok_or_else(|| format!("`{text}` is longer than wf can count"))?;
        rest = next;
    }
    Ok(total)
}

/// Prints a duration for people: `0.3s`, `12.4s`, `3m05s`, `1h02m`.
pub fn human(ms: Millis) -> String {
    let seconds = ms / 1_000;
    match ms {
        0..10_000 => format!("{:.1}s", ms as f64 / 1_000.0),
        10_000..60_000 => format!("{seconds}s"),
        60_000..3_600_000 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        _ => format!("{}h{:02}m", seconds / 3_600, seconds / 60 % 60),
    }
}

/// Prints a duration so that [`parse`] reads exactly it back.
pub fn exact(ms: Millis) -> String {
    let (mut rest, mut text) = (ms, String::new());
    for (unit, factor) in UNITS.iter().rev() {
        if rest >= *factor {
            text = format!("{text}{}{unit}", rest / factor);
            rest %= factor;
        }
    }
    if text.is_empty() { "0s".into() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_refuses() {
        for (text, ms) in [("90s", 90_000), ("10m", 600_000), ("1h30m", 5_400_000), ("250ms", 250), ("0s", 0)] {
            assert_eq!(parse(text), Ok(ms), "{text}");
        }
        for text in ["", "10", "ten", "5x", "30m1h", "1m1m", "-1s", "99999999999999999999s", "999999999999999d", "1.5h"]
        {
            assert!(parse(text).is_err(), "{text}");
        }
        assert_eq!(parse("10").unwrap_err(), "`10` has no unit; write `10s` or `10m`");
        assert!(parse("1.5h").unwrap_err().contains("whole numbers"));
    }

    proptest::proptest! {
        #[test]
        fn exact_is_read_back(ms in 0u64..u64::MAX / 2) {
            proptest::prop_assert_eq!(parse(&exact(ms)), Ok(ms));
        }
    }
}
