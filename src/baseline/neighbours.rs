//! Instance selection as methods that choose rows; with `distance = embedding`, after a model was trained on all of them.

use super::instance::{Algorithm, Config, Space, select};
use crate::backbone::{Fit, FitOptions, PassOptions, TensorFile, WeightsError};
use crate::selection::{Context, Place, Role, SelectError, Selected, Selector, Session};
use crate::types::method::{
    BdisOptions, CnnOptions, Drop3Options, EnnOptions, LocalSetOptions, NeighbourOptions, SpaceOptions,
};
use crate::types::{Distance, Knn, Phase};
use serde_json::Value;
use std::sync::{Mutex, PoisonError};

/// Names of the table that embeds a model's fields. Models take their names from one of two libraries.
const TABLES: [&str; 2] = ["embedding.embedding.weight", "emb.weight"];

/// ENN, CNN, DROP3, LSSm, LSBo or BDIS.
pub struct InstanceSelection {
    algorithm: Algorithm,
    space: SpaceOptions,
    knn: Knn,
    /// The model whose embeddings tell distances.
    fit: Option<Fit>,
}

impl InstanceSelection {
    pub fn enn(own: &EnnOptions, context: &Context) -> Self {
        Self::by_neighbours(Algorithm::Enn { k: own.k as usize }, &own.neighbours, context)
    }

    pub fn cnn(own: &CnnOptions, context: &Context) -> Self {
        Self::by_neighbours(Algorithm::Cnn { seed: own.cnn_seed }, &own.neighbours, context)
    }

    pub fn drop3(own: &Drop3Options, context: &Context) -> Self {
        let algorithm = Algorithm::Drop3 { k: own.k as usize, enn_associates: own.drop3_enn_associates };
        Self::by_neighbours(algorithm, &own.neighbours, context)
    }

    pub fn lssm(own: &LocalSetOptions, context: &Context) -> Self {
        let algorithm = Algorithm::Lssm { include_self: own.lss_include_self, enemy_ties: own.enemy_ties };
        Self::by_neighbours(algorithm, &own.neighbours, context)
    }

    pub fn lsbo(own: &LocalSetOptions, context: &Context) -> Self {
        let algorithm = Algorithm::Lsbo { include_self: own.lss_include_self, enemy_ties: own.enemy_ties };
        Self::by_neighbours(algorithm, &own.neighbours, context)
    }

    pub fn bdis(own: &BdisOptions, context: &Context) -> Self {
        let algorithm = Algorithm::Bdis {
            t1: own.bdis_t1,
            t2: own.bdis_t2,
            init: own.bdis_init,
            subsample: own.bdis_subsample as usize,
        };
        // It takes distances to the centres of clusters, and searches for no neighbours.
        Self::new(algorithm, &own.space, Knn::Brute, context)
    }

    fn by_neighbours(algorithm: Algorithm, own: &NeighbourOptions, context: &Context) -> Self {
        Self::new(algorithm, &own.space, own.knn, context)
    }

    fn new(algorithm: Algorithm, space: &SpaceOptions, knn: Knn, context: &Context) -> Self {
        let fit = || {
            let key = context.key(Role::Embed, 0);
            Fit::new(context.engine, &context.config, &[key], FitOptions::retrain(context.options()))
        };
        let fit = (space.distance == Distance::Embedding).then(fit);
        Self { algorithm, space: space.clone(), knn, fit }
    }

    fn choose(&self, context: &Context, session: &mut Session) -> Result<Selected, SelectError> {
        let rows = &context.data.train;
        let vectors = self.fit.as_ref().map(|fit| embedded(context, fit)).transpose()?;
        let space = match self.space.distance {
            Distance::Hvdm => Space::Hvdm { smoothing: self.space.hvdm_smoothing },
            Distance::Hamming => Space::Hamming,
            Distance::EuclideanCodes => Space::EuclideanCodes,
            Distance::Embedding => {
                let data = vectors.as_ref().expect("a model was trained");
                Space::Vectors { data, dim: data.len() / rows.len() }
            }
        };
        let config = Config {
            method: self.algorithm,
            space,
            block_size: self.space.block_size as usize,
            knn: self.knn,
            seed: context.seed,
        };
        let kept = session.with_ticks(|tick| {
            let tick = Mutex::new(tick);
            let tick = |_| tick.lock().unwrap_or_else(PoisonError::into_inner)();
            select(rows.ids, rows.labels, rows.fields, &config, &tick)
        });
        Ok(Selected::rows(kept))
    }
}

/// `[N, F E]`: the embeddings of each training row's fields.
fn embedded(context: &Context, fit: &Fit) -> Result<Vec<f32>, SelectError> {
    let weights = fit.model.weights();
    let Some((name, table)) = TABLES.iter().find_map(|name| Some((*name, weights.get(name).ok()?))) else {
        let backbone = context.config.kind;
        return Err(SelectError::Unsuitable(format!("{backbone} has no table of embeddings for distance = embedding")));
    };
    let width = table.shape[1];
    let table = weights.values(name, &[context.config.cardinality(), width])?;
    let ids = context.data.train.ids.iter().map(|id| *id as usize);
    Ok(ids.flat_map(|id| table[id * width..][..width].iter().copied()).collect())
}

impl Selector for InstanceSelection {
    fn step(&mut self, context: &Context, session: &mut Session) -> Result<Option<Selected>, SelectError> {
        if let Some(fit) = self.fit.as_mut().filter(|fit| !fit.is_done()) {
            let place = Place::denoised(Phase::Select, 1);
            session.train_pass(
                context,
                place,
                fit,
                [&context.data.train, &context.data.valid],
                &PassOptions::default(),
            )?;
            if fit.is_done() {
                fit.finish();
            }
            return Ok(None);
        }
        self.choose(context, session).map(Some)
    }

    fn position(&self) -> (Phase, u32) {
        (Phase::Select, 1)
    }

    fn save(&self, prefix: &str, file: &mut TensorFile) -> Result<Value, WeightsError> {
        self.fit.as_ref().map_or(Ok(Value::Null), |fit| fit.save(prefix, file))
    }

    fn load(&mut self, context: &Context, prefix: &str, file: &TensorFile, state: Value) -> Result<(), WeightsError> {
        if self.fit.is_some() {
            let options = FitOptions::retrain(context.options());
            self.fit = Some(Fit::load(context.engine, &context.config, options, prefix, file, state)?);
        }
        Ok(())
    }
}
