//! Rules on the text of one file: its size, its first line, the size of its functions, what it must not hold.

use super::code::{line_of, separate, words};
use super::{File, Finding};

/// What one reads in a sitting.
const FILE_LINES: usize = 500;
/// What one sees at once; the first and the last line count.
const FUNCTION_LINES: usize = 69;
/// Files whose text is checked for what must not be in it.
const TEXT: [&str; 13] = ["rs", "toml", "md", "json", "ts", "tsx", "js", "mjs", "html", "sh", "yml", "sql", "css"];
/// Marks in the first lines of a file that a program wrote.
const GENERATED: [&str; 2] = ["@generated", "Do not edit"];

/// Checks one file.
pub fn check(file: &File) -> Vec<Finding> {
    let mut findings = Vec::new();
    let extension = file.extension();
    if ["rs", "ts", "tsx"].contains(&extension) {
        findings.extend(size(file));
    }
    if extension == "rs" {
        findings.extend(rust(file));
    }
    if TEXT.contains(&extension) || file.path.starts_with(".ci/") {
        findings.extend(machine_paths(file));
    }
    findings
}

fn size(file: &File) -> Option<Finding> {
    let lines = file.text.lines().count();
    let is_mark = |line: &str| GENERATED.iter().any(|mark| line.contains(mark));
    let generated = file.text.lines().take(5).any(is_mark);
    (lines > FILE_LINES && !generated)
        .then(|| file.finding(0, format!("has {lines} lines, at most {FILE_LINES}; split it by what it is about")))
}

fn rust(file: &File) -> Vec<Finding> {
    let separated = separate(&file.text);
    let code = separated.code.as_str();
    let mut findings = Vec::new();
    if !file.text.starts_with("//!") {
        findings.push(file.finding(1, "the first line is the module's documentation, `//!`"));
    }
    for (name, first, last) in functions(code) {
        let lines = last - first + 1;
        if lines > FUNCTION_LINES {
            let reason = format!("`{name}` has {lines} lines, at most {FUNCTION_LINES}; split it by its steps");
            findings.push(file.finding(first, reason));
        }
    }
    for at in words(code, "dbg").filter(|at| code[at + 3..].starts_with('!')) {
        findings.push(file.finding(line_of(code, at), "`dbg!` is left over"));
    }
    for at in words(code, "ignore").filter(|at| code[..*at].trim_end().ends_with("#[")) {
        findings.push(file.finding(line_of(code, at), "an ignored test tests nothing; fix it, or take it out"));
    }
    for word in ["TODO", "FIXME"] {
        for at in words(&separated.comments, word) {
            let reason = format!("`{word}`: do it now, or write it down where work is planned");
            findings.push(file.finding(line_of(&separated.comments, at), reason));
        }
    }
    findings
}

/// Every function with a body: its name, its first and its last line.
fn functions(code: &str) -> Vec<(&str, usize, usize)> {
    words(code, "fn").filter_map(|at| function(code, at)).collect()
}

fn function(code: &str, at: usize) -> Option<(&str, usize, usize)> {
    let after = code[at + 2..].trim_start();
    let name = after.split(|character: char| !character.is_alphanumeric() && character != '_').next()?;
    if name.is_empty() {
        return None;
    }
    let mut in_parentheses = 0_usize;
    let mut in_braces = 0_usize;
    for (offset, character) in code[at..].char_indices() {
        match character {
            '(' | '[' if in_braces == 0 => in_parentheses += 1,
            ')' | ']' if in_braces == 0 => in_parentheses = in_parentheses.checked_sub(1)?,
            ';' if in_braces == 0 && in_parentheses == 0 => return None,
            '{' if in_parentheses == 0 => in_braces += 1,
            '}' if in_parentheses == 0 => {
                in_braces = in_braces.checked_sub(1)?;
                if in_braces == 0 {
                    return Some((name, line_of(code, at), line_of(code, at + offset)));
                }
            }
            _ => {}
        }
    }
    None
}

/// Paths of the machine that something was written on.
fn machine_paths(file: &File) -> Vec<Finding> {
    let path = concat!("/wo", "rk/");
    let follows_a_path = |line: &str, at: usize| {
        let before = line[..at].chars().next_back();
        before.is_some_and(|character| character.is_alphanumeric() || "._-}".contains(character))
    };
    let lines = file.text.lines().enumerate();
    let found = lines.filter(|(_, line)| line.match_indices(path).any(|(at, _)| !follows_a_path(line, at)));
    found.map(|(index, _)| file.finding(index + 1, format!("`{path}` is a path of one machine"))).collect()
}

