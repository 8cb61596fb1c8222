//! The engines that this package has. `torch/tests/denoise.rs` runs the same tests on libtorch.

use autodenoise::backbone::{self, Engines, fused::Fused};
use autodenoise::types::{BackboneKind, Device, Engine};

pub const ENGINE: &dyn backbone::Engine = &Fused;
/// Those that it has.
pub const BACKBONES: &[BackboneKind] = BackboneKind::FUSED;

/// As a spec names them.
pub const ENGINES: [Engine; 1] = [Engine::Fused];

pub fn open(engine: Engine, device: Device) -> Engines {
    Engines::fused(engine, device).unwrap()
}
