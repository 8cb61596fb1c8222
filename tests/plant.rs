//! Corruption put into a table on purpose: how many rows each kind touches, which it may not, and what belongs together stays
//! together.

use autodenoise::plant::{Natural, Rivals, Table, add_times, draw_users, plant};
use autodenoise::types::Split;
use std::collections::{HashMap, HashSet};

const ROWS: usize = 20_000;
const USERS: usize = 200;
const ITEMS: usize = 100;

/// A table of users with a country and items with a genre, on four devices, over time; a fifth of the rows is of no training.
fn table() -> Table {
    let mut table = Table::new(["user", "country", "item", "genre", "device", "time"].map(str::to_owned));
    // A small generator that no draw under test uses.
    let mut state = 7_u64;
    let mut below = |n: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % n
    };
    for row in 0..ROWS {
        let (user, item) = (below(USERS), below(ITEMS) * below(ITEMS) / ITEMS);
        let split = [Split::Train, Split::Train, Split::Train, Split::Valid, Split::Test][row % 5];
        let cells = [
            format!("u{user}"),
            format!("c{}", user % 7),
            format!("i{item}"),
            format!("g{}", item % 5),
            format!("d{}", below(4)),
            (1000 + row).to_string(),
        ];
        table.push(cells.iter().map(String::as_str), u8::from(below(10) < 4), split);
    }
    table
}

fn planted(kind: &str, seed: u64) -> Table {
    let mut table = table();
    plant(&mut table, &kind.parse().unwrap(), seed).unwrap();
    table
}

fn corrupted(table: &Table) -> Vec<usize> {
    (0..table.len()).filter(|row| table.corrupted[*row]).collect()
}

fn cells<'t>(table: &'t Table, column: &str, rows: &[usize]) -> HashSet<&'t str> {
    let column = &table.columns[table.find(column).unwrap()];
    rows.iter().map(|row| column.cell(*row)).collect()
}

/// All cells of a row with its label and split.
fn row(table: &Table, row: usize) -> (Vec<&str>, u8, Split) {
    (table.columns.iter().map(|column| column.cell(row)).collect(), table.labels[row], table.splits[row])
}

const KINDS: [&str; 9] = [
    "flips:0.2",
    "random:user:0.2",
    "inverted:item:0.1",
    "bots:user:item:0.03",
    "likes:item:user:0.05:50",
    "outage:time:device:0.2",
    "clicks:device:genre:0.3",
    "delayed:time:0.1",
    "repeats:0.02",
];

#[test]
fn test_rows_stay_as_they_are_unless_asked_for() {
    let clean = table();
    let test_rows = |table: &Table| -> Vec<(Vec<String>, u8)> {
        let of = |at: usize| (row(table, at).0.into_iter().map(str::to_owned).collect(), table.labels[at]);
        (0..table.len()).filter(|at| table.splits[*at] == Split::Test).map(of).collect()
    };
    for kind in KINDS {
        let table = planted(kind, 1);
        assert!(!corrupted(&table).is_empty(), "{kind}");
        assert!(corrupted(&table).iter().all(|row| table.splits[*row] != Split::Test), "{kind}");
        assert!(test_rows(&table) == test_rows(&clean), "{kind}");
        let everywhere = planted(&format!("{kind}+test"), 1);
        let in_test = corrupted(&everywhere).into_iter().filter(|row| everywhere.splits[*row] == Split::Test).count();
        let share = in_test as f64 / corrupted(&everywhere).len() as f64;
        assert!((0.1..0.3).contains(&share), "{kind}: a fifth of the rows, {share}");
    }
}

#[test]
fn the_seed_decides_every_draw() {
    for kind in KINDS {
        let rows = |seed| {
            let table = planted(kind, seed);
            (0..table.len()).map(|at| (format!("{:?}", row(&table, at)), table.corrupted[at])).collect::<Vec<_>>()
        };
        assert!(rows(1) == rows(1), "{kind}");
        assert!(rows(1) != rows(2), "{kind}");
    }
}

