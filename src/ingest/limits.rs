//! How large a table may be.

/// Bounds of a table. Each has a message of its own that is given when a table goes beyond it.
#[derive(Debug, Clone)]
pub struct IngestLimits {
    /// At most u32::MAX, because a row's position is a u32 everywhere.
    pub max_rows: u64,
    pub max_columns: usize,
    /// Fields of the models, places of split columns included.
    pub max_fields: usize,
    /// Distinct values of all columns together. While the table is read, each takes its own bytes and about 40 more.
    pub max_vocabulary: u64,
    /// Bytes that a compressed file may unpack to.
    pub max_decompressed_bytes: u64,
    /// Bytes of one row, line ends within quotes included.
    pub max_line_bytes: usize,
    /// Errors listed; the rest are counted.
    pub max_errors: usize,
}

impl Default for IngestLimits {
    fn default() -> Self {
        Self {
            max_rows: u64::from(u32::MAX),
            max_columns: 10_000,
            max_fields: 1_000,
            max_vocabulary: 10_000_000,
            max_decompressed_bytes: 256 << 30,
            max_line_bytes: 4 << 20,
            max_errors: 100,
        }
    }
}
