//! `wf ai proxy`, and `wf __behind`: the proxy for whoever asks, and for the command of one step.

use super::super::context::Context;
use super::super::failure::{Exit, Failure};
use crate::ai::ledger::Ledger;
use crate::ai::lock::Lock;
use crate::ai::order::{Behind, Shared};
use crate::ai::proxy::{Served, Settings, Token, serve};
use crate::ai::redact::Redactor;
use crate::ai::{asking, provider};
use crate::config::model::{AiMode, AiService, Provider};
use crate::history::new_run_id;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::process::ExitStatusExt as _;

/// What it takes.
#[derive(Clone, Debug, clap::Args)]
pub struct ProxyArgs {
    /// The port on 127.0.0.1; 0 takes a free one
    #[arg(long, default_value_t = 8080)]
    port: u16,
    /// Where a service is: openai=URL or anthropic=URL
    #[arg(long, value_name = "NAME=URL")]
    upstream: Vec<String>,
    /// The word that clients send as their API key; without it a random one is printed
    #[arg(long, env = "WF_AI_PROXY_TOKEN", hide_env_values = true)]
    token: Option<String>,
    /// How fast recorded streams are given again: 0 at once, 1 as they came
    #[arg(long, default_value_t = 0.0)]
    replay_speed: f64,
    /// Answer from the cache, ask everything, or answer from ai.lock alone
    #[arg(long = "ai", value_parser = ["cache", "live", "record", "replay"])]
    mode: Option<String>,
}

/// Serves until it is interrupted.
pub fn run(args: &ProxyArgs, cx: &Context) -> Result<Exit, Failure> {
    let config = cx.load_config(vec![])?;
    let settings = &config.workflow().settings;
    let shared = Shared::new(config.root.clone(), cx.state_made(&config), new_run_id().0, None, settings);
    let mut shared = super::trust::shared(shared, config.repo.as_ref().ok(), cx);
    match args.mode.as_deref() {
        Some("live") => shared.mode = AiMode::Live,
        Some("record") => shared.mode = AiMode::Record,
        Some("replay") => shared.mode = AiMode::Replay,
        Some(_) => shared.mode = AiMode::Cache,
        None => {}
    }
    if !args.replay_speed.is_finite() || args.replay_speed < 0.0 {
        return Err(Failure::usage("--replay-speed is a number from 0 on"));
    }
    let given = args.token.as_deref().is_some_and(|word| !word.trim().is_empty());
    let token = Token::chosen(args.token.as_deref());
    let mut told = told(&shared, "proxy", token.clone(), cx)?;
    (told.port, told.speed, told.counts) = (args.port, args.replay_speed, false);
    for upstream in &args.upstream {
        let (name, url) =
            upstream.split_once('=').ok_or_else(|| Failure::usage(format!("{upstream} is not NAME=URL")))?;
        let known =
            [Provider::Openai, Provider::Anthropic].map(Provider::name).into_iter().find(|known| *known == name);
        let known = known.ok_or_else(|| Failure::usage(format!("{name} is neither openai nor anthropic")))?;
        told.upstreams.insert(known, url.trim_end_matches('/').to_owned());
    }
    runtime()?.block_on(async {
        let served = serve(told).await.map_err(|error| {
            Failure::environment(format!("port {} cannot be had: {error}", args.port)).hint("choose another by --port")
        })?;
        let word = if given { "(as given)" } else { token.word() };
        cx.say(&format!(
            "listening on http://{}\n  OPENAI_BASE_URL={}\n  ANTHROPIC_BASE_URL={}\n  API key for clients: {word}",
            served.address,
            served.url(Provider::Openai),
            served.url(Provider::Anthropic)
        ));
        let mut terminated =
            tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()).map_err(Failure::environment)?;
        tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            _ = terminated.recv() => {}
        }
        served.task.abort();
        let _ = served.task.await;
        Ok(Exit::Passed)
    })
}

/// The process between a step and its command: serves the proxy as long as the command runs, and ends as it ended.
pub fn behind(order: Option<&OsStr>) -> Exit {
    let order = order.and_then(OsStr::to_str).and_then(|text| serde_json::from_str::<Behind>(text).ok());
    let Some(order) = order else {
        return super::super::show(&Failure::usage("this command is started by `wf run` alone"), None);
    };
    match Context::read(None, None).and_then(|cx| serve_for(&order, &cx)) {
        Ok(exit) => exit,
        Err(failure) => super::super::show(&failure, None),
    }
}

