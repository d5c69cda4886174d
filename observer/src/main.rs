//! Entry point of the node agent.
fn main() {}
