//! Whole runs of the method on a small generated dataset, and the properties a result must have.

#[path = "denoise/beside.rs"]
mod beside;
#[path = "denoise/contenders.rs"]
mod contenders;
#[path = "denoise/engines.rs"]
mod engines;
#[path = "denoise/evidence.rs"]
mod evidence;
#[path = "denoise/fused.rs"]
mod fused;
#[path = "denoise/golden.rs"]
mod golden;
#[path = "denoise/parts.rs"]
mod parts;
#[path = "denoise/process.rs"]
mod process;
#[path = "denoise/race.rs"]
mod race;
#[path = "denoise/relabelled.rs"]
mod relabelled;
#[path = "denoise/replicas.rs"]
mod replicas;
#[path = "denoise/resume.rs"]
mod resume;
#[path = "denoise/robust.rs"]
mod robust;
#[path = "denoise/runs.rs"]
mod runs;
#[path = "denoise/world.rs"]
mod world;
