//! How much memory a job's trainer takes: an estimate from the spec and the size of the table, for plans and limits.

use super::{BackboneKind, Options, ResolvedMethod, ResolvedSpec, SplitCounts, TrainingPasses};

/// The program with the engine fused, and with libtorch.
const PROGRAM_BYTES: u64 = 48 << 20;
const TORCH_BYTES: u64 = 200 << 20;
/// What models that are trained side by side may take together, beside the first of them.
pub const SIDE_BY_SIDE_BYTES: u64 = 1 << 30;
/// Bytes of a number.
const NUMBER: u64 = 4;
/// Copies of a model's numbers while it is trained: the weights, two running means, gradients.
pub const TRAINED_COPIES: u64 = 4;
/// Bytes of what is there of a row at once while the predictions of one model are sorted and counted on a GPU.
const SORTED: u64 = 100;
/// Numbers kept for each width of a layer and row of a batch: what went in, what came out, its derivative.
const PER_ACTIVATION: u64 = 3;

/// Bytes that a split of so many rows takes of a GPU's memory: what is known of each row, its ids unless they would take more than
/// `for_rows` bytes, and what sorts its predictions, which is in the machine's memory where the ids are.
pub fn split_bytes(rows: u64, fields: u64, for_rows: u64) -> u64 {
    rows * (2 * NUMBER + if streams(rows, fields, for_rows) { 0 } else { NUMBER * fields + SORTED })
}

/// Whether the ids of so many rows would take more than `for_rows` bytes.
fn streams(rows: u64, fields: u64, for_rows: u64) -> bool {
    rows * NUMBER * fields > for_rows
}

impl Options {
    /// Numbers in a model's tables: embeddings and first-order weights, for `ids` values of `fields` fields.
    fn table_numbers(&self, backbone: BackboneKind, ids: u64, fields: u64) -> u64 {
        let tables = match backbone {
            BackboneKind::Ffm | BackboneKind::Fnfm => fields,
            BackboneKind::Hofm => u64::from(self.hofm_order.saturating_sub(1)),
            _ => 1,
        };
        ids * (tables * u64::from(self.embed_dim) + 1)
    }

    /// Numbers in a model's layers, to within a few percent; of a model without a row here, those of a tower.
    fn layer_numbers(&self, backbone: BackboneKind, fields: u64) -> u64 {
        let width = u64::from(self.embed_dim);
        let (flat, pairs) = (fields * width, fields * fields.saturating_sub(1) / 2);
        let tower = |input: u64| layers(input, &self.mlp_dims);
        let cross = u64::from(self.cross_layers);
        match backbone {
            BackboneKind::Fm | BackboneKind::Hofm | BackboneKind::Ffm => 0,
            BackboneKind::Dcn => tower(flat) + 2 * cross * flat,
            BackboneKind::Ipnn | BackboneKind::Opnn => tower(flat + pairs) + pairs * width * width,
            BackboneKind::Nfm => tower(width),
            BackboneKind::Fnfm => tower(pairs * width),
            BackboneKind::Ncf => tower(2 * width),
            BackboneKind::XDeepFm => {
                let interactions = self
                    .cin_dims
                    .iter()
                    .fold((0, fields), |(sum, before), dim| (sum + before * fields * u64::from(*dim), u64::from(*dim)));
                tower(flat) + interactions.0
            }
            BackboneKind::Afm => width * u64::from(self.attention_dim),
            BackboneKind::AutoInt => {
                let attention = u64::from(self.attention_dim);
                tower(flat) + 4 * u64::from(self.attention_layers) * attention * attention.max(width)
            }
            BackboneKind::Afn => {
                let neurons = u64::from(self.lnn_dim);
                neurons * fields + tower(neurons * width) + tower(flat)
            }
            BackboneKind::DcnV2 => tower(flat) + cross * flat * flat,
            BackboneKind::Gdcn => tower(flat) + 2 * cross * flat * flat,
            BackboneKind::MaskNet => {
                let block = u64::from(self.mask_block_dim);
                u64::from(self.mask_blocks) * (2 * flat * flat + flat * block) + tower(block.max(flat))
            }
            BackboneKind::FinalMlp => {
                let last = |dims: &[u32]| dims.last().copied().map_or(1, u64::from);
                let gates = 2 * layers(flat, &self.gate_dims) + 2 * last(&self.gate_dims) * flat;
                let towers = tower(flat) + layers(flat, &self.second_mlp_dims);
                towers + gates + last(&self.mlp_dims) * last(&self.second_mlp_dims)
            }
            _ => tower(flat),
        }
    }

