//! Who may do what in a room. Another user's room answers as one that does not exist.

use antiphon_core::{Code, Identity, Refusal, Room, Visibility};

/// What somebody wants of a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wish {
    /// See it and what is in it.
    Read,
    /// Speak in it, and act on its streams.
    Write,
    /// Do away with it.
    Own,
}

/// The room does not exist, as far as the caller may know.
pub(crate) fn no_room() -> Refusal {
    Refusal::new(Code::RoomNotFound, "there is no such room among yours")
}

/// The stream does not exist, as far as the caller may know.
pub(crate) fn no_stream() -> Refusal {
    Refusal::new(Code::StreamNotFound, "there is no such stream in a room of yours")
}

/// Whether somebody's wish is granted.
pub(crate) fn check(who: &Identity, room: &Room, wish: Wish) -> Result<(), Refusal> {
    let owns = room.user_id == who.user_id;
    let is_open = !room.is_ar_conversation && room.visibility == Visibility::Public;
    let may_read = owns || is_open || (who.is_back_end && who.may_read(&room.channel()?));
    match wish {
        _ if !may_read => Err(no_room()),
        Wish::Read => Ok(()),
        Wish::Write if owns || is_open => Ok(()),
        Wish::Own if owns => Ok(()),
        Wish::Write => Err(Refusal::new(Code::Forbidden, "this key may read the room; only its user may speak in it")),
        Wish::Own => Err(Refusal::new(Code::Forbidden, "only the user who made the room may delete it")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use antiphon_core::{CreatedBy, Pattern, RoomStatus, Timestamp};

    fn who(user: &str, is_back_end: bool) -> Identity {
        let read = vec![Pattern::parse("*").unwrap()];
        Identity { user_id: user.into(), is_back_end, read, publish: vec![], expires_at: None }
    }

    fn room(is_ar: bool, visibility: Visibility) -> Room {
        Room {
            id: "room-1".into(),
            agent_id: None,
            user_id: "u1".into(),
            name: None,
            room_type: "x".into(),
            created_by: CreatedBy { id: "u1".into() },
            visibility,
            status: RoomStatus::Active,
            is_ar_conversation: is_ar,
            created_at: Timestamp::from_millis(0),
        }
    }

    #[test]
    fn only_its_user_gets_in_but_for_public_rooms_and_reading_back_ends() {
        use Code::{Forbidden, RoomNotFound};
        let ask = |who: Identity, room: &Room| {
            [Wish::Read, Wish::Write, Wish::Own].map(|wish| check(&who, room, wish).err().map(|refusal| refusal.code))
        };
        let (ar, public) = (room(true, Visibility::Private), room(false, Visibility::Public));
        let invite = room(false, Visibility::Invite);
        for room in [&ar, &public, &invite] {
            assert_eq!(ask(who("u1", false), room), [None; 3]);
        }
        assert_eq!(ask(who("u2", false), &ar), [Some(RoomNotFound); 3]);
        assert_eq!(ask(who("u2", false), &invite), [Some(RoomNotFound); 3]);
        assert_eq!(ask(who("u2", false), &public), [None, None, Some(Forbidden)]);
        assert_eq!(ask(who("key:k", true), &ar), [None, Some(Forbidden), Some(Forbidden)]);
    }
}
