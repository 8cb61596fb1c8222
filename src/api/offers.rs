//! What the workers that are heard of can run, together: for `/v1/capabilities`, and to refuse a job that none could run.

use super::error::ApiError;
use crate::{
    store::{StoreError, workers},
    types::{BackboneKind, Device, Engine, ResolvedSpec},
};
use sqlx::PgConnection;

/// Workers that are looked at.
const MOST: u32 = 1000;

pub struct Offers {
    /// Whether any worker is heard of. Where none is, nothing is known of what comes.
    known: bool,
    torch: bool,
    gpus: Vec<Device>,
}

impl Offers {
    pub async fn read(conn: &mut PgConnection) -> Result<Self, StoreError> {
        let workers = workers::list(conn, MOST, None).await?.rows;
        let mut gpus: Vec<Device> = workers.iter().flat_map(|worker| worker.ability().gpus).collect();
        gpus.sort_by_key(ToString::to_string);
        gpus.dedup();
        Ok(Self { known: !workers.is_empty(), torch: workers.iter().any(|worker| worker.torch), gpus })
    }

    /// The engines there are.
    pub fn engines(&self) -> Vec<Engine> {
        let torch = self.torch.then_some(Engine::Tch);
        self.known.then_some(Engine::Fused).into_iter().chain(torch).collect()
    }

    /// Backbones that a job may have.
    pub fn backbones(&self) -> Vec<BackboneKind> {
        let can = |kind: &BackboneKind| self.takes_torch() || kind.is_fused();
        BackboneKind::ALL.iter().copied().filter(can).collect()
    }

    /// Devices that a job may name.
    pub fn devices(&self) -> Vec<Device> {
        [Device::Cpu].into_iter().chain(self.gpus.iter().copied()).collect()
    }

    /// Fails where the job needs libtorch and no worker has it: nobody would ever take it.
    pub fn check(&self, spec: &ResolvedSpec) -> Result<(), ApiError> {
        if self.takes_torch() || !spec.needs_torch() {
            return Ok(());
        }
        Err(ApiError::invalid_spec(spec.without_torch("beside autodenoise on a worker")))
    }

    fn takes_torch(&self) -> bool {
        self.torch || !self.known
    }
}
