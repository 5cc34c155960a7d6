//! `antiphon chat`: a conversation in the terminal, live, resumed by itself.

mod command;
mod console;
mod conversation;
mod editor;
mod fold;
mod link;
mod protocol;
mod screen;
mod terminal;

use crate::failure::Failure;
use crate::server::{CallError, Server, ServerArguments};
use console::{Console, Plain};
use conversation::Conversation;
use fold::Fold;
use protocol::{Agent, Agents, Guest, MessagePage, Room};
use std::io::IsTerminal;
use std::process::ExitCode;

/// What `antiphon chat` is given.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Type a line and press Enter, also while an answer still streams: it waits its turn.
  Esc, Ctrl-X       interrupt the answer; the agent will remember what you saw of it
  /cancel [N]       withdraw the Nth waiting message, else the last, or stop the answer
  /retry            ask again for the last answer
  /pause, /resume   hold the answer, let it go on
  /quit             leave; so do Ctrl-C, and Ctrl-D on an empty line
  /help             show these

Without a token or API key it joins as a guest, which a server in demo mode allows. When the server goes away, it \
connects again by itself and goes on where it was. Without a terminal, every line of standard input is a message, \
answers go to standard output and notices to standard error; the exit code is 1 where an answer failed.

Examples:
  antiphon chat                  the first ready agent, a model before a script
  antiphon chat --agent guide
  antiphon chat --room room-…    go on in a room of yours
  echo 'Who are you?' | antiphon chat --agent guide")]
pub struct ChatArguments {
    /// Whom to talk to; default: the first one that is ready, a real model before a script
    #[arg(long, value_name = "ID", conflicts_with = "room")]
    pub agent: Option<String>,
    /// Go on in this room instead of a new one
    #[arg(long, value_name = "ID")]
    pub room: Option<String>,
    /// The server and who calls
    #[command(flatten)]
    pub server: ServerArguments,
}

pub(crate) async fn run(arguments: ChatArguments) -> Result<ExitCode, Failure> {
    let prepared = prepare(&arguments).await?;
    let is_interactive = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
    let mut console = if is_interactive { Console::terminal()? } else { Console::Plain(Plain::standard()) };
    talk(prepared, &mut console).await
}

/// A room to talk in, and what there is to say about it first.
struct Prepared {
    server: Server,
    room_id: String,
    position: Option<String>,
    history: Option<MessagePage>,
    introduction: String,
}

async fn prepare(arguments: &ChatArguments) -> Result<Prepared, Failure> {
    let mut server = Server::new(&arguments.server)?;
    if !server.has_identity() {
        let token = guest(&server).await?;
        server.set_token(&token)?;
    }
    let Agents { agents } = server.get(&["api", "agents"], &[]).await?;
    let Some(room_id) = &arguments.room else {
        let agent = pick(&agents, arguments.agent.as_deref())?;
        let body = serde_json::json!({"agentId": agent.id}).to_string();
        let room: Room = server.post(&["api", "ar-rooms"], body).await?;
        let introduction = format!("{} (room {})", introduce(agent), room.id);
        return Ok(Prepared { server, room_id: room.id, position: room.position, history: None, introduction });
    };
    let room: Room = server.get(&["api", "ar-rooms", room_id], &[]).await?;
    let history = server.get(&["api", "ar-rooms", room_id, "messages"], &[]).await?;
    let agent = agents.iter().find(|agent| Some(&agent.id) == room.agent_id.as_ref());
    let introduction = agent.map_or_else(|| "its agent is not there any more".to_owned(), introduce);
    Ok(Prepared { server, room_id: room.id, position: None, history: Some(history), introduction })
}

async fn talk(prepared: Prepared, console: &mut Console) -> Result<ExitCode, Failure> {
    console.notice(&prepared.introduction)?;
    let mut fold = Fold::after(prepared.position);
    if let Some(history) = prepared.history {
        for shown in fold.reread(history) {
            console.show(&shown)?;
        }
    }
    Conversation::new(prepared.server, prepared.room_id, fold).run(console).await
}

async fn guest(server: &Server) -> Result<String, Failure> {
    match server.post::<Guest>(&["api", "guest"], "{}".to_owned()).await {
        Ok(guest) => Ok(guest.token),
        Err(CallError::Refused { status: 401 | 403 | 404 | 405, .. }) => {
            Err(Failure::new(format!("{} is not in demo mode, so it takes no guests", server.name()))
                .fix("give --token (`antiphon token` mints one) or --api-key, or start it with --demo"))
        }
        Err(error) => Err(error.into()),
    }
}

fn pick<'a>(agents: &'a [Agent], wanted: Option<&str>) -> Result<&'a Agent, Failure> {
    let ids = || agents.iter().map(|agent| agent.id.as_str()).collect::<Vec<_>>().join(", ");
    if let Some(wanted) = wanted {
        let found = agents.iter().find(|agent| agent.id == wanted);
        return found.ok_or_else(|| {
            Failure::new(format!("the server has no agent `{wanted}`")).fix(format!("it has: {}", ids()))
        });
    }
    let ready = || agents.iter().filter(|agent| agent.ready);
    let best = ready().find(|agent| !agent.simulated).or_else(|| ready().next()).or_else(|| agents.first());
    best.ok_or_else(|| {
        Failure::new("the server has no agent to talk to").fix("add one: [agents.NAME] in its configuration, or --demo")
    })
}

/// Who answers, and plainly what they are.
fn introduce(agent: &Agent) -> String {
    let name = agent.name.as_deref().unwrap_or(&agent.id);
    let what = if agent.simulated {
        "a script, not a model".to_owned()
    } else if agent.model.is_empty() {
        format!("a model, {}", agent.kind)
    } else {
        format!("a model, {} by {}", agent.model, agent.kind)
    };
    let readiness = if agent.ready { "" } else { "; not ready yet, answers may take a while or fail" };
    format!("talking to {name}: {what}{readiness}")
}

#[cfg(test)]
mod tests;
