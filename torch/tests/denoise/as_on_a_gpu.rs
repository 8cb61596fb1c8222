//! libtorch alone, with everything that a GPU would do by itself.

use autodenoise::backbone::{self, Engines};
use autodenoise::types::{BackboneKind, Device, Engine};
use autodenoise_torch::TorchEngine;
use std::cell::Cell;

thread_local! {
    static OPENED: Cell<TorchEngine> = const { Cell::new(TorchEngine::LIKE_A_GPU) };
}

/// Calls `work`, whose jobs run on this engine.
pub fn on<T>(engine: TorchEngine, work: impl FnOnce() -> T) -> T {
    let before = OPENED.replace(engine);
    let done = work();
    OPENED.set(before);
    done
}

pub const ENGINE: &dyn backbone::Engine = &TorchEngine::LIKE_A_GPU;
/// Those that it has.
pub const BACKBONES: &[BackboneKind] = BackboneKind::ALL;

/// As a spec names them.
pub const ENGINES: [Engine; 1] = [Engine::Tch];

pub fn open(engine: Engine, _: Device) -> Engines {
    // Sums over threads round differently; and tests run side by side.
    tch::set_num_threads(1);
    Engines::with_torch(engine, Box::new(OPENED.get()))
}
