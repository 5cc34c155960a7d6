//! Commands, pieces, faults, crashes and moves of shards in random order over two processes: each stream has one end, what
//! was acknowledged is there once, and a stop that was acknowledged stopped its stream.

use crate::fenced::Fault;
use crate::interleavings::{asked, check_streams};
use crate::pair::Pair;
use crate::world::{Call, is_end_of, text_of};
use antiphon_ai::agent::Recovery;
use antiphon_core::*;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::time::Duration;

const ROUNDS: u64 = 30;
const STEPS: usize = 60;
const FAULTS: [Fault; 3] = [Fault::Refused, Fault::Lost, Fault::Late];

struct Round {
    pair: Pair,
    random: StdRng,
    room: String,
    calls: Vec<Call>,
    /// Acknowledged messages by content, with their streams.
    accepted: HashMap<String, String>,
    streams: Vec<String>,
    /// Streams whose interrupt, and whose cancel, was acknowledged.
    interrupted: Vec<String>,
    cancelled: Vec<String>,
    said: usize,
}

impl Round {
    async fn new(seed: u64) -> Self {
        let mut random = StdRng::seed_from_u64(seed);
        let policies = [Recovery::Restart, Recovery::Continue, Recovery::Finish, Recovery::Fail];
        let recovery = policies[random.random_range(0..4)];
        let pair = Pair::with(|agent| agent.recovery = recovery).await;
        let can_continue = random.random();
        for process in &pair.processes {
            process.model.can_continue.store(can_continue, Ordering::Relaxed);
        }
        let room = pair.room().await;
        let (accepted, streams) = (HashMap::new(), vec![]);
        Self { pair, random, room, calls: vec![], accepted, streams, interrupted: vec![], cancelled: vec![], said: 0 }
    }

    /// Any process, as far as a client is concerned.
    fn any(&mut self) -> usize {
        self.random.random_range(0..2)
    }

    async fn say(&mut self) {
        let by = self.any();
        // Some are said again.
        if self.said == 0 || self.random.random_range(0..4) > 0 {
            self.said += 1;
        }
        let content = format!("message {}", self.said);
        if let Ok(accepted) = self.pair.say(by, &self.room, &content).await {
            let stream = accepted.stream_id.unwrap();
            if let Some(before) = self.accepted.insert(content, stream.clone()) {
                assert_eq!(before, stream, "the same message twice");
            }
            self.streams.push(stream);
        }
    }

    async fn act_on_a_stream(&mut self) {
        let count = self.streams.len();
        if count == 0 {
            return;
        }
        let stream = self.streams[self.random.random_range(0..count)].clone();
        let by = self.any();
        let heard = self.random.random::<bool>().then(|| Heard { offset: self.random.random_range(0..20) });
        let (rooms, who) = (self.pair.rooms(by), &self.pair.who);
        // What the state does not allow is refused; both are fine here.
        match self.random.random_range(0..5) {
            0 if rooms.interrupt(who, &stream, heard, None).await.is_ok() => self.interrupted.push(stream),
            1 if rooms.cancel(who, &stream).await.is_ok() => self.cancelled.push(stream),
            2 => drop(rooms.pause(who, &stream).await),
            3 => drop(rooms.resume(who, &stream).await),
            4 => {
                if let Ok(accepted) = rooms.retry(who, &stream).await {
                    self.streams.extend(accepted.stream_id);
                }
            }
            _ => {}
        }
    }

    fn feed(&mut self) {
        for index in 0..2 {
            while let Some(call) = self.pair.try_call(index) {
                self.calls.push(call);
            }
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

    async fn let_others_in(&mut self) {
        for _ in 0..self.random.random_range(0..30) {
            tokio::task::yield_now().await;
        }
    }

    async fn move_the_room(&mut self) {
        let (shard, to) = (self.pair.shard_of(&self.room), self.any());
        match self.random.random_range(0..4) {
            0 => self.pair.hand_over(shard, to).await,
            // The old owner learns of it later.
            1 => {
                self.pair.take(shard, to).await;
                self.let_others_in().await;
                self.pair.processes[1 - to].owned.lose(shard);
            }
            // Nobody has it for a while.
            2 => {
                self.pair.processes.iter().for_each(|process| process.owned.lose(shard));
                self.let_others_in().await;
                self.pair.take(shard, to).await;
            }
            // It goes and comes back.
            _ => {
                self.pair.take(shard, to).await;
                self.let_others_in().await;
                self.pair.processes[to].owned.lose(shard);
                self.pair.hand_over(shard, 1 - to).await;
            }
        }
    }

    async fn step(&mut self) {
        match self.random.random_range(0..24) {
            0..=4 => self.say().await,
            5..=10 => self.feed(),
            11..=14 => self.act_on_a_stream().await,
            15..=16 => self.move_the_room().await,
            17 => {
                let (by, fault) = (self.any(), FAULTS[self.random.random_range(0..3)]);
                self.pair.processes[by].log.fault(fault);
            }
            18..=19 => self.pair.mend().await,
            20 => {
                let killed = self.any();
                self.pair.crash(killed).await;
                self.pair.move_all(1 - killed).await;
            }
            21 => tokio::time::sleep(Duration::from_millis(self.random.random_range(0..60))).await,
            _ => self.let_others_in().await,
        }
    }

    /// Lets everything end.
    async fn finish(&mut self) {
        self.pair.processes.iter().for_each(|process| process.log.fault(Fault::None));
        self.pair.move_all(0).await;
        let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
        loop {
            let events = self.pair.events(&self.room).await;
            let is_ended = |stream: &String| events.iter().any(|event| is_end_of(event, stream));
            let open: Vec<String> = asked(&events).into_iter().filter(|stream| !is_ended(stream)).collect();
            if open.is_empty() {
                return;
            }
            assert!(tokio::time::Instant::now() < deadline, "{open:?} never ended: {events:#?}");
            for stream in &open {
                let _ = self.pair.rooms(1).resume(&self.pair.who, stream).await;
            }
            self.calls.extend(std::iter::from_fn(|| self.pair.try_call(0)));
            self.calls.iter().for_each(Call::complete);
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    async fn check(&self) {
        let events = self.pair.events(&self.room).await;
        check_streams(&events);
        self.pair.assert_fenced(&self.room).await;
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
        for stream in &self.interrupted {
            let is_there = |event: &RoomEvent| matches!(event, RoomEvent::ArStreamInterrupt { stream_id, .. } if stream_id == stream);
            assert!(events.iter().any(is_there), "the interrupt of {stream} was acknowledged: {events:#?}");
        }
        for stream in &self.cancelled {
            let is_there = |event: &RoomEvent| {
                is_end_of(event, stream) && matches!(event, RoomEvent::ArStreamEnd { outcome: Outcome::Cancelled, .. })
            };
            assert!(events.iter().any(is_there), "the cancel of {stream} was acknowledged: {events:#?}");
        }
        let page = self.pair.rooms(1).messages(&self.pair.who, true, &self.room, 200, None).await.unwrap();
        for message in page.messages.iter().filter(|message| message.heard.is_none()) {
            if let Some(stream) = &message.stream_id {
                assert_eq!(message.content, text_of(&events, stream));
                assert_ne!(message.status, MessageStatus::Streaming);
            }
        }
        for index in 0..2 {
            assert_eq!(self.pair.rooms(index).stop_latencies().chunks_after, 0);
        }
    }
}

#[tokio::test]
async fn each_stream_ends_once_wherever_its_room_is() {
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
