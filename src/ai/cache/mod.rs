//! The response cache: what a model answered, by all that was asked.
