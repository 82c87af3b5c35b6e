//! Server-sent events: <https://html.spec.whatwg.org/multipage/server-sent-events.html>.

/// The data of each event that has some, in order. What comes after the last empty line is no event yet.
pub fn events(body: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(body);
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let (mut events, mut data) = (Vec::new(), Vec::new());
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let Some((whole, _)) = text.rsplit_once('\n') else { return events };
    for line in whole.split('\n').chain(text.ends_with("\n\n").then_some("")) {
        if line.is_empty() {
            if !data.is_empty() {
                events.push(data.join("\n"));
                data.clear();
            }
        } else if let Some(value) = line.strip_prefix("data:") {
            data.push(value.strip_prefix(' ').unwrap_or(value).to_owned());
        }
    }
    events
}

#[cfg(test)]
mod tests {
    use super::events;

    #[test]
    fn events_are_what_the_specification_says() {
        assert_eq!(events(b"data: a\n\ndata:b\ndata: c\n\n: comment\nevent: x\n\n"), ["a", "b\nc"]);
        assert_eq!(events(b"data: a\r\n\r\ndata: b\r\n\r\n"), ["a", "b"]);
        assert_eq!(events(b"\xef\xbb\xbfdata: a\n\ndata: not whole"), ["a"]);
        assert_eq!(events(b"data: a\n\ndata: not ended\n"), ["a"]);
        assert_eq!(events(b""), [""; 0]);
    }
}
