//! A page as a run of blocks, whatever it is written as.

/// What a reader sees, from top to bottom.
#[derive(Debug, Clone, PartialEq)]
pub struct Page {
    pub title: String,
    pub blocks: Vec<Block>,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Block {
    Heading(String),
    Text(String),
    Items(Vec<String>),
    Table(Grid),
    /// A drawing; formats without drawings leave it out, for a table says the same.
    Figure {
        caption: String,
        svg: String,
    },
    /// Text of many lines that few want to see; what a JSON file beside the page has too.
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

#[derive(Debug, Clone, PartialEq)]
pub enum GridRow {
    Cells(Vec<String>),
    /// A rule across the table, with what stands below it.
    Rule(String),
}
