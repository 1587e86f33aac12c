//! The steps that are possible in a state: those of the instances, of the server, of the group and of
//! the network, and the faults that the budget still allows.

use super::rules::{Rules, StartFrom, Unknown};
use super::state::*;
use crate::steps::spend;

/// Who takes a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who {
    Instance(usize),
    /// The server, about a request whose sender waits, or a transaction that it has begun.
    Server(usize),
    /// The group gives the partition to this instance.
    Group(usize),
    /// A request whose sender does not wait, or a late commit.
    Late,
    /// Someone writes a record.
    Log,
}

#[derive(Debug, Clone)]
pub struct Step {
    pub who: Who,
    pub what: &'static str,
    pub fault: bool,
    pub after: State,
}

pub struct World<'a> {
    pub rules: &'a Rules,
    pub records: u8,
    pub procs: usize,
    pub start_from: StartFrom,
    pub steps: Vec<Step>,
}

impl World<'_> {
    pub fn of(&mut self, s: &State) {
        for i in 0..self.procs {
            self.instance(s, i);
            self.group(s, i);
        }
        for index in 0..CALLS {
            if let Some(call) = s.calls[index] {
                self.server(s, index, call);
            }
        }
        self.network(s);
        self.steps.retain(|step| step.after != *s);
    }

    fn put(&mut self, who: Who, what: &'static str, after: State) {
        self.steps.push(Step { who, what, fault: false, after });
    }

    fn fault(&mut self, who: Who, what: &'static str, after: State) {
        self.steps.push(Step { who, what, fault: true, after });
    }

    // ---------------------------------------------------------------------------- the instance

    fn instance(&mut self, s: &State, i: usize) {
        let me = Who::Instance(i);
        let p = s.procs[i];
        if p.at != At::Idle && s.group.holder != Some(i as u8) {
            let mut t = s.clone();
            t.hang_up(i);
            t.procs[i] = IDLE;
            self.put(me, "learns that it has lost the partition", t);
        }
        match p.at {
            At::Idle | At::Claiming | At::Storing => {}
            At::Assigned => {
                let mut t = s.clone();
                if t.send(Call { proc: i as u8, heard: true, token: p.token, what: What::Claim }) {
                    t.procs[i].at = At::Claiming;
                    self.put(me, "sends its claim", t);
                }
            }
            At::Begin => self.begin(s, i),
            At::Beginning => {
                let mut t = s.clone();
                t.group.offset = Some(p.next);
                t.begun = t.begun.or(Some(p.next));
                t.procs[i].at = At::Run;
                self.put(me, "commits to Kafka where it begins", t);
            }
            At::Run => {
                for size in (1..=2).filter(|size| p.next + size <= s.end) {
                    self.store(s, i, size, "stores a batch");
                }
                let as_expected = s.database.owner == p.token && s.database.next == p.expected;
                if p.next == s.end && self.rules.check_when_idle && !as_expected {
                    self.leave(
                        s,
                        i,
                        "is idle, finds another offset or owner, and leaves the group",
                    );
                }
            }
            At::Unknown { refused } => self.find_out(s, i, refused),
        }
        if p.at == At::Run && p.commit_due {
            let mut t = s.clone();
            t.procs[i].commit_due = false;
            let mut late = t.clone();
            t.group.offset = p.expected;
            self.put(me, "commits the group's offset", t);
            if late.group.late.is_none() && spend(&mut late.left.delay) {
                late.group.late = p.expected;
                self.fault(me, "commits the group's offset, the request is late", late);
            }
        }
        if p.at != At::Idle {
            let mut t = s.clone();
            if spend(&mut t.left.crash) {
                t.hang_up(i);
                t.procs[i] = IDLE;
                if t.group.holder == Some(i as u8) {
                    t.group.holder = None;
                }
                // The server notices a closed connection while it waits for the client.
                if !self.rules.commit_with_update {
                    for call in &mut t.calls {
                        *call = call.filter(|call| call.heard || usize::from(call.proc) != i);
                    }
                    t.calls.sort_unstable();
                }
                self.fault(me, "crashes, a new process starts", t);
            }
            let mut t = s.clone();
            if matches!(p.at, At::Claiming | At::Storing) && spend(&mut t.left.cut) {
                t.hang_up(i);
                t.procs[i].at = match p.at {
                    At::Claiming => At::Assigned,
                    _ => At::Unknown { refused: false },
                };
                self.fault(me, "loses its connection", t);
            }
        }
    }

    /// Nothing is stored: reading begins where the group stands, or as START_FROM says.
    fn begin(&mut self, s: &State, i: usize) {
        let mut t = s.clone();
        let at = s.group.offset.unwrap_or(match self.start_from {
            StartFrom::Earliest => 0,
            StartFrom::Latest => s.end,
        });
        t.procs[i].next = at;
        // Without `database_wins` something may be stored.
        if self.rules.store_beginning && s.procs[i].expected.is_none() {
            return self.store(&t, i, 0, "stores where it begins");
        }
        t.procs[i].at = match s.group.offset {
            Some(_) => At::Run,
            None => At::Beginning,
        };
        if s.group.offset.is_some() {
            t.begun = t.begun.or(Some(at));
        }
        self.put(Who::Instance(i), "finds where to begin", t);
    }

    fn store(&mut self, s: &State, i: usize, size: u8, what: &'static str) {
        let mut t = s.clone();
        let p = &mut t.procs[i];
        (p.at, p.size) = (At::Storing, size);
        let (expected, first, new) = (p.expected, p.next, p.next + size);
        let store = What::Store { phase: Phase::Sent, expected, first, new };
        if t.send(Call { proc: i as u8, heard: true, token: s.procs[i].token, what: store }) {
            self.put(Who::Instance(i), what, t);
        }
    }

    /// The outcome of a transaction is unknown, or its update was refused.
    fn find_out(&mut self, s: &State, i: usize, refused: bool) {
        let me = Who::Instance(i);
        let p = s.procs[i];
        match self.rules.unknown {
            Unknown::StoreAgain if !refused => {
                return self.store(s, i, p.size, "stores the batch again without a look");
            }
            Unknown::AssumeStored if !refused => {
                let mut t = s.clone();
                stored(&mut t.procs[i]);
                return self.put(me, "takes the batch for stored", t);
            }
            Unknown::AssumeLost if !refused => {
                let mut t = s.clone();
                t.procs[i].expected = s.database.next;
                return self.store(&t, i, p.size, "stores the batch again on top of what it finds");
            }
            _ => {}
        }
        if self.rules.lock_on_read && s.is_locked() {
            return;
        }
        let is_mine = s.database.owner == p.token;
        if is_mine && s.database.next == Some(p.next + p.size) {
            let mut t = s.clone();
            stored(&mut t.procs[i]);
            self.put(me, "reads that the batch is stored", t);
        } else if is_mine && s.database.next == p.expected {
            self.store(s, i, p.size, "reads that the batch is not stored, and stores it again");
        } else {
            self.leave(s, i, "reads that it is fenced, and leaves the group");
        }
    }

    fn leave(&mut self, s: &State, i: usize, what: &'static str) {
        let mut t = s.clone();
        t.procs[i] = IDLE;
        if t.group.holder == Some(i as u8) {
            t.group.holder = None;
        }
        self.put(Who::Instance(i), what, t);
    }

    // ------------------------------------------------------------------------------ the server

    fn server(&mut self, s: &State, index: usize, call: Call) {
        let has_begun = !matches!(call.what, What::Claim | What::Store { phase: Phase::Sent, .. });
        let who = match call.heard || has_begun {
            true => Who::Server(usize::from(call.proc)),
            false => Who::Late,
        };
        let i = usize::from(call.proc);
        match call.what {
            What::Claim if !s.is_locked() => {
                let mut t = s.clone();
                t.database.owner = call.token;
                if call.heard {
                    self.claimed(&mut t, i);
                }
                t.remove(index);
                self.put(who, "carries a claim out", t);
            }
            What::Claim => {}
            What::Store { phase: Phase::Updated, first, new, .. } => {
                if self.rules.commit_with_update || call.heard {
                    let mut t = s.clone();
                    self.commit(&mut t, index, call, first, new);
                    self.put(who, "commits a transaction", t);
                }
            }
            What::Store { phase: Phase::Sent, expected, first, new }
                if !self.rules.one_transaction =>
            {
                let mut t = s.clone();
                add_rows(&mut t, first, new);
                let what = What::Store { phase: Phase::RowsStored, expected, first, new };
                t.calls[index] = Some(Call { what, ..call });
                t.calls.sort_unstable();
                self.put(who, "commits the rows alone", t);
            }
            What::Store { expected, first, new, .. } if !s.is_locked() => {
                let mut t = s.clone();
                let is_owner = s.database.owner == call.token || !self.rules.compare_owner;
                let is_next = s.database.next == expected || !self.rules.compare_next;
                if is_owner && is_next {
                    let what = What::Store { phase: Phase::Updated, expected, first, new };
                    t.calls[index] = Some(Call { what, ..call });
                    t.calls.sort_unstable();
                    return self.put(who, "updates the offset in a transaction", t);
                }
                if call.heard {
                    t.procs[i].at = At::Unknown { refused: true };
                }
                if !self.rules.abort_on_no_row {
                    add_rows(&mut t, first, new);
                    if call.heard {
                        stored(&mut t.procs[i]);
                    }
                }
                t.remove(index);
                self.put(who, "finds no row to update", t);
            }
            What::Store { .. } => {}
        }
        if matches!(call.what, What::Store { .. }) {
            let mut t = s.clone();
            if spend(&mut t.left.abort) {
                if call.heard {
                    t.procs[i].at = At::Unknown { refused: false };
                }
                t.remove(index);
                self.fault(who, "aborts a transaction", t);
            }
        }
    }

    fn claimed(&self, t: &mut State, i: usize) {
        let next = t.database.next;
        let p = &mut t.procs[i];
        p.expected = next;
        p.at = match next {
            Some(next) if self.rules.database_wins => {
                p.next = next;
                p.commit_due = true;
                At::Run
            }
            _ => At::Begin,
        };
    }

    fn commit(&self, t: &mut State, index: usize, call: Call, first: u8, new: u8) {
        if t.database.owner != call.token {
            t.zombie_stored = true;
        }
        if self.rules.one_transaction {
            add_rows(t, first, new);
        }
        t.database.next = Some(new);
        t.begun = t.begun.or(Some(first));
        if call.heard {
            stored(&mut t.procs[usize::from(call.proc)]);
        }
        t.remove(index);
    }

    // ---------------------------------------------------------------- the group and the network

    fn group(&mut self, s: &State, i: usize) {
        let who = Who::Group(i);
        if s.group.holder.is_none() && s.procs[i].at == At::Idle {
            let mut t = s.clone();
            t.group.holder = Some(i as u8);
            t.tokens += 1;
            t.procs[i] = Proc { at: At::Assigned, token: t.tokens, ..IDLE };
            self.put(who, "assigns the partition", t);
        }
        if s.group.holder == Some(i as u8) {
            let mut t = s.clone();
            if spend(&mut t.left.kick) {
                t.group.holder = None;
                self.fault(who, "takes the partition without the instance's knowledge", t);
            }
        }
    }

    fn network(&mut self, s: &State) {
        if s.end < self.records {
            let mut t = s.clone();
            t.end += 1;
            self.put(Who::Log, "has another record", t);
        }
        if s.group.late.is_some() {
            let mut t = s.clone();
            t.group.offset = t.group.late.take();
            self.put(Who::Late, "a commit of the group's offset arrives", t);
        }
        let mut t = s.clone();
        if s.group.offset.is_some() && spend(&mut t.left.forget) {
            t.group.offset = None;
            self.fault(Who::Late, "Kafka forgets the group's offset", t);
        }
        let mut t = s.clone();
        // Where the standby server knows nothing of the partition, Kafka's offset counts alone.
        if s.standby.is_none() && s.left.failover > 0 && s.database.next.is_some() {
            t.standby = Some(s.database);
            self.fault(Who::Late, "the standby server has this, and falls behind", t);
        } else if let Some(standby) = s.standby.filter(|_| spend(&mut t.left.failover)) {
            t.database = standby;
            t.standby = None;
            for call in t.calls.iter_mut() {
                if let Some(gone) = call.take().filter(|call| call.heard) {
                    let p = &mut t.procs[usize::from(gone.proc)];
                    p.at = match gone.what {
                        What::Claim => At::Assigned,
                        What::Store { .. } => At::Unknown { refused: false },
                    };
                }
            }
            self.fault(Who::Late, "the standby server takes over", t);
        }
    }
}

fn add_rows(t: &mut State, first: u8, new: u8) {
    for record in first..new {
        t.database.rows[usize::from(record)] += 1;
    }
}

/// The writer goes on behind its batch.
fn stored(p: &mut Proc) {
    p.next += p.size;
    p.size = 0;
    p.expected = Some(p.next);
    p.commit_due = true;
    p.at = At::Run;
}
