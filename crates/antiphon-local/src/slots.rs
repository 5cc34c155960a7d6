//! The threads that answers are generated on, and the queue before them.
//!
//! They are threads of their own at a lower priority, so that generation takes the time that delivery leaves.

use crate::error::GenerateError;
use crate::{GenerateRequest, Piece};
use antiphon_core::limits::{LOCAL_PIECES, LOCAL_QUEUE};
use parking_lot::{Condvar, Mutex};
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use tokio::sync::mpsc;
use tracing::error;

/// Added to the threads' nice value: a waiting delivery thread gets about nine times their share of a core, and a
/// busy machine still lets the model speak.
#[cfg(target_os = "linux")]
const NICE: i32 = 10;

/// Gives the calling thread, and the ones it will start, a lower priority. Elsewhere than on Linux, priorities
/// belong to processes, and it stays as it is.
pub(crate) fn lower_priority() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::nice(NICE) {
        tracing::debug!(%error, "the model's thread keeps its priority");
    }
}

/// Why an answer ended before its end.
#[derive(Debug)]
pub(crate) enum Stop {
    /// Nobody takes its pieces any more.
    Cancelled,
    Failed(GenerateError),
}

/// What a slot does with a request. The function it is given lets the queue be looked after; call it often.
pub(crate) type Work = dyn Fn(&GenerateRequest, &mpsc::Sender<Piece>, &dyn Fn()) -> Result<(), Stop> + Send + Sync;

#[derive(Debug)]
struct Job {
    request: GenerateRequest,
    pieces: mpsc::Sender<Piece>,
    place: usize,
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<Job>,
    /// Slots without work. As many of the waiting jobs are about to be taken, and have no place in the queue.
    idle: usize,
    closed: bool,
}

impl State {
    /// Forgets cancelled jobs and tells the others their places where those have changed.
    fn tend(&mut self) {
        self.waiting.retain(|job| !job.pieces.is_closed());
        for (place, job) in (1..).zip(self.waiting.iter_mut().skip(self.idle)) {
            if job.place != place {
                job.place = place;
                // Never full: places fall, and a job gets fewer of them than LOCAL_PIECES.
                let _ = job.pieces.try_send(Piece::Waiting { place });
            }
        }
    }
}

const _: () = assert!(LOCAL_QUEUE < LOCAL_PIECES);

#[derive(Debug, Default)]
struct Queue {
    state: Mutex<State>,
    work: Condvar,
}

impl Queue {
    /// The next job; none when the slots are closed and all work is done.
    fn next(&self) -> Option<Job> {
        let mut state = self.state.lock();
        loop {
            state.tend();
            if let Some(job) = state.waiting.pop_front() {
                state.idle -= 1;
                return Some(job);
            }
            if state.closed {
                return None;
            }
            self.work.wait(&mut state);
        }
    }
}

/// A number of threads that take requests in order. Dropping it lets them finish what they were given.
#[derive(Debug)]
pub(crate) struct Slots {
    queue: Arc<Queue>,
}

impl Slots {
    pub(crate) fn start(count: usize, work: &Arc<Work>) -> std::io::Result<Self> {
        let slots = Self { queue: Arc::default() };
        slots.queue.state.lock().idle = count;
        for number in 0..count {
            let (queue, work) = (Arc::clone(&slots.queue), Arc::clone(work));
            std::thread::Builder::new().name(format!("local-model-{number}")).spawn(move || {
                lower_priority();
                while let Some(job) = queue.next() {
                    run(&queue, &*work, &job);
                    queue.state.lock().idle += 1;
                }
            })?;
        }
        Ok(slots)
    }

    /// Takes a request; its pieces come from the receiver, and dropping that cancels it.
    pub(crate) fn submit(&self, request: GenerateRequest) -> mpsc::Receiver<Piece> {
        let (pieces, receiver) = mpsc::channel(LOCAL_PIECES);
        let mut state = self.queue.state.lock();
        state.tend();
        let waiting = state.waiting.len().saturating_sub(state.idle);
        if waiting >= LOCAL_QUEUE {
            // The channel is new and empty.
            let _ = pieces.try_send(Piece::Failed(GenerateError::QueueFull { waiting }));
            return receiver;
        }
        state.waiting.push_back(Job { request, pieces, place: 0 });
        state.tend();
        self.queue.work.notify_one();
        receiver
    }
}

impl Drop for Slots {
    fn drop(&mut self) {
        self.queue.state.lock().closed = true;
        self.queue.work.notify_all();
    }
}

/// Does one job. A panic in the computation ends this answer and nothing else.
fn run(queue: &Queue, work: &Work, job: &Job) {
    let tend = || queue.state.lock().tend();
    let failure = match catch_unwind(AssertUnwindSafe(|| work(&job.request, &job.pieces, &tend))) {
        Ok(Ok(()) | Err(Stop::Cancelled)) => return,
        Ok(Err(Stop::Failed(failure))) => failure,
        Err(panic) => {
            let reason = panic.downcast_ref::<String>().map(String::as_str);
            let reason = reason.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("unknown");
            error!(reason, "the in-process model panicked");
            GenerateError::Internal
        }
    };
    // Fails only when nobody listens.
    let _ = job.pieces.blocking_send(Piece::Failed(failure));
}

#[cfg(test)]
mod tests;
