//! Placeholder head, replaced by the commit that fills it.