#[test]
fn labels_are_changed_where_and_as_often_as_asked() {
    let clean = table();
    let changed = |table: &Table| (0..ROWS).filter(|row| table.labels[*row] != clean.labels[*row]).collect::<Vec<_>>();
    let flips = planted("flips:0.2", 1);
    // Binomial(16000, 0.2): mean 3200, deviation 51.
    assert!(corrupted(&flips).len().abs_diff(3200) < 210, "{}", corrupted(&flips).len());
    assert_eq!(changed(&flips), corrupted(&flips));

    let random = planted("random:user:0.2", 1);
    assert_eq!(cells(&random, "user", &corrupted(&random)).len(), USERS / 5);
    let half = changed(&random).len() as f64 / corrupted(&random).len() as f64;
    assert!((half - 0.5).abs() < 0.05, "{half}");

    let inverted = planted("inverted:item:0.1", 1);
    assert_eq!(changed(&inverted), corrupted(&inverted));
    let items = clean.columns[clean.find("item").unwrap()].cardinality();
    assert_eq!(cells(&inverted, "item", &corrupted(&inverted)).len(), (items as f64 * 0.1).round() as usize);
}

#[test]
fn values_that_answer_at_random_are_all_or_none() {
    for kind in ["random:user:0.2", "inverted:item:0.1"] {
        let table = planted(kind, 3);
        let column = &table.columns[table.find(kind.split(':').nth(1).unwrap()).unwrap()];
        let mut seen = HashMap::new();
        for row in table.open_rows(false) {
            assert_eq!(*seen.entry(column.cell(row)).or_insert(table.corrupted[row]), table.corrupted[row], "{kind}");
        }
    }
}

#[test]
fn an_outage_is_one_window_of_one_value() {
    for (kind, zero) in [("outage:time:device:0.2", true), ("outage:time:device:0.2:inverted", false)] {
        let (table, clean) = (planted(kind, 1), table());
        let lost = corrupted(&table);
        assert_eq!(cells(&table, "device", &lost).len(), 1);
        // Rows and times are in one order here: a fifth of the time, a quarter of the rows there, four fifths of those open.
        assert!(lost.len().abs_diff(ROWS / 25) < 120, "{}", lost.len());
        assert!(lost.last().unwrap() - lost[0] <= ROWS / 5);
        assert!(lost.iter().all(|row| table.labels[*row] == if zero { 0 } else { 1 - clean.labels[*row] }));
    }
}

#[test]
fn accidental_clicks_are_in_one_cell_and_go_up_alone() {
    let (table, clean) = (planted("clicks:device:genre:0.3", 1), table());
    let clicked = corrupted(&table);
    assert_eq!((cells(&table, "device", &clicked).len(), cells(&table, "genre", &clicked).len()), (1, 1));
    assert!(clicked.iter().all(|row| (clean.labels[*row], table.labels[*row]) == (0, 1)));
    let (device, genre) = (table.find("device").unwrap(), table.find("genre").unwrap());
    let cell = |row: usize| (table.columns[device].codes()[row], table.columns[genre].codes()[row]);
    let open = |row: &usize| cell(*row) == cell(clicked[0]) && clean.labels[*row] == 0;
    let zeros = clean.open_rows(false).into_iter().filter(open).count();
    let rate = clicked.len() as f64 / zeros as f64;
    assert!((rate - 0.3).abs() < 0.08, "{rate}");
}

#[test]
fn late_conversions_are_missing_at_the_end_of_time() {
    let (table, clean) = (planted("delayed:time:0.1", 1), table());
    let late = corrupted(&table);
    assert!(late.iter().all(|row| (clean.labels[*row], table.labels[*row]) == (1, 0)));
    let missing = |rows: std::ops::Range<usize>| {
        let positives = |row: &usize| clean.labels[*row] == 1 && clean.splits[*row] != Split::Test;
        let all = rows.clone().filter(positives).count();
        rows.filter(|row| table.corrupted[*row]).count() as f64 / all as f64
    };
    // exp(-a / 0.1) over the last twentieth is .79 on average, over the first half below .01.
    assert!((missing(ROWS - ROWS / 20..ROWS) - 0.79).abs() < 0.1, "{}", missing(ROWS - ROWS / 20..ROWS));
    assert!(missing(0..ROWS / 2) < 0.01);
}

