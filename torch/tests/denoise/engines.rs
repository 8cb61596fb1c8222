//! libtorch alone: the engine fused has the same tests in its own package.

use autodenoise::backbone::{self, Engines};
use autodenoise::types::{BackboneKind, Device, Engine};

pub const ENGINE: &dyn backbone::Engine = &autodenoise_torch::TorchEngine::CPU;
/// Those that it has.
pub const BACKBONES: &[BackboneKind] = BackboneKind::ALL;

/// As a spec names them.
pub const ENGINES: [Engine; 1] = [Engine::Tch];

pub fn open(engine: Engine, device: Device) -> Engines {
    // Sums over threads round differently; and tests run side by side.
    tch::set_num_threads(1);
    autodenoise_torch::engines(engine, device).unwrap()
}
