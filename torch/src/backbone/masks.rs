//! Dropout masks that a device draws for many batches at once.

use crate::random::dropout_masks;
use autodenoise::random::Stream;
use std::{cell::RefCell, rc::Rc};
use tch::{Device, Tensor};

/// Batches drawn at once.
const BATCHES: u32 = 32;
/// Most numbers of one draw, unless a single batch has more.
const NUMBERS: i64 = 1 << 24;

/// The masks of a run of batches whose layers drop out.
pub struct Masks {
    /// The streams of a batch, one a replica.
    streams: Box<dyn Fn(u32) -> Vec<Stream>>,
    /// How many batches there are.
    batches: u32,
    /// What was drawn last for each layer.
    drawn: Vec<Option<Drawn>>,
}

struct Drawn {
    /// Number of the first batch.
    first: u32,
    p: f64,
    /// Of the activations that it was drawn for.
    size: Vec<i64>,
    /// `[batches, R, numbers]`.
    masks: Tensor,
}

impl Drawn {
    fn covers(&self, batch: u32, p: f64, count: i64) -> bool {
        let size = self.masks.size();
        let end = self.first + size[0] as u32;
        (self.first..end).contains(&batch) && self.p == p && size[1] * size[2] == count
    }

    fn of(&self, batch: u32, size: &[i64]) -> Tensor {
        self.masks.get(i64::from(batch - self.first)).view(size)
    }
}

impl Masks {
    /// Of so many batches, each with these streams.
    pub fn new(batches: usize, streams: impl Fn(u32) -> Vec<Stream> + 'static) -> Rc<RefCell<Self>> {
        let (streams, batches) = (Box::new(streams), batches as u32);
        Rc::new(RefCell::new(Self { streams, batches, drawn: Vec::new() }))
    }

    /// The mask of a layer in a batch, for activations of this size.
    fn mask(&mut self, batch: u32, layer: u32, p: f64, size: &[i64], device: Device) -> Tensor {
        let (at, count) = (layer as usize, size.iter().product::<i64>());
        self.drawn.resize_with(self.drawn.len().max(at + 1), || None);
        if !self.drawn[at].as_ref().is_some_and(|drawn| drawn.covers(batch, p, count)) {
            self.drawn[at] = Some(self.draw(batch, layer, p, size, device));
        }
        self.drawn[at].as_ref().expect("just drawn").of(batch, size)
    }

    /// p and a copy of the mask of each layer that has had one in this batch, which is the last that masks were drawn for.
    fn of_layers(&self, batch: u32) -> Vec<(f64, Tensor)> {
        self.drawn.iter().flatten().map(|drawn| (drawn.p, drawn.of(batch, &drawn.size).copy())).collect()
    }

    fn draw(&self, first: u32, layer: u32, p: f64, size: &[i64], device: Device) -> Drawn {
        let count = size.iter().product::<i64>();
        let fitting = (NUMBERS / count.max(1)).clamp(1, i64::from(BATCHES)) as u32;
        let batches = fitting.min(self.batches.saturating_sub(first)).max(1);
        let streams: Vec<Vec<Stream>> = (first..first + batches).map(&self.streams).collect();
        let replicas = streams[0].len() as i64;
        let streams: Vec<Stream> = streams.concat().iter().map(|stream| stream.child(&[layer])).collect();
        let each = count / replicas;
        let masks = dropout_masks(&streams, p, each, device).view([i64::from(batches), replicas, each]);
        Drawn { first, p, size: size.to_vec(), masks }
    }
}

/// The masks of one batch.
pub enum BatchMasks {
    /// Drawn when asked for.
    Drawn {
        masks: Rc<RefCell<Masks>>,
        batch: u32,
    },
    Own(OwnMasks),
}

impl BatchMasks {
    /// As they are drawn for the batch of this number.
    pub fn drawn(masks: &Rc<RefCell<Masks>>, batch: usize) -> Self {
        Self::Drawn { masks: masks.clone(), batch: batch as u32 }
    }

    /// The mask of a layer for activations of this size.
    pub fn mask(&self, layer: u32, p: f64, size: &[i64], device: Device) -> Tensor {
        match self {
            Self::Drawn { masks, batch } => masks.borrow_mut().mask(*batch, layer, p, size, device),
            Self::Own(OwnMasks(layers)) => layers[layer as usize].1.shallow_clone(),
        }
    }

    /// Copies of those of each layer that has had one, where this batch is the last that any were drawn for.
    pub fn copy(&self) -> OwnMasks {
        match self {
            Self::Drawn { masks, batch } => OwnMasks(masks.borrow().of_layers(*batch)),
            Self::Own(OwnMasks(layers)) => OwnMasks(layers.iter().map(|(p, mask)| (*p, mask.copy())).collect()),
        }
    }

    /// The same ones.
    pub fn shallow_clone(&self) -> Self {
        match self {
            Self::Drawn { masks, batch } => Self::Drawn { masks: masks.clone(), batch: *batch },
            Self::Own(own) => own.of_batch(),
        }
    }
}

/// Masks in tensors that stay where they are: p and mask of each layer that drops out.
pub struct OwnMasks(Vec<(f64, Tensor)>);

impl OwnMasks {
    /// As those of a batch.
    pub fn of_batch(&self) -> BatchMasks {
        BatchMasks::Own(Self(self.0.iter().map(|(p, mask)| (*p, mask.shallow_clone())).collect()))
    }

    /// Takes the numbers of others.
    pub fn copy_from(&self, other: &BatchMasks) {
        for (layer, (p, mask)) in (0..).zip(&self.0) {
            mask.shallow_clone().copy_(&other.mask(layer, *p, &mask.size(), mask.device()));
        }
    }
}
