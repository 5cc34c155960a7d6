//! The commands of a conversation: lines that begin with a slash.

/// What a line asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Command {
    /// To be said.
    Say(String),
    /// Withdraw what waits at this place, from 1; none = the last, or stop the answer.
    Cancel(Option<usize>),
    Retry,
    Pause,
    Resume,
    Help,
    Quit,
    /// Not a command; what there is.
    Unknown(String),
}

/// What `/help` says.
pub(super) const HELP: &str = "Enter sends · Esc or Ctrl-X interrupts · /cancel [N] withdraws a waiting message \
     · /retry asks again · /pause, /resume · /quit (Ctrl-C) · // begins a message with a slash";

/// Reads a typed line.
pub(super) fn parse(line: &str) -> Command {
    let Some(command) = line.strip_prefix('/') else { return Command::Say(line.to_owned()) };
    if command.starts_with('/') {
        return Command::Say(command.to_owned());
    }
    let mut words = command.split_whitespace();
    match (words.next().unwrap_or(""), words.next(), words.next()) {
        ("cancel", None, None) => Command::Cancel(None),
        ("cancel", Some(place), None) => match place.parse() {
            Ok(place) if place > 0 => Command::Cancel(Some(place)),
            _ => Command::Unknown("/cancel takes the place of a waiting message, from 1".to_owned()),
        },
        ("retry", None, _) => Command::Retry,
        ("pause", None, _) => Command::Pause,
        ("resume", None, _) => Command::Resume,
        ("help" | "?", None, _) => Command::Help,
        ("quit" | "exit" | "q", None, _) => Command::Quit,
        (other, _, _) => Command::Unknown(format!("/{other} is not understood like this; /help lists the commands")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_said_unless_they_begin_with_one_slash() {
        assert_eq!(parse("hello /quit"), Command::Say("hello /quit".to_owned()));
        assert_eq!(parse("//etc"), Command::Say("/etc".to_owned()));
        assert_eq!(parse("/cancel 2"), Command::Cancel(Some(2)));
        assert_eq!(parse("/cancel"), Command::Cancel(None));
        assert_eq!(parse("/quit "), Command::Quit);
        for bad in ["/", "/dance", "/cancel x", "/cancel 0", "/retry now"] {
            assert!(matches!(parse(bad), Command::Unknown(_)), "{bad}");
        }
    }
}
