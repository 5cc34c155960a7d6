//! A room's owner: the one task that appends to its channel, answers its callers and runs its streams.
//!
//! At most one append is under way at a time. While it is, a running stream's pieces gather, commands are taken in but
//! not obeyed, and a stop drops the provider's call at once. So what a caller gets always includes every event that any
//! client can have seen.

mod append;
mod delete;
mod epoch;
mod give_away;
mod hold;
mod load;
mod project;
mod read;
mod say;
mod stop;
mod turn;

pub(crate) use load::fold_tail;

use crate::access::no_room;
use crate::command::{Command, Stop};
use crate::fold::RoomState;
use crate::registry::{Phase, Phases, Registry, Standing, Work, leaving};
use crate::view::Reply;
use antiphon_ai::run::{Run, Said};
use antiphon_core::limits::ROOM_IDLE;
use antiphon_core::{AnswerError, ChannelName, Event, Position, Shard, StreamStatus};
use antiphon_sql::RecordsError;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// How soon an owner looks again whether it can leave, where a caller held it back.
const LEAVE_AGAIN: Duration = Duration::from_millis(200);

type Projecting = JoinHandle<(Position, Result<(), RecordsError>)>;

struct Owner {
    registry: Arc<Registry>,
    channel: ChannelName,
    state: RoomState,
    commands: mpsc::Receiver<Command>,
    /// Taken in, not yet obeyed.
    backlog: VecDeque<Command>,
    standing: Arc<Standing>,

    run: Option<Run>,
    /// What the run said and the log refused; the run waits meanwhile.
    unsent: Option<Vec<Said>>,
    /// That is what the log may have all the same.
    is_unsent_in_doubt: bool,
    /// Stops that took effect and that the log is to have as soon as it can.
    stops: VecDeque<(String, Stop)>,
    is_deleting: bool,
    /// A pause is on its way into the log.
    is_pausing: bool,
    /// The stream that ran when the owner before this one stopped: it goes on as a further attempt.
    cut_off: Option<String>,
    /// Clients are to be told that this owner took over.
    took_over: bool,
    /// The log is another one than that in which the open streams began.
    lacks_past: bool,
    /// The owner before this one was of another process.
    is_from_elsewhere: bool,

    /// An append failed, so the log may have it or not.
    is_unsure: bool,
    /// What the last append that failed held, until another one succeeds.
    in_doubt: Vec<Event>,
    shard: Shard,
    /// The shards of this process, and their epochs.
    shards: watch::Receiver<BTreeMap<Shard, u32>>,
    /// The epoch in which nobody else can have written what the state does not have.
    epoch: u32,
    /// The latest epoch for which the log was tried again at once.
    tried: u32,
    /// The log has what this owner neither wrote nor folded in: another one owned the room meanwhile.
    is_behind: bool,
    blocked_until: Option<Instant>,
    /// The log took nothing of the last append that failed, as the shard was not this process's at that moment.
    is_disowned: bool,
    block_for: Duration,

    projecting: Option<Projecting>,
    /// When the records are to be brought up to date.
    project_at: Option<Instant>,
    /// Not before this, as the records failed.
    project_again_at: Option<Instant>,
    project_pause: Duration,
    waiters: HashMap<String, Vec<oneshot::Sender<Reply>>>,
    /// When each open stream is too old.
    expiries: HashMap<String, Instant>,
    /// Present where an answer that nobody watches is to be cancelled, after that time.
    viewers: Option<(watch::Receiver<usize>, Duration)>,
    unwatched_until: Option<Instant>,
    phases: watch::Receiver<Phases>,
    counted: Work,
    idle_since: Instant,
}

/// What an owner waited for.
enum Turn {
    Command(Option<Command>),
    Projected((Position, Result<(), RecordsError>)),
    Other,
}

/// Why an owner stopped by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// It has nothing left to do.
    Over,
    /// Another one owned the room meanwhile, so the room is to be folded together anew.
    Behind,
}

/// Owns a room until it is idle, deleted or the process leaves.
pub(crate) async fn own(
    registry: Arc<Registry>,
    room_id: String,
    channel: ChannelName,
    standing: Arc<Standing>,
    mut commands: mpsc::Receiver<Command>,
) -> Ending {
    let mut ending = Ending::Over;
    let error = match load::begin(&registry, &room_id, channel).await {
        Ok(begun) => {
            let mut owner = Owner::new(registry.clone(), begun, standing.clone(), commands);
            owner.serve().await;
            let error = if owner.is_behind {
                ending = Ending::Behind;
                standing.set_moved();
                AnswerError::NotOwner
            } else if owner.phase_here() == Phase::Leaving {
                standing.set_moved();
                AnswerError::NotOwner
            } else if standing.is_deleted() {
                no_room().into()
            } else {
                leaving().into()
            };
            for command in owner.backlog.drain(..) {
                command.refuse(error.clone());
            }
            commands = std::mem::replace(&mut owner.commands, mpsc::channel(1).1);
            error
        }
        Err(error) => error,
    };
    registry.forget(&room_id, &standing);
    commands.close();
    while let Some(command) = commands.recv().await {
        command.refuse(error.clone());
    }
    ending
}

