//! Appends that are under way while the shard changes hands: each is there once and whole, or not at all.

use super::{Bench, Process, event, eventually, positions, texts};
use antiphon_core::{ChannelName, LogError, Position, ReadFrom, Record, Shard};
use parking_lot::Mutex;
use rand::{Rng, RngCore, SeedableRng, rngs::StdRng};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

const SHARD: Shard = Shard(1);
const ROUNDS: u32 = 12;
const APPENDERS: usize = 6;

/// Acknowledged events: channel, position and text.
type Acknowledged = Arc<Mutex<Vec<(ChannelName, Position, String)>>>;

/// Appends arrays until one is not acknowledged. An event's text is `epoch.appender.count.place/size`.
async fn append_until_refused(process: Arc<Process>, channel: ChannelName, name: String, acknowledged: Acknowledged) {
    for count in 0.. {
        let size = count % 3 + 1;
        let texts: Vec<String> = (0..size).map(|place| format!("{name}.{count}.{place}/{size}")).collect();
        match process.log.append(&channel, texts.iter().map(|text| event(text)).collect()).await {
            Ok(positions) => {
                let events = positions.into_iter().zip(texts);
                acknowledged.lock().extend(events.map(|(position, text)| (channel.clone(), position, text)));
            }
            Err(LogError::NotOwner | LogError::Unavailable { .. }) => return,
            Err(error) => panic!("{error}"),
        }
    }
}

pub(super) async fn appends_in_flight_are_there_once_or_not_at_all(bench: Bench) {
    let seed = std::env::var("SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(|| rand::rng().next_u64());
    println!("SEED={seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let mut processes = Vec::new();
    for number in 0..3 {
        processes.push(Arc::new(bench.open(number).await));
    }
    let channels = bench.channels(SHARD, 2);
    for process in &processes {
        channels.iter().for_each(|channel| (process.opened.follow)(channel));
    }
    let acknowledged = Acknowledged::default();
    processes[1].begin(SHARD, 1).await;
    // The third process only follows.
    for epoch in 1..=ROUNDS {
        let (owner, next) = (&processes[epoch as usize % 2], &processes[(epoch as usize + 1) % 2]);
        let append = |task: usize| {
            let channel = channels[task % channels.len()].clone();
            tokio::spawn(append_until_refused(owner.clone(), channel, format!("{epoch}.{task}"), acknowledged.clone()))
        };
        let appends: Vec<_> = (0..APPENDERS).map(append).collect();
        tokio::time::sleep(Duration::from_millis(random.random_range(0..40))).await;
        next.begin(SHARD, epoch + 1).await;
        let mut found = HashSet::new();
        for channel in &channels {
            found.extend(positions(&next.read(channel, ReadFrom::Start).await));
        }
        for append in appends {
            append.await.unwrap();
        }
        for (channel, position, text) in &*acknowledged.lock() {
            assert!(found.contains(position), "{text} of {channel} was acknowledged and the next owner has it not");
        }
    }
    let owner = &processes[(ROUNDS as usize + 1) % 2];
    for channel in &channels {
        let last = owner.append(channel, &["last"]).await[0];
        let read = owner.read(channel, ReadFrom::Start).await;
        check_order(&read);
        check_acknowledged(channel, &read, &acknowledged.lock());
        for process in &processes {
            let same = process.read_through(channel, ReadFrom::Start, last).await;
            assert_eq!((positions(&same), texts(&same)), (positions(&read), texts(&read)), "in every process");
            let is_told = || process.told(channel).last().is_some_and(|record| record.position == last);
            eventually("a process is not told of the last event", is_told).await;
            let told = process.told(channel);
            assert_eq!(positions(&told), positions(&read), "every record is told once, in order");
            assert_eq!(texts(&told), texts(&read));
        }
    }
    println!("{} events were acknowledged in {ROUNDS} takeovers", acknowledged.lock().len());
    for process in processes {
        Arc::into_inner(process).expect("nobody else holds it").close().await;
    }
}

/// Numbers are dense, positions sort, arrays are whole, and each appender's are in its order, none twice.
fn check_order(read: &[Record]) {
    assert!(read.iter().zip(1..).all(|(record, number)| record.position.number == number), "numbers are dense");
    assert!(read.windows(2).all(|pair| pair[0].position < pair[1].position), "positions sort");
    let texts = texts(read);
    assert_eq!(texts.iter().collect::<HashSet<_>>().len(), texts.len(), "no event twice");
    let mut counts: HashMap<String, usize> = HashMap::new();
    let mut expected = None;
    for text in texts.iter().filter(|text| *text != "last") {
        let (array, place) = text.rsplit_once('.').unwrap();
        let (place, size) = place.split_once('/').unwrap();
        let (place, size): (usize, usize) = (place.parse().unwrap(), size.parse().unwrap());
        match expected.take() {
            Some(due) => assert_eq!((array, place), due, "an array stays together"),
            None => assert_eq!(place, 0, "an array is whole: {text}"),
        }
        expected = (place + 1 < size).then_some((array, place + 1));
        if place == 0 {
            let (appender, count) = array.rsplit_once('.').unwrap();
            let count = count.parse().unwrap();
            let before = counts.insert(appender.to_owned(), count);
            assert_eq!(count, before.map_or(0, |before| before + 1), "{text} in its appender's order");
        }
    }
    assert_eq!(expected, None, "the last array is whole");
}

fn check_acknowledged(channel: &ChannelName, read: &[Record], acknowledged: &[(ChannelName, Position, String)]) {
    let found: HashMap<Position, String> = positions(read).into_iter().zip(texts(read)).collect();
    for (_, position, text) in acknowledged.iter().filter(|(of, ..)| of == channel) {
        assert_eq!(found.get(position), Some(text), "an acknowledged event at its position");
    }
}
