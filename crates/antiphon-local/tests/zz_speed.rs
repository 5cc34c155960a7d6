//! tmp
use antiphon_local::*;
use std::time::Instant;
#[test]
fn speed() {
    let path = std::path::PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/models/smollm2-135m-instruct.gguf"));
    let t = Instant::now();
    for slots in [1, 2] {
        let model = LocalModel::load(&path, &LocalOptions { slots: Some(slots) }).unwrap();
        eprintln!("load {:?}", t.elapsed());
        for jobs in [1, 2] {
            let t = Instant::now();
            let rs: Vec<_> = (0..jobs).map(|i| model.generate(GenerateRequest { messages: vec![ChatTurn { role: Role::User, content: format!("Count from {i} to 100.") }], continue_from: None, max_tokens: 64, temperature: 0.7, seed: 1 })).collect();
            let mut total = 0;
            for mut r in rs { while let Some(p) = r.blocking_recv() { if let Piece::End { completion_tokens, .. } = p { total += completion_tokens; } } }
            eprintln!("slots {slots} jobs {jobs}: {total} tokens in {:?} = {:.1}/s", t.elapsed(), total as f64 / t.elapsed().as_secs_f64());
        }
    }
}