impl Owner {
    async fn serve(&mut self) {
        loop {
            while !self.is_behind
                && let Some(command) = self.backlog.pop_front()
            {
                self.idle_since = Instant::now();
                self.obey(command).await;
            }
            self.look_at_viewers();
            self.look_at_time();
            let is_busy = self.step().await;
            self.count();
            // Also while an answer comes faster than it can be written: the log may not keep what the records lack.
            self.look_at_projection().await;
            self.start_projecting();
            if self.leaves().await {
                return;
            }
            if is_busy {
                continue;
            }
            match self.wait().await {
                Turn::Command(Some(command)) => self.take_in(command),
                Turn::Command(None) => return,
                Turn::Projected((through, result)) => self.projection_ended(through, result),
                Turn::Other => {}
            }
        }
    }

    async fn obey(&mut self, command: Command) {
        if self.state.is_deleted() {
            return command.refuse(no_room());
        }
        let is_read = matches!(command, Command::Touch(_) | Command::Messages { .. } | Command::Stream { .. });
        if is_read && let Err(error) = self.follow_epoch().await {
            return command.refuse(error);
        }
        // A caller that has gone away needs no answer.
        match command {
            Command::Touch(answer) => drop(answer.send(Ok(()))),
            Command::Say(new, answer) => drop(answer.send(self.say(new).await)),
            Command::Messages { limit, before, answer } => {
                drop(answer.send(self.page(limit, before.as_deref()).await.map_err(AnswerError::from)));
            }
            Command::Stop { stream_id, stop, asked_at, answer } => {
                drop(answer.send(self.stop(&stream_id, stop, asked_at).await));
            }
            Command::Hold { stream_id, by, pause, answer } => {
                drop(answer.send(self.hold(&stream_id, by, pause).await));
            }
            Command::Retry { stream_id, by, answer } => drop(answer.send(self.retry(&stream_id, by).await)),
            Command::Stream { stream_id, answer } => {
                drop(answer.send(self.view(&stream_id).await.map_err(AnswerError::from)))
            }
            Command::Wait { stream_id, answer } => self.wait_for(stream_id, answer).await,
            Command::Delete { asked_at, answer } => {
                drop(answer.send(self.delete(asked_at).await.map_err(AnswerError::from)))
            }
        }
    }

    /// A command has arrived. A stop of the running stream drops its provider's call before anything else is waited for.
    fn take_in(&mut self, command: Command) {
        match &command {
            // One that may be refused waits its turn; an attempt that is on its way into the log is known by then.
            Command::Stop { stream_id, stop, asked_at, .. }
                if self.runs(stream_id) && !self.may_refuse(stream_id, stop) =>
            {
                self.drop_call(*asked_at);
            }
            Command::Delete { asked_at, .. } => self.drop_call(*asked_at),
            _ => {}
        }
        self.backlog.push_back(command);
    }

    fn may_refuse(&self, stream_id: &str, stop: &Stop) -> bool {
        self.state.stream(stream_id).is_some_and(|stored| stop::is_of_future(stored, stop))
    }

    fn runs(&self, stream_id: &str) -> bool {
        self.run.as_ref().is_some_and(|run| run.stream_id() == stream_id)
    }

    fn drop_call(&mut self, asked_at: std::time::Instant) {
        if let Some(run) = self.run.as_mut().filter(|run| !run.is_over()) {
            run.stop();
            self.registry.stop_latencies.stopped(asked_at.elapsed());
        }
    }

    /// How far the room's shard is on its way to another process, be it with all others.
    fn phase_here(&self) -> Phase {
        self.phases.borrow().of(self.shard)
    }

    fn is_paused(&self) -> bool {
        let head = self.state.head().and_then(|head| head.answer.as_ref());
        head.is_some_and(|answer| answer.status == StreamStatus::Paused)
    }

    /// Whether the run's provider is to be read.
    fn may_advance(&self) -> bool {
        self.unsent.is_none() && !self.is_unsure && !self.is_pausing && !self.is_paused()
    }

    fn wake_at(&self) -> Instant {
        let idle = self.idle_since + ROOM_IDLE;
        let idle = if self.state.is_deleted() || idle < Instant::now() { Instant::now() + LEAVE_AGAIN } else { idle };
        let wants_log = self.owes() || (self.run.is_none() && self.state.open_count() > 0);
        let blocked = if wants_log { self.blocked_until } else { None };
        let project = if self.projecting.is_none() { self.project_at } else { None };
        let times = blocked.into_iter().chain(project).chain(self.unwatched_until);
        self.expiries.values().copied().chain(times).fold(idle, Instant::min)
    }

