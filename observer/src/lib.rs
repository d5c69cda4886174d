//! The node agent as a library; `main.rs` is its thin entry point.
