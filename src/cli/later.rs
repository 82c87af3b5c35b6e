//! Arguments of a command that clap learns of once that command is used: a start does not describe twenty others.

use clap::{ArgMatches, Args, Command, Error, FromArgMatches};
use std::ops::Deref;

/// Help of a command: its examples stand above the options, which may be more than a screen.
const HELP: &str = "{about-with-newline}\n{usage-heading} {usage}{after-help}\n\n{all-args}";

/// The arguments `T` of one command.
#[derive(Clone, Debug, Default)]
pub struct Later<T>(Box<T>);

impl<T> From<T> for Later<T> {
    fn from(args: T) -> Self {
        Self(Box::new(args))
    }
}

impl<T> Deref for Later<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> Later<T> {
    /// The arguments themselves.
    pub fn into_inner(self) -> T {
        *self.0
    }
}

impl<T: FromArgMatches> FromArgMatches for Later<T> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        T::from_arg_matches(matches).map(Self::from)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        self.0.update_from_arg_matches(matches)
    }
}

impl<T: Args> Args for Later<T> {
    fn augment_args(command: Command) -> Command {
        command.help_template(HELP).defer(|command| examples_first(T::augment_args(command)))
    }

    fn augment_args_for_update(command: Command) -> Command {
        command.help_template(HELP).defer(|command| examples_first(T::augment_args_for_update(command)))
    }
}

fn examples_first(command: Command) -> Command {
    command.mut_subcommands(|command| examples_first(command.help_template(HELP)))
}
