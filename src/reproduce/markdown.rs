//! A page as Markdown.

use super::page::{Block, Grid, GridRow, Page};
use std::fmt::Write;

/// Drawings and details are left out: the tables have the numbers, and the JSON file has all.
pub fn markdown(page: &Page) -> String {
    let mut out = format!("# {}\n", page.title);
    for block in &page.blocks {
        out.push('\n');
        match block {
            Block::Heading(text) => writeln!(out, "## {text}"),
            Block::Text(text) => writeln!(out, "{text}"),
            Block::Items(items) => items.iter().try_for_each(|item| writeln!(out, "- {item}")),
            Block::Table(grid) => write!(out, "{}", table(grid)),
            Block::Details { summary, .. } => writeln!(out, "{summary}: in the JSON file beside this one."),
            Block::Figure { .. } => {
                out.pop();
                Ok(())
            }
        }
        .expect("a string takes all");
    }
    out
}

fn table(grid: &Grid) -> String {
    let mut out = line(&grid.header);
    let rule = |column: usize| if column < grid.words { "---".to_owned() } else { "---:".to_owned() };
    out += &line(&(0..grid.header.len()).map(rule).collect::<Vec<_>>());
    for row in &grid.rows {
        match row {
            GridRow::Cells(cells) => out += &line(cells),
            GridRow::Rule(text) => {
                let mut cells = vec![String::new(); grid.header.len()];
                cells[0] = format!("*{text}*");
                out += &line(&cells);
            }
        }
    }
    out
}

fn line(cells: &[String]) -> String {
    let cells: Vec<String> = cells.iter().map(|cell| cell.replace('|', "\\|").replace('\n', " ")).collect();
    format!("| {} |\n", cells.join(" | "))
}
