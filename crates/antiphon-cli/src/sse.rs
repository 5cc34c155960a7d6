//! Server-sent events from bytes (WHATWG HTML, section 9.2.6, "Interpreting an event stream").

use antiphon_core::limits::MAX_SERVER_MESSAGE_BYTES;

/// One event.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct SseEvent {
    /// The `id` that came with this very event.
    pub(crate) id: Option<String>,
    /// Its data.
    pub(crate) data: String,
}

/// The event grows beyond what a server may send.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TooLong;

/// Reads a stream piece by piece.
#[derive(Debug, Default)]
pub(crate) struct SseParser {
    line: Vec<u8>,
    /// A carriage return ended the line, so a line feed right after it belongs to it.
    after_return: bool,
    is_started: bool,
    id: Option<String>,
    data: String,
    has_data: bool,
}

impl SseParser {
    /// Takes the next bytes and gives the events that they complete.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> Result<Vec<SseEvent>, TooLong> {
        let mut events = Vec::new();
        let mut rest = bytes;
        while let Some(first) = rest.first() {
            if std::mem::take(&mut self.after_return) && *first == b'\n' {
                rest = &rest[1..];
                continue;
            }
            let Some(end) = rest.iter().position(|byte| matches!(byte, b'\n' | b'\r')) else {
                self.line.extend_from_slice(rest);
                break;
            };
            let (line, after) = rest.split_at(end);
            self.line.extend_from_slice(line);
            self.after_return = after.first() == Some(&b'\r');
            rest = after.get(1..).unwrap_or_default();
            events.extend(self.end_line());
        }
        if self.line.len() + self.data.len() > MAX_SERVER_MESSAGE_BYTES { Err(TooLong) } else { Ok(events) }
    }

    fn end_line(&mut self) -> Option<SseEvent> {
        let bytes = std::mem::take(&mut self.line);
        let text = String::from_utf8_lossy(&bytes);
        let line = if self.is_started { &text } else { text.strip_prefix('\u{feff}').unwrap_or(&text) };
        self.is_started = true;
        if line.is_empty() {
            return self.end_event();
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "data" => {
                if std::mem::replace(&mut self.has_data, true) {
                    self.data.push('\n');
                }
                self.data.push_str(value);
            }
            "id" if !value.contains('\0') => self.id = Some(value.to_owned()),
            // Comments, whose field is empty, and whatever is not needed here.
            _ => {}
        }
        None
    }

    fn end_event(&mut self) -> Option<SseEvent> {
        let event = SseEvent { id: self.id.take(), data: std::mem::take(&mut self.data) };
        std::mem::take(&mut self.has_data).then_some(event)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: &[u8] =
        "\u{feff}: hello\n\nid: 7\ndata: {\"a\":1}\n\ndata:x\r\ndata: y\r\n\r\nid:8\rdata: ü\r\revent: z\n\ndata: cut"
            .as_bytes();

    fn event(id: Option<&str>, data: &str) -> SseEvent {
        SseEvent { id: id.map(str::to_owned), data: data.to_owned() }
    }

    #[test]
    fn events_are_the_same_however_the_bytes_are_cut() {
        let expected = [event(Some("7"), "{\"a\":1}"), event(None, "x\ny"), event(Some("8"), "ü")];
        for size in 1..=STREAM.len() {
            let mut parser = SseParser::default();
            let events: Vec<SseEvent> = STREAM.chunks(size).flat_map(|piece| parser.push(piece).unwrap()).collect();
            assert_eq!(events, expected, "pieces of {size} bytes");
        }
    }

    #[test]
    fn an_endless_line_is_refused() {
        let mut parser = SseParser::default();
        let piece = vec![b'a'; 1 << 20];
        assert!((0..=MAX_SERVER_MESSAGE_BYTES >> 20).any(|_| parser.push(&piece) == Err(TooLong)));
    }
}
