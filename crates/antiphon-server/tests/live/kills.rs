//! `kill -9` at random moments: during answers, appends, trimming, start-up and recovery.

use crate::follower::{Follower, Transport};
use crate::server::Server;
use antiphon_testkit::upstream::{Reply, Upstream};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

const ROUNDS: usize = 200;
const TOKENS: usize = 30;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_kills_lose_and_double_nothing() {
    let seed = std::env::var("ANTIPHON_TEST_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(rand::random);
    println!("seed {seed} (ANTIPHON_TEST_SEED repeats it)");
    let mut random = StdRng::seed_from_u64(seed);
    let upstream = Upstream::start([]).await.unwrap();
    upstream.respond_with(|_| Reply::openai_paced(TOKENS, 500.0));
    // Few enough events are kept that trimming goes on all the time.
    let mut server = Server::start(Some(&upstream), "[namespaces.ar-room]\nkeep = { events = 400 }\n");
    let room = server.new_room().await;
    let followers: Vec<Follower> = [Transport::WebSocket, Transport::Sse, Transport::Both]
        .map(|transport| Follower::start(&server.address, "ar-room", &room, transport))
        .into();
    let began = Instant::now();
    let mut streams = Vec::new();
    for round in 0..ROUNDS {
        streams.push(send(&server, &room, round).await);
        tokio::time::sleep(Duration::from_millis(random.random_range(0..90))).await;
        server.kill();
        if random.random_bool(0.3) {
            server.run_and_kill_after(Duration::from_millis(random.random_range(0..80)));
        }
        server.run();
    }
    let has_all_ends = |events: &[Value]| streams.iter().all(|stream| ends_of(events, stream) == 1);
    for follower in &followers {
        follower.until("the end of every stream", has_all_ends).await;
    }
    println!("{ROUNDS} kills in {:?}", began.elapsed());
    let first = expand(&followers[0].events.lock());
    for follower in &followers {
        let events = follower.events.lock();
        check_order(&events);
        check_streams(&events, &streams);
        assert_eq!(expand(&events), first, "every client saw the same");
    }
    check_messages(&server, &room, &streams).await;
}

/// Sends until it is acknowledged; sending again never doubles.
async fn send(server: &Server, room: &str, round: usize) -> String {
    let body = json!({ "content": format!("question {round}"), "clientMessageId": format!("m{round}") });
    loop {
        match server.post(&format!("/api/ar-rooms/{room}/messages"), &body).await {
            Some((202, accepted)) => return accepted["streamId"].as_str().unwrap().to_owned(),
            // The queue holds sixteen: answers that were cut often take their time.
            Some((429, _)) => tokio::time::sleep(Duration::from_millis(50)).await,
            other => panic!("{other:?}"),
        }
    }
}

fn ends_of(events: &[Value], stream: &str) -> usize {
    events.iter().filter(|event| event["type"] == "ar-stream-end" && event["streamId"] == stream).count()
}

fn check_order(events: &[Value]) {
    for pair in events.windows(2) {
        assert!(pair[0]["position"].as_str() < pair[1]["position"].as_str(), "{} then {}", pair[0], pair[1]);
    }
}

/// Merged chunks taken apart as far as clients can tell: what each stream's text was after each event that matters.
fn expand(events: &[Value]) -> Vec<(String, String)> {
    let mut texts: BTreeMap<String, String> = BTreeMap::new();
    let mut out = Vec::new();
    for event in events {
        let stream = event["streamId"].as_str().unwrap_or_default().to_owned();
        match event["type"].as_str().unwrap() {
            "ar-stream-chunk" => texts.entry(stream).or_default().push_str(event["text"].as_str().unwrap()),
            kind => {
                if kind == "ar-stream-reset" {
                    texts.insert(stream.clone(), String::new());
                }
                let text = texts.get(&stream).cloned().unwrap_or_default();
                out.push((event["position"].as_str().unwrap().to_owned(), text));
            }
        }
    }
    out
}

/// Chunks are dense within an attempt, each stream starts once, ends once, and nothing of it follows its end.
fn check_streams(events: &[Value], streams: &[String]) {
    for stream in streams {
        let own: Vec<&Value> = events.iter().filter(|event| event["streamId"] == stream.as_str()).collect();
        let count = |kind: &str| own.iter().filter(|event| event["type"] == kind).count();
        assert_eq!((count("ar-stream-start"), count("ar-stream-end")), (1, 1), "{own:#?}");
        let end = own.last().unwrap();
        assert_eq!(end["type"], "ar-stream-end", "{own:#?}");
        // An answer that ten kills in a row have hit may end as crashed, and as nothing else.
        let is_crashed = end["outcome"] == "failed" && end["error"]["code"] == "crashed";
        assert!(end["outcome"] == "completed" || is_crashed, "{end}");
        let mut next = 0;
        for event in &own {
            match event["type"].as_str().unwrap() {
                "ar-stream-reset" => next = 0,
                "ar-stream-chunk" => {
                    assert_eq!(event["chunkIndex"], next, "{event}");
                    next += event["chunkCount"].as_u64().unwrap();
                }
                _ => {}
            }
        }
        assert_eq!(end["totalChunks"], next);
    }
}

async fn check_messages(server: &Server, room: &str, streams: &[String]) {
    let mut messages: Vec<Value> = Vec::new();
    loop {
        let before = messages.first().map(|message| format!("&before={}", message["id"].as_str().unwrap()));
        let path = format!("/api/ar-rooms/{room}/messages?limit=200{}", before.unwrap_or_default());
        let (status, mut page) = server.get(&path).await.unwrap();
        assert_eq!(status, 200, "{page}");
        let mut page: Vec<Value> = page["messages"].as_array_mut().unwrap().drain(..).collect();
        if page.is_empty() {
            break;
        }
        page.append(&mut messages);
        messages = page;
    }
    let asked: Vec<&str> = messages
        .iter()
        .filter(|message| message["role"] == "user")
        .map(|message| message["content"].as_str().unwrap())
        .collect();
    assert_eq!(asked, (0..streams.len()).map(|round| format!("question {round}")).collect::<Vec<_>>());
    let mut completed = 0;
    for stream in streams {
        let replies: Vec<_> = messages.iter().filter(|message| message["streamId"] == stream.as_str()).collect();
        assert_eq!(replies.len(), 1);
        if replies[0]["status"] == "completed" {
            completed += 1;
            assert_eq!(replies[0]["text"].as_str().unwrap().matches('@').count(), TOKENS, "every token once");
        } else {
            assert_eq!(replies[0]["status"], "failed");
        }
    }
    println!("{completed} of {} answers completed", streams.len());
    assert!(completed * 10 > streams.len() * 8, "most answers survive: {completed}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_always_kills_its_process_ends_as_failed() {
    let upstream = Upstream::start([]).await.unwrap();
    upstream.respond_with(|_| Reply::openai_paced(10_000, 50.0));
    let mut server = Server::start(Some(&upstream), "");
    let room = server.new_room().await;
    let follower = Follower::start(&server.address, "ar-room", &room, Transport::WebSocket);
    let stream = send(&server, &room, 0).await;
    for attempt in 1..=10 {
        let is_under_way = |events: &[Value]| {
            events.iter().any(|event| event["type"] == "ar-stream-chunk" && event["attempt"] == attempt)
        };
        follower.until("the attempt's first chunk", is_under_way).await;
        server.kill();
        server.run();
    }
    follower.until("its end", |events| ends_of(events, &stream) == 1).await;
    let events = follower.events.lock();
    let end = events.iter().find(|event| event["type"] == "ar-stream-end").unwrap();
    assert_eq!((&end["outcome"], &end["error"]["code"]), (&json!("failed"), &json!("crashed")));
}
