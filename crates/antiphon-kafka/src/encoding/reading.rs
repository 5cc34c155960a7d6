//! A record's bytes, read from the front and never past their end.

use super::{Before, NO_ID, Place, Section, Unreadable, Written};
use antiphon_core::{ChannelName, EventKind};
use bytes::{Buf, Bytes, TryGetError};

/// What is left to read.
pub struct Reading {
    rest: Bytes,
}

impl From<TryGetError> for Unreadable {
    fn from(_: TryGetError) -> Self {
        Self
    }
}

impl Reading {
    /// From the first byte.
    pub fn new(rest: Bytes) -> Self {
        Self { rest }
    }

    /// One byte.
    pub fn byte(&mut self) -> Result<u8, Unreadable> {
        Ok(self.rest.try_get_u8()?)
    }

    /// Two bytes.
    pub fn short(&mut self) -> Result<u16, Unreadable> {
        Ok(self.rest.try_get_u16()?)
    }

    /// Four bytes.
    pub fn word(&mut self) -> Result<u32, Unreadable> {
        Ok(self.rest.try_get_u32()?)
    }

    /// Eight bytes.
    pub fn long(&mut self) -> Result<u64, Unreadable> {
        Ok(self.rest.try_get_u64()?)
    }

    /// A channel's name.
    pub fn name(&mut self) -> Result<ChannelName, Unreadable> {
        let length = usize::from(self.short()?);
        ChannelName::parse(&self.text(length)?).map_err(|_| Unreadable)
    }

    /// A place.
    pub fn place(&mut self) -> Result<Place, Unreadable> {
        let (epoch, address) = (self.word()?, self.long()?);
        Ok(Place { epoch, address, index: self.short()?, number: self.long()? })
    }

    /// The sections of a group. All its events together have an index each, and no number runs over.
    pub fn sections(&mut self) -> Result<Vec<Section>, Unreadable> {
        let mut events = 0_usize;
        let mut sections = Vec::new();
        for _ in 0..self.short()? {
            let section = self.section()?;
            events += section.events.len();
            let last = section.before.number().checked_add(section.events.len() as u64);
            if events > usize::from(u16::MAX) || last.is_none() {
                return Err(Unreadable);
            }
            sections.push(section);
        }
        Ok(sections)
    }

    /// Nothing may be left.
    pub fn end(self) -> Result<(), Unreadable> {
        if self.rest.is_empty() { Ok(()) } else { Err(Unreadable) }
    }

    fn section(&mut self) -> Result<Section, Unreadable> {
        let channel = self.name()?;
        let before = match self.byte()? {
            0 => Before::Known(self.place()?),
            1 => Before::UnderWay(self.place()?),
            _ => return Err(Unreadable),
        };
        let mut events = Vec::new();
        for _ in 0..self.short()? {
            let kind = EventKind::from_stored(self.byte()?).ok_or(Unreadable)?;
            let event_id = match self.short()? {
                NO_ID => None,
                length => Some(self.text(usize::from(length))?),
            };
            let length = usize::try_from(self.word()?).map_err(|_| Unreadable)?;
            events.push(Written { kind, event_id, json: self.bytes(length)? });
        }
        Ok(Section { channel, before, events })
    }

    fn text(&mut self, length: usize) -> Result<String, Unreadable> {
        let bytes = self.bytes(length)?;
        std::str::from_utf8(&bytes).map(str::to_owned).map_err(|_| Unreadable)
    }

    fn bytes(&mut self, length: usize) -> Result<Bytes, Unreadable> {
        if self.rest.len() < length {
            return Err(Unreadable);
        }
        Ok(self.rest.split_to(length))
    }
}
