//! JSON that stands in a text of a document, as columns of databases and metering events have it.

use super::{Json, MISSING, Tree};
use crate::rejection::Rejection;

/// What a value holds: itself, or the document that its text is.
///
/// It owns the inner tree, so that it has to live as long as what is read from it. The text of a
/// document and all that is inside of it are no longer than the document: with every level that is
/// opened, quotes and escapes go. A decoder opens a text once, and so stays within a bounded
/// multiple of its record.
#[derive(Debug)]
pub(crate) enum Inner<'t> {
    /// The value is no text of an object or an array.
    Here(Json<'t>),
    /// The value is one.
    Text(Tree<'t>),
}

impl Inner<'_> {
    /// Returns what is inside.
    pub(crate) fn json(&self) -> Json<'_> {
        match self {
            Self::Here(json) => *json,
            Self::Text(tree) => tree.root(),
        }
    }
}

impl<'t> Json<'t> {
    /// Opens a text that is an object or an array; anything else stays what it is.
    ///
    /// Faults inside of it name the whole way, and a name that is given twice there refuses the
    /// row as one outside of it does.
    ///
    /// # Errors
    /// As [`Tree::parse`], for a text that begins like an object or an array and is none.
    pub(crate) fn inner(self) -> Result<Inner<'t>, Rejection> {
        let text = self.str().unwrap_or_default();
        if !text.trim_start().starts_with(['{', '[']) {
            return Ok(Inner::Here(self));
        }
        match Tree::parse(text) {
            Ok(tree) => Ok(Inner::Text(tree.inside_of(self))),
            Err(rejection) => {
                let detail = rejection.detail;
                Err(self.fault(rejection.reason, format_args!("no JSON inside: {detail}")))
            }
        }
    }

    /// Opens a text as [`Self::inner`] does; one that cannot be opened is as good as absent.
    ///
    /// It is for what an event can do without, which some sources cut to a length.
    pub(crate) fn inner_if_any(self) -> Inner<'t> {
        self.inner()
            .unwrap_or(Inner::Here(Json::new(self.tree, MISSING)))
    }
}
