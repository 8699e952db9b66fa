//! What several integration tests need: a model from its text.

use std::sync::Arc;

use highwater::scenario::file;
use highwater::scenario::model::Model;

/// The model of a text that a test wrote itself, and that therefore has no mistake.
pub(crate) fn model(name: &str, text: &str) -> Arc<Model> {
    match file::read(name, text) {
        Ok(model) => Arc::new(model),
        Err(report) => panic!("{name} is no model:\n{report}\n{text}"),
    }
}
