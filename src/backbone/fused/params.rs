//! A model's numbers: tables, the small dense parameters in one buffer, BatchNorm's running statistics; each with its
//! PyTorch state-dict name and shape, wherever and however it lies in memory here.

use super::memory::Buffer;
use crate::backbone::key::{Init, ModelKey};
use crate::simd::LANES;

/// Parameters and what Adam keeps of them, of equal length.
#[derive(Clone, Default)]
pub struct Trained {
    pub p: Buffer,
    pub m: Buffer,
    pub v: Buffer,
    /// Gradients; all zero between steps.
    pub g: Buffer,
}

impl Trained {
    fn zeroed(len: usize) -> Self {
        let zero = || Buffer::zeroed(len);
        Self { p: zero(), m: zero(), v: zero(), g: zero() }
    }
}

/// A table `[D, width]`, read by rows.
pub struct Table {
    pub width: usize,
    pub values: Trained,
}

/// Where in the dense buffer a matrix `[H, K]` lies (a vector is `[1, K]`). Rows start lines.
#[derive(Debug, Clone, Copy)]
pub struct Place {
    pub at: usize,
    /// Numbers from one stored row to the next.
    pub stride: usize,
    /// Stored as `[K, H]`, as `kernels::multiply` wants it.
    pub transposed: bool,
}

impl Place {
    fn index(&self, h: usize, k: usize) -> usize {
        let (row, column) = if self.transposed { (k, h) } else { (h, k) };
        self.at + row * self.stride + column
    }
}

enum Home {
    Table(usize),
    /// `[H, K]` whose columns are spread over several places, in order: (columns, place).
    Dense(Vec<(usize, Place)>),
    /// In the buffer of running statistics.
    Running(usize),
}

struct Named {
    name: String,
    shape: Vec<usize>,
    home: Home,
}

/// Which of a parameter's numbers are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Value,
    /// Adam's running mean of the gradient.
    M,
    /// Adam's running mean of the squared gradient.
    V,
    Gradient,
}

/// All of a model's numbers.
pub struct Params {
    pub tables: Vec<Table>,
    pub dense: Trained,
    /// BatchNorm's running means and variances, each starting a line.
    pub running: Buffer,
    named: Vec<Named>,
}

impl Params {
    /// The named tensors: name, shape, and whether it is trained.
    pub fn names(&self) -> impl Iterator<Item = (&str, &[usize], bool)> {
        self.named.iter().map(|n| (n.name.as_str(), n.shape.as_slice(), !matches!(n.home, Home::Running(_))))
    }

    /// A tensor's numbers, row-major as in PyTorch. A running statistic has only its value.
    pub fn read(&self, name: &str, kind: Kind) -> Vec<f32> {
        let named = self.find(name);
        let mut values = vec![0.0; named.shape.iter().product()];
        match &named.home {
            Home::Table(number) => values.copy_from_slice(of(&self.tables[*number].values, kind)),
            Home::Dense(parts) => {
                let stored = of(&self.dense, kind);
                each(&named.shape, parts, |from, at| values[from] = stored[at]);
            }
            Home::Running(at) => {
                let len = values.len();
                values.copy_from_slice(&self.running[*at..][..len]);
            }
        }
        values
    }

    /// Replaces a tensor's numbers.
    pub fn write(&mut self, name: &str, kind: Kind, values: &[f32]) {
        let number = self.named.iter().position(|n| n.name == name).expect("a tensor of this model");
        let Self { tables, dense, running, named } = self;
        let named = &named[number];
        assert_eq!(values.len(), named.shape.iter().product::<usize>(), "a value for each number of {name}");
        match &named.home {
            Home::Table(number) => of_mut(&mut tables[*number].values, kind).copy_from_slice(values),
            Home::Dense(parts) => {
                let stored = of_mut(dense, kind);
                each(&named.shape, parts, |from, at| stored[at] = values[from]);
            }
            Home::Running(at) => running[*at..][..values.len()].copy_from_slice(values),
        }
    }

