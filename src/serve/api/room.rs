//! The memory that requests may take: bytes that were read and that the broker has not acknowledged.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use prometheus_client::metrics::gauge::Gauge;

/// Bytes that a record takes in librdkafka besides its key, value and headers, about.
pub(super) const PER_EVENT: usize = 256;

/// Counts bytes up to a limit.
#[derive(Debug)]
pub(super) struct Room {
    used: AtomicUsize,
    limit: usize,
    gauge: Gauge,
}

/// There are not so many bytes left.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Full;

/// Bytes that are counted as long as this lives.
#[derive(Debug)]
pub(super) struct Reservation {
    room: Arc<Room>,
    bytes: usize,
}

impl Room {
    pub fn new(limit: usize, gauge: Gauge) -> Arc<Self> {
        Arc::new(Self { used: AtomicUsize::new(0), limit, gauge })
    }

    /// Reserves no bytes yet.
    pub fn enter(self: &Arc<Self>) -> Reservation {
        Reservation { room: self.clone(), bytes: 0 }
    }
}

impl Reservation {
    /// Reserves so many bytes more. A request that is alone always has room, however large it is.
    pub fn grow(&mut self, bytes: usize) -> Result<(), Full> {
        let (room, own) = (&self.room, self.bytes);
        let fits = |used: usize| {
            let then = used.saturating_add(bytes);
            (then <= room.limit || used == own).then_some(then)
        };
        room.used.fetch_update(Ordering::AcqRel, Ordering::Acquire, fits).map_err(|_| Full)?;
        self.bytes += bytes;
        room.gauge.inc_by(bytes as i64);
        Ok(())
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.room.used.fetch_sub(self.bytes, Ordering::AcqRel);
        self.room.gauge.dec_by(self.bytes as i64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_counted_up_to_the_limit() {
        let gauge = Gauge::default();
        let room = Room::new(100, gauge.clone());
        let (mut one, mut other) = (room.enter(), room.enter());
        assert_eq!(one.grow(60), Ok(()));
        assert_eq!(other.grow(41), Err(Full));
        assert_eq!(other.grow(40), Ok(()));
        assert_eq!((one.grow(1), gauge.get()), (Err(Full), 100));
        drop(other);
        assert_eq!(one.grow(40), Ok(()));
        drop(one);
        assert_eq!(gauge.get(), 0);
        let mut alone = room.enter();
        assert_eq!((alone.grow(60), alone.grow(60)), (Ok(()), Ok(())));
        assert_eq!(room.enter().grow(1), Err(Full));
    }
}
