//! Sending checks.

use super::check::Check;
use serde_json::Value;
use std::fmt;
use std::time::Duration;

/// How often a request is sent again when the service is busy or broken, and how long before that.
const RETRIES: [Duration; 3] = [Duration::from_secs(1), Duration::from_secs(4), Duration::from_secs(15)];

/// Where checks go.
pub struct Api {
    url: String,
    token: String,
    head: String,
    details: Option<String>,
    client: reqwest::Client,
}

/// The token stays out of everything that is printed.
impl fmt::Debug for Api {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Api({})", self.url)
    }
}

/// What the environment does not say.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Missing {
    /// A variable.
    #[error("{0} is not set")]
    Variable(&'static str),
    /// A variable holds what it must not.
    #[error("{0} is not what GitHub sets")]
    Strange(&'static str),
    /// No client can be made.
    #[error("no connection can be made: {0}")]
    Client(String),
}

/// Why a check was not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("GitHub does not take the check {name}: {why}")]
pub struct ApiError {
    /// Whose.
    pub name: String,
    /// Why.
    pub why: String,
    /// What to do, if that is known.
    pub hint: Option<&'static str>,
}

impl Api {
    /// From the variables of a job, and from the event: a pull request's checks belong to its head, not to the merge commit that
    /// GitHub makes for the job.
    ///
    /// # Errors
    /// See [`Missing`].
    pub fn new(env: &dyn Fn(&str) -> Option<String>, event: Option<&Value>) -> Result<Self, Missing> {
        let need = |name: &'static str| env(name).filter(|value| !value.is_empty()).ok_or(Missing::Variable(name));
        let repository = need("GITHUB_REPOSITORY")?;
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        let parts: Vec<&str> = repository.split('/').collect();
        if parts.len() != 2
            || parts.iter().any(|part| part.is_empty() || part.starts_with('.') || !part.chars().all(plain))
        {
            return Err(Missing::Strange("GITHUB_REPOSITORY"));
        }
        let of_event = event.and_then(|event| {
            let paths = ["/pull_request/head/sha", "/merge_group/head_sha"];
            paths.iter().find_map(|path| event.pointer(path)?.as_str())
        });
        let head = match of_event {
            Some(head) => head.to_owned(),
            None => need("GITHUB_SHA")?,
        };
        if head.len() < 40 || !head.chars().all(|c| c.is_ascii_hexdigit()) {
            return Err(Missing::Strange("GITHUB_SHA"));
        }
        let base =
            env("GITHUB_API_URL").filter(|url| !url.is_empty()).unwrap_or_else(|| "https://api.github.com".into());
        let details = env("GITHUB_SERVER_URL").zip(env("GITHUB_RUN_ID"));
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder()
            .connect_timeout(Duration::from_secs(10))
            .timeout(Duration::from_secs(30))
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("wf/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| Missing::Client(error.to_string()))?;
        Ok(Self {
            url: format!("{}/repos/{repository}/check-runs", base.trim_end_matches('/')),
            token: need("GITHUB_TOKEN")?,
            head,
            details: details.map(|(server, run)| format!("{server}/{repository}/actions/runs/{run}")),
            client,
        })
    }

    /// The commit that checks belong to.
    pub fn head(&self) -> &str {
        &self.head
    }

    /// Sends one check, again if the service is busy.
    ///
    /// # Errors
    /// It is not taken.
    pub async fn send(&self, check: &Check) -> Result<(), ApiError> {
        let body = check.body(&self.head, self.details.as_deref()).to_string();
        let mut waits = RETRIES.into_iter();
        loop {
            let (why, hint, again) = match self.once(body.clone()).await {
                Ok(()) => return Ok(()),
                Err(failed) => failed,
            };
            let Some(wait) = waits.next().filter(|_| again) else {
                return Err(ApiError { name: check.name.clone(), why, hint });
            };
            tokio::time::sleep(wait).await;
        }
    }

    /// What went wrong, what to do, and whether it may go better later.
    async fn once(&self, body: String) -> Result<(), (String, Option<&'static str>, bool)> {
        let request = self.client.post(&self.url).bearer_auth(&self.token).body(body);
        let request =
            request.header("accept", "application/vnd.github+json").header("content-type", "application/json");
        let answer = request.send().await.map_err(|error| (error.without_url().to_string(), None, true))?;
        let status = answer.status();
        if status.is_success() {
            return Ok(());
        }
        let hint = match status.as_u16() {
            401 => Some("pass the job's token: GITHUB_TOKEN: ${{ github.token }}"),
            403 | 404 => Some("the job needs `permissions: checks: write`; a pull request from a fork never has it"),
            _ => None,
        };
        let said = answer.text().await.unwrap_or_default();
        let said: String = said.chars().filter(|c| !c.is_control()).take(300).collect();
        Err((format!("{status}: {said}"), hint, status.is_server_error() || status.as_u16() == 429))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn api(change: &[(&str, &str)], event: Option<Value>) -> Result<Api, Missing> {
        let sha = "a".repeat(40);
        let usual = [("GITHUB_REPOSITORY", "o/r"), ("GITHUB_SHA", sha.as_str()), ("GITHUB_TOKEN", "t-o-k-e-n")];
        let env = |name: &str| {
            let all = change.iter().chain(&usual);
            all.into_iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        };
        Api::new(&env, event.as_ref())
    }

    #[test]
    fn checks_belong_to_the_head_of_a_pull_request() {
        let head = "b".repeat(40);
        assert_eq!(api(&[], None).unwrap().head(), "a".repeat(40));
        let event = json!({ "pull_request": { "head": { "sha": head } } });
        assert_eq!(api(&[], Some(event)).unwrap().head(), head);
        assert_eq!(api(&[], Some(json!({ "merge_group": { "head_sha": head } }))).unwrap().head(), head);
        assert!(!format!("{:?}", api(&[], None).unwrap()).contains("t-o-k-e-n"));
    }

    #[test]
    fn what_is_missing_or_strange_is_named() {
        assert_eq!(api(&[("GITHUB_TOKEN", "")], None).unwrap_err(), Missing::Variable("GITHUB_TOKEN"));
        for name in ["o", "o/r/x", "../r", "o/", "o/r?x=1", "o r/x"] {
            assert_eq!(
                api(&[("GITHUB_REPOSITORY", name)], None).unwrap_err(),
                Missing::Strange("GITHUB_REPOSITORY"),
                "{name}"
            );
        }
        let event = json!({ "pull_request": { "head": { "sha": "../../x" } } });
        assert_eq!(api(&[], Some(event)).unwrap_err(), Missing::Strange("GITHUB_SHA"));
    }
}
