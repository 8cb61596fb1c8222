//! Confident learning against what cleanlab finds.

use crate::read::{close_numbers, ints, numbers, vector};
use autodenoise::baseline::confident::flagged;
use autodenoise::types::ClFilter;

#[test]
fn cleanlab_finds_the_same_rows_by_every_filter() {
    for case in vector("confident_learning")["cases"].as_array().unwrap() {
        let p: Vec<f32> = numbers(&case["p1"]).iter().map(|p| *p as f32).collect();
        let labels: Vec<u8> = ints(&case["y"]).iter().map(|label| *label as u8).collect();
        for filter in ClFilter::ALL {
            let (flags, joint) = flagged(&p, &labels, *filter);
            let rows: Vec<i64> = (0..).zip(flags).filter(|(_, flag)| *flag).map(|(row, _)| row).collect();
            assert_eq!(rows, ints(&case[filter.as_str()]), "{} {filter}", case["name"]);
            close_numbers("thresholds", &joint.thresholds.map(Option::unwrap), &case["thresholds"]);
            let whole =
                |joint: [[u64; 2]; 2]| joint.as_flattened().iter().map(|count| *count as i64).collect::<Vec<_>>();
            assert_eq!(whole(joint.counted), ints(&case["confident_joint_raw"]), "{}", case["name"]);
            assert_eq!(whole(joint.calibrated), ints(&case["confident_joint_calibrated"]), "{}", case["name"]);
        }
    }
}
