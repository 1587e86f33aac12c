//! The steps that are possible in a state: those of the program, of librdkafka, of the broker and
//! of the network, and the faults that the budget still allows.

use super::rules::{Kind, Rules};
use super::state::*;

/// One step, with its description for the trace.
#[derive(Debug, Clone)]
pub struct Step {
    pub who: &'static str,
    pub proc: usize,
    pub what: &'static str,
    pub fault: bool,
    pub after: Box<State>,
}

pub struct World<'a> {
    pub rules: &'a Rules,
    pub records: &'a [Kind],
    pub procs: usize,
    /// Whether BigQuery refuses to flush a finalized stream; Google does not document it.
    pub finalized_refuses_flush: bool,
    pub cooperative: bool,
    pub steps: Vec<Step>,
}

pub fn spend(left: &mut u8) -> bool {
    let some = *left > 0;
    *left = left.saturating_sub(1);
    some
}

impl World<'_> {
    fn put(&mut self, who: &'static str, proc: usize, what: &'static str, after: State) {
        self.steps.push(Step { who, proc, what, fault: false, after: Box::new(after) });
    }

    fn fault(&mut self, who: &'static str, proc: usize, what: &'static str, after: State) {
        self.steps.push(Step { who, proc, what, fault: true, after: Box::new(after) });
    }

    pub fn of(&mut self, s: &State) {
        self.steps.clear();
        for i in 0..self.procs {
            self.consumer(s, i);
            self.client(s, i);
        }
        self.group(s);
        self.network(s);
        self.steps.retain(|step| *step.after != *s);
    }

    // ------------------------------------------------------------------ the program

    fn consumer(&mut self, s: &State, i: usize) {
        match s.procs[i].at {
            At::Down => self.open_session(s, i),
            At::Idle | At::Stopped => {}
            At::Read => self.read(s, i),
            At::Reflush => self.reflush(s, i),
            At::Run => self.run(s, i),
            At::Queued => self.send_offsets(s, i),
            At::Sent => self.end(s, i),
        }
    }

    fn open_session(&mut self, s: &State, i: usize) {
        let mut t = s.clone();
        let txn = &mut t.broker.txn[s.procs[i].txn as usize];
        txn.epoch += 1;
        (txn.open, txn.pending) = (false, None);
        t.procs[i].epoch = t.broker.txn[s.procs[i].txn as usize].epoch;
        t.procs[i].at = At::Idle;
        self.put("consumer", i, "initialises transactions", t);
    }

    fn read(&mut self, s: &State, i: usize) {
        if self.rules.stable_read && s.broker.txn.iter().any(|txn| txn.pending.is_some()) {
            return;
        }
        let mut t = s.clone();
        if self.rules.read_after_assign {
            t.procs[i].read = s.broker.committed;
        }
        t.procs[i].at = At::Reflush;
        self.put("consumer", i, "reads the committed offset", t);
    }

    fn reflush(&mut self, s: &State, i: usize) {
        let read = s.procs[i].read;
        let mut t = s.clone();
        let p = &mut t.procs[i];
        p.at = At::Run;
        p.next = read.offset;
        p.done = read;
        p.flush_due = false;
        (p.stream, p.rows) =
            if self.rules.fresh_stream { (NONE, 0) } else { (read.stream, read.rows) };
        if !self.rules.flush_on_assign || read.stream == NONE {
            return self.put("consumer", i, "resumes without a flush", t);
        }
        if !self.flush_at(&mut t, read.stream, read.rows) {
            t.procs[i].at = At::Stopped;
            return self.put("consumer", i, "cannot flush the promised rows, stops", t);
        }
        if !self.rules.finalize_when_uncovered {
            t.streams[read.stream as usize].finalized = true;
        }
        let mut lost = s.clone();
        self.flush_at(&mut lost, read.stream, read.rows);
        if spend(&mut lost.left.lost) {
            self.fault("consumer", i, "repeats the flush, the response is lost", lost);
        }
        self.put("consumer", i, "repeats the flush and resumes", t);
    }

    fn run(&mut self, s: &State, i: usize) {
        let p = s.procs[i];
        if (p.next as usize) < self.records.len() {
            let sizes = if p.resend > 0 { p.resend..=p.resend } else { 1..=2 };
            for size in sizes.filter(|size| (p.next + size) as usize <= self.records.len()) {
                self.append(s, i, size);
            }
        }
        if p.letters_due != 0 {
            let mut t = s.clone();
            t.letters |= p.letters_due;
            t.procs[i].letters_due = 0;
            self.put("consumer", i, "writes its dead letters", t);
        }
        if p.flush_due {
            self.flush(s, i);
        }
        if !self.rules.flush_committed_only && p.stream != NONE && p.rows > 0 {
            let mut t = s.clone();
            self.flush_at(&mut t, p.stream, p.rows);
            self.put("consumer", i, "flushes all acknowledged rows", t);
        }
        let unanswered = p.resend > 0 && self.rules.wait_for_append;
        if p.next > p.done.offset && !p.flush_due && !unanswered {
            self.begin_commit(s, i);
        }
    }

    fn append(&mut self, s: &State, i: usize, size: u8) {
        let p = s.procs[i];
        let range = p.next..p.next + size;
        let kind = |record: u8| self.records[record as usize];
        let rows: Vec<u8> = range
            .clone()
            .filter(|r| kind(*r) == Kind::Row || (kind(*r) == Kind::Bad && p.bad & (1 << r) == 0))
            .collect();
        let mut t = s.clone();
        let letters = range.filter(|r| kind(*r) == Kind::Rejected).fold(0, |mask, r| mask | 1 << r);
        if self.rules.letters_first {
            t.letters |= letters;
        } else {
            t.procs[i].letters_due |= letters;
        }
        if rows.is_empty() {
            t.procs[i].next += size;
            t.procs[i].resend = 0;
            return self.put("consumer", i, "passes over records without a row", t);
        }
        if p.stream == NONE {
            let Some(free) = t.streams.iter().position(|stream| !stream.exists) else { return };
            t.streams[free].exists = true;
            (t.procs[i].stream, t.procs[i].rows) = (free as u8, 0);
            return self.put("consumer", i, "creates a stream", t);
        }
        if rows.iter().any(|r| kind(*r) == Kind::Bad) {
            self.row_errors(&t, i, &rows);
            // A copy of the refused request may still arrive late: see below.
        } else {
            self.append_rows(&t, i, size, &rows);
        }
        // The next append may be sent before this one is answered, and be delayed.
        let behind = p.next + size;
        if (behind as usize) < self.records.len() && kind(behind) == Kind::Row && p.resend == 0 {
            let at = p.rows + rows.len() as u8;
            let mut ahead = s.clone();
            let message = Message::Append { stream: p.stream, at, first: behind, count: 1 };
            if spend(&mut ahead.left.delay) && ahead.send(message) {
                self.fault("consumer", i, "sends the next append early, it is late", ahead);
            }
        }
        let mut late = s.clone();
        let copy = Message::Append { stream: p.stream, at: p.rows, first: p.next, count: size };
        if spend(&mut late.left.delay) && late.send(copy) {
            late.procs[i].resend = size;
            if !self.rules.wait_for_append {
                late.procs[i].resend = 0;
                late.procs[i].next += size;
                late.procs[i].rows += rows.len() as u8;
            }
            self.fault("consumer", i, "appends, the request is late", late);
        }
    }

    fn append_rows(&mut self, s: &State, i: usize, size: u8, rows: &[u8]) {
        let p = s.procs[i];
        let mut t = s.clone();
        let stream = &mut t.streams[p.stream as usize];
        let count = rows.len() as u8;
        let written = !stream.finalized && stream.len == p.rows;
        let exists = stream.len > p.rows;
        if written {
            for row in rows {
                if stream.len as usize == ROWS {
                    return;
                }
                stream.rows[stream.len as usize] = *row;
                stream.len += 1;
            }
        }
        let same = p.resend > 0 || !self.rules.exists_only_same;
        if written || (exists && same) {
            let mut lost = t.clone();
            let q = &mut t.procs[i];
            q.next += size;
            q.rows += count;
            q.resend = 0;
            self.put("consumer", i, "appends", t);
            if spend(&mut lost.left.lost) {
                lost.procs[i].resend = size;
                self.fault("consumer", i, "appends, the response is lost", lost);
            }
        } else {
            // Unacknowledged rows are not visible, so they may be appended to a new stream.
            self.leave_stream(&mut t, i);
            self.put("consumer", i, "leaves a stream that refuses the append", t);
        }
    }

    fn row_errors(&mut self, s: &State, i: usize, rows: &[u8]) {
        let mut t = s.clone();
        for row in rows.iter().filter(|row| self.records[**row as usize] == Kind::Bad) {
            t.procs[i].bad |= 1 << row;
            t.letters |= 1 << row;
        }
        t.procs[i].resend = 0;
        if self.rules.fresh_on_row_errors {
            self.leave_stream(&mut t, i);
        }
        self.put("consumer", i, "row_errors: the bad row becomes a dead letter", t);
    }

    /// The next append creates a new stream. The rows acknowledged on this one are committed later.
    fn leave_stream(&self, t: &mut State, i: usize) {
        let p = &mut t.procs[i];
        if p.rows > 0 && p.next > p.done.offset {
            p.before = Commit { offset: p.next, stream: p.stream, rows: p.rows };
        }
        (p.stream, p.rows, p.resend) = (NONE, 0, 0);
    }

    fn begin_commit(&mut self, s: &State, i: usize) {
        let p = s.procs[i];
        let mut t = s.clone();
        let here = Commit {
            offset: p.next,
            stream: if p.rows > 0 { p.stream } else { NONE },
            rows: p.rows,
        };
        let earlier_stream = p.before.offset > p.done.offset;
        t.procs[i].wanted =
            if earlier_stream && self.rules.flush_before_switch { p.before } else { here };
        if !self.rules.commit_before_flush && p.stream != NONE && p.rows > 0 {
            self.flush_at(&mut t, p.stream, p.rows);
        }
        if self.rules.captured_membership {
            self.send_offsets(&t, i);
        } else {
            t.procs[i].at = At::Queued;
            self.put("consumer", i, "queues a commit", t);
        }
    }

    /// Sends a TxnOffsetCommit with librdkafka's current member id and generation.
    fn send_offsets(&mut self, s: &State, i: usize) {
        let p = s.procs[i];
        if p.lost && self.rules.lost_check && self.rules.captured_membership {
            return;
        }
        let message = Message::Offsets {
            txn: p.txn,
            epoch: p.epoch,
            proc: i as u8,
            member: p.member,
            generation: p.generation,
            commit: p.wanted,
        };
        let mut t = s.clone();
        if self.take_offsets(&mut t, message, true) {
            let mut lost = t.clone();
            t.procs[i].at = At::Sent;
            let mut twice = t.clone();
            self.put("consumer", i, "sends offsets to the transaction", t);
            if spend(&mut twice.left.delay) && twice.send(message) {
                twice.procs[i].sent_twice = true;
                self.fault("consumer", i, "sends offsets twice, the first copy is late", twice);
            }
            if spend(&mut lost.left.lost) {
                self.doubt(&mut lost, i);
                self.fault("consumer", i, "sends offsets, the response is lost", lost);
            }
        } else {
            self.doubt(&mut t, i);
            self.put("consumer", i, "sends offsets, refused", t);
        }
        let mut late = s.clone();
        if spend(&mut late.left.delay) && late.send(message) {
            late.broker.txn[p.txn as usize].open = true;
            self.doubt(&mut late, i);
            self.fault("consumer", i, "sends offsets, the request is late", late);
        }
    }

    fn end(&mut self, s: &State, i: usize) {
        let p = s.procs[i];
        let message = Message::End { txn: p.txn, epoch: p.epoch };
        let mut t = s.clone();
        if self.take_end(&mut t, message) {
            let mut lost = t.clone();
            let mut twice = t.clone();
            self.committed(&mut t, i);
            self.put("consumer", i, "ends the transaction: committed", t);
            if spend(&mut twice.left.delay) && twice.send(message) {
                twice.procs[i].sent_twice = true;
                self.committed(&mut twice, i);
                self.fault("consumer", i, "sends EndTxn twice, one copy is late", twice);
            }
            if spend(&mut lost.left.lost) {
                self.doubt(&mut lost, i);
                self.fault("consumer", i, "ends the transaction, the response is lost", lost);
            }
        } else {
            self.doubt(&mut t, i);
            self.put("consumer", i, "ends the transaction, refused", t);
        }
        let mut late = s.clone();
        if spend(&mut late.left.delay) && late.send(message) {
            self.doubt(&mut late, i);
            self.fault("consumer", i, "ends the transaction, the request is late", late);
        }
    }

    fn committed(&self, t: &mut State, i: usize) {
        if t.procs[i].sent_twice && self.rules.doubt_when_sent_twice {
            return self.doubt(t, i);
        }
        let p = &mut t.procs[i];
        p.at = At::Run;
        p.done = p.wanted;
        p.flush_due = p.wanted.stream != NONE;
        p.sent_twice = false;
    }

    /// Handles a commit that was refused or not answered.
    fn doubt(&self, t: &mut State, i: usize) {
        let p = t.procs[i];
        if self.rules.end_session_in_doubt {
            t.procs[i] = Proc { txn: p.txn, ..FRESH };
            if !self.rules.same_transactional_id {
                self.new_transactional_id(t, i);
            }
        } else {
            t.procs[i].at = At::Run;
        }
    }

    fn new_transactional_id(&self, t: &mut State, i: usize) {
        if (t.broker.next_txn as usize) < TXNS {
            t.procs[i].txn = t.broker.next_txn;
            t.broker.next_txn += 1;
        }
    }

    fn flush(&mut self, s: &State, i: usize) {
        let done = s.procs[i].done;
        let mut t = s.clone();
        if self.flush_at(&mut t, done.stream, done.rows) {
            let mut lost = t.clone();
            t.procs[i].flush_due = false;
            self.put("consumer", i, "flushes", t);
            if spend(&mut lost.left.lost) {
                self.fault("consumer", i, "flushes, the response is lost", lost);
            }
        } else {
            t.procs[i].at = At::Stopped;
            self.put("consumer", i, "cannot flush, stops", t);
        }
        let mut late = s.clone();
        let message = Message::Flush { stream: done.stream, rows: done.rows };
        if spend(&mut late.left.delay) && late.send(message) {
            self.fault("consumer", i, "flushes, the request is late", late);
        }
    }

    fn flush_at(&self, t: &mut State, stream: u8, rows: u8) -> bool {
        let stream = &mut t.streams[stream as usize];
        if stream.finalized && self.finalized_refuses_flush {
            return false;
        }
        stream.flushed = stream.flushed.max(rows.min(stream.len));
        true
    }

    // ------------------------------------------------------------------ librdkafka

    fn client(&mut self, s: &State, i: usize) {
        let p = s.procs[i];
        // The thread that commits also serves the callbacks, so none is served during a commit.
        let serves = !matches!(p.at, At::Sent) && p.at != At::Down;
        let known = s.broker.member[i] == p.member;
        if p.at == At::Idle && p.member == 0 {
            let mut t = s.clone();
            t.broker.member[i] = s.broker.next_member;
            t.procs[i].member = s.broker.next_member;
            t.broker.next_member += 1;
            t.broker.preparing = true;
            if !self.rules.read_after_assign {
                t.procs[i].read = s.broker.committed;
            }
            self.put("client", i, "joins the group", t);
        }
        if p.member != 0 && !known && !p.lost && p.at != At::Down {
            let mut t = s.clone();
            t.procs[i].generation = -1;
            t.procs[i].member = 0;
            t.procs[i].lost = p.has;
            self.put("client", i, "learns that it was removed from the group", t);
        }
        if p.lost && serves {
            let mut t = s.clone();
            self.give_up(&mut t, i);
            t.procs[i].member = 0;
            self.put("client", i, "serves the callback of the lost assignment", t);
        }
        if p.revoke && serves && !p.lost {
            let mut t = s.clone();
            self.give_up(&mut t, i);
            t.broker.preparing = true;
            self.put("client", i, "serves the callback of the revocation", t);
        }
        if p.member != 0
            && known
            && p.generation != s.broker.generation
            && p.has
            && !s.broker.preparing
        {
            let mut t = s.clone();
            t.procs[i].generation = s.broker.generation;
            self.put("client", i, "gets its late JoinGroup response", t);
        }
        let mut crashed = s.clone();
        if p.at != At::Down && spend(&mut crashed.left.crash) {
            crashed.procs[i] = Proc { txn: p.txn, ..FRESH };
            self.new_transactional_id(&mut crashed, i);
            self.fault("client", i, "crashes, a new process starts", crashed);
        }
        let mut gone = s.clone();
        if p.at == At::Run && known && !p.flush_due && spend(&mut gone.left.leave) {
            gone.broker.member[i] = 0;
            gone.broker.preparing = true;
            gone.procs[i] = Proc { txn: p.txn, ..FRESH };
            self.fault("client", i, "shuts down and starts again", gone);
        }
    }

    fn give_up(&self, t: &mut State, i: usize) {
        let p = t.procs[i];
        // A queued commit stays queued after the callback, and may be sent with a later generation.
        let at = if p.at == At::Queued { At::Queued } else { At::Idle };
        t.procs[i] = Proc {
            member: p.member,
            generation: p.generation,
            txn: p.txn,
            epoch: p.epoch,
            wanted: p.wanted,
            at,
            read: if self.rules.read_after_assign { NOTHING } else { p.read },
            ..FRESH
        };
    }

    // ------------------------------------------------------------------ the group

    fn group(&mut self, s: &State) {
        for i in 0..self.procs {
            if s.broker.member[i] == 0 {
                continue;
            }
            let mut t = s.clone();
            t.broker.member[i] = 0;
            t.broker.preparing = true;
            if s.procs[i].member != s.broker.member[i] {
                self.put("broker", i, "times out a member that has gone", t);
            } else if spend(&mut t.left.kick) {
                self.fault("broker", i, "removes a member without its knowledge", t);
            }
        }
        for (index, txn) in s.broker.txn.iter().enumerate().filter(|(_, txn)| txn.open) {
            let owner = (0..self.procs).find(|i| s.procs[*i].txn as usize == index);
            let mut t = s.clone();
            t.broker.txn[index] = Txn { epoch: txn.epoch + 1, open: false, pending: None };
            match owner.filter(|i| s.procs[*i].at == At::Sent) {
                Some(i) if spend(&mut t.left.txn_timeout) => {
                    self.fault("broker", i, "times out a transaction in use", t);
                }
                Some(_) => {}
                // No consumer is about to end it; a delayed request may still arrive first.
                None => self.put("broker", PROCS, "times out an abandoned transaction", t),
            }
        }
        if !s.broker.preparing {
            let mut t = s.clone();
            if s.broker.member.iter().any(|member| *member != 0) && spend(&mut t.left.rebalance) {
                t.broker.preparing = true;
                self.fault("broker", PROCS, "starts a rebalance", t);
            }
            return;
        }
        let members: Vec<usize> = (0..self.procs).filter(|i| s.broker.member[*i] != 0).collect();
        let ready = |i: &usize| {
            let p = s.procs[*i];
            p.member == s.broker.member[*i] && !p.revoke && !p.lost && (self.cooperative || !p.has)
        };
        if members.is_empty() {
            let mut t = s.clone();
            t.broker.preparing = false;
            return self.put("broker", PROCS, "the group is empty", t);
        }
        if !members.iter().all(ready) {
            // Eager members release the partition before they join again.
            let eager = if self.cooperative { &[][..] } else { &members[..] };
            for i in eager {
                let p = s.procs[*i];
                if p.has && !p.revoke && p.member == s.broker.member[*i] {
                    let mut t = s.clone();
                    t.procs[*i].revoke = true;
                    self.put("broker", *i, "asks an eager member to release the partition", t);
                }
            }
            return;
        }
        let mut t = s.clone();
        t.broker.preparing = false;
        t.broker.generation += 1;
        for i in &members {
            t.procs[*i].generation = t.broker.generation;
        }
        match members.iter().find(|i| s.procs[**i].has) {
            Some(holder) => {
                let mut late = t.clone();
                if spend(&mut late.left.late_join) {
                    late.procs[*holder].generation = s.procs[*holder].generation;
                    self.fault(
                        "broker",
                        *holder,
                        "completes: the owner keeps the partition, its JoinGroup response is late",
                        late,
                    );
                }
                if members.len() > 1 {
                    let mut moved = t.clone();
                    moved.procs[*holder].revoke = true;
                    if spend(&mut moved.left.rebalance) {
                        self.fault("broker", *holder, "completes: the owner must release", moved);
                    }
                }
                self.put("broker", *holder, "completes: the owner keeps the partition", t);
            }
            None => {
                for i in members {
                    let mut given = t.clone();
                    if given.procs[i].at == At::Idle {
                        given.procs[i].has = true;
                        given.procs[i].at = At::Read;
                        self.put("broker", i, "completes: assigns the partition", given);
                    } else if given.procs[i].at == At::Queued {
                        given.procs[i].has = true;
                        self.put("broker", i, "completes: assigns the partition", given);
                    }
                }
            }
        }
    }

    // ------------------------------------------------------------------ requests at the broker

    fn take_offsets(&self, t: &mut State, message: Message, on_time: bool) -> bool {
        let Message::Offsets { txn, epoch, proc, member, generation, commit } = message else {
            return false;
        };
        let state = &mut t.broker.txn[txn as usize];
        // An old epoch is refused, and so is a late request without an open transaction.
        if state.epoch != epoch || (!on_time && !state.open) {
            return false;
        }
        let empty = t.broker.member.iter().all(|member| *member == 0);
        let unchecked = empty && generation < 0;
        let checked = member != 0
            && t.broker.member[proc as usize] == member
            && t.broker.generation == generation;
        if !unchecked && !checked {
            return false;
        }
        state.open = true;
        state.pending = Some(commit);
        true
    }

    fn take_end(&self, t: &mut State, message: Message) -> bool {
        let Message::End { txn, epoch } = message else { return false };
        let state = &mut t.broker.txn[txn as usize];
        // Ending a transaction that has already ended succeeds.
        if state.epoch != epoch {
            return false;
        }
        state.open = false;
        if let Some(commit) = state.pending.take() {
            t.broker.committed = commit;
            t.broker.highest = t.broker.highest.max(commit.offset);
        }
        true
    }

    fn network(&mut self, s: &State) {
        for slot in 0..NET {
            let Some(message) = s.net[slot] else { continue };
            let mut t = s.clone();
            t.net[slot] = None;
            match message {
                Message::Append { stream, at, first, count } => {
                    let rows: Vec<u8> = (first..first + count)
                        .filter(|r| matches!(self.records[*r as usize], Kind::Row | Kind::Bad))
                        .collect();
                    let target = &mut t.streams[stream as usize];
                    let good = rows.iter().all(|r| self.records[*r as usize] == Kind::Row);
                    let room = target.len as usize + rows.len() <= ROWS;
                    if good && room && target.exists && !target.finalized && target.len == at {
                        for row in rows {
                            target.rows[target.len as usize] = row;
                            target.len += 1;
                        }
                    }
                    self.put("network", PROCS, "a late append arrives", t);
                }
                Message::Offsets { .. } => {
                    self.take_offsets(&mut t, message, false);
                    self.put("network", PROCS, "late offsets arrive", t);
                }
                Message::End { .. } => {
                    self.take_end(&mut t, message);
                    self.put("network", PROCS, "a late end of a transaction arrives", t);
                }
                Message::Flush { stream, rows } => {
                    self.flush_at(&mut t, stream, rows);
                    self.put("network", PROCS, "a late flush arrives", t);
                }
            }
        }
    }
}
