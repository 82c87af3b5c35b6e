//! A picture of a run over time: which steps ran when, and which of them made it as long as it was.
//!
//! Does not know: browsers with scripts, other files. An SVG and a page stand for themselves and follow the reader's
//! light or dark.

mod chart;
mod draw;
mod gantt;
mod page;
mod strip;

pub use draw::svg;
pub use gantt::gantt;
pub use page::html;

use super::clean;

/// Text inside an element or an attribute of XML or HTML.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in clean::text(text).chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests;
