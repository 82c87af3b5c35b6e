//! The server: on loopback, one handler for every path.

use super::admit::Token;
use super::forward::Proxy;
use super::turn::Turns;
use crate::ai::cache::AiCache;
use crate::ai::http::Http;
use crate::ai::ledger::Ledger;
use crate::ai::lock::Lock;
use crate::ai::redact::Redactor;
use crate::config::model::{AiManners, AiMode, Budget, Price, Provider};
use crate::exec::mask::Masker;
use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

/// What a proxy is told.
pub struct Settings {
    /// The port; 0 takes a free one.
    pub port: u16,
    /// Where the services are.
    pub upstreams: BTreeMap<&'static str, String>,
    /// Their keys.
    pub keys: BTreeMap<&'static str, String>,
    /// Who may ask.
    pub token: Token,
    /// Live, cache, replay.
    pub mode: AiMode,
    /// Equal requests are told apart by how often they were made: within one attempt of a step.
    pub counts: bool,
    /// For the account in keys.
    pub account: String,
    /// The step it serves, for people.
    pub step: String,
    /// How fast recorded streams are given again: 0 at once, 1 as they came.
    pub speed: f64,
    /// How asking is done.
    pub manners: AiManners,
    /// What may be spent.
    pub budget: Budget,
    /// Prices by model.
    pub prices: BTreeMap<String, Price>,
    /// What was answered before.
    pub cache: AiCache,
    /// What was recorded, if it is to be answered from.
    pub recording: Option<Lock>,
    /// Where answers are recorded, if they are to be.
    pub record: Option<std::path::PathBuf>,
    /// Finds secrets.
    pub redactor: Redactor,
    /// What is spent.
    pub ledger: Ledger,
    /// Says something that people should see.
    pub say: Box<dyn Fn(&str) + Send + Sync>,
}

/// A proxy that listens.
#[derive(Debug)]
pub struct Served {
    /// Where.
    pub address: SocketAddr,
    /// Its end: it does not end by itself.
    pub task: tokio::task::JoinHandle<io::Result<()>>,
}

impl Served {
    /// What a client of a dialect is told as its base URL.
    pub fn url(&self, provider: Provider) -> String {
        match provider {
            Provider::Anthropic => format!("http://{}/anthropic", self.address),
            _ => format!("http://{}/openai/v1", self.address),
        }
    }
}

/// Begins to listen on loopback.
///
/// # Errors
/// The port cannot be had.
pub async fn serve(settings: Settings) -> io::Result<Served> {
    let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, settings.port)).await?;
    let address = listener.local_addr()?;
    let http = Http::new(settings.manners.clone());
    let keys = Masker::new(settings.keys.values().map(|key| key.clone().into_bytes()).collect());
    let proxy = Arc::new(Proxy { port: address.port(), http, turns: Turns::default(), keys, settings });
    let router = axum::Router::new().fallback(super::forward::handle).with_state(proxy);
    let task = tokio::spawn(async move { axum::serve(listener, router).await });
    Ok(Served { address, task })
}
