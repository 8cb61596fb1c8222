//! What a model's random numbers are keyed by, and how its parameters start (spec `backbones.md`, table 1.2).

use crate::random::{Purpose, Stream};

/// What one replica's random numbers are keyed by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ModelKey {
    pub seed: u64,
    /// Which model's initial weights: models of the same seed and number start alike.
    pub init: [u32; 2],
    /// Which model's dropout and shuffles.
    pub run: [u32; 2],
}

impl ModelKey {
    /// The stream of the model's dropout in one batch; layers take children of it.
    pub fn dropout(&self, pass: u32, batch: u32) -> Stream {
        Stream::new(self.seed, Purpose::Dropout, &[self.run[0], self.run[1], pass, batch])
    }

    /// The stream of the order of rows in a pass.
    pub fn shuffle(&self, pass: u32) -> Stream {
        Stream::new(self.seed, Purpose::Shuffle, &[self.run[0], self.run[1], pass])
    }
}

/// How a parameter starts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Init {
    /// Even over (-bound, bound).
    Uniform(f64),
    /// N(0, 1).
    Normal,
    Const(f64),
}

impl Init {
    /// Even over +-1/sqrt(inputs), PyTorch's start of a fully connected layer.
    pub fn linear(inputs: usize) -> Self {
        Self::Uniform(1.0 / (inputs as f64).sqrt())
    }

    /// Xavier's bound over a whole table, sqrt(6 / (D + E)).
    pub fn xavier(rows: usize, width: usize) -> Self {
        Self::Uniform((6.0 / (rows + width) as f64).sqrt())
    }

    /// The initial values of the parameter `name` of the model `key`.
    pub fn fill(self, key: &ModelKey, name: &str, values: &mut [f32]) {
        let stream = Stream::new(key.seed, Purpose::Init, &key.init).named(name);
        match self {
            Self::Const(value) => values.fill(value as f32),
            Self::Normal => stream.fill_normal(values),
            Self::Uniform(bound) => {
                stream.fill_uniform(values);
                values.iter_mut().for_each(|x| *x = ((2.0 * f64::from(*x) - 1.0) * bound) as f32);
            }
        }
    }
}
