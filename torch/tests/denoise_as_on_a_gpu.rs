//! The method's own tests on CPU tensors that are treated as a GPU's: fits, races, and whole jobs that are interrupted.

#[path = "denoise/as_on_a_gpu.rs"]
mod engines;
#[path = "../../tests/denoise/race.rs"]
mod race;
#[path = "../../tests/denoise/replicas.rs"]
mod replicas;
#[path = "../../tests/denoise/resume.rs"]
mod resume;
#[path = "../../tests/denoise/runs.rs"]
mod runs;
#[path = "denoise/streaming.rs"]
mod streaming;
#[path = "denoise/together.rs"]
mod together;
#[path = "../../tests/denoise/world.rs"]
#[allow(dead_code, reason = "the tests of the other package use more of it")]
mod world;
