//! The files under `templates/`, embedded.
