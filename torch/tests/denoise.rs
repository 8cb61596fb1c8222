//! The method's own tests, run on libtorch: whole jobs on a small generated dataset.

#[path = "denoise/engines.rs"]
mod engines;
#[path = "../../tests/denoise/race.rs"]
mod race;
#[path = "../../tests/denoise/replicas.rs"]
mod replicas;
#[path = "../../tests/denoise/resume.rs"]
mod resume;
#[path = "../../tests/denoise/runs.rs"]
mod runs;
#[path = "../../tests/denoise/world.rs"]
#[allow(dead_code, reason = "the tests of the other package use more of it")]
mod world;
