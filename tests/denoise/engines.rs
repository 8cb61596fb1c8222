//! The engines that this package has. `torch/tests/denoise.rs` runs the same tests on libtorch.

use autodenoise::backbone::Engines;
use autodenoise::types::{Device, Engine};

/// As a spec names them.
pub const ENGINES: [Engine; 1] = [Engine::Fused];

pub fn open(engine: Engine, device: Device) -> Engines {
    Engines::fused(engine, device).unwrap()
}
