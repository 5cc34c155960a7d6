//! Tells markers from text in a stream that may be cut anywhere, and reads each byte at most twice.

use crate::marker::{MAX_MARKER_LENGTH, MarkerKind};

/// What the scanner has decided about a run of its input. The pieces in order are the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Piece<'a> {
    /// Spoken text.
    Text(&'a str),
    /// One whole marker, brackets included.
    Marker(&'a str),
}

/// What the held bracket has come to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// No bracket is held.
    #[default]
    Outside,
    /// In a kind's name, which starts at that byte of what is held.
    Kind { start: usize, may_space: bool },
    /// After a colon.
    Colon { may_space: bool },
    /// After at least one character of a value.
    Value,
    /// At the closing bracket.
    Closed,
}

/// Holds back what can still become a marker and passes everything else on.
///
/// What is held is ASCII, begins with the only `[` in it, and is a proper prefix of some marker. So a refused byte sets
/// all of it free at once, and the scan goes on at that byte, never further back.
#[derive(Debug, Default)]
pub(crate) struct Scanner {
    held: String,
    state: State,
    /// How many bytes were tried, to show that the work is linear.
    #[cfg(test)]
    pub(crate) tried: usize,
}

impl Scanner {
    /// What is held back.
    pub(crate) fn held(&self) -> &str {
        &self.held
    }

    /// Takes the next text and hands on, in order, what has been decided.
    pub(crate) fn push(&mut self, text: &str, mut take: impl FnMut(Piece<'_>)) {
        let mut rest = text;
        loop {
            if self.held.is_empty() {
                let (plain, bracket) = rest.split_at(rest.find('[').unwrap_or(rest.len()));
                if !plain.is_empty() {
                    take(Piece::Text(plain));
                }
                rest = bracket;
            }
            let Some(&byte) = rest.as_bytes().first() else { return };
            if self.accept(byte) {
                // An accepted byte is ASCII, so the next one begins a character.
                rest = &rest[1..];
                if self.state == State::Closed {
                    take(Piece::Marker(&self.held));
                    self.clear();
                }
            } else {
                self.finish(&mut take);
            }
        }
    }

    /// Sets free what is held: it will not become a marker any more.
    pub(crate) fn finish(&mut self, mut take: impl FnMut(Piece<'_>)) {
        if !self.held.is_empty() {
            take(Piece::Text(&self.held));
            self.clear();
        }
    }

    fn clear(&mut self) {
        self.held.clear();
        self.state = State::Outside;
    }

    /// Holds the byte, if what is held can be or become a marker with it.
    fn accept(&mut self, byte: u8) -> bool {
        #[cfg(test)]
        {
            self.tried += 1;
        }
        let Some(state) = self.next(byte) else { return false };
        self.held.push(char::from(byte));
        if self.held.len() + self.shortest_rest(state) > MAX_MARKER_LENGTH {
            self.held.pop();
            return false;
        }
        self.state = state;
        true
    }

    /// The state after that byte; none where the grammar does not have it.
    fn next(&self, byte: u8) -> Option<State> {
        let length = self.held.len();
        match (self.state, byte) {
            (State::Outside, b'[') => Some(State::Kind { start: 1, may_space: false }),
            (State::Kind { start, may_space: true }, b' ') if start == length => {
                Some(State::Kind { start: start + 1, may_space: false })
            }
            (State::Kind { start, .. }, b':') => {
                MarkerKind::named(self.held_from(start)).map(|_| State::Colon { may_space: true })
            }
            (State::Kind { start, .. }, _) => kinds_from(self.held_from(start))
                .any(|after| after.bytes().next() == Some(byte.to_ascii_lowercase()))
                .then_some(self.state),
            (State::Colon { may_space: true }, b' ') => Some(State::Colon { may_space: false }),
            (State::Value, b',') => Some(State::Kind { start: length + 1, may_space: true }),
            (State::Value, b']') => Some(State::Closed),
            (State::Colon { .. } | State::Value, _) if is_value_byte(byte) => Some(State::Value),
            _ => None,
        }
    }

    /// The fewest characters that can still make a marker of what is held.
    fn shortest_rest(&self, state: State) -> usize {
        match state {
            State::Kind { start, .. } => {
                let name = kinds_from(self.held_from(start)).map(str::len).min();
                name.unwrap_or_default() + ":x]".len()
            }
            State::Colon { .. } => "x]".len(),
            State::Value => "]".len(),
            State::Outside | State::Closed => 0,
        }
    }

    fn held_from(&self, start: usize) -> &str {
        self.held.get(start..).unwrap_or_default()
    }
}

/// Whether a marker's value may have that byte.
pub(crate) const fn is_value_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-'
}

/// What is still to come of each kind's name that begins so.
fn kinds_from(begun: &str) -> impl Iterator<Item = &'static str> {
    MarkerKind::ALL.into_iter().filter_map(move |kind| {
        let (begins, after) = kind.as_str().split_at_checked(begun.len())?;
        begins.eq_ignore_ascii_case(begun).then_some(after)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_each_byte_at_most_twice() {
        let others = ["[emotion:", "[emotion:happy", "[emotion:happy,", "[e", "[1]", "[tone: x,pose:y]"];
        for (pattern, bytes) in [("[", 1 << 20)].into_iter().chain(others.map(|pattern| (pattern, 1 << 15))) {
            let input = pattern.repeat(bytes / pattern.len());
            for chunk in [input.len(), 1] {
                let (mut scanner, mut seen) = (Scanner::default(), 0);
                let mut count = |piece: Piece<'_>| match piece {
                    Piece::Text(piece) | Piece::Marker(piece) => seen += piece.len(),
                };
                for bytes in input.as_bytes().chunks(chunk) {
                    scanner.push(std::str::from_utf8(bytes).unwrap(), &mut count);
                }
                scanner.finish(&mut count);
                assert_eq!(seen, input.len(), "{pattern}");
                assert!(scanner.tried <= 2 * input.len(), "{pattern}: {} tried", scanner.tried);
            }
        }
    }

    #[test]
    fn text_without_brackets_is_passed_on_whole_and_untried() {
        let (mut scanner, mut pieces) = (Scanner::default(), 0);
        scanner.push("Nothing ] to: see, here 😀", |piece| {
            assert_eq!(piece, Piece::Text("Nothing ] to: see, here 😀"));
            pieces += 1;
        });
        assert_eq!((pieces, scanner.tried, scanner.held.capacity()), (1, 0, 0));
    }
}
