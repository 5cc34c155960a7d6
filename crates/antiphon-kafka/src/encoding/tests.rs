//! Every record reads back as it was written, and nothing else reads or panics.

use super::*;
use proptest::collection::vec;
use proptest::prelude::*;

fn header() -> impl Strategy<Value = Header> {
    (any::<u32>(), any::<u32>(), any::<u64>(), any::<u64>(), any::<u64>(), any::<u64>()).prop_map(
        |(incarnation, epoch, owner, sequence, offset, anchored)| Header {
            kind: Kind::Begin,
            incarnation,
            epoch,
            owner,
            sequence,
            anchor: Anchor { offset, sequence: anchored },
        },
    )
}

fn place() -> impl Strategy<Value = Place> {
    (any::<u32>(), any::<u64>(), any::<u16>(), 0..u64::MAX / 2).prop_map(|(epoch, address, index, number)| Place {
        epoch,
        address,
        index,
        number,
    })
}

fn channel() -> impl Strategy<Value = ChannelName> {
    (0..1_000_u32).prop_map(|id| ChannelName::new("ar-room", &format!("room-{id}")).unwrap())
}

fn event() -> impl Strategy<Value = Written> {
    (0..4_u8, proptest::option::of(".{0,20}"), vec(any::<u8>(), 0..200)).prop_map(|(kind, event_id, json)| Written {
        kind: EventKind::from_stored(kind).unwrap(),
        event_id,
        json: json.into(),
    })
}

fn body() -> impl Strategy<Value = Body> {
    let section =
        (channel(), place(), any::<bool>(), vec(event(), 0..5)).prop_map(|(channel, place, is_known, events)| {
            Section { channel, before: if is_known { Before::Known(place) } else { Before::UnderWay(place) }, events }
        });
    prop_oneof![
        Just(Body::Begin),
        (any::<u64>(), vec(section, 0..5))
            .prop_map(|(logged_millis, sections)| Body::Group { logged_millis, sections }),
        (channel(), place()).prop_map(|(channel, through)| Body::Trim { channel, through }),
    ]
}

proptest! {
    #[test]
    fn what_is_written_reads_back(header in header(), body in body()) {
        let header = Header { kind: body.kind(), ..header };
        let record = body.encode(&header);
        prop_assert_eq!(record.len(), HEADER_BYTES + body.size());
        prop_assert_eq!(decode(record.into()), Ok((header, body)));
    }

    #[test]
    fn a_cut_or_lengthened_record_is_refused(header in header(), body in body(), cut in any::<prop::sample::Index>()) {
        let record = body.encode(&header);
        let cut = cut.index(record.len());
        prop_assert_eq!(decode(Bytes::copy_from_slice(&record[..cut])), Err(Unreadable));
        prop_assert_eq!(decode([record.as_slice(), &[0]].concat().into()), Err(Unreadable));
    }

    #[test]
    fn garbage_never_panics(bytes in vec(any::<u8>(), 0..300), header in header(), body in body(), at in any::<prop::sample::Index>(), bit in 0..8) {
        let _ = decode(bytes.into());
        let mut record = body.encode(&header);
        let at = at.index(record.len());
        record[at] ^= 1_u8 << bit;
        let _ = decode(record.into());
    }
}
