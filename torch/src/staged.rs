//! Work that is a function of tensors that stay where they are: it is done anew on the processor, and kept as a CUDA graph by a
//! GPU. So tests see on the processor what a GPU is given to keep.

use crate::cuda_graph::CudaGraph;
use std::cell::Cell;
use tch::Device;

/// How often a GPU does work one operation after the other before it keeps it: as often as PyTorch's own wrapper.
const WARM_UPS: u32 = 3;

thread_local! {
    static STAGED: Cell<u64> = const { Cell::new(0) };
}

/// How often this thread has done staged work.
pub fn staged_steps() -> u64 {
    STAGED.get()
}

/// Tensors that work writes.
pub trait Written {
    /// The same ones.
    fn again(&self) -> Self;
}

/// Work as it is done on a device.
pub enum Staged<W> {
    Anew,
    Kept(Kept<W>),
}

impl<W: Written> Staged<W> {
    pub fn on(device: Device) -> Result<Self, String> {
        Ok(match device {
            Device::Cuda(number) => Self::Kept(Kept::by(CudaGraph::new(number)?)),
            _ => Self::Anew,
        })
    }

    /// Does the work. What it returns is overwritten the next time.
    pub fn run(&mut self, work: impl FnOnce() -> W) -> Result<W, String> {
        let written = match self {
            Self::Anew => work(),
            Self::Kept(kept) => kept.run(work)?,
        };
        STAGED.set(STAGED.get() + 1);
        Ok(written)
    }
}

/// Work that a GPU keeps.
pub struct Kept<W> {
    graph: CudaGraph,
    /// Those that are still to come.
    warm_ups: u32,
    /// What the graph writes, once there is one.
    writes: Option<W>,
}

impl<W: Written> Kept<W> {
    fn by(graph: CudaGraph) -> Self {
        Self { graph, warm_ups: WARM_UPS, writes: None }
    }

    fn run(&mut self, work: impl FnOnce() -> W) -> Result<W, String> {
        let writes = match &self.writes {
            Some(writes) => writes,
            None if self.warm_ups > 0 => {
                self.warm_ups -= 1;
                return self.graph.warm_up(work);
            }
            None => self.writes.insert(self.graph.capture(work)?),
        };
        self.graph.replay()?;
        Ok(writes.again())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cuda_graph::fake;
    use tch::Tensor;

    impl Written for Tensor {
        fn again(&self) -> Self {
            self.shallow_clone()
        }
    }

    fn count(of: &Cell<u32>) -> Tensor {
        of.set(of.get() + 1);
        Tensor::from(i64::from(of.get()))
    }

    #[test]
    fn a_gpu_is_warmed_up_keeps_the_work_once_and_replays_it_from_then_on() {
        let mut kept = Kept::by(fake::graph());
        let run = Cell::new(0);
        for _ in 0..WARM_UPS {
            drop(kept.run(|| count(&run)).unwrap());
        }
        assert_eq!(fake::asked(), ["enter", "leave"].repeat(WARM_UPS as usize));
        for taken in 1..4 {
            let written = kept.run(|| count(&run)).unwrap();
            assert_eq!(written.int64_value(&[]), i64::from(WARM_UPS) + 1, "what the kept work writes");
            let first = if taken == 1 { &["enter", "begin", "end", "leave"][..] } else { &[] };
            assert_eq!(fake::asked(), [first, &["replay"]].concat());
        }
    }

    #[test]
    fn work_that_cannot_be_replayed_is_told() {
        let mut kept = Kept { warm_ups: 0, ..Kept::by(fake::unwilling_graph()) };
        assert_eq!(kept.run(|| count(&Cell::new(0))).map(drop), Err("no replay".to_owned()));
        fake::asked();
    }
}