/// Rust files beneath a crate's `src` that no module declares: they are not compiled, so nothing holds
/// of them.
pub fn unreachable(files: &[File]) -> Vec<Finding> {
    let sources: Vec<&File> =
        files.iter().filter(|file| file.extension() == "rs" && file.path.contains("/src/")).collect();
    let mut findings = Vec::new();
    for file in &sources {
        let Some((package, inner)) = file.path.split_once("/src/") else { continue };
        if ["main.rs", "lib.rs"].contains(&inner) || inner.starts_with("bin/") {
            continue;
        }
        let stem = inner.strip_suffix("/mod.rs").or_else(|| inner.strip_suffix(".rs")).unwrap_or(inner);
        let name = stem.rsplit('/').next().unwrap_or(stem);
        let prefix = format!("{package}/src/");
        let declared = sources.iter().filter(|other| other.path.starts_with(&prefix)).any(|other| {
            let code = separate(&other.text).code;
            let declaration = format!("mod {name}");
            words(&code, &declaration).any(|at| code[at + declaration.len()..].trim_start().starts_with(';'))
        });
        if !declared {
            findings.push(file.finding(0, format!("no `mod {name};` names it, so it is not compiled")));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::super::file;
    use super::*;

    fn reasons(text: &str) -> Vec<String> {
        check(&file("crates/a/src/lib.rs", text)).iter().map(ToString::to_string).collect()
    }

    fn body(lines: usize) -> String {
        format!("//! X.\n\nfn f(\n    a: [u8; 3],\n) {{\n{}}}\n", "    call();\n".repeat(lines))
    }

    #[test]
    fn long_functions_are_found() {
        assert!(reasons(&body(65)).is_empty());
        let found = reasons(&body(66));
        assert_eq!(found.len(), 1);
        assert!(found[0].starts_with("crates/a/src/lib.rs:3: `f` has 70 lines"), "{found:?}");
    }

    #[test]
    fn declarations_and_types_are_no_functions() {
        let code = "trait T { fn one(&self, x: [u8; 2]); fn two(&self) {} } type F = fn(u8) -> u8;";
        assert_eq!(functions(code), [("two", 1, 1)]);
    }

    #[test]
    fn long_files_are_found_unless_generated() {
        let long = format!("//! X.\n{}", "const A: u8 = 1;\n".repeat(500));
        assert_eq!(reasons(&long).len(), 1);
        assert!(reasons(&long.replacen("X.", "X. @generated by y", 1)).is_empty());
        assert_eq!(check(&file("apps/a.tsx", &"x\n".repeat(501))).len(), 1);
        assert!(check(&file("apps/a.css", &"x\n".repeat(501))).is_empty());
    }

    #[test]
    fn left_overs_are_found_where_they_are_not_quoted() {
        let found = reasons("//! X.\n// TODO later\nfn f() { dbg!(1); }\n#[ignore]\nfn g() {}\n/* FIXME */\n");
        let lines: Vec<&str> = found.iter().filter_map(|finding| finding.split(':').nth(1)).collect();
        assert_eq!(lines, ["3", "4", "2", "6"]);
        assert!(reasons("//! X.\nconst A: &str = \"TODO dbg!( #[ignore]\"; // ignore this\n").is_empty());
    }

    #[test]
    fn the_first_line_documents() {
        assert_eq!(reasons("use a;\n").len(), 1);
        assert_eq!(reasons("").len(), 1);
    }

    #[test]
    fn paths_of_one_machine_are_found() {
        let path = concat!("/wo", "rk/x");
        assert_eq!(check(&file("README.md", &format!("see `{path}`\n"))).len(), 1);
        assert_eq!(check(&file(".ci/run", &format!("cd {path}\n"))).len(), 1);
        assert!(check(&file("README.md", &format!("https://example.org{path} and ./a{path}\n"))).is_empty());
    }

    #[test]
    fn files_that_are_not_compiled_are_found() {
        let files = [
            file("crates/a/src/lib.rs", "//! X.\nmod used;\npub mod folder;\n// mod stale;\n"),
            file("crates/a/src/used.rs", ""),
            file("crates/a/src/folder/mod.rs", ""),
            file("crates/a/src/stale.rs", ""),
            file("crates/a/src/bin/tool.rs", ""),
            file("crates/b/src/lib.rs", "mod stale;"),
        ];
        let found = unreachable(&files);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].file, "crates/a/src/stale.rs");
    }
}