fn serve_for(order: &Behind, cx: &Context) -> Result<Exit, Failure> {
    let token = Token::random();
    let told = told(&order.shared, &order.step, token.clone(), cx)?;
    let (program, arguments) = order.argv.split_first().ok_or_else(|| Failure::usage("no command"))?;
    runtime()?.block_on(async {
        let served =
            serve(told).await.map_err(|error| Failure::environment(format!("the proxy cannot listen: {error}")))?;
        // Signals go to the whole group: the command decides what they mean, and this process ends after it.
        let kinds = [tokio::signal::unix::SignalKind::terminate(), tokio::signal::unix::SignalKind::interrupt()];
        let caught: Result<Vec<_>, _> = kinds.into_iter().map(tokio::signal::unix::signal).collect();
        let _caught = caught.map_err(Failure::environment)?;
        let mut command = tokio::process::Command::new(program);
        command.args(arguments);
        for name in &order.shared.hidden {
            command.env_remove(name);
        }
        for (name, value) in environment(&served, &token, order.shared.service.api_key_env.as_deref()) {
            command.env(name, value);
        }
        let status = command
            .status()
            .await
            .map_err(|error| Failure::environment(format!("{program} cannot be started: {error}")))?;
        served.task.abort();
        let _ = served.task.await;
        match (status.code(), status.signal()) {
            (Some(code), _) => Ok(Exit::OfCommand(u8::try_from(code).unwrap_or(1))),
            (None, signal) => {
                Ok(Exit::OfCommand(128_u8.saturating_add(u8::try_from(signal.unwrap_or(0)).unwrap_or(0))))
            }
        }
    })
}

/// What clients of both dialects read; where the key itself stood, the token stands.
fn environment<'a>(served: &Served, token: &Token, key_env: Option<&'a str>) -> Vec<(&'a str, String)> {
    let openai = served.url(Provider::Openai);
    let mut all = vec![
        ("OPENAI_BASE_URL", openai.clone()),
        ("OPENAI_API_BASE", openai),
        ("OPENAI_API_KEY", token.word().to_owned()),
        ("ANTHROPIC_BASE_URL", served.url(Provider::Anthropic)),
        ("ANTHROPIC_API_KEY", token.word().to_owned()),
    ];
    all.extend(key_env.map(|name| (name, token.word().to_owned())));
    all
}

fn told(shared: &Shared, step: &str, token: Token, cx: &Context) -> Result<Settings, Failure> {
    let mut upstreams = BTreeMap::new();
    let mut keys = BTreeMap::new();
    for dialect in [Provider::Openai, Provider::Anthropic] {
        let own = shared.service.provider == dialect;
        let service =
            AiService { provider: dialect, ..if own { shared.service.clone() } else { AiService::default() } };
        upstreams.insert(dialect.name(), provider::upstream(&service));
        let name = service.api_key_env.as_deref().or(dialect.usual_key()).unwrap_or_default();
        if let Some(key) = cx.env.text(name) {
            keys.insert(dialect.name(), key.to_owned());
        }
    }
    let recording = if shared.mode == AiMode::Replay {
        Some(Lock::read(&asking::lock_path(&shared.root)).map_err(Failure::environment)?)
    } else {
        None
    };
    Ok(Settings {
        port: 0,
        upstreams,
        keys,
        token,
        mode: shared.mode,
        counts: true,
        account: shared.service.account.clone().unwrap_or_default(),
        step: step.to_owned(),
        speed: 0.0,
        manners: shared.manners.clone(),
        budget: shared.budget,
        prices: shared.prices.clone(),
        cache: shared.open_cache(),
        recording,
        record: (shared.mode == AiMode::Record).then(|| asking::lock_path(&shared.root)),
        redactor: Redactor::new(cx.masker_of(&shared.secrets).clone()),
        ledger: Ledger::new(&shared.state, &shared.run),
        say: {
            let cx = cx.clone();
            Box::new(move |text| cx.say(text))
        },
    })
}

fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::environment)
}