    /// Bytes of a model's weights, where the tables have `ids` values of `fields` fields.
    pub fn weight_bytes(&self, backbone: BackboneKind, ids: u64, fields: u64) -> u64 {
        NUMBER * (self.table_numbers(backbone, ids, fields) + self.layer_numbers(backbone, fields))
    }

    /// Bytes that a model takes on a GPU which goes through a pass of so many rows together with others: its numbers, what a step
    /// keeps of its batch, and what the pass has seen.
    pub fn joined_bytes(&self, backbone: BackboneKind, ids: u64, fields: u64, rows: u64) -> u64 {
        let seen = rows * NUMBER;
        TRAINED_COPIES * self.weight_bytes(backbone, ids, fields) + self.activation_bytes(fields) + seen
    }

    /// Bytes of what a step keeps of every row of its batch.
    fn activation_bytes(&self, fields: u64) -> u64 {
        let flat = fields * u64::from(self.embed_dim);
        let dims = [&self.mlp_dims, &self.second_mlp_dims].into_iter().flatten();
        let widths = flat + dims.map(|dim| u64::from(*dim)).sum::<u64>();
        u64::from(self.batch_size) * widths * PER_ACTIVATION * NUMBER
    }
}

/// Weights and biases of layers one behind the other, and of the output.
fn layers(input: u64, dims: &[u32]) -> u64 {
    let (numbers, last) = dims.iter().fold((0, input), |(numbers, before), dim| {
        let dim = u64::from(*dim);
        (numbers + dim * (before + 1), dim)
    });
    numbers + last + 1
}

impl ResolvedSpec {
    /// Most bytes of the memory of a trainer with so many threads, roughly: the program, the dataset, the loss history, and the
    /// models that are there at once with what their training keeps.
    pub fn memory_bytes(&self, rows: SplitCounts, ids: u64, fields: u64, threads: usize) -> u64 {
        self.bytes(rows, ids, fields, Some(threads))
    }

    /// `threads` is absent on a device, where as many trainings go together as have room.
    fn bytes(&self, rows: SplitCounts, ids: u64, fields: u64, threads: Option<usize>) -> u64 {
        let dataset = rows.total() * (NUMBER * fields + 5);
        let methods = self.contenders();
        let history =
            methods.iter().map(|method| method.cost(TrainingPasses::all(0)).numbers_per_row).max().unwrap_or(0);
        let history = rows.train * NUMBER * history;
        let own = methods
            .iter()
            .map(|method| self.model_bytes(method.backbone, &method.options, method, [ids, fields], threads));
        let transferred = self.transfer.iter();
        let others = transferred
            .map(|trainee| self.model_bytes(trainee.backbone, &trainee.options, &self.method, [ids, fields], threads));
        let program = if self.needs_torch() { TORCH_BYTES } else { PROGRAM_BYTES };
        program + dataset + history + own.chain(others).max().unwrap_or(0)
    }

    /// Most bytes of a GPU's memory, roughly: rows and models lie there as they do in the machine's, and predictions are sorted there.
    /// Where the ids of a split would take more than `for_rows` bytes, they stay in the machine's memory and so do its predictions.
    pub fn device_bytes(&self, rows: SplitCounts, ids: u64, fields: u64, for_rows: u64) -> u64 {
        let streams = |rows: &u64| streams(*rows, fields, for_rows);
        let elsewhere: u64 = [rows.train, rows.valid, rows.test].iter().filter(|rows| streams(rows)).sum();
        let sorted = [rows.train, rows.valid].into_iter().filter(|rows| !streams(rows)).max().unwrap_or(0);
        self.bytes(rows, ids, fields, None) - elsewhere * NUMBER * fields + sorted * SORTED
    }