    fn find(&self, name: &str) -> &Named {
        self.named.iter().find(|n| n.name == name).expect("a tensor of this model")
    }
}

fn of(values: &Trained, kind: Kind) -> &Buffer {
    match kind {
        Kind::Value => &values.p,
        Kind::M => &values.m,
        Kind::V => &values.v,
        Kind::Gradient => &values.g,
    }
}

fn of_mut(values: &mut Trained, kind: Kind) -> &mut Buffer {
    match kind {
        Kind::Value => &mut values.p,
        Kind::M => &mut values.m,
        Kind::V => &mut values.v,
        Kind::Gradient => &mut values.g,
    }
}

/// Calls `visit(number in PyTorch's order, number in the buffer)` for each number of a dense tensor.
fn each(shape: &[usize], parts: &[(usize, Place)], mut visit: impl FnMut(usize, usize)) {
    let columns = shape.last().copied().unwrap_or(1);
    let rows = shape.iter().product::<usize>() / columns.max(1);
    for row in 0..rows {
        let mut first = 0;
        for (width, place) in parts {
            for column in 0..*width {
                visit(row * columns + first + column, place.index(row, column));
            }
            first += width;
        }
    }
}

/// Lays out a model's numbers, in the order its blocks ask for them.
pub struct Builder {
    tables: Vec<(usize, usize)>,
    dense: usize,
    running: usize,
    named: Vec<(Named, Init)>,
}

impl Builder {
    pub fn new() -> Self {
        Self { tables: Vec::new(), dense: 0, running: 0, named: Vec::new() }
    }

    /// A table `[rows, width]`; its number.
    pub fn table(&mut self, name: &str, rows: usize, width: usize, init: Init) -> usize {
        self.tables.push((rows, width));
        let home = Home::Table(self.tables.len() - 1);
        self.name(name, vec![rows, width], init, home);
        self.tables.len() - 1
    }

    /// Room for a matrix `[H, K]`, stored as it is or transposed.
    pub fn room(&mut self, h: usize, k: usize, transposed: bool) -> Place {
        let (rows, columns) = if transposed { (k, h) } else { (h, k) };
        let place = Place { at: self.dense, stride: columns.next_multiple_of(LANES), transposed };
        self.dense += rows * place.stride;
        place
    }

    /// A parameter of `shape` (`[H, K]` or `[K]`) whose columns lie in these places.
    pub fn dense(&mut self, name: &str, shape: &[usize], init: Init, parts: Vec<(usize, Place)>) {
        self.name(name, shape.to_vec(), init, Home::Dense(parts));
    }

    /// A vector in a place of its own; where it begins.
    pub fn vector(&mut self, name: &str, len: usize, init: Init) -> usize {
        let place = self.room(1, len, false);
        self.dense(name, &[len], init, vec![(len, place)]);
        place.at
    }

    /// A running statistic; where it begins.
    pub fn running(&mut self, name: &str, len: usize, value: f64) -> usize {
        let at = self.running;
        self.running += len.next_multiple_of(LANES);
        self.name(name, vec![len], Init::Const(value), Home::Running(at));
        at
    }

    fn name(&mut self, name: &str, shape: Vec<usize>, init: Init, home: Home) {
        self.named.push((Named { name: name.to_owned(), shape, home }, init));
    }

    /// The numbers, with the initial values of this key.
    pub fn finish(self, key: &ModelKey) -> Params {
        let tables =
            self.tables.iter().map(|(rows, width)| Table { width: *width, values: Trained::zeroed(rows * width) });
        let (named, inits): (Vec<_>, Vec<_>) = self.named.into_iter().unzip();
        let mut params = Params {
            tables: tables.collect(),
            dense: Trained::zeroed(self.dense),
            running: Buffer::zeroed(self.running),
            named,
        };
        for (number, init) in inits.into_iter().enumerate() {
            let named = &params.named[number];
            let mut values = vec![0.0; named.shape.iter().product()];
            init.fill(key, &named.name, &mut values);
            let name = named.name.clone();
            params.write(&name, Kind::Value, &values);
        }
        params
    }
}
