//! What the kernel programs and the agent share: units, ABI records, the parser, the packet step.
#![no_std]
#![forbid(unsafe_code)]
