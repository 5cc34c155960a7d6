//! The floor: one thread, one `write` of a ready frame per client. Keeps nothing, checks nothing.

use crate::Result;
use antiphon_wire::websocket::{accept_key, write_text};
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};
use std::io::{Read, Write};

const LISTENER: Token = Token(usize::MAX);

struct Peer {
    stream: TcpStream,
    input: Vec<u8>,
    is_client: bool,
}

/// Serves until it is killed. Clients are numbered in the order of their handshakes.
pub fn run() -> Result<()> {
    let mut listener = TcpListener::bind("127.0.0.1:0".parse()?)?;
    let mut poll = Poll::new()?;
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
    println!("ready http://{}", listener.local_addr()?);
    std::io::stdout().flush()?;
    let (mut peers, mut clients): (Vec<Peer>, Vec<usize>) = (Vec::new(), Vec::new());
    let mut events = Events::with_capacity(1024);
    let mut buffer = vec![0; 64 * 1024];
    loop {
        poll.poll(&mut events, None)?;
        for event in &events {
            if event.token() == LISTENER {
                while let Ok((mut stream, _)) = listener.accept() {
                    stream.set_nodelay(true)?;
                    poll.registry().register(&mut stream, Token(peers.len()), Interest::READABLE)?;
                    peers.push(Peer { stream, input: Vec::new(), is_client: false });
                }
                continue;
            }
            let at = event.token().0;
            while let Ok(length @ 1..) = peers[at].stream.read(&mut buffer) {
                // What a client says after its handshake is its subscription, which the floor does not need.
                if !peers[at].is_client {
                    peers[at].input.extend_from_slice(&buffer[..length]);
                }
            }
            answer(at, &mut peers, &mut clients)?;
        }
    }
}

fn answer(at: usize, peers: &mut [Peer], clients: &mut Vec<usize>) -> Result<()> {
    while !peers[at].is_client {
        let input = std::mem::take(&mut peers[at].input);
        let Some(head_end) = input.windows(4).position(|four| four == b"\r\n\r\n").map(|end| end + 4) else {
            peers[at].input = input;
            return Ok(());
        };
        let head = String::from_utf8_lossy(&input[..head_end]).into_owned();
        let header = |name: &str| head.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
        if let Some(key) = header("Sec-WebSocket-Key:") {
            peers[at].is_client = true;
            clients.push(at);
            let accept = accept_key(key.as_bytes());
            let answer = format!(
                "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\
                 Sec-WebSocket-Accept: {accept}\r\n\r\n"
            );
            peers[at].stream.write_all(answer.as_bytes())?;
            return Ok(());
        }
        let length: usize = header("Content-Length:").unwrap_or("0").parse()?;
        let Some(body) = input.get(head_end..head_end + length) else {
            peers[at].input = input;
            return Ok(());
        };
        let mut frame = Vec::with_capacity(body.len() + 160);
        // As long as the server's event, which carries its channel, time and position.
        write_text(&[body, &[b' '; 130]].concat(), &mut frame);
        let channel = head.split('/').nth(4).unwrap_or_default();
        let to = channel.parse::<usize>().map_or(0..clients.len(), |client| client..client + 1);
        for client in &clients[to] {
            // A client that does not read loses the frame: the floor promises nothing.
            let _ = peers[*client].stream.write(&frame);
        }
        peers[at].stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")?;
        peers[at].input = input[head_end + length..].to_vec();
    }
    Ok(())
}