    /// Models of one kind that are there at once.
    fn model_bytes(
        &self,
        backbone: BackboneKind,
        options: &Options,
        method: &ResolvedMethod,
        [ids, fields]: [u64; 2],
        threads: Option<usize>,
    ) -> u64 {
        let weights = options.weight_bytes(backbone, ids, fields);
        // The best weights so far stand beside those being trained.
        let trained = (TRAINED_COPIES + 1) * weights;
        let searches = method.name().searches();
        // Rows of the warm-up, models that choose rows, and trainings of a proof.
        let of_choice = if searches { 0 } else { method.cost(TrainingPasses::all(0)).trainings };
        let of_proof = self.certify.as_ref().map_or(0, |certify| 3 * u64::from(certify.seeds));
        let warmup = u64::from(options.warmup_epochs);
        let at_once = threads.map_or(warmup, |threads| warmup.max(of_choice).max(of_proof).min(threads as u64));
        let beside = at_once.saturating_sub(1) * (TRAINED_COPIES + 1) * weights;
        let raced = if self.races() > 0 {
            let runners = self.tuning.grid().cloned().unwrap_or_default().weight_decay.len() as u64;
            runners.saturating_sub(1) * (TRAINED_COPIES + 1) * weights
        } else {
            0
        };
        let policy = if searches {
            let tables = Options { mlp_dims: options.policy_mlp_dims.clone(), ..options.clone() };
            TRAINED_COPIES * tables.weight_bytes(BackboneKind::DeepFm, ids, fields + 1)
        } else {
            0
        };
        trained + beside.min(SIDE_BY_SIDE_BYTES).max(raced) + policy + options.activation_bytes(fields)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::{DatasetFacts, DatasetId, JobSpec};
    use serde_json::{Value, json};

    const ROWS: SplitCounts = SplitCounts { train: 800, valid: 100, test: 100 };

    fn memory(mut spec: Value) -> u64 {
        spec["dataset_id"] = json!(DatasetId::new());
        let spec = serde_json::from_value::<JobSpec>(spec).unwrap();
        spec.resolve(&DatasetFacts::default()).unwrap().memory_bytes(ROWS, 1000, 4, 2)
    }

    #[test]
    fn layers_count_and_so_do_models_that_are_there_at_once() {
        let of = |tuning: Value, dims: Value| {
            memory(json!({"method": {"preset": "paper", "options": {"mlp_dims": dims}}, "tuning": tuning}))
        };
        assert!(of(json!("off"), json!([64])) < 100 << 20, "a small job is the program");
        // Seven times 4096 x 4096 numbers, five times over.
        let wide = of(json!("off"), json!([4096, 4096, 4096, 4096, 4096, 4096, 4096, 4096]));
        assert!((2 << 30..5 << 30).contains(&wide), "{wide}");
        let raced =
            of(json!({"weight_decay": [0.0, 0.1, 0.2, 0.3]}), json!([4096, 4096, 4096, 4096, 4096, 4096, 4096, 4096]));
        assert!(raced > 2 * wide, "{raced}");
    }

    #[test]
    fn a_gpu_sorts_the_predictions_of_every_row_that_lies_there() {
        let spec = serde_json::from_value::<JobSpec>(json!({"dataset_id": DatasetId::new()})).unwrap();
        let spec = spec.resolve(&DatasetFacts::default()).unwrap();
        let in_all = spec.bytes(ROWS, 1000, 4, None);
        assert_eq!(spec.device_bytes(ROWS, 1000, 4, u64::MAX), in_all + 800 * SORTED);
        // The ids of the training rows take 12,800 bytes.
        assert_eq!(spec.device_bytes(ROWS, 1000, 4, 12_800), in_all + 800 * SORTED);
        assert_eq!(spec.device_bytes(ROWS, 1000, 4, 12_799), in_all - 12_800 + 100 * SORTED);
        assert_eq!(spec.device_bytes(ROWS, 1000, 4, 0), in_all - 16_000);
    }

    #[test]
    fn the_widest_of_a_jobs_models_counts() {
        let plain = memory(json!({"method": {"name": "none", "backbone": "fm"}, "tuning": "off"}));
        let wide = json!({"name": "random_drop", "backbone": "deepfm", "options": {"mlp_dims": [4096, 4096, 4096]}});
        let with = memory(json!({"method": {"name": "none", "backbone": "fm"}, "compare": [wide], "tuning": "off"}));
        assert!(with > plain + (400 << 20), "{plain} {with}");
    }
}