/// A column that belongs to a user or an item belongs to them in added rows too.
fn check_dependents(table: &Table) {
    for (key, column) in [("user", "country"), ("item", "genre")] {
        let (key, column) = (&table.columns[table.find(key).unwrap()], &table.columns[table.find(column).unwrap()]);
        let mut seen = HashMap::new();
        for row in 0..table.len() {
            assert_eq!(*seen.entry(key.cell(row)).or_insert(column.cell(row)), column.cell(row), "{}", key.name);
        }
    }
}

/// Rows that were not added are all there, in their order.
fn check_old_rows(table: &Table) {
    let clean = table_rows(&self::table());
    let old: Vec<_> = (0..table.len()).filter(|row| !table.corrupted[*row]).collect();
    assert!(old.iter().map(|at| format!("{:?}", row(table, *at))).eq(clean));
}

fn table_rows(table: &Table) -> Vec<String> {
    (0..table.len()).map(|at| format!("{:?}", row(table, at))).collect()
}

/// Three in four of the open rows are training rows.
fn check_splits(table: &Table, added: &[usize]) {
    let train = added.iter().filter(|row| table.splits[**row] == Split::Train).count() as f64;
    assert!((train / added.len() as f64 - 0.75).abs() < 0.12, "{train} of {}", added.len());
}

#[test]
fn bots_are_new_users_of_popular_items() {
    let (table, clean) = (planted("bots:user:item:0.03:1000", 1), table());
    let added = corrupted(&table);
    let items = clean.columns[clean.find("item").unwrap()].cardinality();
    // 3 % of 200 users, and of fewer than 1,000 items half each.
    assert_eq!((cells(&table, "user", &added).len(), added.len()), (6, 6 * (items / 2)));
    let (user, item) = (table.find("user").unwrap(), table.find("item").unwrap());
    let pairs: HashSet<_> = added.iter().map(|row| [user, item].map(|at| table.columns[at].cell(*row))).collect();
    assert_eq!(pairs.len(), added.len(), "an item once a bot");
    assert!(
        cells(&table, "user", &added)
            .iter()
            .all(|name| !cells(&clean, "user", &(0..ROWS).collect::<Vec<_>>()).contains(name))
    );
    let ones = added.iter().filter(|row| table.labels[**row] == 1).count() as f64 / added.len() as f64;
    assert!((ones - 0.9).abs() < 0.06, "{ones}");
    let counts = clean.columns[item].counts();
    let rows_of = |row: &usize| f64::from(counts[table.columns[item].codes()[*row] as usize]);
    let mean = added.iter().map(rows_of).sum::<f64>() / added.len() as f64;
    assert!(mean > 1.2 * ROWS as f64 / items as f64, "{mean} rows an item");
    check_dependents(&table);
    check_old_rows(&table);
    check_splits(&table, &added);
}

#[test]
fn likes_are_of_different_users_each() {
    let table = planted("likes:item:user:0.05:50", 1);
    let added = corrupted(&table);
    let (user, item) = (table.find("user").unwrap(), table.find("item").unwrap());
    let mut users: HashMap<&str, HashSet<&str>> = HashMap::new();
    for row in &added {
        users.entry(table.columns[item].cell(*row)).or_default().insert(table.columns[user].cell(*row));
        assert_eq!(table.labels[*row], 1);
    }
    assert!(users.values().all(|users| users.len() == 50), "{users:?}");
    assert_eq!(added.len(), 50 * users.len());
    check_dependents(&table);
    check_old_rows(&table);
    check_splits(&table, &added);
}

#[test]
fn repeats_stand_there_two_to_twenty_times() {
    let table = planted("repeats:0.02", 1);
    let added = corrupted(&table);
    let mut times: HashMap<String, usize> = HashMap::new();
    for at in &added {
        *times.entry(format!("{:?}", row(&table, *at))).or_default() += 1;
    }
    // Times make every row one of its own.
    assert_eq!(times.len(), 320, "2 % of the open rows");
    assert!(times.values().all(|times| (1..=19).contains(times)));
    assert!(times.values().any(|times| *times == 1) && times.values().any(|times| *times == 19));
    check_old_rows(&table);
}

