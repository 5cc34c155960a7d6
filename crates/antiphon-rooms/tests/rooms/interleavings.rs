//! Commands, pieces, faults and crashes in random order: whatever happens, each stream has one end, and what was
//! acknowledged is there once.

use crate::world::{Call, Disk, World, text_of};
use antiphon_ai::agent::Recovery;
use antiphon_core::*;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::collections::{HashMap, HashSet};
use std::sync::atomic::Ordering;
use std::time::Duration;

const ROUNDS: u64 = 40;
const STEPS: usize = 60;

struct Round {
    world: World,
    random: StdRng,
    room: String,
    calls: Vec<Call>,
    /// Acknowledged messages by content, with their streams.
    accepted: HashMap<String, String>,
    streams: Vec<String>,
    said: usize,
}

impl Round {
    async fn new(seed: u64) -> Self {
        let mut random = StdRng::seed_from_u64(seed);
        let policies = [Recovery::Restart, Recovery::Continue, Recovery::Finish, Recovery::Fail];
        let recovery = policies[random.random_range(0..4)];
        let world = World::with(|agent| agent.recovery = recovery).await;
        world.model.can_continue.store(random.random(), Ordering::Relaxed);
        let room = world.room().await;
        Self { world, random, room, calls: vec![], accepted: HashMap::new(), streams: vec![], said: 0 }
    }

    fn any_stream(&mut self) -> Option<String> {
        let count = self.streams.len();
        (count > 0).then(|| self.streams[self.random.random_range(0..count)].clone())
    }

    async fn say(&mut self) {
        self.said += 1;
        let content = format!("message {}", self.said);
        if let Ok(accepted) = self.world.say_as(&self.room, &content, &content).await {
            let stream = accepted.stream_id.unwrap();
            self.accepted.insert(content, stream.clone());
            self.streams.push(stream);
        }
    }

    async fn act_on_a_stream(&mut self) {
        let Some(stream) = self.any_stream() else { return };
        let (rooms, who) = (self.world.rooms(), self.world.who.clone());
        let heard = self.random.random::<bool>().then(|| Heard { offset: self.random.random_range(0..20) });
        // What the state does not allow is refused; both are fine here.
        match self.random.random_range(0..5) {
            0 => drop(rooms.interrupt(&who, &stream, heard, None).await),
            1 => drop(rooms.cancel(&who, &stream).await),
            2 => drop(rooms.pause(&who, &stream).await),
            3 => drop(rooms.resume(&who, &stream).await),
            _ => {
                if let Ok(accepted) = rooms.retry(&who, &stream).await {
                    self.streams.extend(accepted.stream_id);
                }
            }
        }
    }

    fn feed(&mut self) {
        while let Some(call) = self.world.try_call() {
            self.calls.push(call);
        }
        self.calls.retain(|call| !call.is_dropped());
        for call in &self.calls {
            match self.random.random_range(0..10) {
                0 => call.complete(),
                1 => call.cut(),
                2 => call.fail(true),
                3 => call.fail(false),
                4 => call.say("[emotion:hap"),
                5 => call.say("py]"),
                _ => call.say("some words "),
            }
        }
    }

    async fn step(&mut self) {
        match self.random.random_range(0..20) {
            0..=4 => self.say().await,
            5..=10 => self.feed(),
            11..=15 => self.act_on_a_stream().await,
            16 => {
                let disk = [Disk::Full, Disk::Lying, Disk::Fine, Disk::Fine][self.random.random_range(0..4)];
                self.world.disk(disk);
            }
            17 => self.world.restart().await,
            18 => tokio::time::sleep(Duration::from_millis(self.random.random_range(0..60))).await,
            _ => {
                for _ in 0..self.random.random_range(0..30) {
                    tokio::task::yield_now().await;
                }
            }
        }
    }

