//! WebSocket frames (RFC 6455): the server's side, text only, without extensions.
//!
//! Written by hand because one encoded frame is shared by every client of a channel, and because a connection that is
//! idle must hold no buffer: libraries give each connection its own of both.

use antiphon_core::limits::MAX_BODY_BYTES;
use base64::Engine;
use sha1::{Digest, Sha1};

/// A close code of the protocol.
pub mod close {
    /// Nothing is wrong.
    pub const NORMAL: u16 = 1000;
    /// The server leaves.
    pub const LEAVING: u16 = 1001;
    /// The peer broke RFC 6455.
    pub const PROTOCOL: u16 = 1002;
    /// A text message was not UTF-8.
    pub const NOT_UTF8: u16 = 1007;
    /// The connection was refused, and will be again.
    pub const REFUSED: u16 = 1008;
    /// A message was larger than allowed.
    pub const TOO_LARGE: u16 = 1009;
    /// The connection was refused for now: try again later (<https://www.iana.org/assignments/websocket>).
    pub const TRY_AGAIN_LATER: u16 = 1013;
    /// The token ended.
    pub const TOKEN_ENDED: u16 = 4001;
    /// The client was too slow, or silent for too long.
    pub const TOO_SLOW: u16 = 4008;
    /// Another connection took the session over.
    pub const TAKEN_OVER: u16 = 4009;
    /// The position in the URL cannot be resumed from.
    pub const POSITION: u16 = 4010;
}

const CONTINUATION: u8 = 0;
const TEXT: u8 = 1;
const BINARY: u8 = 2;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;

