//! Reads the body of a request, within its limits.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use bytes::BytesMut;
use http_body::Body as _;
use http_body_util::BodyExt;

use super::room::{Full, Reservation, Room};

/// Why a body was not read.
#[derive(Debug, thiserror::Error)]
pub(super) enum BodyError {
    #[error("the body has more than {0} bytes")]
    TooLarge(usize),
    #[error("too many bytes wait for the broker")]
    Full,
    #[error("the body did not arrive within {} ms", .0.as_millis())]
    TooSlow(Duration),
    #[error("the body broke off")]
    Broken(#[source] axum::Error),
}

impl From<Full> for BodyError {
    fn from(_: Full) -> Self {
        Self::Full
    }
}

/// The body, and the room that it takes.
pub(super) async fn read(
    body: Body,
    most: usize,
    room: &Arc<Room>,
    within: Duration,
) -> Result<(Bytes, Reservation), BodyError> {
    let mut reservation = room.enter();
    let bytes = collect(body, most, &mut reservation);
    match tokio::time::timeout(within, bytes).await {
        Ok(bytes) => Ok((bytes?, reservation)),
        Err(_) => Err(BodyError::TooSlow(within)),
    }
}

async fn collect(
    mut body: Body,
    most: usize,
    reservation: &mut Reservation,
) -> Result<Bytes, BodyError> {
    let declared =
        body.size_hint().exact().map_or(0, |bytes| usize::try_from(bytes).unwrap_or(most + 1));
    if declared > most {
        return Err(BodyError::TooLarge(most));
    }
    // Before the first byte is asked for, so that a client that waits for `100 Continue` sends none.
    reservation.grow(declared)?;
    let mut reserved = declared;
    let mut first = Bytes::new();
    let mut all = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(BodyError::Broken)?.into_data() else { continue };
        let total = first.len() + all.len() + data.len();
        if total > most {
            return Err(BodyError::TooLarge(most));
        }
        if total > reserved {
            reservation.grow(total - reserved)?;
            reserved = total;
        }
        if first.is_empty() && all.is_empty() {
            first = data;
            continue;
        }
        if !first.is_empty() {
            all.reserve(declared.max(total));
            all.extend_from_slice(&std::mem::take(&mut first));
        }
        all.extend_from_slice(&data);
    }
    Ok(if all.is_empty() { first } else { all.freeze() })
}
