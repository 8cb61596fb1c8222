//! The error of a difference of AUCs where rows are not independent, because they come in clusters, those of one user for
//! example (Obuchowski, Biometrics 1997). With a cluster for each row it is DeLong's.

use super::placements::{RowDifferences, RowError};

/// Of one cluster: the sums over its rows of label 1 and of label 0 of how far they are from the mean.
#[derive(Clone, Copy, Default)]
struct Cluster {
    rows: [u64; 2],
    deviation: [f64; 2],
}

impl RowDifferences {
    /// The mean difference and its error, over other draws of clusters. `clusters` `[n]`: each row's, below `count`. None
    /// where the rows of a label are in fewer than two clusters.
    pub fn clustered_error(&self, labels: &[u8], clusters: &[u32], count: usize) -> Option<RowError> {
        let mut means = [0.0; 2];
        for label in [0, 1] {
            let of_label = || self.sums.iter().zip(labels).filter(|(_, own)| **own == label).map(|(sum, _)| *sum);
            means[usize::from(label)] = of_label().map(f64::from).sum::<f64>() / of_label().count() as f64;
        }
        let mut all = vec![Cluster::default(); count];
        for ((sum, label), cluster) in self.sums.iter().zip(labels).zip(clusters) {
            let (label, cluster) = (usize::from(*label), &mut all[*cluster as usize]);
            cluster.rows[label] += 1;
            cluster.deviation[label] += f64::from(*sum) - means[label];
        }
        let rows = |label: usize| all.iter().map(|cluster| cluster.rows[label]).sum::<u64>() as f64;
        // Of the mean over a label's rows.
        let variance = |label: usize| {
            let with_label = all.iter().filter(|cluster| cluster.rows[label] > 0).count() as f64;
            let squares: f64 = all.iter().map(|cluster| cluster.deviation[label].powi(2)).sum();
            (with_label >= 2.0).then(|| with_label / (with_label - 1.0) * squares / rows(label).powi(2))
        };
        // Clusters with rows of both labels tie the two means together.
        let occupied = all.iter().filter(|cluster| cluster.rows != [0, 0]).count() as f64;
        let products: f64 = all.iter().map(|cluster| cluster.deviation[0] * cluster.deviation[1]).sum();
        let variance = variance(0)? + variance(1)? + 2.0 * occupied / (occupied - 1.0) * products / (rows(0) * rows(1));
        let pairs = f64::from(self.pairs);
        Some(RowError { mean: means[1] / pairs, standard_error: variance.max(0.0).sqrt() / pairs })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::{mean, placements, sample_sd};
    use crate::random::{Purpose, Stream};

    fn normals(seed: u64, n: usize) -> Vec<f32> {
        let mut numbers = vec![0.0; n];
        Stream::new(seed, Purpose::Init, &[6]).fill_normal(&mut numbers);
        numbers
    }

    fn differences(labels: &[u8], ours: &[f32], theirs: &[f32]) -> RowDifferences {
        let placed = |scores: &[f32]| placements(labels, scores).unwrap().unwrap();
        let mut found = RowDifferences::default();
        found.add(&placed(ours), &placed(theirs));
        found
    }

    #[test]
    fn rows_on_their_own_have_the_error_of_delong_and_copies_of_a_row_are_one() {
        let (n, labels) = (60, (0..60).map(|row| u8::from(row % 3 == 0)).collect::<Vec<_>>());
        let (ours, theirs) = (normals(1, n), normals(2, n));
        let alone = differences(&labels, &ours, &theirs);
        let delong = alone.error(&labels).unwrap();
        let own: Vec<u32> = (0..n as u32).collect();
        let found = alone.clustered_error(&labels, &own, n).unwrap();
        let same = |a: RowError, b: RowError| {
            (a.mean - b.mean).abs() < 1e-7 && (a.standard_error - b.standard_error).abs() < 1e-7
        };
        assert!(same(found, delong), "{found:?} {delong:?}");
        let twice = |of: &[f32]| [of, of].concat();
        let (labels, own) = ([&labels[..], &labels[..]].concat(), [&own[..], &own[..]].concat());
        let copied = differences(&labels, &twice(&ours), &twice(&theirs));
        assert!(same(copied.clustered_error(&labels, &own, n).unwrap(), delong));
        assert!(copied.error(&labels).unwrap().standard_error < 0.75 * delong.standard_error, "taken as new rows");
        assert_eq!(copied.clustered_error(&labels, &[0; 120], 1), None);
    }

    /// Rows of a cluster share what a model makes of them; the standard error is what the difference really varies by.
    #[test]
    fn the_error_is_that_of_drawing_other_clusters() {
        let (count, each, draws) = (60, 12, 300);
        let rows = count * each;
        let clusters: Vec<u32> = (0..rows).map(|row| (row / each) as u32).collect();
        let (mut found, mut errors, mut alone) = (Vec::new(), Vec::new(), Vec::new());
        for draw in 0..draws {
            let (truth, own) = (normals(4 * draw, rows), normals(4 * draw + 1, rows));
            let (ours, theirs) = (normals(4 * draw + 2, count), normals(4 * draw + 3, count));
            let labels: Vec<u8> = truth.iter().map(|t| u8::from(*t > 0.3)).collect();
            let scores = |shared: &[f32], share: f32| -> Vec<f32> {
                (0..rows).map(|row| truth[row] + 0.5 * own[row] + share * shared[row / each]).collect()
            };
            let differences = differences(&labels, &scores(&ours, 1.0), &scores(&theirs, 1.2));
            let error = differences.clustered_error(&labels, &clusters, count).unwrap();
            found.push(error.mean);
            errors.push(error.standard_error);
            alone.push(differences.error(&labels).unwrap().standard_error);
        }
        let real = sample_sd(&found).unwrap();
        // The standard deviation of 300 draws is known to 4 %; three of those, and the error of few clusters.
        assert!((mean(&errors) / real - 1.0).abs() < 0.15, "{} said, {real} real", mean(&errors));
        assert!(mean(&alone) < 0.75 * real, "{} said of rows alone, {real} real", mean(&alone));
    }
}
