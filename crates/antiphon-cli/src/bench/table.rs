//! The comparison as a table for people and as JSON for programs.

use super::deployment::SHARDS;
use super::load::{Latencies, OfTransport};
use super::topology::Topology;
use super::{FLOOD, Row, SHARE, TopologiesArguments, machine};
use serde_json::{Value, json};
use std::fmt::Write;

/// Markdown, with what it was measured on and how.
pub(super) fn markdown(rows: &mut [Row], skipped: &[(Topology, String)], arguments: &TopologiesArguments) -> String {
    let machine = machine();
    let mut text = String::new();
    let mut line = |words: &str| {
        text.push_str(words);
        text.push('\n');
    };
    line(&format!(
        "Machine: {}, {} cores, {} GiB; everything on it, the simulated model and the clients included.",
        machine["cpu"].as_str().unwrap_or("?"),
        machine["cores"],
        machine["memoryGiB"]
    ));
    line(&format!(
        "Latency: {} answers at {} tokens/s, one client each, half over WebSocket and half over SSE; p50 / p99 in ms from \
         the model to the client. Deliveries: {} answers as fast as they come, {} clients each; a delivery is a token at a \
         client. CPU: of all server processes and of the engines that were started here, while paced. Scaling: deliveries \
         a second with one and with three realtime processes, each held to {} % of a core. Shards: {}.\n",
        arguments.streams,
        arguments.rate,
        FLOOD.0,
        FLOOD.1,
        (SHARE * 100.0).round(),
        SHARDS
    ));
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

fn row_words(row: &mut Row) -> String {
    let both = |latencies: &mut Latencies| match (latencies.millis(0.5), latencies.millis(0.99)) {
        (Some(half), Some(most)) => format!("{half:.1} / {most:.1}"),
        _ => "–".to_owned(),
    };
    let scaling = match row.scaling {
        Some((one, three)) => format!("{one:.0} → {three:.0} ({:.1}×)", three / one.max(1.0)),
        None => "one process".to_owned(),
    };
    let named = |wanted: &Value| {
        let names = row.survives.iter().filter(|(_, told)| *told == wanted).map(|(name, _)| name.as_str());
        names.collect::<Vec<_>>().join(", ")
    };
    let (yes, no, untried) = (named(&json!(true)), named(&json!(false)), named(&Value::Null));
    let mut survives = if yes.is_empty() { "nothing".to_owned() } else { yes };
    for (names, word) in [(no, "not"), (untried, "not tried:")] {
        if !names.is_empty() {
            let _ = write!(survives, "; {word} {names}");
        }
    }
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
pub(super) fn json(rows: &mut [Row]) -> Value {
    let rows: Vec<Value> = rows.iter_mut().map(row_json).collect();
    json!({ "machine": machine(), "rows": rows })
}

fn row_json(row: &mut Row) -> Value {
    let pair = |latencies: &mut Latencies| json!({ "p50": latencies.millis(0.5), "p99": latencies.millis(0.99) });
    let mut of = |pick: fn(&mut OfTransport) -> &mut Latencies| json!({ "websocket": pair(pick(&mut row.paced.websocket)), "sse": pair(pick(&mut row.paced.sse)) });
    let (first, token) = (of(|transport| &mut transport.first), of(|transport| &mut transport.token));
    json!({
        "topology": row.topology.name(),
        "log": row.topology.log(),
        "backbone": row.topology.backbone(),
        "processes": row.processes,
        "firstTokenMs": first,
        "tokenMs": token,
        "deliveriesPerSecond": row.deliveries_per_second,
        "cpuMicrosPerDelivery": row.cpu_micros_per_delivery,
        "survives": row.survives,
        "scaling": { "one": row.scaling.map(|(one, _)| one), "three": row.scaling.map(|(_, three)| three) },
    })
}
