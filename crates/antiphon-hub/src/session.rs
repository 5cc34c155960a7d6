//! Sessions: one authenticated client across connections. Taking one over needs its secret.

use crate::outlet::{CloseReason, Outlet};
use antiphon_core::limits::{MAX_DETACHED_SESSIONS, SESSION_RESUME_WINDOW};
use antiphon_core::{Code, Refusal, new_session_id};
use parking_lot::Mutex;
use rand::Rng;
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Weak};
use std::time::Instant;

/// What a connection is given.
#[derive(Clone)]
pub(crate) struct Grant {
    pub(crate) session_id: Arc<str>,
    pub(crate) resume_token: Arc<str>,
}

struct Session {
    id: Arc<str>,
    user_id: Arc<str>,
    outlet: Weak<dyn Outlet>,
}

/// The sessions of this process by resume token. A token is used once: taking over gives a new one.
#[derive(Default)]
pub(crate) struct Sessions(Mutex<Table>);

#[derive(Default)]
struct Table {
    by_token: HashMap<Arc<str>, Session>,
    /// Sessions without a connection, oldest first.
    detached: VecDeque<(Instant, Arc<str>)>,
}

/// 256 random bits, hexadecimal.
fn new_token() -> Arc<str> {
    let bytes: [u8; 32] = rand::rng().random();
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>().into()
}

impl Sessions {
    /// Opens a session, or takes one over: the connection that had it is closed.
    pub(crate) fn open(
        &self,
        user_id: &Arc<str>,
        outlet: &Arc<dyn Outlet>,
        resume: Option<&str>,
    ) -> Result<Grant, Refusal> {
        let mut table = self.0.lock();
        table.forget_old();
        let id = match resume {
            None => Arc::from(new_session_id()),
            Some(token) => {
                let is_own = table.by_token.get(token).is_some_and(|session| session.user_id == *user_id);
                let Some(session) = is_own.then(|| table.by_token.remove(token)).flatten() else {
                    return Err(Refusal::new(
                        Code::Unauthorized,
                        "this resume token is unknown, used or too old: connect without `resume` and go on from a position",
                    ));
                };
                if let Some(former) = session.outlet.upgrade() {
                    former.close(CloseReason::TakenOver);
                }
                session.id
            }
        };
        let resume_token = new_token();
        let session = Session { id: id.clone(), user_id: user_id.clone(), outlet: Arc::downgrade(outlet) };
        table.by_token.insert(resume_token.clone(), session);
        Ok(Grant { session_id: id, resume_token })
    }

    /// The connection is gone; the session may be taken over for a while.
    pub(crate) fn detach(&self, resume_token: &Arc<str>) {
        let mut table = self.0.lock();
        if table.by_token.contains_key(resume_token) {
            table.detached.push_back((Instant::now(), resume_token.clone()));
        }
        table.forget_old();
    }
}

impl Table {
    fn forget_old(&mut self) {
        while let Some((since, _)) = self.detached.front()
            && (self.detached.len() > MAX_DETACHED_SESSIONS || since.elapsed() > SESSION_RESUME_WINDOW)
        {
            if let Some((_, token)) = self.detached.pop_front() {
                self.by_token.remove(&token);
            }
        }
    }
}
