//! A page as a sequence of blocks, whatever format it is written in.

/// The heading of lines and bars that the paper does not have.
pub(super) const ADDED: &str = "not in the paper";

/// What a reader sees, from top to bottom.
#[derive(Debug, Clone, PartialEq)]
pub struct Page {
    pub title: String,
    pub blocks: Vec<Block>,
}

/// A part of a page.
#[derive(Debug, Clone, PartialEq)]
pub enum Block {
    Heading(String),
    Text(String),
    Items(Vec<String>),
    Table(Grid),
    /// A drawing. Formats without drawings leave it out: a table has the same numbers.
    Figure {
        caption: String,
        svg: String,
    },
    /// Long text that few readers want; the JSON file beside the page has it too.
    Details {
        summary: String,
        text: String,
    },
}

/// A table; the first `words` columns are words, the others numbers.
#[derive(Debug, Clone, PartialEq)]
pub struct Grid {
    pub header: Vec<String>,
    pub words: usize,
    pub rows: Vec<GridRow>,
}

/// A row of a table.
#[derive(Debug, Clone, PartialEq)]
pub enum GridRow {
    Cells(Vec<String>),
    /// A rule across the table, with what stands below it.
    Rule(String),
}
