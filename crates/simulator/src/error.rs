//! What can go wrong when usage is made or an alert is read.

/// Why no usage was made.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No scenario has this name.
    #[error("unknown scenario \"{name}\"; one of {known}")]
    UnknownScenario {
        /// The name that was asked for.
        name: String,
        /// The names there are, with commas.
        known: String,
    },
    /// The scale is no positive, finite number, or asks for more keys than fit.
    #[error("scale must be above 0 and at most {max}, got {scale}")]
    Scale {
        /// The scale that was asked for.
        scale: f64,
        /// The largest scale.
        max: f64,
    },
}

/// Why a line is not an alert that can be scored.
#[derive(Debug, thiserror::Error)]
pub enum AlertError {
    /// The line is no JSON object with the fields of an alert.
    #[error("could not read alert")]
    Json(#[from] serde_json::Error),
}
