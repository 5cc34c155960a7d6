//! The query of a live connection's address. Read without a refusal of its own, as browsers cannot read the answer to a
//! failed upgrade: what is wrong is told over the connection.

use antiphon_core::{Code, Refusal};
use url::form_urlencoded;

/// What the address says. What is not UTF-8 holds replacement characters, which no valid value does.
#[derive(Debug, Default, PartialEq)]
pub struct LiveQuery {
    /// A browser's way in.
    pub ticket: Option<String>,
    /// Where to start.
    pub position: Option<String>,
    /// The session to take over, over WebSocket.
    pub resume: Option<String>,
    /// Where to end, over SSE.
    pub until: Option<String>,
    /// Whether events are named, over SSE.
    pub named: Option<String>,
    /// A name that stands there twice, so that nobody can know which one is meant.
    pub repeated: Option<&'static str>,
}

impl LiveQuery {
    /// Reads the part after the question mark; names that mean nothing are passed over.
    pub fn read(query: Option<&str>) -> Self {
        let mut read = Self::default();
        for (name, value) in form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
            let (name, field) = match name.as_ref() {
                "ticket" => ("ticket", &mut read.ticket),
                "position" => ("position", &mut read.position),
                "resume" => ("resume", &mut read.resume),
                "until" => ("until", &mut read.until),
                "named" => ("named", &mut read.named),
                _ => continue,
            };
            if field.replace(value.into_owned()).is_some() {
                read.repeated = Some(name);
            }
        }
        read
    }

    /// Refuses an address that says something twice.
    pub fn check(&self) -> Result<(), Refusal> {
        let Some(name) = self.repeated else { return Ok(()) };
        let code = if name == "position" { Code::PositionInvalid } else { Code::InvalidRequest };
        Err(Refusal::new(code, format!("`{name}` stands twice in the address: give it once")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_or_says_what_is_wrong_with_it() {
        assert_eq!(LiveQuery::read(None), LiveQuery::default());
        let read = LiveQuery::read(Some("position=a%2Bb&new=1&named=true&resume=%ff"));
        assert_eq!((read.position.as_deref(), read.named.as_deref()), (Some("a+b"), Some("true")));
        assert_eq!((read.resume.as_deref(), read.check()), (Some("\u{fffd}"), Ok(())));
        let code = |query| LiveQuery::read(Some(query)).check().unwrap_err().code;
        assert_eq!(code("position=a&position=b"), Code::PositionInvalid);
        assert_eq!(code("ticket=a&ticket=a"), Code::InvalidRequest);
    }
}
