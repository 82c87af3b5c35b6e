//! Rows of cells, one below the other. Does not know what is in them.

use crate::report::{Look, frame, look::Tone};
use std::fmt::Write as _;
use std::ops::Range;

/// Aligns cells. The head is strong, and the cell at `painted` has its row's tone. The cells at `right` are numbers.
pub(in crate::cli) fn aligned<const N: usize>(
    head: [String; N],
    rows: Vec<([String; N], Tone)>,
    painted: usize,
    right: Range<usize>,
    look: &Look,
) -> String {
    let mut all = vec![(head, Tone::Strong)];
    all.extend(rows);
    let widths: [usize; N] =
        std::array::from_fn(|at| all.iter().map(|(cells, _)| frame::cells(&cells[at])).max().unwrap_or(0));
    let mut text = String::new();
    for (i, (cells, tone)) in all.iter().enumerate() {
        let mut line = String::new();
        for (at, cell) in cells.iter().enumerate() {
            let fill = " ".repeat(widths[at] - frame::cells(cell));
            let shown = if i == 0 || at == painted { look.paint(*tone, cell) } else { cell.clone() };
            let (first, second) = if right.contains(&at) { (fill, shown) } else { (shown, fill) };
            line.extend([first.as_str(), &second, "  "]);
        }
        let _ = writeln!(text, "{}", line.trim_end());
    }
    text
}
