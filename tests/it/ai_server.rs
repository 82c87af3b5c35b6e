//! A service that answers as it is told: both dialects, streaming and not, counting what it is asked, with faults in a row.

use serde_json::{Value, json};
use std::collections::{BTreeMap, VecDeque};
use std::io::{BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What a request meets instead of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// 429, to be tried again after so many seconds.
    Limited(u32),
    /// 500
    Broken,
    /// The connection breaks within the answer.
    Cut,
    /// The service ends an answer within a stream as if it were whole: nothing says how long it is.
    HalfClosed,
    /// So many milliseconds between the pieces of an answer.
    Slow(u64),
    /// The request is longer than the model's context.
    TooLong,
    /// An answer that reaches its limit of tokens, after so many milliseconds.
    SlowlyTruncated(u64),
    /// The model declines.
    Refusal,
    /// The answer reaches its limit of tokens.
    Truncated,
    /// The answer is not JSON.
    Malformed,
    /// The answer is JSON, and its text is not the JSON that was asked for.
    NotFindings,
    /// The key is not known.
    Auth,
    /// The answer says what authorised the request, in a stream in two pieces.
    Echoes,
    /// The error does.
    EchoesError,
    /// The answer is a web page.
    Page,
    /// It is elsewhere.
    Moved,
}

/// A request that came.
#[derive(Clone, Debug)]
pub struct Seen {
    pub method: String,
    pub path: String,
    pub headers: BTreeMap<String, String>,
    pub body: Vec<u8>,
}

#[derive(Default)]
struct State {
    faults: Mutex<VecDeque<Fault>>,
    always: Mutex<Option<Fault>>,
    longest: Mutex<Option<usize>>,
    seen: Mutex<Vec<Seen>>,
    /// Requests that are being answered, and the most of them at once.
    open: Mutex<(usize, usize)>,
}

/// The service. It ends with the test's process.
pub struct Fake {
    pub url: String,
    state: Arc<State>,
}

/// Serves every connection in a thread of its own, for as long as the test runs; returns where.
pub fn listen<S: Send + Sync + 'static>(state: Arc<S>, serve: fn(&S, TcpStream) -> std::io::Result<()>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let state = Arc::clone(&state);
            std::thread::spawn(move || drop(serve(&state, stream)));
        }
    });
    url
}

impl Fake {
    pub fn start() -> Self {
        let state = Arc::new(State::default());
        Self { url: listen(Arc::clone(&state), serve), state }
    }

    /// The next requests meet these, one each.
    pub fn next(&self, faults: &[Fault]) {
        self.state.faults.lock().unwrap().extend(faults);
    }

    /// Every request meets this, after those of [`Fake::next`].
    pub fn always(&self, fault: Option<Fault>) {
        *self.state.always.lock().unwrap() = fault;
    }

    /// Requests with longer bodies are too long.
    pub fn longest(&self, bytes: usize) {
        *self.state.longest.lock().unwrap() = Some(bytes);
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.state.seen.lock().unwrap().clone()
    }

    pub fn calls(&self) -> usize {
        self.state.seen.lock().unwrap().len()
    }

    /// The most requests that were being answered at once.
    pub fn most_at_once(&self) -> usize {
        self.state.open.lock().unwrap().1
    }

    /// How many requests came since this was last asked.
    pub fn new_calls(&self, known: &mut usize) -> usize {
        let now = self.calls();
        now - std::mem::replace(known, now)
    }

    /// Everything that was sent, as one text.
    pub fn all_sent(&self) -> String {
        let text = |seen: &Seen| format!("{} {:?} {}\n", seen.path, seen.headers, String::from_utf8_lossy(&seen.body));
        self.seen().iter().map(text).collect()
    }
}

fn serve(state: &State, stream: TcpStream) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let Some(seen) = request(&mut reader)? else { return Ok(()) };
    let number = {
        let mut all = state.seen.lock().unwrap();
        all.push(seen.clone());
        all.len()
    };
    let fault = state.faults.lock().unwrap().pop_front().or(*state.always.lock().unwrap());
    let long = state.longest.lock().unwrap().is_some_and(|most| seen.body.len() > most);
    let fault = if long { Some(Fault::TooLong) } else { fault };
    let count = |by: isize| {
        let mut open = state.open.lock().unwrap();
        open.0 = open.0.saturating_add_signed(by);
        open.1 = open.1.max(open.0);
    };
    count(1);
    let done = answer(stream, &seen, number, fault);
    count(-1);
    done
}