/// The value of `Sec-WebSocket-Accept` for a client's key.
pub fn accept_key(key: &[u8]) -> String {
    let mut hash = Sha1::new();
    hash.update(key);
    hash.update(b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    base64::engine::general_purpose::STANDARD.encode(hash.finalize())
}

fn write_frame(opcode: u8, payload: &[u8], out: &mut Vec<u8>) {
    out.push(0x80 | opcode);
    match payload.len() {
        length @ 0..=125 => out.push(length as u8),
        length @ 126..=0xffff => {
            out.push(126);
            out.extend_from_slice(&(length as u16).to_be_bytes());
        }
        length => {
            out.push(127);
            out.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(payload);
}

/// Appends a whole text message.
pub fn write_text(payload: &[u8], out: &mut Vec<u8>) {
    write_frame(TEXT, payload, out);
}

/// A ping without payload.
pub fn ping() -> Vec<u8> {
    vec![0x80 | PING, 0]
}

/// The answer to a ping; the payload is at most 125 bytes, as every control frame's.
pub fn pong(payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(payload.len() + 2);
    write_frame(PONG, &payload[..payload.len().min(125)], &mut out);
    out
}

/// A close frame; the reason is cut to what a control frame holds.
pub fn close_frame(code: u16, reason: &str) -> Vec<u8> {
    let mut end = reason.len().min(123);
    while !reason.is_char_boundary(end) {
        end -= 1;
    }
    let mut payload = code.to_be_bytes().to_vec();
    payload.extend_from_slice(&reason.as_bytes()[..end]);
    let mut out = Vec::with_capacity(payload.len() + 2);
    write_frame(CLOSE, &payload, &mut out);
    out
}

/// What a client sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Incoming {
    /// A whole text message.
    Text(String),
    /// A whole binary message, which the protocol has no use for; its bytes are dropped.
    Binary,
    /// To be answered with a pong of the same payload.
    Ping(Vec<u8>),
    /// Proof of life.
    Pong,
    /// The client leaves.
    Close,
}

/// Why a connection must be failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// RFC 6455 forbids it.
    #[error("{0}")]
    Protocol(&'static str),
    /// A message larger than `MAX_BODY_BYTES`.
    #[error("a message is at most {MAX_BODY_BYTES} bytes")]
    TooLarge,
    /// A text message that is not UTF-8.
    #[error("text messages are UTF-8")]
    NotUtf8,
}

impl FrameError {
    /// The close code that RFC 6455 gives.
    pub fn close_code(self) -> u16 {
        match self {
            FrameError::Protocol(_) => close::PROTOCOL,
            FrameError::TooLarge => close::TOO_LARGE,
            FrameError::NotUtf8 => close::NOT_UTF8,
        }
    }
}

/// A frame's head: flags, kind, mask and where its payload lies in the buffer.
struct Head {
    is_last: bool,
    opcode: u8,
    mask: [u8; 4],
    start: usize,
    length: usize,
}

/// Reads client frames from bytes cut anywhere. Holds no memory between whole messages.
#[derive(Default)]
pub struct FrameReader {
    buffer: Vec<u8>,
    message: Vec<u8>,
    /// The kind of the fragmented message under way.
    fragmented: Option<u8>,
}

impl FrameReader {
    /// Takes what arrived and gives the whole messages in it. After an error the connection is over.
    pub fn push(&mut self, mut bytes: &[u8], out: &mut Vec<Incoming>) -> Result<(), FrameError> {
        if self.buffer.is_empty() {
            // The common case, whole frames in one read, needs no copy into the buffer.
            let used = self.take_frames(bytes, out)?;
            bytes = &bytes[used..];
            self.buffer.extend_from_slice(bytes);
        } else {
            self.buffer.extend_from_slice(bytes);
            let buffer = std::mem::take(&mut self.buffer);
            let used = self.take_frames(&buffer, out)?;
            self.buffer.extend_from_slice(&buffer[used..]);
        }
        Ok(())
    }

    fn take_frames(&mut self, bytes: &[u8], out: &mut Vec<Incoming>) -> Result<usize, FrameError> {
        let mut used = 0;
        while let Some(head) = self.read_head(&bytes[used..])? {
            let Some(payload) = bytes[used..].get(head.start..head.start + head.length) else { break };
            used += head.start + head.length;
            self.take_frame(&head, payload, out)?;
        }
        Ok(used)
    }

    /// None while the head is not whole. Sizes are checked before any payload is waited for.
    fn read_head(&self, bytes: &[u8]) -> Result<Option<Head>, FrameError> {
        let [first, second, rest @ ..] = bytes else { return Ok(None) };
        if first & 0x70 != 0 {
            return Err(FrameError::Protocol("no extension was agreed on"));
        }
        if second & 0x80 == 0 {
            return Err(FrameError::Protocol("a client's frames are masked"));
        }
        let (opcode, is_last) = (first & 0x0f, first & 0x80 != 0);
        let is_control = opcode >= CLOSE;
        let (length, extra) = match second & 0x7f {
            126 => match rest {
                [a, b, ..] => (u64::from(u16::from_be_bytes([*a, *b])), 2),
                _ => return Ok(None),
            },
            127 => match rest.first_chunk::<8>() {
                Some(eight) => (u64::from_be_bytes(*eight), 8),
                None => return Ok(None),
            },
            short => (u64::from(short), 0),
        };
        if is_control && (!is_last || extra != 0) {
            return Err(FrameError::Protocol("a control frame is whole and at most 125 bytes"));
        }
        let length = usize::try_from(length).map_err(|_| FrameError::TooLarge)?;
        if !is_control && length > MAX_BODY_BYTES.saturating_sub(self.message.len()) {
            return Err(FrameError::TooLarge);
        }
        let Some(mask) = rest.get(extra..).and_then(|rest| rest.first_chunk::<4>()) else { return Ok(None) };
        Ok(Some(Head { is_last, opcode, mask: *mask, start: 2 + extra + 4, length }))
    }

    fn take_frame(&mut self, head: &Head, payload: &[u8], out: &mut Vec<Incoming>) -> Result<(), FrameError> {
        let unmasked = payload.iter().enumerate().map(|(at, byte)| byte ^ head.mask[at % 4]);
        match head.opcode {
            PING => out.push(Incoming::Ping(unmasked.collect())),
            PONG => out.push(Incoming::Pong),
            CLOSE => out.push(Incoming::Close),
            TEXT | BINARY | CONTINUATION => {
                match (head.opcode, self.fragmented) {
                    (CONTINUATION, None) => return Err(FrameError::Protocol("nothing to continue")),
                    (TEXT | BINARY, Some(_)) => {
                        return Err(FrameError::Protocol("a new message began inside another"));
                    }
                    (CONTINUATION, Some(_)) => {}
                    (kind, None) => self.fragmented = Some(kind),
                    (_, Some(_)) => {}
                }
                self.message.extend(unmasked);
                if head.is_last {
                    let message = std::mem::take(&mut self.message);
                    out.push(match self.fragmented.take() {
                        Some(TEXT) => Incoming::Text(String::from_utf8(message).map_err(|_| FrameError::NotUtf8)?),
                        _ => Incoming::Binary,
                    });
                }
            }
            _ => return Err(FrameError::Protocol("unknown frame kind")),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn client_frame(opcode: u8, is_last: bool, payload: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        write_frame(opcode, payload, &mut out);
        if !is_last {
            out[0] &= 0x7f;
        }
        out[1] |= 0x80;
        let start = out.len() - payload.len();
        let mask = [7, 99, 200, 13];
        for (at, byte) in out[start..].iter_mut().enumerate() {
            *byte ^= mask[at % 4];
        }
        out.splice(start..start, mask);
        out
    }

    fn read(bytes: &[u8], step: usize) -> (Vec<Incoming>, Result<(), FrameError>) {
        let (mut reader, mut out) = (FrameReader::default(), Vec::new());
        for piece in bytes.chunks(step.max(1)) {
            if let Err(error) = reader.push(piece, &mut out) {
                return (out, Err(error));
            }
        }
        assert!(reader.buffer.capacity() == 0 || !reader.buffer.is_empty(), "an idle reader holds no memory");
        (out, Ok(()))
    }

    #[test]
    fn the_accept_key_is_the_one_of_the_rfc() {
        assert_eq!(accept_key(b"dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }

    #[test]
    fn messages_arrive_whole_however_they_are_cut() {
        let mut bytes = client_frame(TEXT, true, b"{\"type\":\"ping\"}");
        bytes.extend(client_frame(TEXT, false, "grü".as_bytes()));
        bytes.extend(client_frame(PING, true, b"are you there"));
        bytes.extend(client_frame(CONTINUATION, true, "ße".as_bytes()));
        bytes.extend(client_frame(BINARY, true, &[0; 300]));
        bytes.extend(client_frame(TEXT, true, "x".repeat(70_000).as_bytes()));
        bytes.extend(client_frame(CLOSE, true, &[]));
        let expected = vec![
            Incoming::Text("{\"type\":\"ping\"}".into()),
            Incoming::Ping(b"are you there".to_vec()),
            Incoming::Text("grüße".into()),
            Incoming::Binary,
            Incoming::Text("x".repeat(70_000)),
            Incoming::Close,
        ];
        for step in [1, 2, 3, 7, 64, 1000, bytes.len()] {
            let (messages, end) = read(&bytes, step);
            assert_eq!((messages, end), (expected.clone(), Ok(())), "step {step}");
        }
    }

    #[test]
    fn what_the_rfc_forbids_fails_the_connection() {
        let mut unmasked = Vec::new();
        write_text(b"hello", &mut unmasked);
        let too_large = [0x81, 0xff, 0, 0, 0, 0, 0, 0x10, 0, 1, 0, 0, 0, 0];
        let cases: Vec<(Vec<u8>, u16)> = vec![
            (unmasked, close::PROTOCOL),
            (client_frame(CONTINUATION, true, b"x"), close::PROTOCOL),
            ([client_frame(TEXT, false, b"x"), client_frame(TEXT, true, b"y")].concat(), close::PROTOCOL),
            (client_frame(PING, false, b"x"), close::PROTOCOL),
            (client_frame(PING, true, &[0; 126]), close::PROTOCOL),
            (client_frame(3, true, b"x"), close::PROTOCOL),
            (vec![0xc1, 0x80], close::PROTOCOL),
            (client_frame(TEXT, true, &[0xff, 0xfe]), close::NOT_UTF8),
            (too_large.to_vec(), close::TOO_LARGE),
            (vec![0x81, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0], close::TOO_LARGE),
        ];
        for (bytes, code) in cases {
            assert_eq!(read(&bytes, 5).1.unwrap_err().close_code(), code, "{bytes:?}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_cut_anywhere_give_the_same_and_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..400), step in 1_usize..50) {
            prop_assert_eq!(read(&bytes, step), read(&bytes, bytes.len()));
        }
    }
}
