//! The last line of what a step printed, for a live display.

/// Longest line that is told.
const LONGEST: usize = 400;

/// The end of the output so far.
#[derive(Default)]
pub struct Tail {
    recent: Vec<u8>,
}

impl Tail {
    /// Takes masked output.
    pub fn push(&mut self, bytes: &[u8]) {
        let end = &bytes[bytes.len().saturating_sub(4 * LONGEST)..];
        if self.recent.len() + end.len() > 8 * LONGEST {
            let keep = self.recent.len().saturating_sub(4 * LONGEST);
            self.recent.drain(..keep);
        }
        self.recent.extend_from_slice(end);
    }

    /// The last line that is not blank. A carriage return begins a line anew, as on a terminal.
    pub fn last_line(&self) -> String {
        let line = self
            .recent
            .rsplit(|byte| matches!(byte, b'\n' | b'\r'))
            .find(|line| !line.trim_ascii().is_empty())
            .unwrap_or(&[]);
        let mut text = String::from_utf8_lossy(&line[line.len().saturating_sub(LONGEST)..]).into_owned();
        while text.len() > LONGEST {
            text.remove(0);
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_that_says_something() {
        let mut tail = Tail::default();
        assert_eq!(tail.last_line(), "");
        for (piece, line) in [
            ("one\ntw", "tw"),
            ("o\n", "two"),
            ("\n  \n", "two"),
            ("10%\r20%", "20%"),
            ("\r\n", "20%"),
            ("\u{fffd}", "\u{fffd}"),
        ] {
            tail.push(piece.as_bytes());
            assert_eq!(tail.last_line(), line, "{piece:?}");
        }
        for _ in 0..100 {
            tail.push(&[0xff; 5000]);
        }
        assert!(tail.recent.len() <= 8 * LONGEST && tail.last_line().len() <= LONGEST);
    }
}