#[test]
fn what_a_kind_needs_and_the_table_lacks_is_named() {
    let refuse = |kind: &str| plant(&mut table(), &kind.parse().unwrap(), 1).unwrap_err().to_string();
    let missing = refuse("random:movie:0.1");
    assert!(missing.contains("no column `movie`") && missing.contains("user, country, item"), "{missing}");
    assert!(refuse("delayed:device:0.1").contains("`device` is no time: `d"));
    assert!(refuse("outage:time:user:0.1").contains("no value of `user` has a tenth"));
    assert!(refuse("clicks:user:item:0.1").contains("no cell of `user` and `item`"));
}

#[test]
fn made_times_are_sessions() {
    let mut table = table();
    add_times(&mut table, "made", "user", 1).unwrap();
    let (user, made) = (table.find("user").unwrap(), table.find("made").unwrap());
    let mut hours: HashMap<&str, HashSet<u64>> = HashMap::new();
    for row in 0..ROWS {
        let time: u64 = table.columns[made].cell(row).parse().unwrap();
        hours.entry(table.columns[user].cell(row)).or_default().insert(time / 3600);
    }
    // About 100 rows a user: four sessions, each of which touches two hours.
    assert!(hours.values().all(|hours| (2..=12).contains(&hours.len())), "{hours:?}");
}

#[test]
fn a_sample_has_so_many_users_with_all_their_rows() {
    let (small, all) = (draw_users(&table(), "user", 20, 3).unwrap(), table());
    let users = cells(&small, "user", &(0..small.len()).collect::<Vec<_>>());
    assert_eq!(users.len(), 20);
    let column = &all.columns[all.find("user").unwrap()];
    assert_eq!(small.len(), (0..ROWS).filter(|row| users.contains(column.cell(*row))).count());
    let other = draw_users(&all, "user", 20, 4).unwrap();
    assert_ne!(users, cells(&other, "user", &(0..other.len()).collect::<Vec<_>>()));
}

#[test]
fn natural_clicks_are_ratings_beside_unrated_pairs() {
    // A user has rated each item at most once.
    let mut table = Table::new(["user", "item"].map(str::to_owned));
    let mut ratings = Vec::new();
    for row in 0..2000_usize {
        let cells = [format!("u{}", row / 20), format!("i{}", (row / 20 * 7 + row % 20) % 100)];
        let split = [Split::Train, Split::Train, Split::Train, Split::Valid, Split::Test][row % 5];
        table.push(cells.iter().map(String::as_str), 0, split);
        ratings.push((row * 7 / 5 % 5 + 1) as f64);
    }
    let rated: HashSet<Vec<&str>> = (0..2000).map(|at| row(&table, at).0).collect();
    let of = |rivals| {
        let natural = Natural { user: "user".to_owned(), item: "item".to_owned(), threshold: 3.0, rivals };
        natural.make(&table, &ratings, 1).unwrap()
    };
    let (against_rated, against_unrated) = (of(Rivals::Rated), of(Rivals::Unrated));
    let disliked = (0..2000).filter(|row| ratings[*row] <= 3.0 && table.splits[*row] != Split::Test).count();
    for clicks in [&against_rated, &against_unrated] {
        assert_eq!(corrupted(clicks).len(), disliked);
        let open = clicks.open_rows(false);
        assert_eq!(open.len(), 2 * 1600);
        assert!(open.iter().all(|at| (clicks.labels[*at] == 1) == rated.contains(&row(clicks, *at).0)));
    }
    let test = |clicks: &Table| (0..clicks.len()).filter(|at| clicks.splits[*at] == Split::Test).collect::<Vec<_>>();
    assert_eq!(test(&against_rated).len(), 400);
    let liked = (0..2000).filter(|row| ratings[*row] > 3.0 && table.splits[*row] == Split::Test).count();
    let rows = test(&against_unrated);
    assert_eq!(rows.len(), 2 * liked);
    assert!(rows.iter().all(|at| (against_unrated.labels[*at] == 1) == rated.contains(&row(&against_unrated, *at).0)));
}
