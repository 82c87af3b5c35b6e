//! Which variables hold secrets, and in which forms a secret may be printed. Pure.

use super::mask::SHORTEST;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use std::ffi::{OsStr, OsString};
use std::fmt::Write as _;
use std::os::unix::ffi::OsStrExt;

/// Words that are values of many variables and secrets of nobody.
const COMMON: [&str; 14] = [
    "true",
    "false",
    "null",
    "none",
    "test",
    "dummy",
    "default",
    "enabled",
    "disabled",
    "latest",
    "main",
    "master",
    "localhost",
    "changeme",
];

/// Ends of names whose values are secret.
const SECRET_ENDS: [&str; 12] = [
    "TOKEN",
    "KEY",
    "SECRET",
    "SECRETS",
    "PASSWORD",
    "PASSWD",
    "PASSPHRASE",
    "CREDENTIAL",
    "CREDENTIALS",
    "PAT",
    "AUTH",
    "PRIVATE_KEY",
];

/// What GitHub documents as variables of every job: none is secret, and masking a repository's name or folder would make
/// output unreadable. Any other `GITHUB_*` variable is somebody's own, and taken for a secret.
const GITHUB_PUBLIC: [&str; 36] = [
    "ACTION",
    "ACTIONS",
    "ACTION_PATH",
    "ACTION_REF",
    "ACTION_REPOSITORY",
    "ACTOR",
    "ACTOR_ID",
    "API_URL",
    "BASE_REF",
    "ENV",
    "EVENT_NAME",
    "EVENT_PATH",
    "GRAPHQL_URL",
    "HEAD_REF",
    "JOB",
    "OUTPUT",
    "PATH",
    "REF",
    "REF_NAME",
    "REF_PROTECTED",
    "REF_TYPE",
    "REPOSITORY",
    "REPOSITORY_ID",
    "REPOSITORY_OWNER",
    "REPOSITORY_OWNER_ID",
    "RETENTION_DAYS",
    "RUN_ATTEMPT",
    "RUN_ID",
    "RUN_NUMBER",
    "SERVER_URL",
    "SHA",
    "STATE",
    "STEP_SUMMARY",
    "TRIGGERING_ACTOR",
    "WORKFLOW",
    "WORKSPACE",
];

/// Is it a variable of GitHub's that is not public? `GITHUB_WORKFLOW_REF` and `GITHUB_WORKFLOW_SHA` are, too.
fn is_private_of_github(name: &str) -> bool {
    name.strip_prefix("GITHUB_")
        .is_some_and(|rest| !GITHUB_PUBLIC.contains(&rest) && !matches!(rest, "WORKFLOW_REF" | "WORKFLOW_SHA"))
}

/// How tokens of GitHub begin, whatever the variable is called.
const TOKEN_STARTS: [&str; 6] = ["ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_"];

/// The values to mask: of variables that are declared secret, of those whose name's last word says so (`*_TOKEN`,
/// `*_KEY`, `*_SECRET`, `*_PASSWORD`, …), of `GITHUB_*` variables but for those that GitHub documents as public, and
/// whatever looks like a token of GitHub.
pub fn values(env: &[(OsString, OsString)], declared: &[String]) -> Vec<Vec<u8>> {
    let secret = |(name, value): &&(OsString, OsString)| is_secret(name, value, declared);
    env.iter().filter(secret).map(|(_, value)| value.as_bytes().to_vec()).collect()
}

/// Is this variable one of those?
pub fn is_secret(name: &OsStr, value: &OsStr, declared: &[String]) -> bool {
    let (name, value) = (name.to_string_lossy(), value.to_string_lossy());
    declared.iter().any(|known| *known == name)
        || is_secret_name(&name)
        || is_private_of_github(&name)
        || TOKEN_STARTS.iter().any(|start| value.starts_with(start))
}

