//! The ANOVA kernel of HOFM (spec `backbones.md` section 3): the sum over all choices of t fields of the products of their
//! embeddings; V `[.., B, F, E]` to `[.., B]`.

use tch::Tensor;

/// With a_0 = 1 and a_s(j) = sum_{i <= j} V_i a_{s-1}(i - 1), the kernel is sum_e a_t(F).
pub fn anova(v: &Tensor, order: i64) -> Tensor {
    let fields = v.size()[v.dim() - 2];
    // With s fields chosen, the last of them is at least the s-th: earlier places hold nothing.
    let mut products = v.shallow_clone();
    for s in 1..order.min(fields) {
        let sums = products.cumsum(-2, None).narrow(-2, 0, fields - s);
        products = v.narrow(-2, s, fields - s) * sums;
    }
    // No choice of more fields than there are.
    let exists = f64::from(u8::from(order <= fields));
    products.sum_dim_intlist([-2, -1].as_slice(), false, None) * exists
}
