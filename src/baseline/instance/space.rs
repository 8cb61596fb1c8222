//! The distance between rows: they become points of a space (spec section 0.1).

use super::points::{Points, Rows};

/// Where distances are taken.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Space<'a> {
    /// The heterogeneous value difference metric. With two labels it is the Euclidean distance between the rows' vectors
    /// of target means, P(y = 1 | value), times the square root of 2. The means are those of the whole table, drawn
    /// towards the mean label by `smoothing` rows.
    Hvdm { smoothing: f64 },
    /// The number of fields in which rows differ.
    Hamming,
    /// Euclidean, between the codes themselves.
    EuclideanCodes,
    /// Euclidean, between the rows of `data`, `[n, dim]`: what a trained model makes of them.
    Vectors { data: &'a [f32], dim: usize },
}

/// A table's rows in a space.
pub enum Source<'a> {
    /// By global id: the square root of 2 times the target mean.
    Means {
        ids: &'a [i32],
        fields: usize,
        means: Vec<f64>,
    },
    Ids {
        ids: &'a [i32],
        fields: usize,
    },
    Codes {
        ids: &'a [i32],
        fields: usize,
    },
    Vectors {
        data: &'a [f32],
        dim: usize,
    },
}

impl<'a> Space<'a> {
    pub(super) fn source(self, ids: &'a [i32], labels: &[u8], fields: usize) -> Source<'a> {
        match self {
            Self::Hvdm { smoothing } => {
                Source::Means { ids, fields, means: target_means(ids, labels, fields, smoothing) }
            }
            Self::Hamming => Source::Ids { ids, fields },
            Self::EuclideanCodes => Source::Codes { ids, fields },
            Self::Vectors { data, dim } => {
                assert_eq!(data.len(), labels.len() * dim, "vectors are [n, dim]");
                Source::Vectors { data, dim }
            }
        }
    }
}

/// By global id, times the square root of 2.
fn target_means(ids: &[i32], labels: &[u8], fields: usize, smoothing: f64) -> Vec<f64> {
    let values = ids.iter().max().map_or(0, |greatest| *greatest as usize + 1);
    let mut counts = vec![[0_u32; 2]; values];
    for (row, label) in ids.chunks_exact(fields).zip(labels) {
        for id in row {
            counts[*id as usize][usize::from(*label)] += 1;
        }
    }
    let prior = labels.iter().map(|label| f64::from(*label)).sum::<f64>() / labels.len() as f64;
    let mean = |[zeros, ones]: [u32; 2]| {
        (f64::from(ones) + smoothing * prior) / (f64::from(zeros) + f64::from(ones) + smoothing)
    };
    counts.into_iter().map(|counts| std::f64::consts::SQRT_2 * mean(counts)).collect()
}

impl Source<'_> {
    /// The points of some rows, in their order.
    pub fn points(&self, rows: &[u32]) -> Points {
        match self {
            Self::Means { ids, fields, means } => Points::Metric(gather(ids, *fields, rows, |id| means[id as usize])),
            Self::Ids { ids, fields } => Points::Codes(gather(ids, *fields, rows, |id| id)),
            Self::Codes { ids, fields } => Points::Metric(gather(ids, *fields, rows, f64::from)),
            Self::Vectors { data, dim } => Points::Metric(gather(data, *dim, rows, f64::from)),
        }
    }
}

fn gather<F: Copy, T>(from: &[F], width: usize, rows: &[u32], of: impl Fn(F) -> T) -> Rows<T> {
    let coordinates = rows.iter().flat_map(|row| &from[*row as usize * width..][..width]);
    Rows { width, data: coordinates.map(|coordinate| of(*coordinate)).collect() }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{block, cases, pace};
    use super::*;

    #[test]
    fn hvdm_is_the_distance_of_target_means() {
        let pace = pace();
        let (_, case) = cases("cases").into_iter().find(|(name, _)| name == "categorical12_hvdm").unwrap();
        let Points::Metric(points) = block(&case, &pace).points else { unreachable!("a metric space") };
        for (row, expected) in (0..).zip(case["distance_row0"].as_array().unwrap()) {
            let distance = points.squared(0, row).sqrt();
            assert!((distance - expected.as_f64().unwrap()).abs() < 1e-10, "{row}: {distance}");
        }
    }

    #[test]
    fn smoothing_draws_a_mean_towards_that_of_all() {
        // Value 0 has labels 1, 1; value 1 has 0; value 2 never occurs. The mean label is 2/3.
        let means = target_means(&[0, 0, 1], &[1, 1, 0], 1, 3.0);
        let expected = [4.0 / 5.0, 2.0 / 4.0].map(|mean| mean * std::f64::consts::SQRT_2);
        assert!(means.iter().zip(expected).all(|(mean, expected)| (mean - expected).abs() < 1e-15), "{means:?}");
    }
}
