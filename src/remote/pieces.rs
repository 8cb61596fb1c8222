//! A file at an address, fetched in pieces: those that will be wanted next are on their way while one is read, and only so many
//! are kept.

use super::fetch::{Fetcher, RemoteError};
use bytes::Bytes;
use std::{
    collections::VecDeque,
    io::{self, Read, Seek, SeekFrom},
    sync::{Arc, Mutex, PoisonError, mpsc::Receiver},
};

/// Bytes of a piece.
const PIECE: u64 = 1 << 20;

/// How a file is read, which says what is fetched and kept of it.
#[derive(Debug, Clone, Copy)]
pub struct Habit {
    /// Pieces that are fetched behind the one that is read.
    ahead: u64,
    /// Pieces that are kept, with those to come.
    kept: usize,
}

impl Habit {
    /// From the start to the end.
    pub const STRAIGHT: Self = Self { ahead: 16, kept: 20 };
    /// In many columns at once, each a place of its own in the file.
    pub const COLUMNS: Self = Self { ahead: 2, kept: 192 };
}

enum Piece {
    Coming(Receiver<Result<Bytes, RemoteError>>),
    Here(Bytes),
}

/// The pieces that are here or on their way.
struct Pieces {
    fetcher: Fetcher,
    habit: Habit,
    /// By number; those that were wanted last stand last.
    held: VecDeque<(u64, Piece)>,
}

impl Pieces {
    /// The piece of this number, which waits for it where it is not here yet.
    fn get(&mut self, number: u64) -> io::Result<Bytes> {
        let end = self.fetcher.bytes().div_ceil(PIECE);
        // From the last: the one that is wanted now stands behind those to come.
        for number in (number..end.min(number + 1 + self.habit.ahead)).rev() {
            let held = self.held.iter().position(|(held, _)| *held == number);
            let piece = match held.and_then(|place| self.held.remove(place)) {
                Some((_, piece)) => piece,
                None => {
                    let start = number * PIECE;
                    Piece::Coming(self.fetcher.begin(start..self.fetcher.bytes().min(start + PIECE)))
                }
            };
            self.held.push_back((number, piece));
        }
        while self.held.len() > self.habit.kept {
            self.held.pop_front();
        }
        let Some((_, piece)) = self.held.back_mut() else { return Err(io::ErrorKind::UnexpectedEof.into()) };
        if let Piece::Coming(receiver) = piece {
            let came = receiver.recv().map_err(|_| io::Error::other("the network's thread ended"))?;
            *piece = Piece::Here(came?);
        }
        match piece {
            Piece::Here(bytes) => Ok(bytes.clone()),
            Piece::Coming(_) => unreachable!("it was waited for"),
        }
    }
}

/// A reader of a file at an address. Readers that are cloned share its pieces.
#[derive(Clone)]
pub struct RangeReader {
    pieces: Arc<Mutex<Pieces>>,
    bytes: u64,
    at: u64,
}

impl RangeReader {
    pub fn new(fetcher: Fetcher, habit: Habit) -> Self {
        let bytes = fetcher.bytes();
        let pieces = Pieces { fetcher, habit, held: VecDeque::new() };
        Self { pieces: Arc::new(Mutex::new(pieces)), bytes, at: 0 }
    }

    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The same file from this byte on.
    pub fn starting(&self, at: u64) -> Self {
        Self { at, ..self.clone() }
    }
}

impl Read for RangeReader {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.at >= self.bytes || out.is_empty() {
            return Ok(0);
        }
        let piece = self.pieces.lock().unwrap_or_else(PoisonError::into_inner).get(self.at / PIECE)?;
        let rest = &piece[(self.at % PIECE) as usize..];
        let count = rest.len().min(out.len());
        out[..count].copy_from_slice(&rest[..count]);
        self.at += count as u64;
        Ok(count)
    }
}

impl Seek for RangeReader {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => self.bytes.checked_add_signed(by),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
        };
        self.at = at.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        Ok(self.at)
    }
}
