//! The failures that the rule is for, and a small model: whatever owners do, at most one gets its record acknowledged.

use super::*;
use proptest::prelude::*;

fn header(kind: Kind, epoch: u32, sequence: u64, anchor: Anchor) -> Header {
    Header { kind, incarnation: 7, epoch, owner: u64::from(epoch) * 10, sequence, anchor }
}

fn begin(epoch: u32) -> Header {
    header(Kind::Begin, epoch, 0, Anchor::default())
}

fn group(epoch: u32, sequence: u64) -> Header {
    header(Kind::Group, epoch, sequence, Anchor::default())
}

fn verdicts(ledger: &mut Ledger, records: &[Header]) -> Vec<Verdict> {
    records.iter().map(|header| ledger.judge(Some(header), 1)).collect()
}

use Verdict::{Begins, Counts, Void};

#[test]
fn a_record_that_never_arrived_voids_what_its_owner_wrote_after_it() {
    let mut ledger = Ledger::at_start(0);
    let records = [begin(1), group(1, 1), group(1, 3), group(1, 4), begin(2), group(2, 1), group(1, 2)];
    assert_eq!(verdicts(&mut ledger, &records), [Begins, Counts, Void, Void, Begins, Counts, Void]);
}

#[test]
fn a_record_of_a_later_log_shows_that_the_topic_was_made_anew() {
    let mut ledger = Ledger::at_start(0);
    assert!(!ledger.is_strange(&group(1, 1)), "nothing is known yet");
    verdicts(&mut ledger, &[begin(1), group(1, 1)]);
    let of = |incarnation: u32, header: Header| Header { incarnation, ..header };
    assert!(!ledger.is_strange(&group(1, 2)));
    assert!(!ledger.is_strange(&of(8, begin(2))), "it only proposes");
    assert!(!ledger.is_strange(&of(6, group(9, 4))), "of an earlier log");
    assert!(ledger.is_strange(&of(8, group(2, 1))));
    // The new log's begin record stood where reading went on.
    verdicts(&mut ledger, &[of(8, begin(2))]);
    assert!(ledger.is_strange(&of(8, group(2, 1))));
    let mut uncertain = Ledger::at_start(5);
    verdicts(&mut uncertain, &[of(8, begin(2))]);
    assert!(!uncertain.is_strange(&group(2, 1)), "the begin record was merely believed");
}

#[test]
fn the_newest_records_of_an_epoch_are_found_by_sequence() {
    let mut ledger = Ledger::at_start(0);
    verdicts(&mut ledger, &[begin(1), group(1, 1), begin(1), group(1, 2)]);
    assert_eq!([0, 1, 2, 3].map(|sequence| ledger.offset_of(sequence)), [Some(0), Some(1), Some(3), None]);
    verdicts(&mut ledger, &[3, 4, 5, 6, 7, 8].map(|sequence| group(1, sequence)));
    assert_eq!([0, 1, 8].map(|sequence| ledger.offset_of(sequence)), [None, Some(1), Some(9)]);
    verdicts(&mut ledger, &[begin(2)]);
    assert_eq!([0, 1].map(|sequence| ledger.offset_of(sequence)), [Some(10), None]);
}

#[test]
fn a_begin_that_comes_late_takes_no_effect() {
    let mut ledger = Ledger::at_start(0);
    let records = [begin(3), group(3, 1), begin(2), group(2, 1), begin(3), group(3, 2)];
    assert_eq!(verdicts(&mut ledger, &records), [Begins, Counts, Void, Void, Void, Counts]);
}

#[test]
fn what_a_suspended_owner_writes_after_it_wakes_is_void() {
    let mut ledger = Ledger::at_start(0);
    let records = [begin(1), group(1, 1), begin(2), group(1, 2), group(2, 1), group(1, 3), group(2, 2)];
    assert_eq!(verdicts(&mut ledger, &records), [Begins, Counts, Begins, Void, Counts, Void, Counts]);
}

#[test]
fn two_owners_of_one_epoch_are_told_apart_and_the_first_has_it() {
    let mut ledger = Ledger::at_start(0);
    let other = |header: Header| Header { owner: 99, ..header };
    let records = [begin(1), other(begin(1)), other(group(1, 1)), group(1, 1)];
    assert_eq!(verdicts(&mut ledger, &records), [Begins, Void, Void, Counts]);
}

#[test]
fn garbage_is_void_and_nothing_counts_before_the_first_begin() {
    let mut ledger = Ledger::at_start(0);
    assert_eq!(ledger.judge(None, 5), Void);
    assert_eq!(ledger.judge(Some(&group(0, 1)), 6), Void);
    assert_eq!((ledger.next, ledger.fingerprint), (2, 6));
}

