//! libtorch alone, with everything that a GPU would do by itself.

use autodenoise::backbone::{self, Engines};
use autodenoise::types::{BackboneKind, Device, Engine};
use autodenoise_torch::TorchEngine;
use std::cell::Cell;

thread_local! {
    static ROOM: Cell<u64> = const { Cell::new(u64::MAX) };
}

/// Calls `work`, in whose jobs models that are trained together have room of so many bytes.
pub fn with_room<T>(bytes: u64, work: impl FnOnce() -> T) -> T {
    let before = ROOM.replace(bytes);
    let done = work();
    ROOM.set(before);
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
    Engines::with_torch(engine, Box::new(TorchEngine::LIKE_A_GPU.with_room_for_joined(ROOM.get())))
}
