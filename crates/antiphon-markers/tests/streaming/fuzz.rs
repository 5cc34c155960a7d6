//! A long random test, bounded in number and time, that can be run again from the seed it prints.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{Rng as _, SeedableRng as _};

use crate::invariants::check_bytes;
use crate::properties::FRAGMENTS;

const ROUNDS: u64 = 20_000;
const TIME: Duration = Duration::from_secs(3);

/// `ANTIPHON_MARKERS_SEED=N` starts at a failed round.
#[test]
fn holds_for_random_answers() {
    let seed = match std::env::var("ANTIPHON_MARKERS_SEED") {
        Ok(seed) => seed.parse().expect("ANTIPHON_MARKERS_SEED is a number"),
        Err(_) => SystemTime::now().duration_since(UNIX_EPOCH).unwrap().subsec_nanos().into(),
    };
    let started = Instant::now();
    for round in seed..seed + ROUNDS {
        println!("ANTIPHON_MARKERS_SEED={round}");
        check_bytes(&random_data(&mut StdRng::seed_from_u64(round)));
        if started.elapsed() > TIME {
            break;
        }
    }
}

fn random_data(random: &mut StdRng) -> Vec<u8> {
    let mut data: Vec<u8> = (0..8).map(|_| random.random()).collect();
    for _ in 0..random.random_range(0..40) {
        match random.random_range(0..10) {
            0 => data.push(random.random()),
            1 => data.push(random.random_range(b' '..=b'~')),
            2 => {
                let keep = random.random_range(8..=data.len());
                data.truncate(keep);
            }
            _ => data.extend_from_slice(FRAGMENTS.choose(random).unwrap().as_bytes()),
        }
    }
    data
}