/// Does the name say that the value is secret?
pub fn is_secret_name(name: &str) -> bool {
    let upper = name.to_ascii_uppercase();
    SECRET_ENDS.iter().any(|end| upper.strip_suffix(end).is_some_and(|start| start.is_empty() || start.ends_with('_')))
        || ["APIKEY", "AUTHTOKEN", "ACCESSKEY"].iter().any(|end| upper.ends_with(end))
}

/// Every form in which one of the values may be printed: sorted, without repetition.
pub fn forms(values: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    for value in values {
        let value = value.trim_ascii();
        if !worth_masking(value) {
            continue;
        }
        derive(value, &mut all);
        if value.contains(&b'\n') {
            for line in value.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii) {
                if line.len() >= 8 && worth_masking(line) && !line.starts_with(b"-----") {
                    derive(line, &mut all);
                }
            }
        }
    }
    all.retain(|form| form.len() >= SHORTEST);
    all.sort_unstable();
    all.dedup();
    all
}

fn worth_masking(value: &[u8]) -> bool {
    value.len() >= SHORTEST && !COMMON.iter().any(|word| value.eq_ignore_ascii_case(word.as_bytes()))
}

fn derive(value: &[u8], all: &mut Vec<Vec<u8>>) {
    all.push(value.to_vec());
    for encoded in [STANDARD.encode(value), STANDARD_NO_PAD.encode(value), URL_SAFE.encode(value)] {
        all.push(encoded.into_bytes());
    }
    // In the middle of something longer, a secret begins at any of three places within a group of base64. The digits at
    // either end depend on the neighbours; those between are the secret's alone.
    for skip in 0..3usize {
        let mut shifted = vec![0; skip];
        shifted.extend_from_slice(value);
        let digits = shifted.len() * 8 / 6;
        let first = (skip * 8).div_ceil(6);
        for text in [STANDARD_NO_PAD.encode(&shifted), URL_SAFE_NO_PAD.encode(&shifted)] {
            all.push(text.as_bytes()[first.min(digits)..digits].to_vec());
        }
    }
    // `base64` breaks lines at 76 digits, PEM at 64.
    for width in [76, 64] {
        let text = STANDARD.encode(value);
        if text.len() > width {
            all.extend(text.as_bytes().chunks(width).filter(|line| line.len() >= 16).map(<[u8]>::to_vec));
        }
    }
    for keeps in KEPT {
        for (upper, plus) in [(true, false), (false, false), (true, true)] {
            all.push(percent(value, keeps, upper, plus));
        }
    }
    let hex = value.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    });
    all.push(hex.to_ascii_uppercase().into_bytes());
    all.push(hex.into_bytes());
    if let Ok(text) = std::str::from_utf8(value)
        && let Ok(json) = serde_json::to_string(text)
    {
        all.push(json.as_bytes()[1..json.len() - 1].to_vec());
        all.push(json.as_bytes()[1..json.len() - 1].to_vec().escape_ascii().to_string().into_bytes());
    }
}

/// What encoders of URLs keep besides letters, digits and `-._`: RFC 3986, Python's `quote` (paths), JavaScript's
/// `encodeURIComponent` and `encodeURI`, and HTML forms.
const KEPT: [&[u8]; 5] = [b"~", b"~/", b"~!'()*", b"~!'()*;/?:@&=+$,#", b"*"];