    async fn wait(&mut self) -> Turn {
        let wake_at = self.wake_at();
        let may_advance = self.may_advance();
        let Self { commands, run, projecting, viewers, phases, shards, .. } = self;
        tokio::select! {
            command = commands.recv() => Turn::Command(command),
            () = advance(run), if may_advance => Turn::Other,
            projected = join(projecting) => Turn::Projected(projected),
            () = change_of(viewers) => Turn::Other,
            _ = phases.changed() => Turn::Other,
            _ = shards.changed() => Turn::Other,
            () = tokio::time::sleep_until(wake_at) => Turn::Other,
        }
    }

    /// Whether this owner is done, and has left the registry.
    async fn leaves(&mut self) -> bool {
        if self.is_behind {
            self.run = None;
            return true;
        }
        if self.phase_here() == Phase::Leaving {
            self.give_away().await;
            return true;
        }
        let is_idle = self.state.open_count() == 0 && self.idle_since.elapsed() >= ROOM_IDLE;
        if !(is_idle || self.state.is_deleted()) || self.owes() {
            return false;
        }
        if self.state.unprojected() > 0 {
            // What failed is tried again by itself.
            if self.project_again_at.is_none() {
                self.project_now().await;
            }
            // Nobody else would bring them up to date before the room is needed again, and its log may not keep everything
            // until then. A deletion has to be in the room's list.
            let is_failing = self.project_again_at.is_some() || self.state.is_deleted();
            if is_failing && self.state.unprojected() > 0 {
                return false;
            }
        }
        let has_left = self.registry.leave(&self.state.room().id, &self.commands);
        if has_left && self.state.is_deleted() {
            self.remove_later();
        }
        has_left
    }

    /// What time has brought: streams that are too old, answers that nobody watches, a log that may be tried again.
    fn look_at_time(&mut self) {
        let now = Instant::now();
        self.blocked_until.take_if(|until| *until <= now);
        self.look_at_epoch();
        if self.unwatched_until.take_if(|until| *until <= now).is_some() {
            self.stop_all(|_| Some(Stop::Cancel));
        }
        if self.expiries.values().any(|expiry| *expiry <= now) {
            let expired: Vec<String> =
                self.expiries.extract_if(|_, expiry| *expiry <= now).map(|(stream_id, _)| stream_id).collect();
            let message = "the answer took longer than the hour that it may take, waiting included".to_owned();
            let stop = Stop::Fail { code: "expired", message };
            self.stop_all(|stream_id| expired.iter().any(|expired| expired == stream_id).then(|| stop.clone()));
        }
    }

    /// Starts, or forgets, the time for which an answer may go on unwatched.
    fn look_at_viewers(&mut self) {
        let Some((viewers, grace)) = &mut self.viewers else { return };
        let is_unwatched = *viewers.borrow_and_update() == 0 && self.state.open_count() > 0;
        self.unwatched_until = match self.unwatched_until {
            _ if !is_unwatched => None,
            None => Some(Instant::now() + *grace),
            set => set,
        };
    }

    /// Keeps the process's counts of streams.
    fn count(&mut self) {
        // A run is there until its end is in the log.
        let is_running = self.run.is_some() && !self.is_paused();
        let head = self.state.head().and_then(|head| head.answer.as_ref());
        let is_begun = self.run.is_some() || head.is_some_and(|answer| answer.started_at.is_some());
        let open = self.state.open_count();
        self.counts(Work { open, running: usize::from(is_running), begun: usize::from(is_begun) });
    }

    fn counts(&mut self, now: Work) {
        if now != self.counted {
            let before = std::mem::replace(&mut self.counted, now);
            self.registry.work.send_modify(|work| {
                work.open = work.open + now.open - before.open;
                work.running = work.running + now.running - before.running;
                work.begun = work.begun + now.begun - before.begun;
            });
            if now.begun != before.begun {
                let mut begun = self.registry.begun.lock();
                let count = begun.entry(self.shard).or_default();
                *count = *count + now.begun - before.begun;
                begun.retain(|_, count| *count > 0);
            }
        }
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.counts(Work::default());
        if self.viewers.take().is_some() {
            self.registry.viewers.release(&self.channel);
        }
    }
}

async fn advance(run: &mut Option<Run>) {
    match run {
        Some(run) => run.advance().await,
        None => pending().await,
    }
}

async fn change_of(viewers: &mut Option<(watch::Receiver<usize>, Duration)>) {
    match viewers {
        // The count outlives every owner.
        Some((viewers, _)) => drop(viewers.changed().await),
        None => pending().await,
    }
}

/// The projection under way, once it is done; a task that was aborted leaves things as they were.
async fn join(projecting: &mut Option<Projecting>) -> (Position, Result<(), RecordsError>) {
    match projecting {
        None => pending().await,
        Some(task) => match task.await {
            Ok(done) => done,
            Err(_) => pending().await,
        },
    }
}
