//! A part of an upload: read from its request, and written.
//!
//! Bytes are synced to disk, then counted in the database, then acknowledged. A part without a checksum keeps what
//! arrived before its connection broke; of one with a checksum, all counts or nothing.

use super::{
    access::Caller,
    error::{ApiError, Kind},
    quota,
    state::AppState,
    tus::{self, Checksum},
};
use crate::{
    files::Partial,
    store::uploads::{self, UploadRow},
    types::UploadId,
};
use axum::{
    body::{Body, Bytes},
    http::{HeaderMap, HeaderName, header},
};
use futures_util::StreamExt;
use std::time::{Duration, Instant};

/// A connection that sends nothing for this long is taken for broken.
const IDLE: Duration = Duration::from_secs(30);
/// What a long part has brought is acknowledged this often.
const ACKNOWLEDGE: Duration = Duration::from_secs(5);
/// Bytes that an upload is granted ahead of those that came, where neither it nor the part says how many there will be.
const AHEAD: u64 = 4 << 20;

/// How long an upload is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Length {
    Known(u64),
    /// This part says it, for an upload that was begun without.
    Declared(u64),
    /// No part has said it yet. It comes to at most so many bytes.
    Open(u64),
}

impl Length {
    /// Bytes that the upload cannot go beyond.
    fn bound(self) -> u64 {
        match self {
            Self::Known(bytes) | Self::Declared(bytes) | Self::Open(bytes) => bytes,
        }
    }

    fn go_beyond(self) -> ApiError {
        let detail = match self {
            Self::Known(length) | Self::Declared(length) => {
                format!("the part goes beyond the upload's Upload-Length of {length} bytes")
            }
            Self::Open(most) => format!("an upload has at most {most} bytes here"),
        };
        ApiError::new(Kind::TooLarge, detail)
    }
}

/// Where a part is in its upload.
#[derive(Debug, Clone, Copy)]
struct Extent {
    offset: u64,
    length: Length,
    /// Bytes of the part, where its request says them.
    bytes: Option<u64>,
}

/// A part as its request describes it.
pub struct Part {
    extent: Extent,
    checksum: Option<Checksum>,
    body: Body,
}

impl Part {
    /// Reads the headers of a part that begins at `offset` of an upload.
    pub fn read(headers: &HeaderMap, offset: u64, length: Length, body: Body) -> Result<Self, ApiError> {
        let checked = || {
            let media_type = read_header(headers, &header::CONTENT_TYPE)?.unwrap_or_default();
            let essence = media_type.split(';').next().unwrap_or_default().trim();
            if !essence.eq_ignore_ascii_case(tus::PART) {
                let detail = format!("a part of an upload is {}, not `{media_type}`", tus::PART);
                return Err(ApiError::new(Kind::UnsupportedMediaType, detail));
            }
            let checksum = read_header(headers, &tus::UPLOAD_CHECKSUM)?.map(Checksum::parse).transpose();
            let checksum = checksum.map_err(|rule| wrong(&tus::UPLOAD_CHECKSUM, &rule))?;
            let bytes = read_header(headers, &header::CONTENT_LENGTH)?.and_then(|text| text.parse::<u64>().ok());
            // Where the offset is wrong too, that gets its own answer later.
            let bound = length.bound();
            if bytes.is_some_and(|bytes| offset <= bound && bytes > bound - offset) {
                return Err(length.go_beyond());
            }
            Ok((checksum, bytes))
        };
        let (checksum, bytes) = checked()?;
        Ok(Self { extent: Extent { offset, length, bytes }, checksum, body })
    }
}

/// What came of a part.
pub enum Taken {
    Whole(UploadRow),
    /// Nothing: the upload is not where the part begins.
    Elsewhere(UploadRow),
}

/// Writes a part, in a task of its own. A request is dropped when its connection breaks; the task goes on and keeps what has
/// arrived.
pub async fn write_part(state: AppState, caller: Caller, id: UploadId, part: Part) -> Result<Taken, ApiError> {
    let Extent { offset, .. } = part.extent;
    let (partial, row) = open_upload(&state, &caller, id, part.extent).await?;
    if row.received as u64 != offset {
        return Ok(Taken::Elsewhere(row));
    }
    let room = row.length as u64;
    let writer = Writer { state, caller, partial, acknowledged: offset, at: offset, room, row };
    tokio::spawn(writer.run(part)).await.map_err(|error| ApiError::internal(&error))?.map(Taken::Whole)
}

/// Opens the upload for a part, and grants what the part says that it needs; the row says how far the upload has come.
async fn open_upload(
    state: &AppState,
    caller: &Caller,
    id: UploadId,
    part: Extent,
) -> Result<(Partial, UploadRow), ApiError> {
    let partial = lock_upload(state, id).await?;
    let conn = &mut *state.connection().await?;
    let renewed = uploads::renew(conn, &caller.tenant, id, state.config.upload_expiry).await?;
    let row = renewed.ok_or_else(|| expired(id))?;
    if row.received as u64 != part.offset {
        return Ok((partial, row));
    }
    let row = match part.length {
        Length::Declared(length) => quota::set_upload_length(conn, caller, id, length).await?,
        // Granted at once, so that a part that is too large is refused before it has come.
        Length::Open(_) if let Some(bytes) = part.bytes => {
            let end = part.offset + bytes;
            let granted = quota::grant_upload(conn, caller, id, end, end).await?;
            Some(UploadRow { length: granted as i64, ..row })
        }
        Length::Known(_) | Length::Open(_) => Some(row),
    };
    let row = row.ok_or_else(|| ApiError::conflict(format!("{id} has another length, or has come further")))?;
    Ok((partial, row))
}