fn percent(value: &[u8], keeps: &[u8], upper: bool, plus: bool) -> Vec<u8> {
    let mut out = String::new();
    for byte in value {
        let _ = match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' => write!(out, "{}", *byte as char),
            _ if keeps.contains(byte) => write!(out, "{}", *byte as char),
            b' ' if plus => write!(out, "+"),
            _ if upper => write!(out, "%{byte:02X}"),
            _ => write!(out, "%{byte:02x}"),
        };
    }
    out.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exec::mask::Masker;

    #[test]
    fn chooses_secrets_by_name_and_by_look() {
        for name in [
            "GITHUB_TOKEN",
            "NPM_TOKEN",
            "AWS_SECRET_ACCESS_KEY",
            "my_password",
            "TOKEN",
            "OPENAI_API_KEY",
            "NPMAUTHTOKEN",
        ] {
            assert!(is_secret_name(name), "{name}");
        }
        for name in ["GITHUB_REPOSITORY", "GITHUB_WORKSPACE", "MONKEY", "KEYBOARD", "PATH", "TOKENS_FILE", "HOME"] {
            assert!(!is_secret_name(name), "{name}");
        }
        let env: Vec<(OsString, OsString)> =
            [("GITHUB_X", "ghp_abcdef"), ("GITHUB_SHA", "abcdef"), ("DECLARED", "value")]
                .map(|(name, value)| (name.into(), value.into()))
                .to_vec();
        assert_eq!(values(&env, &["DECLARED".into()]), [b"ghp_abcdef".to_vec(), b"value".to_vec()]);
    }

    #[test]
    fn every_form_is_found_wherever_it_stands() {
        let secret = "p\"w d&/+\u{e9}=sesame";
        let masker = Masker::new(vec![secret.as_bytes().to_vec()]);
        let hidden = |text: &str| {
            let masked = masker.text(text);
            assert!(masked.contains("***"), "{text} -> {masked}");
            masked
        };
        assert_eq!(hidden(&format!("a{secret}b")), "a***b");
        assert_eq!(hidden(&serde_json::json!({ "k": secret }).to_string()), r#"{"k":"***"}"#);
        assert_eq!(hidden("x=p%22w%20d%26%2F%2B%C3%A9%3Dsesame&"), "x=***&");
        assert_eq!(hidden("x=p%22w+d%26%2F%2B%C3%A9%3Dsesame&"), "x=***&");
        // Python's quote() for paths, and JavaScript's encodeURI().
        assert_eq!(hidden("x=p%22w%20d%26/%2B%C3%A9%3Dsesame&"), "x=***&");
        assert_eq!(hidden("x=p%22w%20d&/+%C3%A9=sesame&"), "x=***&");
        let shouted = Masker::new(vec![b"it's(me)!*~".to_vec()]);
        assert_eq!(
            shouted.text("encodeURIComponent(\"it's(me)!*~\") is it's(me)!*~"),
            "encodeURIComponent(\"***\") is ***"
        );
        assert_eq!(shouted.text("form=it%27s%28me%29%21*%7E; rfc=it%27s%28me%29%21%2A~"), "form=***; rfc=***");
        let hex: String = secret.bytes().fold(String::new(), |text, byte| text + &format!("{byte:02x}"));
        assert_eq!(hidden(&hex), "***");
        for (before, after) in [("", ""), ("u", ""), ("us", "x"), ("usr:", "yz"), ("user:", "yz"), ("a user:", "\n")] {
            let text = STANDARD.encode(format!("{before}{secret}{after}"));
            // At most the digits that hold bits of both a neighbour and the secret are left: two at either end.
            let left: usize = hidden(&text).replace("***", "").len();
            let neighbours = (before.len() + after.len()) * 8 / 6 + 8;
            assert!(left <= neighbours, "{text}: {left} left");
        }
    }

    #[test]
    fn lines_are_secrets_too_and_trifles_are_none() {
        let key = "-----BEGIN KEY-----\nMIIEvQIBADANBg\nabc\nkqhkiG9w0BAQEF\n-----END KEY-----\n";
        let masker = Masker::new(vec![key.as_bytes().to_vec(), b"true".to_vec(), b"1".to_vec(), b"".to_vec()]);
        assert_eq!(
            masker.text("x MIIEvQIBADANBg y abc true 1 -----BEGIN KEY-----"),
            "x *** y abc true 1 -----BEGIN KEY-----"
        );
        let long = "0123456789abcdef".repeat(12);
        let masker = Masker::new(vec![long.clone().into_bytes()]);
        let wrapped = STANDARD
            .encode(&long)
            .as_bytes()
            .chunks(76)
            .map(|line| String::from_utf8_lossy(line) + "\n")
            .collect::<String>();
        assert!(masker.text(&wrapped).replace(['*', '\n'], "").is_empty(), "{}", masker.text(&wrapped));
    }
}
