//! A page as one HTML file: no script, nothing loaded from elsewhere, light or dark as the reader's system is. Every tag
//! is closed as in XML, so that an XML parser can check the page.

use super::page::{Block, Grid, GridRow, Page};
use crate::chart::{self, escape};
use std::fmt::{self, Write};

const STYLE: &str = include_str!("page.css");

pub fn html(page: &Page) -> String {
    let mut out = String::new();
    write(&mut out, page).expect("a string takes all");
    out
}

fn write(out: &mut String, page: &Page) -> fmt::Result {
    let title = escape(&page.title);
    write!(
        out,
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n\
         <title>{title}</title>\n<style>\n{}{STYLE}{}{}</style>\n</head>\n<body>\n<main>\n<h1>{title}</h1>\n",
        chart::PALETTE,
        chart::STYLE,
        chart::CARDS,
    )?;
    for block in &page.blocks {
        match block {
            Block::Heading(text) => writeln!(out, "<h2>{}</h2>", escape(text))?,
            Block::Text(text) => writeln!(out, "<p>{}</p>", escape(text))?,
            Block::Items(items) => {
                out.push_str("<ul>\n");
                items.iter().try_for_each(|item| writeln!(out, "<li>{}</li>", escape(item)))?;
                out.push_str("</ul>\n");
            }
            Block::Table(grid) => table(out, grid)?,
            Block::Figure { caption, svg } => {
                writeln!(out, "<figure>\n{svg}<figcaption>{}</figcaption>\n</figure>", escape(caption))?;
            }
            Block::Details { summary, text } => {
                let (summary, text) = (escape(summary), escape(text));
                writeln!(out, "<details>\n<summary>{summary}</summary>\n<pre>{text}</pre>\n</details>")?;
            }
        }
    }
    out.push_str("</main>\n</body>\n</html>\n");
    Ok(())
}

fn table(out: &mut String, grid: &Grid) -> fmt::Result {
    let class = |column: usize| if column < grid.words { "" } else { " class=\"number\"" };
    out.push_str("<div class=\"wide\">\n<table>\n<thead>\n<tr>");
    for (column, name) in grid.header.iter().enumerate() {
        write!(out, "<th scope=\"col\"{}>{}</th>", class(column), escape(name))?;
    }
    out.push_str("</tr>\n</thead>\n<tbody>\n");
    for row in &grid.rows {
        match row {
            GridRow::Rule(text) => {
                let columns = grid.header.len();
                writeln!(out, "<tr class=\"rule\"><td colspan=\"{columns}\">{}</td></tr>", escape(text))?;
            }
            GridRow::Cells(cells) => {
                out.push_str("<tr>");
                for (column, cell) in cells.iter().enumerate() {
                    // What stands beside the cell where there is no room for the heading over it.
                    let name = match (column, &grid.header[column][..]) {
                        (0, _) | (_, "") => String::new(),
                        (_, name) => format!(" data-name=\"{}\"", escape(name)),
                    };
                    write!(out, "<td{name}{}>{}</td>", class(column), escape(cell))?;
                }
                out.push_str("</tr>\n");
            }
        }
    }
    out.push_str("</tbody>\n</table>\n</div>\n");
    Ok(())
}
