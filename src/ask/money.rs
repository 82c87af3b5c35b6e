//! What asking costs, and whether it may be spent. Pure.

use super::Usage;
use crate::config::model::{Budget, Price};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// What was spent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spent {
    /// Requests that were sent.
    pub calls: u64,
    /// Tokens in both directions.
    pub tokens: u64,
    /// Millionths of a US dollar.
    pub micro_usd: u64,
}

impl std::ops::AddAssign for Spent {
    fn add_assign(&mut self, other: Self) {
        self.calls = self.calls.saturating_add(other.calls);
        self.tokens = self.tokens.saturating_add(other.tokens);
        self.micro_usd = self.micro_usd.saturating_add(other.micro_usd);
    }
}

impl Spent {
    /// Puts what was really spent in place of what was booked.
    pub fn correct(&mut self, booked: Self, really: Self) {
        *self += really;
        self.calls = self.calls.saturating_sub(booked.calls);
        self.tokens = self.tokens.saturating_sub(booked.tokens);
        self.micro_usd = self.micro_usd.saturating_sub(booked.micro_usd);
    }
}

/// A limit that the next request would exceed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OverBudget {
    /// `calls`, `tokens` or `usd`.
    pub what: String,
    /// The limit, in calls, tokens or millionths of a dollar.
    pub limit: u64,
    /// What it would come to.
    pub would_be: u64,
}

/// The price of a model: of the longest name in the table that its own begins with.
pub fn price_of(prices: &BTreeMap<String, Price>, model: &str) -> Option<Price> {
    let fitting = prices.iter().filter(|(name, _)| model.starts_with(name.as_str()));
    fitting.max_by_key(|(name, _)| name.len()).map(|(_, price)| *price)
}

/// What so many tokens cost, in millionths of a dollar, rounded up.
pub fn cost(price: Price, usage: Usage) -> u64 {
    let of = |tokens: u64, price: u64| u128::from(tokens) * u128::from(price);
    let whole = (of(usage.input, price.input) + of(usage.output, price.output)).div_ceil(1_000_000);
    u64::try_from(whole).unwrap_or(u64::MAX)
}

/// About how many tokens a text has: four bytes are one, by the rule of thumb that OpenAI gives for English text
/// (<https://help.openai.com/en/articles/4936856>). Only limits are checked with it, before a request; what is recorded is
/// what the service says.
pub fn about_tokens(bytes: usize) -> u64 {
    (bytes as u64).div_ceil(4)
}

/// May the next request, which will cost about `next`, be sent?
///
/// # Errors
/// The first limit that it would exceed.
pub fn allow(budget: &Budget, spent: Spent, next: Spent) -> Result<(), OverBudget> {
    let mut after = spent;
    after += next;
    let limits = [
        ("calls", budget.calls, after.calls),
        ("tokens", budget.tokens, after.tokens),
        ("usd", budget.micro_usd, after.micro_usd),
    ];
    for (what, limit, would_be) in limits {
        if let Some(limit) = limit
            && would_be > limit
        {
            return Err(OverBudget { what: what.into(), limit, would_be });
        }
    }
    Ok(())
}

/// Why a request is not sent: a budget in dollars holds nobody to anything if nobody knows what a call costs. A program has no
/// model.
pub fn no_price(model: &str) -> String {
    let what = if model.is_empty() { "a program".to_owned() } else { format!("the model `{model}`") };
    format!("the request was not sent: `prices` has none for {what}, and `budget.usd` is set")
}

/// Millionths of a dollar, for people.
pub fn dollars(micro: u64) -> String {
    format!("${}.{:04}", micro / 1_000_000, micro % 1_000_000 / 100)
}

impl fmt::Display for OverBudget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.what.as_str() {
            "usd" => write!(f, "it would come to {}, and {} may be spent", dollars(self.would_be), dollars(self.limit)),
            what => write!(f, "it would come to {} {what}, and {} are allowed", self.would_be, self.limit),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_name_that_fits_has_the_price() {
        let price = |input| Price { input, output: 0 };
        let prices = [("gpt".to_owned(), price(1)), ("gpt-5".to_owned(), price(2))].into();
        assert_eq!(price_of(&prices, "gpt-5-mini"), Some(price(2)));
        assert_eq!(price_of(&prices, "gpt-4"), Some(price(1)));
        assert_eq!(price_of(&prices, "claude"), None);
    }

    #[test]
    fn money_is_rounded_up_and_limits_are_kept() {
        let price = Price { input: 2_500_000, output: 10_000_000 };
        assert_eq!(cost(price, Usage { input: 1_000, output: 100 }), 3_500);
        assert_eq!(cost(Price { input: 1, output: 0 }, Usage { input: 1, output: 0 }), 1);
        let spent = |calls, tokens, micro_usd| Spent { calls, tokens, micro_usd };
        let budget = Budget { calls: Some(2), tokens: Some(100), micro_usd: Some(500_000) };
        assert_eq!(allow(&budget, spent(1, 50, 0), spent(1, 50, 500_000)), Ok(()));
        let over = |next| allow(&budget, spent(1, 50, 0), next).unwrap_err().to_string();
        assert_eq!(over(spent(2, 0, 0)), "it would come to 3 calls, and 2 are allowed");
        assert_eq!(over(spent(1, 51, 0)), "it would come to 101 tokens, and 100 are allowed");
        assert_eq!(over(spent(1, 0, 600_000)), "it would come to $0.6000, and $0.5000 may be spent");
        assert_eq!(allow(&Budget::default(), spent(9, 9, 9), spent(1, 1, 1)), Ok(()));
    }
}
