//! Paths: the closed set of classes, encapsulation stacks, and what one sweep says of each pair.
//! Pure: no input or output, no clock, no kernel.

mod class;
mod classify;
mod devices;
mod leg;
mod oversize;
mod peers;
mod relay;
mod report;
mod share;
mod table;
mod wire;

pub use class::{Class, Encapsulation, Layer, RelayMode, UnderlayKind};
pub use classify::{Evidence, Observation, classify};
pub use devices::{Device, Devices};
pub use leg::{Crossed, Leg};
pub use oversize::{Announced, Dropped, Oversize};
pub use relay::{Moved, RelayModes};
pub use report::{End, Fragments, PathReport, PointReport, Quantiles, RelayBy, TcpReport};
pub use table::PathTable;
pub use wire::WireReport;
