//! The table of docs/providers.md, made from what the conformance cells show and from nothing else.

use crate::conformance::{self, COLUMNS, Case, Cell, Mark};
use std::fmt::Write;

const BEGIN: &str = "<!-- matrix -->\n";
const END: &str = "<!-- /matrix -->\n";

/// `ANTIPHON_WRITE_MATRIX=1` writes the table anew.
#[tokio::test]
async fn the_matrix_in_the_docs_is_what_the_cells_show() {
    let mut table = String::from("|");
    table.extend(COLUMNS.iter().map(|column| format!(" | {column}")));
    table.push_str(" |\n|---|");
    table.extend(COLUMNS.iter().map(|_| ":-:|"));
    table.push('\n');
    row::<crate::openai::ChatCompletions>(&mut table).await;
    row::<crate::anthropic::Messages>(&mut table).await;
    row::<crate::gemini::GenerateContent>(&mut table).await;
    row::<crate::ollama::Ollama>(&mut table).await;
    row::<crate::perplexity::Perplexity>(&mut table).await;
    table.push_str("\n`–`: the provider has nothing of the kind.\n");
    check(&table);
}

/// One provider's row.
async fn row<C: Case>(table: &mut String) {
    let results = conformance::run::<C>().await;
    let marks = COLUMNS.map(|column| mark(&results, column));
    writeln!(table, "| `{}` | {} |", C::NAME, marks.join(" | ")).unwrap();
}

/// A column holds if all of its cells do, and is about something that is not offered if none is about anything else.
fn mark(results: &[(Cell, Result<Mark, String>)], column: &str) -> &'static str {
    let mut marks = results.iter().filter(|(cell, _)| cell.column == column).map(|(_, result)| result).peekable();
    assert!(marks.peek().is_some(), "nothing sees {column}");
    let marks: Vec<_> = marks.collect();
    if marks.iter().any(|result| result.is_err()) {
        "fails"
    } else if marks.iter().all(|result| **result == Ok(Mark::NotOffered)) {
        "–"
    } else {
        "yes"
    }
}

fn check(table: &str) {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/providers.md");
    let page = std::fs::read_to_string(path).unwrap();
    let (before, rest) = page.split_once(BEGIN).expect("docs/providers.md has the matrix' begin");
    let (written, after) = rest.split_once(END).expect("docs/providers.md has the matrix' end");
    if std::env::var_os("ANTIPHON_WRITE_MATRIX").is_some() {
        std::fs::write(path, format!("{before}{BEGIN}{table}{END}{after}")).unwrap();
    } else {
        assert!(
            written == table,
            "docs/providers.md is old: ANTIPHON_WRITE_MATRIX=1 writes it anew; now it is\n{table}"
        );
    }
}