pub fn request(reader: &mut impl std::io::BufRead) -> std::io::Result<Option<Seen>> {
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let mut words = line.split_whitespace().map(str::to_owned);
    let (Some(method), Some(path)) = (words.next(), words.next()) else { return Ok(None) };
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let length = headers.get("content-length").map_or(0, |value| value.parse().unwrap());
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    Ok(Some(Seen { method, path, headers, body }))
}

fn answer(mut to: TcpStream, seen: &Seen, number: usize, fault: Option<Fault>) -> std::io::Result<()> {
    let error = |kind: &str, code: &str, message: &str| {
        json!({ "type": "error", "error": { "type": kind, "code": code, "message": message } }).to_string()
    };
    let refused = match fault {
        Some(Fault::Limited(after)) => {
            Some((429, format!("retry-after: {after}\r\n"), error("rate_limit_error", "", "slow down")))
        }
        Some(Fault::Broken) => Some((500, String::new(), error("api_error", "", "it broke"))),
        Some(Fault::Auth) => Some((401, String::new(), error("authentication_error", "invalid_api_key", "who?"))),
        Some(Fault::TooLong) => Some((
            400,
            String::new(),
            error("invalid_request_error", "context_length_exceeded", "maximum context length"),
        )),
        Some(Fault::EchoesError) => Some((
            401,
            String::new(),
            error("authentication_error", "invalid_api_key", &format!("{} is not known", authorization(seen))),
        )),
        Some(Fault::Page) => Some((404, String::new(), "<!DOCTYPE html>\n<html>not here".to_owned())),
        Some(Fault::Moved) => Some((302, "location: /v2/there\r\n".into(), String::new())),
        Some(Fault::Malformed) => Some((200, String::new(), "<html>".to_owned())),
        _ => None,
    };
    if let Some((status, headers, body)) = refused {
        return write!(
            to,
            "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {}\r\n{headers}connection: close\r\n\r\n{body}",
            body.len()
        );
    }
    let fault = match fault {
        Some(Fault::SlowlyTruncated(ms)) => {
            std::thread::sleep(Duration::from_millis(ms));
            Some(Fault::Truncated)
        }
        other => other,
    };
    let question: Value = serde_json::from_slice(&seen.body).unwrap_or_default();
    let streams = question["stream"] == json!(true);
    let pieces = pieces(seen, &question, number, fault, streams);
    let kind = if streams { "text/event-stream" } else { "application/json" };
    let framing = if fault == Some(Fault::HalfClosed) { "" } else { "transfer-encoding: chunked\r\n" };
    write!(
        to,
        "HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\nx-request-id: req-{number}\r\nopenai-organization: org\r\n\
         x-of-the-machine: 7\r\n{framing}connection: close\r\n\r\n"
    )?;
    let half = pieces.len().div_ceil(2);
    for (at, piece) in pieces.iter().enumerate() {
        let broken = matches!(fault, Some(Fault::Cut | Fault::HalfClosed)) && at >= half;
        if broken || (pieces.len() == 1 && matches!(fault, Some(Fault::Cut))) {
            return to.flush();
        }
        if let Some(Fault::Slow(ms)) = fault {
            std::thread::sleep(Duration::from_millis(ms));
        }
        if framing.is_empty() {
            to.write_all(piece.as_bytes())?;
        } else {
            write!(to, "{:x}\r\n{piece}\r\n", piece.len())?;
        }
        to.flush()?;
    }
    if let Some(Fault::Slow(ms)) = fault {
        std::thread::sleep(Duration::from_millis(ms));
    }
    if framing.is_empty() { Ok(()) } else { write!(to, "0\r\n\r\n") }
}

fn authorization(seen: &Seen) -> &str {
    ["authorization", "x-api-key"].iter().find_map(|name| seen.headers.get(*name)).map_or("", String::as_str)
}

/// What is said: findings where they are wanted, one for a text with BAD in it; else a sentence that no other call has.
fn text(seen: &Seen, number: usize, fault: Option<Fault>) -> String {
    let asked = String::from_utf8_lossy(&seen.body);
    if fault == Some(Fault::Echoes) {
        return authorization(seen).to_owned();
    }
    if !asked.contains("\"severity\"") || fault == Some(Fault::NotFindings) {
        return format!("answer number {number}");
    }
    let bad = json!({ "file": null, "line": 1, "severity": "error", "message": "this is bad" });
    let findings = if asked.contains("BAD") { vec![bad] } else { vec![] };
    json!({ "findings": findings, "summary": "read" }).to_string()
}

