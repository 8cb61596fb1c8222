//! libtorch alone: the engine fused has the same tests in its own package.

use autodenoise::backbone::Engines;
use autodenoise::types::{Device, Engine};

/// As a spec names them.
pub const ENGINES: [Engine; 1] = [Engine::Tch];

pub fn open(engine: Engine, device: Device) -> Engines {
    // Sums over threads round differently; and tests run side by side.
    tch::set_num_threads(1);
    autodenoise_torch::engines(engine, device).unwrap()
}
