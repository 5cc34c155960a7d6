//! What holds for every input and every way to cut it, checked against a slow reading of the grammar.
//!
//! A coverage-guided fuzz target needs nothing but `invariants::check_bytes(data)`.

use std::sync::Arc;

use antiphon_markers::{MAX_MARKER_LENGTH, Marker, MarkerKind, Parsed, Parser, Vocabulary, cut, parse, utf16_length};

/// Takes the first bytes as the lengths of chunks, the rest as an answer, and checks all there is to check.
pub fn check_bytes(data: &[u8]) {
    let (cuts, answer) = data.split_at(data.len().min(8));
    let lengths: Vec<usize> = cuts.iter().map(|byte| usize::from(*byte % 16)).collect();
    check(&String::from_utf8_lossy(answer), &lengths);
}

/// Checks an answer cut by bytes into chunks of those lengths, which are gone through again and again.
pub fn check(input: &str, lengths: &[usize]) {
    let vocabulary = Arc::new(Vocabulary::default());
    let whole = parse(&vocabulary, input);
    assert_eq!(whole, expected(&vocabulary, input), "one shot of {input:?}");
    assert_eq!(whole.raw, input);
    let mut rest = input.as_bytes();
    let mut lengths = lengths.iter().copied().filter(|length| *length > 0).cycle();
    let mut chunks = Vec::new();
    while !rest.is_empty() {
        let length = lengths.next().unwrap_or(rest.len()).min(rest.len());
        let (chunk, after) = rest.split_at(length);
        chunks.push(chunk);
        rest = after;
    }
    assert_eq!(feed(&vocabulary, &chunks), whole, "{input:?} in {chunks:?}");
    check_resumed(&vocabulary, input, &whole);
    check_cuts(&vocabulary, input, &whole);
}

/// Feeds a parser as a provider's adapter does: bytes that end within a character wait for the next chunk. Checks after
/// each chunk that just what must be held is held.
pub fn feed(vocabulary: &Arc<Vocabulary>, chunks: &[&[u8]]) -> Parsed {
    let mut parser = Parser::new(Arc::clone(vocabulary));
    let (mut released, mut seen, mut bytes) = (Parsed::default(), String::new(), Vec::new());
    for chunk in chunks {
        bytes.extend_from_slice(chunk);
        let whole = match std::str::from_utf8(&bytes) {
            Ok(text) => text.len(),
            Err(error) => error.valid_up_to(),
        };
        let text = String::from_utf8(bytes.drain(..whole).collect()).unwrap();
        seen.push_str(&text);
        append(&mut released, parser.push(&text));
        assert_eq!(parser.held(), must_hold(&seen), "held of {seen:?}");
        assert!(parser.held().len() < MAX_MARKER_LENGTH);
        assert_eq!(format!("{}{}", released.raw, parser.held()), seen, "released and held");
    }
    append(&mut released, parser.finish());
    assert!(parser.held().is_empty() && parser.finish().is_none());
    released
}

fn append(all: &mut Parsed, part: Option<Parsed>) {
    let Some(part) = part else { return };
    assert!(!part.raw.is_empty(), "an empty release");
    all.raw.push_str(&part.raw);
    all.text.push_str(&part.text);
    all.markers.extend(part.markers);
    all.unknown.extend(part.unknown);
}

/// A parser that takes a stream over where another had released it continues it as if there had been one.
fn check_resumed(vocabulary: &Arc<Vocabulary>, input: &str, whole: &Parsed) {
    let middle = (input.len() / 2..=input.len()).find(|at| input.is_char_boundary(*at)).unwrap();
    let mut first = Parser::new(Arc::clone(vocabulary));
    let mut released = Parsed::default();
    append(&mut released, first.push(&input[..middle]));
    let mut second = Parser::resume_at(Arc::clone(vocabulary), utf16_length(&released.text));
    append(&mut released, second.push(first.held()));
    append(&mut released, second.push(&input[middle..]));
    append(&mut released, second.finish());
    assert_eq!(&released, whole, "{input:?} resumed");
}

fn check_cuts(vocabulary: &Vocabulary, input: &str, whole: &Parsed) {
    let length = utf16_length(&whole.text);
    assert_eq!(length, whole.text.encode_utf16().count() as u64);
    for heard in [0, 1, length / 3, length / 2, length.saturating_sub(1), length, length + 1] {
        let cut = cut(input, heard, vocabulary);
        assert!(input.starts_with(&cut.raw) && whole.text.starts_with(&cut.text));
        let missing = heard.min(length) - utf16_length(&cut.text);
        let splits_pair = whole.text[cut.text.len()..].chars().next().is_some_and(|next| next.len_utf16() == 2);
        assert!(missing == 0 || missing == 1 && splits_pair, "{heard} of {input:?}");
        assert_eq!(parse(vocabulary, &cut.raw), cut, "{heard} of {input:?}");
        let end = utf16_length(&cut.text);
        let fired = |all: &[Marker]| all.iter().filter(|marker| marker.offset <= end).cloned().collect::<Vec<_>>();
        assert_eq!((cut.markers, cut.unknown), (fired(&whole.markers), fired(&whole.unknown)));
    }
}

/// The grammar read slowly over the whole input.
fn expected(vocabulary: &Vocabulary, input: &str) -> Parsed {
    let mut parsed = Parsed { raw: input.to_owned(), ..Parsed::default() };
    let mut rest = input;
    while let Some(character) = rest.chars().next() {
        let bracket = rest.find(']').map(|end| &rest[..=end]);
        if let Some((bracket, entries)) = bracket.and_then(|bracket| Some((bracket, entries(bracket)?))) {
            let offset = parsed.text.encode_utf16().count() as u64;
            for (kind, value) in entries {
                let known = vocabulary.values(kind).contains(&value);
                let list = if known { &mut parsed.markers } else { &mut parsed.unknown };
                list.push(Marker { kind, value, offset });
            }
            rest = &rest[bracket.len()..];
        } else {
            parsed.text.push(character);
            rest = &rest[character.len_utf8()..];
        }
    }
    parsed
}

/// The entries of a marker; none where it is not one.
fn entries(bracket: &str) -> Option<Vec<(MarkerKind, String)>> {
    let inner = bracket.strip_prefix('[')?.strip_suffix(']')?;
    if bracket.chars().count() > MAX_MARKER_LENGTH {
        return None;
    }
    let entry = |(place, entry): (usize, &str)| {
        let entry = entry.strip_prefix(' ').filter(|_| place > 0).unwrap_or(entry).to_ascii_lowercase();
        let (kind, value) = entry.split_once(':')?;
        let kind = MarkerKind::ALL.into_iter().find(|known| known.as_str() == kind)?;
        let value = value.strip_prefix(' ').unwrap_or(value);
        let valid = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        (!value.is_empty() && value.chars().all(valid)).then(|| (kind, value.to_owned()))
    };
    inner.split(',').enumerate().map(entry).collect()
}

/// The end of what was seen that some continuation makes a marker: tries the end of each kind's shortest entry.
fn must_hold(seen: &str) -> &str {
    let tail = seen.rfind('[').map_or("", |at| &seen[at..]);
    let shortest = MarkerKind::ALL.map(|kind| format!("{}:x]", kind.as_str()));
    let mut ends = shortest.iter().flat_map(|entry| (0..entry.len()).map(move |at| &entry[at..]));
    let open = !tail.contains(']') && tail.len() < MAX_MARKER_LENGTH;
    if open && ends.any(|end| entries(&format!("{tail}{end}")).is_some()) { tail } else { "" }
}
