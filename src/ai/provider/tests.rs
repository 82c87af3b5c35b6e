//! Dialects against responses as the services document them.

use super::*;

fn service(provider: Provider) -> AiService {
    AiService { provider, model: Some("m".into()), ..AiService::default() }
}

fn question(wants: Wants) -> Question {
    Question { persona: "p".into(), system: "You are.".into(), user: "What?".into(), wants }
}

fn stream(events: &[&str]) -> Recorded {
    let body: String = events.iter().map(|event| format!("data: {event}\n\n")).collect();
    let headers = vec![("content-type".into(), "text/event-stream; charset=utf-8".into())];
    Recorded { headers, ..Recorded::whole(200, body.into_bytes(), 1) }
}

#[test]
fn every_parameter_is_in_the_request() {
    let with = AiService { max_tokens: Some(7), temperature_milli: Some(200), ..service(Provider::Openai) };
    let body: Value = serde_json::from_slice(&call(&with, &question(Wants::Findings)).body).unwrap();
    assert_eq!((&body["temperature"], &body["max_completion_tokens"]), (&json!(0.2), &json!(7)));
    assert_eq!(body["response_format"]["json_schema"]["schema"], crate::ask::finding::schema());
    let local = AiService { base_url: Some("http://127.0.0.1:1/v1".into()), ..with.clone() };
    let body: Value = serde_json::from_slice(&call(&local, &question(Wants::Text)).body).unwrap();
    assert_eq!(body["max_tokens"], 7);
    let claude = AiService { provider: Provider::Anthropic, ..with };
    let asked = call(&claude, &question(Wants::Findings));
    let body: Value = serde_json::from_slice(&asked.body).unwrap();
    assert_eq!((&body["system"], &body["tool_choice"]["name"]), (&json!("You are."), &json!("report")));
    assert_eq!(asked.headers["anthropic-version"], "2023-06-01");
}

#[test]
fn streams_and_whole_answers_say_the_same() {
    let streamed = stream(&[
        r#"{"choices":[{"delta":{"role":"assistant","content":""},"finish_reason":null}]}"#,
        r#"{"choices":[{"delta":{"content":"he"},"finish_reason":null}]}"#,
        r#"{"choices":[{"delta":{"content":"llo"},"finish_reason":"stop"}]}"#,
        r#"{"choices":[],"usage":{"prompt_tokens":5,"completion_tokens":2}}"#,
        "[DONE]",
    ]);
    let whole = br#"{"choices":[{"message":{"content":"hello"},"finish_reason":"stop"}],"usage":{"prompt_tokens":5,"completion_tokens":2}}"#;
    let expected = Answer { text: "hello".into(), usage: Usage { input: 5, output: 2 } };
    assert_eq!(answer("openai", &streamed).unwrap(), expected);
    assert_eq!(answer("openai", &Recorded::whole(200, whole.to_vec(), 1)).unwrap(), expected);

    let streamed = stream(&[
        r#"{"type":"message_start","message":{"usage":{"input_tokens":5,"output_tokens":1}}}"#,
        r#"{"type":"content_block_delta","delta":{"type":"text_delta","text":"hello"}}"#,
        r#"{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":2}}"#,
        r#"{"type":"message_stop"}"#,
    ]);
    let whole = br#"{"type":"message","content":[{"type":"text","text":"hello"}],"stop_reason":"end_turn","usage":{"input_tokens":5,"output_tokens":2}}"#;
    assert_eq!(answer("anthropic", &streamed).unwrap(), expected);
    assert_eq!(answer("anthropic", &Recorded::whole(200, whole.to_vec(), 1)).unwrap(), expected);
    let tool = stream(&[
        r#"{"type":"content_block_delta","delta":{"type":"input_json_delta","partial_json":"{\"findings\""}}"#,
        r#"{"type":"content_block_delta","delta":{"type":"input_json_delta","partial_json":":[]}"}}"#,
        r#"{"type":"message_delta","delta":{"stop_reason":"tool_use"},"usage":{"output_tokens":2}}"#,
    ]);
    assert_eq!(answer("anthropic", &tool).unwrap().text, r#"{"findings":[]}"#);
}

#[test]
fn what_is_no_answer_has_its_kind() {
    let openai = |event: &str| answer("openai", &stream(&[event])).unwrap_err().kind;
    assert_eq!(openai(r#"{"choices":[{"delta":{"content":"x"},"finish_reason":"length"}]}"#), Kind::Truncated);
    assert_eq!(openai(r#"{"choices":[{"delta":{"refusal":"no"},"finish_reason":"stop"}]}"#), Kind::Refused);
    assert_eq!(openai(r#"{"choices":[{"delta":{"content":"x"},"finish_reason":"content_filter"}]}"#), Kind::Refused);
    assert_eq!(openai(r#"{"choices":[{"delta":{"content":"x"},"finish_reason":null}]}"#), Kind::Malformed);
    assert_eq!(openai(r#"{"error":{"message":"slow down","type":"rate_limit_error"}}"#), Kind::Overloaded);
    assert_eq!(openai("not json"), Kind::Malformed);
    let claude = |event: &str| answer("anthropic", &stream(&[event])).unwrap_err().kind;
    assert_eq!(
        claude(r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#),
        Kind::Overloaded
    );
    assert_eq!(claude(r#"{"type":"message_delta","delta":{"stop_reason":"refusal"}}"#), Kind::Refused);
    for (status, body, kind) in [
        (401, r#"{"error":{"message":"Incorrect API key","code":"invalid_api_key"}}"#, Kind::Auth),
        (429, r#"{"error":{"message":"You exceeded your current quota","code":"insufficient_quota"}}"#, Kind::Quota),
        (429, r#"{"error":{"message":"Rate limit reached","code":"rate_limit_exceeded"}}"#, Kind::Overloaded),
        (
            400,
            r#"{"error":{"message":"This model's maximum context length is 8192 tokens","code":"context_length_exceeded"}}"#,
            Kind::TooLong,
        ),
        (
            400,
            r#"{"type":"error","error":{"type":"invalid_request_error","message":"prompt is too long: 9 tokens > 8 maximum"}}"#,
            Kind::TooLong,
        ),
        (404, r#"{"error":"model 'x' not found"}"#, Kind::Request),
        (529, r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#, Kind::Overloaded),
        (502, "<html>bad gateway</html>", Kind::Overloaded),
    ] {
        assert_eq!(refusal(status, body.as_bytes()).kind, kind, "{body}");
    }
}
