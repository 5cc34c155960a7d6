//! The comparison as a table for people and as JSON for programs.

use super::deployment::SHARDS;
use super::load::{Latencies, OfTransport};
use super::machine::Machine;
use super::survival::Told;
use super::topology::Topology;
use super::{Row, TopologiesArguments, fan_out};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Write;

/// Markdown, with what it was measured on and how.
pub(super) fn markdown(
    machine: &Machine,
    rows: &mut [Row],
    skipped: &[(Topology, String)],
    arguments: &TopologiesArguments,
) -> String {
    let mut text = String::new();
    let mut line = |words: &str| {
        text.push_str(words);
        text.push('\n');
    };
    line(&machine.sentence());
    line(&legend(arguments));
    line(
        "| topology | log | live path | processes | first token, WebSocket | first token, SSE | token, WebSocket | token, SSE \
         | deliveries/s | CPU µs/delivery | survives kill -9 of | 1 → 3 realtime |",
    );
    line("|---|---|---|---|---|---|---|---|---|---|---|---|");
    for row in rows.iter_mut() {
        let words = row_words(row);
        line(&words);
    }
    for (topology, reason) in skipped {
        line(&format!("\n`{}` was not measured: {reason}", topology.name()));
    }
    let unended: usize = rows.iter().map(|row| row.paced.unended).sum();
    if unended > 0 {
        let _ = writeln!(text, "\n{unended} answers of the latency runs did not come to their end.");
    }
    text
}

/// What the columns are.
fn legend(arguments: &TopologiesArguments) -> String {
    let (rooms, clients, rate) = (fan_out::ROOMS, fan_out::CLIENTS, fan_out::RATE);
    format!(
        "Latency: {streams} answers at {paced} tokens/s, one client each, half over WebSocket and half over SSE; p50 / p99 in \
         ms from the model to the client. CPU: of all server processes and of the engines that were started here, while \
         paced, for a token at a client. Deliveries/s: {rooms} answers at {rate} tokens/s, written one by one, with {clients} \
         clients each, which asks for {asked:.0} a second; what is counted are frames with something of the answer that \
         reached a client, and a server that falls behind merges tokens into fewer frames. 1 → 3 realtime: the same, each \
         realtime process held to {share:.0} % of a core. Survives: every accepted message is there with its answer whole, and \
         all that clients had seen is in the same log. Engines started here sync to disk: Redis once a second \
         (`appendfsync everysec`, its file not rewritten meanwhile), Kafka when the system does, PostgreSQL at each commit. Shards: {SHARDS}.\n",
        streams = arguments.streams,
        paced = arguments.rate,
        asked = (rooms * clients) as f64 * rate,
        share = fan_out::SHARE * 100.0,
    )
}

/// The parts that may be killed, the others with what is lost, and those that were not tried.
fn survival_words(survives: &BTreeMap<String, Told>) -> String {
    let named = |wanted: Told| {
        let names = survives.iter().filter(|(_, told)| **told == wanted).map(|(name, _)| name.as_str());
        names.collect::<Vec<_>>().join(", ")
    };
    let (yes, untried) = (named(Told::Survived), named(Told::Untried));
    let mut words = if yes.is_empty() { "nothing".to_owned() } else { yes };
    for (name, told) in survives {
        if let Told::Lost(why) = told {
            let _ = write!(words, "; not {name}: {why}");
        }
    }
    if !untried.is_empty() {
        let _ = write!(words, "; not tried: {untried}");
    }
    words
}

fn row_words(row: &mut Row) -> String {
    let both = |latencies: &mut Latencies| match (latencies.millis(0.5), latencies.millis(0.99)) {
        (Some(half), Some(most)) => format!("{half:.1} / {most:.1}"),
        _ => "–".to_owned(),
    };
    let scaling = match row.scaling {
        Some((one, three)) => format!("{one:.0} → {three:.0} ({:.1}×)", three / one.max(1.0)),
        None => "one process".to_owned(),
    };
    let survives = survival_words(&row.survives);
    format!(
        "| {} | {} | {} | {} | {} | {} | {} | {} | {:.0} | {:.1} | {survives} | {scaling} |",
        row.topology.name(),
        row.topology.log(),
        row.topology.backbone(),
        row.processes,
        both(&mut row.paced.websocket.first),
        both(&mut row.paced.sse.first),
        both(&mut row.paced.websocket.token),
        both(&mut row.paced.sse.token),
        row.deliveries_per_second,
        row.cpu_micros_per_delivery,
    )
}

/// `{machine, rows}`.
pub(super) fn json(machine: &Machine, rows: &mut [Row]) -> Value {
    let rows: Vec<Value> = rows.iter_mut().map(row_json).collect();
    json!({ "machine": machine.json(), "rows": rows })
}

fn row_json(row: &mut Row) -> Value {
    let pair = |latencies: &mut Latencies| json!({ "p50": latencies.millis(0.5), "p99": latencies.millis(0.99) });
    let mut of = |pick: fn(&mut OfTransport) -> &mut Latencies| json!({ "websocket": pair(pick(&mut row.paced.websocket)), "sse": pair(pick(&mut row.paced.sse)) });
    let (first, token) = (of(|transport| &mut transport.first), of(|transport| &mut transport.token));
    let survives: BTreeMap<&str, Option<bool>> = row
        .survives
        .iter()
        .map(|(name, told)| {
            let told = match told {
                Told::Survived => Some(true),
                Told::Lost(_) => Some(false),
                Told::Untried => None,
            };
            (name.as_str(), told)
        })
        .collect();
    json!({
        "topology": row.topology.name(),
        "log": row.topology.log(),
        "backbone": row.topology.backbone(),
        "firstTokenMs": first,
        "tokenMs": token,
        "deliveriesPerSecond": row.deliveries_per_second,
        "cpuMicrosPerDelivery": row.cpu_micros_per_delivery,
        "survives": survives,
        "scaling": { "one": row.scaling.map(|(one, _)| one), "three": row.scaling.map(|(_, three)| three) },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::load::Outcome;

    #[test]
    fn a_row_has_the_shape_that_programs_read_and_says_why_something_is_lost() {
        let survives = BTreeMap::from([
            ("ai".to_owned(), Told::Lost("its window is lost")),
            ("postgres".to_owned(), Told::Untried),
            ("realtime".to_owned(), Told::Survived),
        ]);
        let mut row = Row {
            topology: Topology::Grpc,
            processes: 2,
            paced: Outcome::default(),
            deliveries_per_second: 9.0,
            cpu_micros_per_delivery: 1.0,
            survives,
            scaling: Some((2.0, 6.0)),
        };
        assert!(
            row_words(&mut row)
                .contains("| realtime; not ai: its window is lost; not tried: postgres | 2 → 6 (3.0×) |")
        );
        let row = row_json(&mut row);
        let keys: Vec<&str> = row.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(
            keys,
            [
                "backbone",
                "cpuMicrosPerDelivery",
                "deliveriesPerSecond",
                "firstTokenMs",
                "log",
                "scaling",
                "survives",
                "tokenMs",
                "topology"
            ]
        );
        assert_eq!(row["survives"], json!({ "ai": false, "postgres": null, "realtime": true }));
        assert_eq!(row["scaling"], json!({ "one": 2.0, "three": 6.0 }));
    }
}
