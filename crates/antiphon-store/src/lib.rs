//! The embedded engines and the in-process backbone: a log on disk, a log in memory, and the way between them.
//!
//! [`EmbeddedLog`] keeps channels in a folder and promises that what it acknowledged survives `kill -9` and, with
//! [`Sync::Always`], power loss. [`MemoryLog`] keeps a window and promises nothing; [`ShardedMemoryLog`] keeps one for each owned shard. [`RoutedLog`] sends the namespaces
//! that are declared ephemeral to the second and the rest to the first. No policy lives here.

mod backbone;
mod disk;
mod edge;
mod memory;
mod namespaces;
mod routed;
mod size;

pub use backbone::InProcessBackbone;
pub use disk::{BackupError, Change, EmbeddedLog, EmbeddedOptions, FORMAT_VERSION, LocalCopy, OpenError, Placed, Sync};
pub use memory::{MemoryLog, ShardedMemoryLog};
pub use namespaces::NamespaceTable;
pub use routed::RoutedLog;