#[test]
fn a_reader_behind_the_begin_record_finds_what_is_in_force_by_an_anchor() {
    let at = |offset, sequence| Anchor { offset, sequence };
    // Offsets 10 to 15 are kept: a stale owner's record, then epoch 5 under way since long.
    let records = [
        header(Kind::Group, 4, 9, at(3, 8)),
        header(Kind::Group, 5, 21, at(9, 20)),
        header(Kind::Group, 5, 22, at(9, 20)),
        header(Kind::Group, 4, 10, at(3, 8)),
        header(Kind::Group, 5, 23, at(11, 21)),
        header(Kind::Group, 5, 24, at(12, 22)),
    ];
    let mut ledger = Ledger::at_start(10);
    assert_eq!(verdicts(&mut ledger, &records[..4]), [Void; 4]);
    let Verdict::Anchored(anchored) = ledger.judge(Some(&records[4]), 1) else { panic!("no anchor") };
    assert_eq!((anchored.first, anchored.next, anchored.epoch, anchored.sequence), (12, 12, 5, 21));
    let mut ledger = anchored;
    assert_eq!(verdicts(&mut ledger, &records[2..]), [Counts, Void, Counts, Counts]);
}

#[test]
fn a_begin_that_is_merely_believed_gives_way_to_an_anchor_of_a_higher_epoch() {
    let mut ledger = Ledger::at_start(10);
    let records = [begin(3), group(3, 1)];
    assert_eq!(verdicts(&mut ledger, &records), [Begins, Counts]);
    let higher = header(Kind::Group, 9, 4, Anchor { offset: 10, sequence: 3 });
    assert!(matches!(ledger.judge(Some(&higher), 1), Verdict::Anchored(anchored) if anchored.epoch == 9));
    // Where the owner's own anchor is within what was read, it is certain and stays.
    let own = header(Kind::Group, 3, 2, Anchor { offset: 11, sequence: 1 });
    assert_eq!((ledger.judge(Some(&own), 1), ledger.is_certain), (Counts, true));
    assert_eq!(ledger.judge(Some(&higher), 1), Void);
}

proptest! {
    #[test]
    fn a_kept_ledger_reads_back_and_garbage_does_not_panic(
        next in any::<u64>(), epoch in any::<u32>(), owner in any::<u64>(), bytes in proptest::collection::vec(any::<u8>(), 0..60)
    ) {
        let ledger = Ledger { epoch, owner, sequence: next / 2, fingerprint: 5, ..Ledger::at_start(next) };
        prop_assert_eq!(Ledger::from_bytes(&ledger.to_bytes()), Some(ledger));
        let _ = Ledger::from_bytes(&bytes);
    }

    /// Three owners act in any order: begin with any epoch, write (which arrives or is lost). An owner acknowledges a record
    /// once it has judged the partition up to it. A reader that reads the whole partition at the end must find every
    /// acknowledged record to count, and two acknowledged ones never with one (epoch, sequence).
    #[test]
    fn what_is_acknowledged_counts_for_every_reader(steps in proptest::collection::vec((0..3_usize, 0..5_u8, 1..6_u32), 0..60)) {
        let mut partition: Vec<Header> = Vec::new();
        let mut owners: [Option<(u32, u64)>; 3] = [None; 3];
        let mut acknowledged = Vec::new();
        for (who, action, epoch) in steps {
            let owner = who as u64 + 1;
            if action == 0 {
                partition.push(Header { owner, ..begin(epoch) });
                owners[who] = Some((epoch, 0));
            } else if let Some((epoch, sequence)) = owners[who].as_mut() {
                *sequence += 1;
                if action == 1 {
                    // Lost on the way; a careful owner would stop here, this one goes on.
                    continue;
                }
                partition.push(Header { owner, ..group(*epoch, *sequence) });
                let mut ledger = Ledger::at_start(0);
                if verdicts(&mut ledger, &partition).last() == Some(&Counts) {
                    acknowledged.push((partition.len() - 1, *epoch, *sequence));
                }
            }
        }
        let all = verdicts(&mut Ledger::at_start(0), &partition);
        for (at, ..) in &acknowledged {
            prop_assert_eq!(all[*at], Counts);
        }
        let mut numbers: Vec<_> = acknowledged.iter().map(|(_, epoch, sequence)| (*epoch, *sequence)).collect();
        numbers.sort_unstable();
        prop_assert!(numbers.windows(2).all(|pair| pair[0] != pair[1]));
    }
}
