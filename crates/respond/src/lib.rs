//! Takes approved actions, asks a provider to freeze or restore a key, verifies, undoes.
