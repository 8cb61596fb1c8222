//! Instance selection: what each method keeps of the vectors' rows. What it goes through on the way is held to the same
//! vectors where it happens, in `baseline::instance`.

use crate::read::{ints, numbers, vector};
use autodenoise::baseline::instance::{Algorithm, Config, Space, select};
use autodenoise::types::{BdisInit, EnemyTies, Knn};
use serde_json::Value;

/// The rows kept, the same by every search.
fn keep(case: &Value, method: Algorithm) -> Vec<i64> {
    let labels: Vec<u8> = ints(&case["y"]).iter().map(|label| *label as u8).collect();
    let fields = case["x"][0].as_array().unwrap().len();
    let data: Vec<f32> = numbers(&case["x"]).iter().map(|x| *x as f32).collect();
    // Each field's ids start where those of the field before end.
    let ids: Vec<i32> = data.iter().enumerate().map(|(at, x)| *x as i32 + (at % fields * 200) as i32).collect();
    let (space, other) = match case["metric"].as_str() {
        Some("hamming") => (Space::Hamming, Knn::PerUser),
        Some("hvdm") => (Space::Hvdm { smoothing: 0.0 }, Knn::Kdtree),
        _ => (Space::Vectors { data: &data, dim: fields }, Knn::Kdtree),
    };
    let [kept, by_other] = [Knn::Brute, other].map(|knn| {
        let config = Config { method, space, block_size: 0, knn, seed: 1 };
        select(&ids, &labels, fields, &config, &|_| ())
    });
    assert_eq!(kept, by_other, "{method:?}");
    kept.into_iter().map(i64::from).collect()
}

#[test]
fn methods_keep_the_rows_of_the_vectors() {
    let enemy_ties = EnemyTies::Lowest;
    let methods = [
        ("enn_keep", Algorithm::Enn { k: 3 }),
        ("cnn_keep", Algorithm::Cnn { seed: None }),
        ("drop3_keep", Algorithm::Drop3 { k: 3, enn_associates: false }),
        ("drop3_k1_keep", Algorithm::Drop3 { k: 1, enn_associates: false }),
        ("lssm_keep", Algorithm::Lssm { include_self: false, enemy_ties }),
        ("lssm_self_included_keep", Algorithm::Lssm { include_self: true, enemy_ties }),
        ("lsbo_keep", Algorithm::Lsbo { include_self: false, enemy_ties }),
    ];
    let vectors = vector("instance_selection");
    for (name, case) in vectors["cases"].as_object().unwrap() {
        for (result, method) in methods {
            assert_eq!(keep(case, method), ints(&case[result]), "{name}: {result}");
        }
    }
}

#[test]
fn bdis_keeps_the_rows_of_the_vectors() {
    let vectors = vector("instance_selection");
    for (name, case) in vectors["bdis"].as_object().unwrap() {
        let (t1, t2) = (case["t1"].as_i64().unwrap() as i32, case["t2"].as_u64().unwrap() as u32);
        for (init, subsample) in [(BdisInit::Farthest, 0), (BdisInit::Random, 0), (BdisInit::Random, 512)] {
            let kept = keep(case, Algorithm::Bdis { t1, t2, init, subsample });
            assert_eq!(kept, ints(&case["keep"]), "{name} from {init}");
        }
    }
}
