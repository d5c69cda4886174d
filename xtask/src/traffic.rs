//! Traffic between pods, driven from threads inside their namespaces.
//! It measures what applications see; it never looks at packets on the way.

pub(crate) mod icmp;
