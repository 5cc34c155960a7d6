//! Trims: the oldest events of a channel, found by whoever asks and forgotten by whoever writes the store.

use super::contents::Contents;
use super::stored::Header;
use crate::edge::{Check, Edge, Extent};
use antiphon_core::limits::TRIM_RECORDS;
use antiphon_core::{ChannelName, LogError, Position};

/// Events to forget, prepared by who asks.
pub struct Trim {
    /// Where.
    pub channel: ChannelName,
    /// The last trimmed event when this was prepared; nothing is done if it has moved.
    pub after: u64,
    /// The last event to forget.
    pub through: Edge,
    /// The event ids of the forgotten events, with their numbers.
    pub event_ids: Vec<(String, u64)>,
}

/// What is to be done next about a channel's oldest events.
pub enum Next {
    /// Nothing: none of them is to go.
    Nothing,
    /// They were trimmed meanwhile: look again.
    Again,
    /// This trim; then another look, if `is_last` is false.
    Trim {
        /// The trim.
        trim: Trim,
        /// True if nothing is left to go after it.
        is_last: bool,
    },
}

/// The one writer of a store, as the retention thread sees it.
pub trait TrimWriter {
    /// Makes the trim as durable as the store is; false if nothing was done, because the channel's start has moved.
    fn write(&self, trim: Trim) -> Result<bool, LogError>;

    /// Tries to open a failed store again; false if there is nobody any more who could.
    fn reopen(&self) -> bool;
}

/// Looks for the oldest events for which the condition holds, at most as many as one step may forget.
pub fn next<Condition>(
    contents: &Contents,
    name: &ChannelName,
    condition: impl Fn(&Extent) -> Condition,
) -> Result<Next, LogError>
where
    Condition: Fn(&Edge, &Header<'_>) -> bool,
{
    let store = contents.store()?;
    let Some((id, extent)) = contents.look(&store, name)? else { return Ok(Next::Nothing) };
    if extent.start.number == extent.end.number {
        return Ok(Next::Nothing);
    }
    let is_past = condition(&extent);
    let last = extent.end.number.min(extent.start.number + TRIM_RECORDS as u64);
    let (mut through, mut event_ids, mut is_last) = (extent.start, Vec::new(), last == extent.end.number);
    let found = store.scan(name, id, (extent.start.number + 1, last), |header, _| {
        if !is_past(&through, &header) {
            is_last = true;
            return false;
        }
        through = header.edge;
        event_ids.extend(header.event_id.map(|event_id| (event_id.to_owned(), header.edge.number)));
        true
    })?;
    if !found {
        let moved = contents.look(&store, name)?.is_none_or(|(_, now)| now.start != extent.start);
        let reason = format!("the first event of channel {name} is missing");
        return if moved { Ok(Next::Again) } else { Err(LogError::Unavailable { reason }) };
    }
    if through.number == extent.start.number {
        return Ok(Next::Nothing);
    }
    let trim = Trim { channel: name.clone(), after: extent.start.number, through, event_ids };
    Ok(Next::Trim { trim, is_last })
}

/// Forgets the events up to and including the position.
pub fn through(
    contents: &Contents,
    write: impl Fn(Trim) -> Result<bool, LogError>,
    name: &ChannelName,
    through: Position,
) -> Result<(), LogError> {
    let store = contents.store()?;
    let (id, extent) = contents.look(&store, name)?.unwrap_or_default();
    let origin = contents.channels.origin(name)?;
    match origin.check(&through, &extent) {
        Err(LogError::Expired) => return Ok(()),
        Err(error) => return Err(error),
        Ok(Check::Good) => {}
        Ok(Check::IfEventMatches) => {
            let mut is_foreign = false;
            store.scan(name, id, (through.number, through.number), |header, _| {
                is_foreign = origin.position(&header.edge) != through;
                false
            })?;
            if is_foreign {
                return Err(LogError::Foreign);
            }
        }
    }
    drop(store);
    up_to(contents, write, name, through.number)
}

/// Forgets the events up to and including a number.
pub fn up_to(
    contents: &Contents,
    write: impl Fn(Trim) -> Result<bool, LogError>,
    name: &ChannelName,
    number: u64,
) -> Result<(), LogError> {
    while step(contents, &write, name, |_| move |_: &Edge, header: &Header<'_>| header.edge.number <= number)? {}
    Ok(())
}

/// Takes one step; true if another one is needed.
pub fn step<Condition>(
    contents: &Contents,
    write: impl Fn(Trim) -> Result<bool, LogError>,
    name: &ChannelName,
    condition: impl Fn(&Extent) -> Condition,
) -> Result<bool, LogError>
where
    Condition: Fn(&Edge, &Header<'_>) -> bool,
{
    match next(contents, name, condition)? {
        Next::Nothing => Ok(false),
        Next::Again => Ok(true),
        Next::Trim { trim, is_last } => Ok(!write(trim)? || !is_last),
    }
}

/// Makes a trim. Only the one writer of the store may call this. See [`TrimWriter::write`].
pub fn write(contents: &Contents, trim: &Trim) -> Result<bool, LogError> {
    // Trimming is what makes room, so it may use half of what appends leave free.
    contents.place.check(2)?;
    let store = contents.store()?;
    let channel = contents.channel(&store, &trim.channel)?;
    let Some(id) = channel.id() else { return Ok(false) };
    if channel.visible().start.number != trim.after {
        return Ok(false);
    }
    let mut batch = store.batch(trim.event_ids.len() + 1_024);
    for number in trim.after + 1..=trim.through.number {
        batch.remove_record(id, number);
    }
    for (event_id, number) in &trim.event_ids {
        // The id may belong to a later event by now, if it was forgotten in between.
        if let Some(row) = store.event_id(id, event_id)?.filter(|row| row.edge.number == *number) {
            batch.remove_event_id(id, event_id, row.ordinal);
        }
    }
    batch.put_channel(&trim.channel, id, trim.through);
    // Readers must not look for what is being removed: an expired position is right even if the removal fails.
    channel.show_start(trim.through);
    batch.commit(contents.durability).map_err(|error| contents.fail(&error, Vec::new()))?;
    Ok(true)
}