    /// Lets everything end.
    async fn finish(&mut self) {
        self.world.disk(Disk::Fine);
        self.world.restart().await;
        let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
        loop {
            let events = self.world.events(&self.room).await;
            let is_ended = |stream: &String| events.iter().any(|event| crate::world::is_end_of(event, stream));
            let open: Vec<String> = asked(&events).into_iter().filter(|stream| !is_ended(stream)).collect();
            if open.is_empty() {
                return;
            }
            assert!(tokio::time::Instant::now() < deadline, "{open:?} never ended: {events:#?}");
            for stream in &open {
                let _ = self.world.rooms().resume(&self.world.who, stream).await;
            }
            while let Some(call) = self.world.try_call() {
                call.complete();
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    async fn check(&self) {
        let events = self.world.events(&self.room).await;
        check_streams(&events);
        let mut said = HashMap::new();
        for event in &events {
            if let RoomEvent::MessageCreated { message, stream_id, .. } = event {
                let again = said.insert(message.content.clone(), stream_id.clone().unwrap());
                assert!(again.is_none(), "{} was taken twice", message.content);
            }
        }
        for (content, stream) in &self.accepted {
            assert_eq!(said.get(content), Some(stream), "{content} was acknowledged");
        }
        for message in self.world.messages(&self.room).await.iter().filter(|message| message.heard.is_none()) {
            if let Some(stream) = &message.stream_id {
                assert_eq!(message.content, text_of(&events, stream));
                assert_ne!(message.status, MessageStatus::Streaming);
            }
        }
        assert_eq!(self.world.rooms().stop_latencies().chunks_after, 0);
    }
}

pub fn asked(events: &[RoomEvent]) -> Vec<String> {
    let stream = |event: &RoomEvent| match event {
        RoomEvent::ArMessageRequest { stream_id, .. } => Some(stream_id.clone()),
        _ => None,
    };
    events.iter().filter_map(stream).collect()
}

/// Order, numbering and ends of all streams of a room.
pub fn check_streams(events: &[RoomEvent]) {
    let all: HashSet<String> = asked(events).into_iter().collect();
    let mut queue: Vec<String> = Vec::new();
    let mut places = HashMap::new();
    let mut ended = HashSet::new();
    let mut started = HashSet::new();
    let mut next: HashMap<String, (u32, u64)> = HashMap::new();
    for event in events {
        match event {
            RoomEvent::ArMessageRequest { stream_id, .. } => queue.push(stream_id.clone()),
            RoomEvent::StreamQueued { stream_id, queued, .. } => {
                assert_eq!(queue.get(*queued), Some(stream_id));
                places.insert(stream_id.clone(), *queued);
            }
            RoomEvent::ArStreamStart { stream_id, .. } => {
                assert_eq!(places.get(stream_id), Some(&0), "its place was told");
                assert!(started.insert(stream_id.clone()), "one start each");
                assert_eq!(queue.first(), Some(stream_id), "in the order of the queue, one at a time");
                next.insert(stream_id.clone(), (1, 0));
            }
            RoomEvent::ArStreamChunk { stream_id, attempt, chunk_index, chunk_count, .. } => {
                assert!(started.contains(stream_id) && !ended.contains(stream_id));
                let expected = next.get_mut(stream_id).unwrap();
                assert_eq!((*attempt, *chunk_index), *expected);
                expected.1 += chunk_count;
            }
            RoomEvent::ArStreamReset { stream_id, attempt, .. } => {
                assert!(!ended.contains(stream_id));
                let before = next.insert(stream_id.clone(), (*attempt, 0)).unwrap();
                assert_eq!(*attempt, before.0 + 1);
            }
            RoomEvent::ArStreamAttempt { stream_id, attempt, policy, .. } => {
                let expected = next.get_mut(stream_id).unwrap();
                assert_eq!(*attempt, expected.0 + u32::from(policy == "continue"));
                expected.0 = *attempt;
            }
            RoomEvent::ArStreamEnd { stream_id, total_chunks, .. } => {
                assert!(all.contains(stream_id) && ended.insert(stream_id.clone()), "one end each");
                assert_eq!(next.get(stream_id).map_or(0, |(_, chunks)| *chunks), *total_chunks);
                queue.retain(|queued| queued != stream_id);
            }
            _ => {}
        }
    }
    assert_eq!(ended, all);
}

#[tokio::test]
async fn each_stream_ends_once_whatever_happens() {
    let base: u64 =
        std::env::var("ANTIPHON_TEST_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(rand::random());
    for seed in (0..ROUNDS).map(|round| base.wrapping_add(round)) {
        println!("ANTIPHON_TEST_SEED={seed}");
        let mut round = Round::new(seed).await;
        for _ in 0..STEPS {
            round.step().await;
        }
        round.finish().await;
        round.check().await;
    }
}