fn pieces(seen: &Seen, question: &Value, number: usize, fault: Option<Fault>, streams: bool) -> Vec<String> {
    let text = text(seen, number, fault);
    let path = seen.path.split('?').next().unwrap_or_default();
    let events =
        |events: &[Value]| -> Vec<String> { events.iter().map(|event| format!("data: {event}\n\n")).collect() };
    if path.ends_with("/chat/completions") {
        let finish = if fault == Some(Fault::Truncated) { "length" } else { "stop" };
        let usage = json!({ "prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15 });
        let base = json!({ "id": format!("c-{number}"), "object": "chat.completion", "created": 1, "model": question["model"] });
        let with = |more: Value| {
            let mut all = base.clone();
            for (key, value) in more.as_object().unwrap() {
                all[key] = value.clone();
            }
            all
        };
        let refusal = if fault == Some(Fault::Refusal) { json!("I will not") } else { Value::Null };
        if !streams {
            let message = json!({ "role": "assistant", "content": text, "refusal": refusal });
            let choice = json!({ "index": 0, "message": message, "finish_reason": finish });
            return vec![with(json!({ "choices": [choice], "usage": usage })).to_string()];
        }
        let delta = |delta: Value, finish: Value| {
            with(
                json!({ "object": "chat.completion.chunk", "choices": [{ "index": 0, "delta": delta, "finish_reason": finish }] }),
            )
        };
        let (one, two) = text.split_at(text.len() / 2);
        let mut all = events(&[
            delta(json!({ "role": "assistant", "content": "", "refusal": refusal }), Value::Null),
            delta(json!({ "content": one }), Value::Null),
            delta(json!({ "content": two }), Value::Null),
            delta(json!({}), json!(finish)),
            with(json!({ "object": "chat.completion.chunk", "choices": [], "usage": usage })),
        ]);
        all.push("data: [DONE]\n\n".into());
        return all;
    }
    if path.ends_with("/messages/count_tokens") {
        return vec![json!({ "input_tokens": 7 }).to_string()];
    }
    if path.ends_with("/messages") {
        return messages(question, &text, number, fault, streams);
    }
    if path.ends_with("/responses") {
        let status = if fault == Some(Fault::Truncated) { "incomplete" } else { "completed" };
        let part = match fault {
            Some(Fault::Refusal) => json!({ "type": "refusal", "refusal": "I will not" }),
            _ => json!({ "type": "output_text", "text": text, "annotations": [] }),
        };
        let response = json!({
            "id": format!("resp-{number}"), "object": "response", "status": status, "error": null, "model": question["model"],
            "output": [{ "type": "message", "id": "m", "role": "assistant", "content": [part] }],
            "usage": { "input_tokens": 10, "output_tokens": 5, "total_tokens": 15 },
        });
        if !streams {
            return vec![response.to_string()];
        }
        return [
            json!({ "type": "response.created", "response": { "id": format!("resp-{number}"), "status": "in_progress" } }),
            json!({ "type": "response.output_text.delta", "delta": text }),
            json!({ "type": format!("response.{status}"), "response": response }),
        ]
        .iter()
        .map(|event| format!("event: {}\ndata: {event}\n\n", event["type"].as_str().unwrap()))
        .collect();
    }
    if path.ends_with("/embeddings") {
        let data = json!([{ "object": "embedding", "index": 0, "embedding": [0.25, number] }]);
        let usage = json!({ "prompt_tokens": 3, "total_tokens": 3 });
        return vec![json!({ "object": "list", "data": data, "model": question["model"], "usage": usage }).to_string()];
    }
    if path.ends_with("/models") {
        return vec![json!({ "object": "list", "data": [{ "id": "m", "object": "model" }] }).to_string()];
    }
    vec![json!({ "other": number }).to_string()]
}

fn messages(question: &Value, text: &str, number: usize, fault: Option<Fault>, streams: bool) -> Vec<String> {
    let stop = match fault {
        Some(Fault::Truncated) => "max_tokens",
        Some(Fault::Refusal) => "refusal",
        _ if question["tools"].is_array() => "tool_use",
        _ => "end_turn",
    };
    let tool = question["tools"].is_array() && text.starts_with('{');
    let base =
        json!({ "id": format!("msg-{number}"), "type": "message", "role": "assistant", "model": question["model"] });
    let mut message = base;
    if !streams {
        message["content"] = if tool {
            json!([{ "type": "tool_use", "id": "t", "name": "report", "input": serde_json::from_str::<Value>(text).unwrap() }])
        } else {
            json!([{ "type": "text", "text": text }])
        };
        message["stop_reason"] = json!(stop);
        message["usage"] = json!({ "input_tokens": 10, "output_tokens": 5 });
        return vec![message.to_string()];
    }
    message["content"] = json!([]);
    message["stop_reason"] = Value::Null;
    message["usage"] = json!({ "input_tokens": 10, "output_tokens": 1 });
    let (block, delta) = if tool {
        let block = json!({ "type": "tool_use", "id": "t", "name": "report", "input": {} });
        (block, json!({ "type": "input_json_delta", "partial_json": text }))
    } else {
        (json!({ "type": "text", "text": "" }), json!({ "type": "text_delta", "text": text }))
    };
    let all = [
        json!({ "type": "message_start", "message": message }),
        json!({ "type": "content_block_start", "index": 0, "content_block": block }),
        json!({ "type": "content_block_delta", "index": 0, "delta": delta }),
        json!({ "type": "content_block_stop", "index": 0 }),
        json!({ "type": "message_delta", "delta": { "stop_reason": stop }, "usage": { "output_tokens": 5 } }),
        json!({ "type": "message_stop" }),
    ];
    all.iter().map(|event| format!("event: {}\ndata: {event}\n\n", event["type"].as_str().unwrap())).collect()
}

/// A response of a proxy.
#[derive(Clone, Debug)]
pub struct Got {
    /// 0: the connection broke before anything came.
    pub status: u16,
    pub headers: BTreeMap<String, String>,
    /// Without the framing of HTTP.
    pub body: Vec<u8>,
    /// It came to its end.
    pub whole: bool,
}

impl Got {
    pub fn cache(&self) -> &str {
        self.headers.get("x-wf-cache").map_or("", String::as_str)
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// A request that is sent byte by byte as it stands here.
pub fn raw(address: &str, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Got {
    receive(&mut send(address, method, path, headers, body))
}

/// The first half of [`raw`].
pub fn send(address: &str, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> TcpStream {
    use std::fmt::Write as _;
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let mut head = format!("{method} {path} HTTP/1.1\r\nconnection: close\r\ncontent-length: {}\r\n", body.len());
    if !headers.iter().any(|(name, _)| *name == "host") {
        let _ = write!(head, "host: {address}\r\n");
    }
    for (name, value) in headers {
        let _ = write!(head, "{name}: {value}\r\n");
    }
    stream.write_all(format!("{head}\r\n").as_bytes()).unwrap();
    stream.write_all(body).unwrap();
    stream
}

/// The second half of [`raw`].
pub fn receive(stream: &mut TcpStream) -> Got {
    let mut all = Vec::new();
    let _ = stream.read_to_end(&mut all);
    let Some(end) = all.windows(4).position(|four| four == b"\r\n\r\n") else {
        return Got { status: 0, headers: BTreeMap::new(), body: all, whole: false };
    };
    let head = String::from_utf8_lossy(&all[..end]).into_owned();
    let mut lines = head.lines();
    let status = lines.next().unwrap().split_whitespace().nth(1).unwrap().parse().unwrap();
    let headers: BTreeMap<String, String> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let rest = &all[end + 4..];
    let chunked = headers.get("transfer-encoding").is_some_and(|value| value == "chunked");
    let (body, whole) = if chunked { unchunked(rest) } else { (rest.to_vec(), true) };
    Got { status, headers, body, whole }
}

fn unchunked(mut rest: &[u8]) -> (Vec<u8>, bool) {
    let mut body = Vec::new();
    while let Some(end) = rest.windows(2).position(|two| two == b"\r\n") {
        let length = usize::from_str_radix(std::str::from_utf8(&rest[..end]).unwrap(), 16).unwrap();
        if length == 0 {
            return (body, true);
        }
        let piece = rest.get(end + 2..end + 2 + length);
        let Some(piece) = piece else { return (body, false) };
        body.extend_from_slice(piece);
        rest = rest.get(end + 2 + length + 2..).unwrap_or_default();
    }
    (body, false)
}
