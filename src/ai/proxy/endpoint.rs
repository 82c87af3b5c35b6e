//! Which request it is: of which dialect, for which server, and whether its answer may be kept.

use crate::ask::Json;
use crate::config::model::Provider;

/// What kind of answer an endpoint gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Chat completions.
    Chat,
    /// OpenAI's responses.
    Responses,
    /// Embeddings.
    Embeddings,
    /// Anthropic's messages.
    Messages,
    /// How many tokens a message has.
    Count,
    /// The list of models.
    Models,
    /// Anything else: passed on, never kept.
    Other,
}

/// Where a request goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Whose dialect.
    pub provider: Provider,
    /// What it is.
    pub kind: Kind,
    /// Below the upstream, with its query.
    pub path: String,
}

/// Of a path as a client asks for it: `/openai/v1/…`, `/anthropic/v1/…`, or without the first part, where the rest and
/// `anthropic-version` tell. An upstream of OpenAI's dialect ends with `/v1` already, one of Anthropic's does not.
pub fn of(method: &str, path_and_query: &str, speaks_anthropic: bool) -> Endpoint {
    let (path, query) =
        path_and_query.split_once('?').map_or((path_and_query, None), |(path, query)| (path, Some(query)));
    let (named, rest) = match (path.strip_prefix("/openai/"), path.strip_prefix("/anthropic/")) {
        (Some(rest), _) => (Some(Provider::Openai), rest),
        (_, Some(rest)) => (Some(Provider::Anthropic), rest),
        _ => (None, path.trim_start_matches('/')),
    };
    let bare = rest.strip_prefix("v1/").unwrap_or(rest);
    let messages = bare == "messages" || bare.starts_with("messages/");
    let provider = named.unwrap_or(if messages || speaks_anthropic { Provider::Anthropic } else { Provider::Openai });
    let kind = match (method, provider, bare) {
        ("POST", Provider::Openai, "chat/completions") => Kind::Chat,
        ("POST", Provider::Openai, "responses") => Kind::Responses,
        ("POST", Provider::Openai, "embeddings") => Kind::Embeddings,
        ("POST", Provider::Anthropic, "messages") => Kind::Messages,
        ("POST", Provider::Anthropic, "messages/count_tokens") => Kind::Count,
        ("GET", _, "models") => Kind::Models,
        _ => Kind::Other,
    };
    let path = if provider == Provider::Anthropic { format!("/{rest}") } else { format!("/{bare}") };
    let query = query.map_or_else(String::new, |query| format!("?{query}"));
    Endpoint { provider, kind, path: path + &query }
}

/// Does a path stay below its upstream? One with `..` in it, written in whatever way, might not, and the key would go elsewhere.
pub fn stays_below(path_and_query: &str) -> bool {
    let path = path_and_query.split(['?', '#']).next().unwrap_or_default();
    let mut plain = path.to_ascii_lowercase();
    // What is escaped twice is no dot for a server that unescapes once, and one for those that do so again.
    for _ in 0..3 {
        plain = plain.replace("%25", "%");
    }
    let plain = plain.replace("%2e", ".").replace("%2f", "/").replace("%5c", "/").replace('\\', "/");
    !plain.split('/').any(|part| matches!(part.split(';').next(), Some("." | "..")))
}

/// Why the answer to this request depends on more than the request; none if it does not.
pub fn stateful(kind: Kind, body: &Json) -> Option<&'static str> {
    let said = |key: &str| {
        body.get(key).is_some_and(|value| !matches!(value, Json::Word(word) if word == "null" || word == "false"))
    };
    match kind {
        Kind::Other => return Some("this endpoint is not known"),
        Kind::Responses if said("previous_response_id") => return Some("it continues a response"),
        Kind::Responses if said("conversation") => return Some("it belongs to a conversation"),
        Kind::Responses if said("background") => return Some("it runs in the background"),
        Kind::Responses if refers(body) => return Some("it refers to what the service keeps"),
        Kind::Responses if said("prompt") => return Some("its prompt is kept by the service"),
        Kind::Messages if said("container") => return Some("it uses a container"),
        Kind::Messages if said("mcp_servers") => return Some("it uses servers of its own"),
        Kind::Chat if said("web_search_options") => return Some("it searches the web"),
        _ => {}
    }
    match body.get("tools") {
        Some(Json::List(tools)) if tools.iter().any(|tool| is_of_server(kind, tool)) => {
            Some("it uses tools of the service")
        }
        _ => None,
    }
}

/// Does the input of a response name an item that the service keeps, in place of the item itself?
fn refers(body: &Json) -> bool {
    let Some(Json::List(items)) = body.get("input") else { return false };
    items.iter().any(|item| item.get("type").and_then(Json::text) == Some("item_reference"))
}

/// Tools that a client runs itself have a schema (`function`, `custom`), or names that Anthropic documents as run by the
/// client; all others are run by the service, with what it finds at that moment.
fn is_of_server(kind: Kind, tool: &Json) -> bool {
    let of = tool.get("type").and_then(Json::text);
    match kind {
        Kind::Messages => {
            let clients = ["custom", "bash_", "text_editor_", "computer_", "memory_"];
            of.is_some_and(|of| !clients.iter().any(|client| of.starts_with(client)))
        }
        _ => of.is_none_or(|of| !matches!(of, "function" | "custom" | "local_shell" | "apply_patch")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_path_leads_above_its_upstream() {
        for path in
            ["/openai/v1/../admin", "/openai/..", "/a/%2e%2E/b", "/a/.%2e", "/a/..%2fb", "/a/%252e%252e/b", "/a/..;x/b"]
        {
            assert!(!stays_below(path), "{path}");
        }
        for path in ["/openai/v1/models", "/v1/files/a..b", "/v1/x?next=../y", "/v1/...", "/"] {
            assert!(stays_below(path), "{path}");
        }
    }
}
