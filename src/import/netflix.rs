//! The Netflix Prize (spec `datasets.md`, section 3), in both forms it goes around in: one file a movie
//! (`training_set/mv_0000001.txt`, ..), or four with a header line a movie (`combined_data_1.txt`, ..).

use super::{
    error::ImportError,
    imported::{Density, Imported},
    options::ImportOptions,
    raw::{RawFile, cells, latin1},
    spill::Spill,
    table::{TableWriter, Tick, column_names},
};
use std::{
    collections::{HashMap, HashSet},
    path::{Path, PathBuf},
};

const COLUMNS: [&str; 5] = ["customer", "movie", "year", "rating", "date"];
const IDS: std::ops::RangeInclusive<u32> = 1..=u32::MAX;
/// The year of a movie whose year `movie_titles.csv` does not know.
const NO_YEAR: &str = "NULL";

#[derive(Debug, Clone)]
pub struct Netflix {
    /// Where `training_set` or the `combined_data` files are, and `movie_titles.csv`.
    pub folder: PathBuf,
    /// Ratings drawn without replacement; absent: all.
    pub sample_rows: Option<u64>,
    /// Whether the year of release is a field; it needs `movie_titles.csv`.
    pub year: bool,
    /// Split by time instead of at random.
    pub by_time: bool,
}

impl Netflix {
    pub(super) fn import(&self, options: ImportOptions, out: &Path, tick: Tick) -> Result<Imported, ImportError> {
        let years = if self.year { Some(read_years(&self.folder.join("movie_titles.csv"))?) } else { None };
        let mut reading = Reading { years: years.as_ref(), ratings: Spill::new(out)?, full: Distinct::default() };
        for path in self.list_files()? {
            reading.read(&path)?;
        }
        let Reading { ratings, full, .. } = reading;
        let columns: Vec<String> =
            column_names(&COLUMNS).into_iter().filter(|name| self.year || name != "year").collect();
        let mut table = TableWriter::create(out, &columns, tick)?;
        ratings.for_each_picked(options.pick(self.sample_rows), |[customer, movie, rating, date]| {
            let [customer_id, movie_id, stars] = [customer, movie, rating].map(|number| number.to_string());
            let date = format!("{:04}-{:02}-{:02}", date / 10_000, date / 100 % 100, date % 100);
            let year = years.as_ref().map(|years| years[&movie].as_str());
            let cells: Vec<&str> = [Some(customer_id.as_str()), Some(&movie_id), year, Some(&stars), Some(&date)]
                .into_iter()
                .flatten()
                .collect();
            table.write_row(&cells, rating > 3)
        })?;
        let split = if self.by_time { options.time_split("date") } else { options.ratio_split() };
        let fields = if self.year { &COLUMNS[..3] } else { &COLUMNS[..2] };
        let spec = options.spec("rating > 3", fields, split);
        let mut imported = Imported::new(&columns, table.finish()?, spec).with_density("customer", "movie");
        imported.densities.push(Density {
            of: "all customers and movies of the raw files",
            users: full.customers.len() as u64,
            items: full.movies.len() as u64,
            rows: imported.rows,
        });
        Ok(imported)
    }

    /// The files of ratings, in the order of their names.
    fn list_files(&self) -> Result<Vec<PathBuf>, ImportError> {
        let training_set = self.folder.join("training_set");
        for (folder, start) in [(&training_set, "mv_"), (&self.folder, "mv_"), (&self.folder, "combined_data_")] {
            if !folder.is_dir() {
                continue;
            }
            let listed = folder.read_dir().and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect());
            let mut files: Vec<PathBuf> = listed.map_err(ImportError::io("list", folder))?;
            files.retain(|path| {
                let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
                name.starts_with(start) && name.contains(".txt")
            });
            if !files.is_empty() {
                files.sort();
                return Ok(files);
            }
        }
        let rule = "no training_set/mv_*.txt and no combined_data_*.txt; name the folder that holds them, unpacked";
        Err(ImportError::file(&self.folder, rule))
    }
}

struct Reading<'y> {
    years: Option<&'y HashMap<u32, String>>,
    /// Records of customer, movie, rating and date (as the number 20051231).
    ratings: Spill,
    full: Distinct,
}

#[derive(Default)]
struct Distinct {
    customers: HashSet<u32>,
    movies: HashSet<u32>,
}

impl Reading<'_> {
    /// `MovieID:`, then `CustomerID,Rating,YYYY-MM-DD` a line, until the next movie.
    fn read(&mut self, path: &Path) -> Result<(), ImportError> {
        let mut file = RawFile::open(path)?;
        let mut movie = None;
        while file.advance()? {
            if let Some(id) = file.line().strip_suffix(b":") {
                let number = file.number("MovieID", id, IDS)?;
                if self.years.is_some_and(|years| !years.contains_key(&number)) {
                    return Err(file.bad_value(
                        "MovieID",
                        id,
                        "must be a movie of movie_titles.csv; --no-year does without",
                    ));
                }
                movie = Some(number);
                self.full.movies.insert(number);
                continue;
            }
            let Some([customer, rating, date]) = cells(file.line(), b",") else {
                return Err(file.bad_line("must be CustomerID,Rating,YYYY-MM-DD or MovieID:"));
            };
            let Some(movie) = movie else { return Err(file.bad_line("a line `MovieID:` must stand before it")) };
            let day = parse_day(date).ok_or_else(|| file.bad_value("date", date, "must be a day, as in 2005-12-31"))?;
            let customer = file.number("CustomerID", customer, IDS)?;
            self.full.customers.insert(customer);
            self.ratings.push([customer, movie, file.number("rating", rating, 1..=5)?, day])?;
        }
        Ok(())
    }
}

/// 20051231 of `2005-12-31`.
fn parse_day(date: &[u8]) -> Option<u32> {
    let &[y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2] = date else { return None };
    let number = [y1, y2, y3, y4, m1, m2, d1, d2]
        .iter()
        .try_fold(0, |number, byte| byte.is_ascii_digit().then(|| 10 * number + u32::from(byte - b'0')))?;
    ((1..=12).contains(&(number / 100 % 100)) && (1..=31).contains(&(number % 100))).then_some(number)
}

/// `MovieID,YearOfRelease,Title`: the year or `NULL`; a title may hold commas.
fn read_years(path: &Path) -> Result<HashMap<u32, String>, ImportError> {
    let mut file = RawFile::open(path)?;
    let mut years = HashMap::new();
    while file.advance()? {
        let mut parts = file.line().splitn(3, |byte| *byte == b',');
        let (Some(movie), Some(year), Some(_)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(file.bad_line("must be MovieID,YearOfRelease,Title"));
        };
        if year != NO_YEAR.as_bytes() {
            file.number("YearOfRelease", year, 1800..=2100)?;
        }
        years.insert(file.number("MovieID", movie, IDS)?, latin1(year));
    }
    Ok(years)
}
