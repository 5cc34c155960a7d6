//! Between the nouns of the core and the messages that processes exchange.

use antiphon_core::{
    Bounds, ChannelHash, ChannelName, Code, Event, EventKind, LogError, Position, ReadFrom, Record, Refusal,
};
use std::time::Duration;
use tonic::Status;

/// The generated messages and the service.
#[allow(missing_docs, clippy::all, reason = "generated from proto/peer.proto, which says what each is for")]
pub(crate) mod proto {
    tonic::include_proto!("antiphon.peer.v1");
}

use proto::refused::Reason;

/// A message that this version cannot read: the caller is another version, or no process of ours.
pub(crate) fn unreadable(what: &str) -> Status {
    Status::invalid_argument(format!("{what} is missing or cannot be read"))
}

pub(crate) fn channel(name: &str) -> Result<ChannelName, Status> {
    ChannelName::parse(name).map_err(|_| unreadable("a channel's name"))
}

pub(crate) fn from_position(position: &Position) -> proto::Position {
    let Position { channel: _, incarnation, epoch, address, index, number } = *position;
    proto::Position { incarnation, epoch, address, index: index.into(), number }
}

pub(crate) fn to_position(channel: &ChannelName, position: Option<&proto::Position>) -> Result<Position, Status> {
    let proto::Position { incarnation, epoch, address, index, number } =
        *position.ok_or_else(|| unreadable("a position"))?;
    let index = u16::try_from(index).map_err(|_| unreadable("a position's index"))?;
    Ok(Position { channel: ChannelHash::of(channel), incarnation, epoch, address, index, number })
}

/// Where a read begins; foreign at once where the position is another channel's, as its hash is not sent.
pub(crate) fn from_read(channel: &ChannelName, from: ReadFrom) -> Result<Option<proto::Position>, LogError> {
    match from {
        ReadFrom::Start => Ok(None),
        ReadFrom::After(position) if position.channel != ChannelHash::of(channel) => Err(LogError::Foreign),
        ReadFrom::After(position) => Ok(Some(from_position(&position))),
    }
}

pub(crate) fn to_read(channel: &ChannelName, after: Option<&proto::Position>) -> Result<ReadFrom, Status> {
    if after.is_none() {
        return Ok(ReadFrom::Start);
    }
    to_position(channel, after).map(ReadFrom::After)
}

fn to_kind(kind: u32) -> Result<EventKind, Status> {
    u8::try_from(kind).ok().and_then(EventKind::from_stored).ok_or_else(|| unreadable("an event's kind"))
}

pub(crate) fn from_event(event: &Event) -> proto::Event {
    proto::Event { kind: event.kind as u32, json: event.json.clone(), event_id: event.event_id.clone() }
}

pub(crate) fn to_event(event: proto::Event) -> Result<Event, Status> {
    let proto::Event { kind, json, event_id } = event;
    Ok(Event { kind: to_kind(kind)?, json, event_id, provider_at: None })
}

pub(crate) fn from_record(record: &Record) -> proto::Record {
    proto::Record {
        channel: record.channel.as_str().to_owned(),
        position: Some(from_position(&record.position)),
        kind: record.kind as u32,
        json: record.json.clone(),
    }
}

pub(crate) fn to_record(record: proto::Record) -> Result<Record, Status> {
    let channel = channel(&record.channel)?;
    let position = to_position(&channel, record.position.as_ref())?;
    let kind = to_kind(record.kind)?;
    Ok(Record { channel, position, kind, json: record.json, provider_at: None, logged_at: None })
}

pub(crate) fn from_bounds(bounds: &Bounds) -> proto::BoundsReply {
    proto::BoundsReply {
        start: Some(from_position(&bounds.start)),
        end: Some(from_position(&bounds.end)),
        refused: None,
    }
}

pub(crate) fn to_bounds(channel: &ChannelName, reply: &proto::BoundsReply) -> Result<Bounds, Status> {
    let start = to_position(channel, reply.start.as_ref())?;
    Ok(Bounds { start, end: to_position(channel, reply.end.as_ref())? })
}

