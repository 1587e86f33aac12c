//! The steps that are possible in a state: those of the instances, of the brokers, of the group, and the
//! faults that the budget still allows.

use super::rules::{Rules, Unknown};
use super::state::*;
use crate::steps::spend;

/// Who takes a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who {
    Instance(usize),
    /// The brokers, about a request whose sender waits.
    Brokers(usize),
    /// The brokers, writing the markers of a transaction.
    Markers,
    Group(usize),
    /// A request whose sender does not wait, or a late commit.
    Late,
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
    pub procs: usize,
    pub steps: Vec<Step>,
}

impl World<'_> {
    pub fn of(&mut self, s: &State) {
        for i in 0..self.procs {
            self.instance(s, i);
            self.faults(s, i);
            self.group(s, i);
        }
        for index in 0..CALLS {
            if let Some(call) = s.calls[index] {
                self.brokers(s, index, call);
            }
        }
        self.markers(s);
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
        if p.at != At::Idle && s.holder != Some(i as u8) {
            let mut t = s.clone();
            t.hang_up(i);
            t.procs[i] = IDLE;
            self.put(me, "learns that it has lost the partition", t);
        }
        if p.commit_due {
            let mut t = s.clone();
            t.procs[i].commit_due = false;
            let mut late = t.clone();
            t.brokers.next = p.next;
            self.put(me, "commits the group's offset outside of a transaction", t);
            if late.late.is_none() && spend(&mut late.left.delay) {
                late.late = Some(p.next);
                self.fault(me, "commits the group's offset, the request is late", late);
            }
        }
        match p.at {
            At::Idle | At::Waits => {}
            At::Assigned if !self.rules.epoch_before_read && !p.knows => {
                let mut t = s.clone();
                (t.procs[i].next, t.procs[i].knows) = (s.brokers.next, true);
                self.put(me, "reads the offset first", t);
            }
            At::Assigned => self.ask(s, i, What::Init, "takes a new epoch"),
            At::Reads => self.reads(s, i),
            At::Run => {
                for size in (1..=2).filter(|size| usize::from(p.next + size) <= RECORDS) {
                    let mut t = s.clone();
                    t.procs[i].size = size;
                    let rows = What::Rows { first: p.next, new: p.next + size };
                    self.ask(&t, i, rows, "writes the rows of a batch");
                }
            }
            At::Delivered if self.rules.one_transaction => {
                self.ask(s, i, What::Offset { new: p.next + p.size }, "adds the offset");
            }
            At::Delivered => self.ask(s, i, What::Commit, "commits the rows alone"),
            At::RowsStored => {
                self.ask(s, i, What::Offset { new: p.next + p.size }, "begins with the offset");
            }
            At::Ready => self.ask(s, i, What::Commit, "commits"),
        }
    }

    fn ask(&mut self, s: &State, i: usize, what: What, words: &'static str) {
        let mut t = s.clone();
        let epoch = t.procs[i].epoch;
        t.procs[i].at = At::Waits;
        if t.send(Call { proc: i as u8, heard: true, epoch, what }) {
            self.put(Who::Instance(i), words, t);
        }
    }

    fn reads(&mut self, s: &State, i: usize) {
        let me = Who::Instance(i);
        if self.rules.stable_read && s.brokers.open.is_some_and(|open| open.committing) {
            return;
        }
        let (p, next) = (s.procs[i], s.brokers.next);
        let mut t = s.clone();
        t.procs[i].at = At::Run;
        if !p.knows {
            (t.procs[i].next, t.procs[i].knows) = (next, true);
            self.put(me, "reads the offset", t);
        } else if p.size > 0 && next == p.next + p.size {
            self.stored(&mut t.procs[i]);
            self.put(me, "reads that the batch is stored", t);
        } else if next == p.next {
            t.procs[i].size = 0;
            self.put(me, "reads that nothing has changed", t);
        } else {
            leave(&mut t, i);
            self.put(me, "reads an offset of another owner, and leaves the group", t);
        }
    }

    /// The writer goes on behind its batch.
    fn stored(&self, p: &mut Proc) {
        p.next += p.size;
        p.size = 0;
        p.commit_due = !self.rules.no_plain_commit;
        p.at = At::Run;
        if p.copies && self.rules.new_epoch_after_copies {
            p.at = At::Assigned;
        }
    }

    /// The producer cannot be used any more.
    fn anew(&self, p: &mut Proc) {
        p.at = At::Assigned;
        match self.rules.unknown {
            Unknown::ReadAgain => {}
            Unknown::AssumeStored => {
                p.next += p.size;
                p.size = 0;
            }
            Unknown::AssumeLost => p.size = 0,
        }
    }

    fn faults(&mut self, s: &State, i: usize) {
        let me = Who::Instance(i);
        if s.procs[i].at == At::Idle {
            return;
        }
        let mut t = s.clone();
        if spend(&mut t.left.crash) {
            t.hang_up(i);
            t.procs[i] = IDLE;
            if t.holder == Some(i as u8) {
                t.holder = None;
            }
            self.fault(me, "crashes, a new process starts", t);
        }
        if s.procs[i].at != At::Waits {
            return;
        }
        let mut t = s.clone();
        if spend(&mut t.left.fail) {
            t.hang_up(i);
            self.anew(&mut t.procs[i]);
            self.fault(me, "loses its producer", t);
        }
        let waiting = s.calls.iter().flatten().find(|call| {
            call.heard
                && usize::from(call.proc) == i
                && matches!(call.what, What::Offset { .. } | What::Commit)
        });
        let mut t = s.clone();
        if let Some(call) = waiting
            && spend(&mut t.left.copy)
            && t.send(Call { heard: false, ..*call })
        {
            t.procs[i].copies = true;
            self.fault(me, "sends its request a second time", t);
        }
    }

    // ----------------------------------------------------------------------------- the brokers

    fn brokers(&mut self, s: &State, index: usize, call: Call) {
        let i = usize::from(call.proc);
        let who = if call.heard { Who::Brokers(i) } else { Who::Late };
        let is_committing = s.brokers.open.is_some_and(|open| open.committing);
        if is_committing {
            // Refused for the time being, and sent again.
            return;
        }
        let mut t = s.clone();
        t.remove(index);
        if call.what == What::Init {
            t.brokers.epoch += 1;
            if self.rules.abort_on_new_epoch {
                t.brokers.open = None;
            }
            if call.heard {
                let p = &mut t.procs[i];
                (p.epoch, p.copies) = (t.brokers.epoch, false);
                let is_known = p.knows
                    && (!self.rules.epoch_before_read || self.rules.unknown != Unknown::ReadAgain);
                p.at = if is_known { At::Run } else { At::Reads };
            }
            return self.put(who, "give a new epoch", t);
        }
        if self.rules.fence && call.epoch != s.brokers.epoch {
            if call.heard {
                leave(&mut t, i);
            }
            return self.put(who, "refuse a request of an old epoch", t);
        }
        let done = match call.what {
            What::Init | What::Rows { .. } => At::Delivered,
            What::Offset { .. } => At::Ready,
            What::Commit => At::Run,
        };
        match call.what {
            What::Init => {}
            What::Rows { first, new } => {
                let open = t.brokers.open.get_or_insert_default();
                (first..new).for_each(|record| open.rows[usize::from(record)] += 1);
            }
            What::Offset { new } => t.brokers.open.get_or_insert_default().next = Some(new),
            What::Commit => {
                if let Some(open) = &mut t.brokers.open {
                    open.committing = true;
                }
            }
        }
        if call.heard {
            let was_alone = !self.rules.one_transaction
                && s.brokers.open.is_some_and(|open| open.next.is_none());
            let p = &mut t.procs[i];
            match call.what {
                What::Commit if was_alone => p.at = At::RowsStored,
                What::Commit => self.stored(p),
                _ => p.at = done,
            }
        }
        self.put(who, "carry a request out", t);
    }

    fn markers(&mut self, s: &State) {
        let Some(open) = s.brokers.open else { return };
        let mut t = s.clone();
        t.brokers.open = None;
        if open.committing {
            for (rows, more) in t.brokers.rows.iter_mut().zip(open.rows) {
                *rows += more;
            }
            t.brokers.next = open.next.unwrap_or(t.brokers.next);
            return self.put(Who::Markers, "write the markers of a transaction", t);
        }
        if spend(&mut t.left.timeout) {
            t.brokers.epoch += 1;
            self.fault(Who::Markers, "abort a transaction that takes too long", t);
        }
    }

    // ------------------------------------------------------------------------------- the group

    fn group(&mut self, s: &State, i: usize) {
        let who = Who::Group(i);
        if s.holder.is_none() && s.procs[i].at == At::Idle {
            let mut t = s.clone();
            t.holder = Some(i as u8);
            t.procs[i].at = At::Assigned;
            self.put(who, "assigns the partition", t);
        }
        if s.holder == Some(i as u8) {
            let mut t = s.clone();
            if spend(&mut t.left.kick) {
                t.holder = None;
                self.fault(who, "takes the partition without the instance's knowledge", t);
            }
        }
        if let (0, Some(late)) = (i, s.late) {
            let mut t = s.clone();
            (t.brokers.next, t.late) = (late, None);
            self.put(Who::Late, "a plain commit arrives", t);
        }
    }
}

fn leave(t: &mut State, i: usize) {
    t.procs[i] = IDLE;
    if t.holder == Some(i as u8) {
        t.holder = None;
    }
}
