//! MovieLens-1M as GroupLens gives it (spec `datasets.md`, section 1): `ratings.dat`, `users.dat` and `movies.dat`,
//! values between `::`, Latin-1, no header.

use super::{
    error::ImportError,
    imported::Imported,
    options::ImportOptions,
    raw::{RawFile, cells, latin1},
    spill::Spill,
    table::{TableWriter, Tick, column_names},
};
use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};

/// The fields of the authors' files, in their order.
pub(super) const FIELDS: [&str; 8] = ["movie", "genres", "year", "user", "occupation", "age", "gender", "zip"];
const COLUMNS: [&str; 11] =
    ["movie", "title", "genres", "year", "user", "occupation", "age", "gender", "zip", "rating", "timestamp"];
const IDS: std::ops::RangeInclusive<u32> = 1..=u32::MAX;

#[derive(Debug, Clone)]
pub struct MovieLens1m {
    /// Where the three files are.
    pub folder: PathBuf,
    /// Split by time instead of at random: no rating of the future teaches what came before it.
    pub by_time: bool,
}

struct Movie {
    title: String,
    genres: String,
    year: String,
}

struct User {
    occupation: String,
    age: String,
    gender: String,
    /// The first five characters: `98107` of `98107-2117`.
    zip: String,
}

impl MovieLens1m {
    pub(super) fn import(&self, options: ImportOptions, out: &Path, tick: Tick) -> Result<Imported, ImportError> {
        let movies = read_movies(&self.folder.join("movies.dat"))?;
        let users = read_users(&self.folder.join("users.dat"))?;
        let ratings = read_ratings(&self.folder.join("ratings.dat"), &movies, &users, out)?;
        let columns = column_names(&COLUMNS);
        let mut table = TableWriter::create(out, &columns, tick)?;
        ratings.for_each_picked(options.pick(None), |[user_id, movie_id, rating, timestamp]| {
            let (movie, user) = (&movies[&movie_id], &users[&user_id]);
            let [movie_id, user_id, stars, timestamp] =
                [movie_id, user_id, rating, timestamp].map(|number| number.to_string());
            let cells = [
                &movie_id,
                &movie.title,
                &movie.genres,
                &movie.year,
                &user_id,
                &user.occupation,
                &user.age,
                &user.gender,
                &user.zip,
                &stars,
                &timestamp,
            ];
            table.write_row(&cells.map(String::as_str), rating > 3)
        })?;
        let split = if self.by_time { options.time_split("timestamp") } else { options.ratio_split() };
        let spec = options.spec("rating > 3", &FIELDS, split);
        Ok(Imported::new(&columns, table.finish()?, spec).with_density("user", "movie"))
    }
}

/// `MovieID::Title (Year)::Genre|Genre`. A title may hold any sign, `::` too.
fn read_movies(path: &Path) -> Result<HashMap<u32, Movie>, ImportError> {
    let mut file = RawFile::open(path)?;
    let mut movies = HashMap::new();
    while file.advance()? {
        let line = latin1(file.line());
        let parts = line.split_once("::").and_then(|(id, rest)| Some((id, rest.rsplit_once("::")?)));
        let Some((id, (title, genres))) = parts else {
            return Err(file.bad_line("must be MovieID::Title (Year)::Genres"));
        };
        let id = file.number("MovieID", id.as_bytes(), IDS)?;
        let year = title.strip_suffix(')').and_then(|title| title.rsplit_once('(')).map(|(_, year)| year);
        let Some(year) = year.filter(|year| year.len() == 4 && year.bytes().all(|byte| byte.is_ascii_digit())) else {
            return Err(file.bad_value("title", title.as_bytes(), "must end with its year, as in `Toy Story (1995)`"));
        };
        let movie = Movie { title: title.to_owned(), genres: genres.to_owned(), year: year.to_owned() };
        if movies.insert(id, movie).is_some() {
            return Err(file.bad_value("MovieID", id.to_string().as_bytes(), "must stand in one line only"));
        }
    }
    Ok(movies)
}

/// `UserID::Gender::Age::Occupation::Zip`.
fn read_users(path: &Path) -> Result<HashMap<u32, User>, ImportError> {
    let mut file = RawFile::open(path)?;
    let mut users = HashMap::new();
    while file.advance()? {
        let Some([id, gender, age, occupation, zip]) = cells(file.line(), b"::") else {
            return Err(file.bad_line("must be UserID::Gender::Age::Occupation::Zip"));
        };
        if !matches!(gender, b"F" | b"M") {
            return Err(file.bad_value("gender", gender, "must be F or M"));
        }
        let user = User {
            occupation: file.number("occupation", occupation, 0..=20)?.to_string(),
            age: file.number("age", age, 0..=150)?.to_string(),
            gender: latin1(gender),
            zip: latin1(zip).chars().take(5).collect(),
        };
        let id = file.number("UserID", id, IDS)?;
        if users.insert(id, user).is_some() {
            return Err(file.bad_value("UserID", id.to_string().as_bytes(), "must stand in one line only"));
        }
    }
    Ok(users)
}

/// `UserID::MovieID::Rating::Timestamp`, as records of these.
fn read_ratings(
    path: &Path,
    movies: &HashMap<u32, Movie>,
    users: &HashMap<u32, User>,
    out: &Path,
) -> Result<Spill, ImportError> {
    let mut file = RawFile::open(path)?;
    let mut ratings = Spill::new(out)?;
    while file.advance()? {
        let Some([user, movie, rating, timestamp]) = cells(file.line(), b"::") else {
            return Err(file.bad_line("must be UserID::MovieID::Rating::Timestamp"));
        };
        let record = [
            file.number("UserID", user, IDS)?,
            file.number("MovieID", movie, IDS)?,
            file.number("rating", rating, 1..=5)?,
            file.number("timestamp", timestamp, 0..=u32::MAX)?,
        ];
        if !users.contains_key(&record[0]) {
            return Err(file.bad_value("UserID", user, "must be a user of users.dat"));
        }
        if !movies.contains_key(&record[1]) {
            return Err(file.bad_value("MovieID", movie, "must be a movie of movies.dat"));
        }
        ratings.push(record)?;
    }
    Ok(ratings)
}