/// Why no more of a part comes.
enum Break {
    /// The client's doing.
    Broken(String),
    Refused(ApiError),
}

struct Writer {
    state: AppState,
    caller: Caller,
    partial: Partial,
    /// Bytes that are synced and counted.
    acknowledged: u64,
    /// Bytes in the file.
    at: u64,
    /// Bytes that there may be.
    room: u64,
    row: UploadRow,
}

impl Writer {
    async fn run(mut self, part: Part) -> Result<UploadRow, ApiError> {
        let taken = self.take(part).await;
        if !self.row.length_known {
            let settled = async { uploads::settle(&mut *self.state.store.acquire().await?, self.row.id).await };
            if let Err(error) = settled.await {
                tracing::warn!(%error, "an upload keeps what it was granted until its next part");
            }
        }
        taken.map(|()| self.row)
    }

    async fn take(&mut self, part: Part) -> Result<(), ApiError> {
        // The file of a whole upload may be an object already, and those are never written to.
        if self.row.is_complete() {
            return Ok(());
        }
        let Extent { offset, length, .. } = part.extent;
        self.partial.truncate(offset).await?;
        let checksum = part.checksum;
        let mut hasher = checksum.as_ref().map(Checksum::start_digest);
        let mut stream = part.body.into_data_stream();
        let mut last = Instant::now();
        let end = loop {
            let chunk = match tokio::time::timeout(IDLE, stream.next()).await {
                Ok(Some(Ok(chunk))) => chunk,
                Ok(None) => break Ok(()),
                Ok(Some(Err(error))) => break Err(Break::Broken(error.to_string())),
                Err(_) => break Err(Break::Broken(format!("nothing came for {} seconds", IDLE.as_secs()))),
            };
            if let Err(refused) = self.write(&chunk, length).await {
                break Err(Break::Refused(refused));
            }
            match &mut hasher {
                Some(hasher) => hasher.update(&chunk),
                None if last.elapsed() >= ACKNOWLEDGE => {
                    if let Err(refused) = self.acknowledge().await {
                        break Err(Break::Refused(refused));
                    }
                    last = Instant::now();
                }
                None => {}
            }
        };
        // Bytes that are not acknowledged stay in the file until the next part begins, which cuts them off.
        match (end, checksum.zip(hasher)) {
            (Err(Break::Refused(error)), _) => return Err(error),
            (Err(Break::Broken(reason)), Some(_)) => {
                return Err(ApiError::bad_request(format!("the part broke off ({reason}); nothing of it was kept")));
            }
            (Err(Break::Broken(reason)), None) => {
                self.acknowledge().await?;
                let kept = self.at - offset;
                let detail = format!("the part broke off ({reason}); {kept} bytes of it were kept");
                return Err(ApiError::bad_request(detail));
            }
            (Ok(()), Some((checksum, hasher))) => {
                if !checksum.matches(hasher) {
                    let detail = "the part does not have the digest in Upload-Checksum, and nothing of it was kept";
                    return Err(ApiError::new(Kind::ChecksumMismatch, detail));
                }
            }
            (Ok(()), None) => {}
        }
        self.acknowledge().await
    }

    async fn write(&mut self, chunk: &Bytes, length: Length) -> Result<(), ApiError> {
        let end = self.at + chunk.len() as u64;
        if end > length.bound() {
            return Err(length.go_beyond());
        }
        if end > self.room {
            let conn = &mut *self.state.connection().await?;
            let at_best = (end + AHEAD).min(length.bound());
            self.room = quota::grant_upload(conn, &self.caller, self.row.id, end, at_best).await?;
        }
        self.partial.write(chunk).await?;
        self.at = end;
        Ok(())
    }

    /// Makes what was written durable, then counts it.
    async fn acknowledge(&mut self) -> Result<(), ApiError> {
        self.partial.sync().await?;
        let conn = &mut *self.state.connection().await?;
        let expiry = self.state.config.upload_expiry;
        let counted = uploads::advance(conn, self.row.id, self.acknowledged, self.at, expiry).await?;
        self.row = counted.ok_or_else(|| expired(self.row.id))?;
        metrics::counter!("autodenoise_upload_bytes_total").increment(self.at - self.acknowledged);
        self.acknowledged = self.at;
        Ok(())
    }
}

pub fn expired(id: UploadId) -> ApiError {
    ApiError::new(Kind::Expired, format!("{id} has expired; begin another"))
}

/// Opens the upload's file for this request alone.
pub async fn lock_upload(state: &AppState, id: UploadId) -> Result<Partial, ApiError> {
    let opened = state.files.open_partial(id).await.map_err(|error| match error.is_not_found() {
        true => ApiError::not_found("upload", id),
        false => error.into(),
    })?;
    opened.ok_or_else(|| ApiError::new(Kind::Locked, format!("another request writes to {id}; try again when it ends")))
}

pub fn wrong(name: &HeaderName, rule: &str) -> ApiError {
    ApiError::bad_request(format!("{name} {rule}"))
}

pub fn read_header<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Result<Option<&'h str>, ApiError> {
    tus::read_text(headers, name).map_err(ApiError::bad_request)
}
