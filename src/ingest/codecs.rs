//! The decoders of compressed bytes, each with bounded memory.

use std::io::{self, BufRead, Read};

/// 128 MiB: the largest window a decoder of zstd must accept without being asked; bounds its memory.
const ZSTD_WINDOW_LOG_MAX: u32 = 27;
/// KiB that a decoder of xz may need: `xz -9` needs a third of it.
const XZ_MEMORY: u32 = 192 << 10;

/// Any number of streams of bzip2, which needs a few MB whatever they hold.
pub(super) fn bzip2(packed: impl BufRead) -> impl Read {
    bzip2::bufread::MultiBzDecoder::new(packed)
}

/// Any number of streams of xz.
pub(super) fn xz(packed: impl BufRead) -> impl Read {
    lzma_rust2::XzReader::new_mem_limit(packed, true, XZ_MEMORY)
}

pub(super) fn zstd(packed: impl BufRead) -> io::Result<impl Read> {
    let mut decoder = zstd::stream::read::Decoder::with_buffer(packed)?;
    decoder.window_log_max(ZSTD_WINDOW_LOG_MAX)?;
    Ok(decoder)
}
