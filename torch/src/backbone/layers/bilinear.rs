//! The product of two towers (FinalMLP, spec `backbones.md` section 4): sum over heads of x_h^T W_h y_h, the towers cut into
//! equal parts; `[.., B, X]` and `[.., B, Y]` to `[.., B]`.

use crate::backbone::ParamsBuilder;
use autodenoise::backbone::Init;
use tch::Tensor;

pub struct Bilinear {
    /// `[.., heads (X / heads) (Y / heads), 1]`.
    weight: Tensor,
    heads: i64,
}

impl Bilinear {
    pub fn new(builder: &mut ParamsBuilder, name: &str, x: i64, y: i64, heads: i64) -> Self {
        let numbers = x * y / heads;
        Self { weight: builder.dense(name, &[numbers, 1], Init::xavier(numbers as usize, 1)), heads }
    }

    pub fn forward(&self, x: &Tensor, y: &Tensor) -> Tensor {
        // [.., heads, B, part].
        let parts = |tower: &Tensor| {
            let mut size = tower.size();
            let width = size.pop().expect("a tower has a width");
            size.extend([self.heads, width / self.heads]);
            tower.view(&size[..]).transpose(-3, -2)
        };
        let (x, y) = (parts(x), parts(y));
        let mut size = self.weight.size();
        size.truncate(size.len() - 2);
        size.extend([self.heads, x.size()[x.dim() - 1], y.size()[y.dim() - 1]]);
        (x.matmul(&self.weight.view(&size[..])) * y).sum_dim_intlist([-3, -1].as_slice(), false, None)
    }
}
