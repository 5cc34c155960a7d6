//! The nouns of Antiphon, its limits, its table of error codes and its two seams. No I/O happens here.
//!
//! Everything live is an [`Event`] in a [`ChannelName`]d log; [`Log`] is the truth and [`Backbone`] the live path.

mod backbone;
mod channel;
mod code;
mod elsewhere;
mod event;
mod finding;
mod identifier;
mod identity;
pub mod limits;
mod log;
mod message;
mod position;
mod retention;
mod room;
mod room_event;
mod shard;
mod timestamp;
mod viewers;

pub use antiphon_markers::{Marker, MarkerKind};
pub use backbone::{Backbone, Delivery, Receiver};
pub use channel::{AR_ROOM, ChannelName, ROOM};
pub use code::{Code, Refusal};
pub use elsewhere::{AnswerError, Elsewhere};
pub use event::{Event, EventKind, Record};
pub use finding::{Checked, Finding, plain_words};
pub use identifier::{new_client_id, new_message_id, new_room_id, new_session_id, new_stream_id, room_of_stream};
pub use identity::{Identity, Pattern};
pub use log::{Bounds, Log, LogError, OnCommit, ReadFrom, ReadLimit};
pub use message::{Citation, Heard, Message, MessageStatus, SenderRole};
pub use position::{ChannelHash, Position};
pub use retention::{NamespaceSettings, Retention};
pub use room::{CreatedBy, Room, RoomStatus, Visibility};
pub use room_event::{Outcome, RoomEvent, StreamFault, StreamStatus, Usage};
pub use shard::{BeginError, Fenced, OnLost, OwnedShards, Shard, ShardWork, Sharding};
pub use timestamp::Timestamp;
pub use viewers::{ViewerCount, Viewing};