pub(crate) fn from_error(error: LogError) -> proto::Refused {
    let reason = match error {
        LogError::Foreign => Reason::Foreign(proto::Nothing {}),
        LogError::Expired => Reason::Expired(proto::Nothing {}),
        LogError::Future => Reason::Future(proto::Nothing {}),
        LogError::TooLarge { bytes, allowed } => {
            Reason::TooLarge(proto::TooLarge { bytes: bytes as u64, allowed: allowed as u64 })
        }
        LogError::Taken { event_id } => Reason::Taken(event_id),
        LogError::NotOwner => Reason::NotOwner(proto::Nothing {}),
        LogError::Unavailable { reason } => Reason::Unavailable(reason),
    };
    proto::Refused { reason: Some(reason) }
}

pub(crate) fn to_error(refused: proto::Refused) -> LogError {
    let size = |bytes: u64| usize::try_from(bytes).unwrap_or(usize::MAX);
    match refused.reason {
        Some(Reason::Foreign(_)) => LogError::Foreign,
        Some(Reason::Expired(_)) => LogError::Expired,
        Some(Reason::Future(_)) => LogError::Future,
        Some(Reason::TooLarge(proto::TooLarge { bytes, allowed })) => {
            LogError::TooLarge { bytes: size(bytes), allowed: size(allowed) }
        }
        Some(Reason::Taken(event_id)) => LogError::Taken { event_id },
        Some(Reason::NotOwner(_)) => LogError::NotOwner,
        Some(Reason::Unavailable(reason)) => LogError::Unavailable { reason },
        None => {
            LogError::Unavailable { reason: "the owner refused for a reason that this version does not know".into() }
        }
    }
}

pub(crate) fn from_refusal(refusal: Refusal) -> proto::Refusal {
    let Refusal { code, message, retry_after } = refusal;
    let retry_after_millis = retry_after.map(|after| u64::try_from(after.as_millis()).unwrap_or(u64::MAX));
    proto::Refusal { code: code.as_str().to_owned(), message, retry_after_millis }
}

pub(crate) fn to_refusal(refusal: proto::Refusal) -> Refusal {
    let proto::Refusal { code, message, retry_after_millis } = refusal;
    let code = Code::ALL.into_iter().find(|known| known.as_str() == code).unwrap_or(Code::Internal);
    Refusal { code, message, retry_after: retry_after_millis.map(Duration::from_millis) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    #[test]
    fn errors_and_refusals_arrive_as_they_were() {
        for error in [
            LogError::Foreign,
            LogError::Expired,
            LogError::Future,
            LogError::TooLarge { bytes: 7, allowed: 5 },
            LogError::Taken { event_id: "e".into() },
            LogError::NotOwner,
            LogError::Unavailable { reason: "away".into() },
        ] {
            assert_eq!(to_error(from_error(error.clone())), error);
        }
        for code in Code::ALL {
            let refusal = Refusal::new(code, "no").retry_after(Duration::from_millis(1_500));
            assert_eq!(to_refusal(from_refusal(refusal.clone())), refusal);
        }
    }

    #[test]
    fn records_and_places_arrive_as_they_were() {
        let channel = ChannelName::parse("ar-room:r").unwrap();
        let place = Position::before_first(&channel, 7);
        let position = Position { epoch: 3, address: u64::MAX, index: u16::MAX, number: 9, ..place };
        let json = Bytes::from_static(b"{}");
        let record = Record { channel, position, kind: EventKind::Last, json, provider_at: None, logged_at: None };
        let arrived = to_record(from_record(&record)).unwrap();
        assert_eq!((arrived.channel, arrived.position, arrived.kind), (record.channel.clone(), position, record.kind));
        let other = ChannelName::parse("ar-room:other").unwrap();
        assert_eq!(from_read(&other, ReadFrom::After(position)).unwrap_err(), LogError::Foreign);
        let after = from_read(&record.channel, ReadFrom::After(position)).unwrap();
        assert_eq!(to_read(&record.channel, after.as_ref()).unwrap(), ReadFrom::After(position));
        assert!(to_event(proto::Event { kind: 256, ..Default::default() }).is_err());
    }
}
