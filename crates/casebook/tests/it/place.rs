//! Where the tests' casebooks are: in memory.

use casebook::Casebook;

/// Makes an empty casebook.
pub(crate) async fn casebook() -> Casebook {
    Casebook::in_memory().await.unwrap()
}
