// What libtorch has and tch does not expose, for native.rs. Functions return null, or a message that the caller frees.

#include <ATen/Context.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/_fused_adam.h>
#include <ATen/ops/_fused_sgd.h>

#include <cstdint>
#include <cstring>
#include <exception>
#include <optional>
#include <vector>

namespace {

std::vector<at::Tensor> list(at::Tensor *const *tensors, size_t count) {
    std::vector<at::Tensor> all;
    all.reserve(count);
    for (size_t i = 0; i < count; ++i) all.push_back(*tensors[i]);
    return all;
}

std::optional<at::Tensor> optional(const at::Tensor *tensor) {
    return tensor == nullptr ? std::nullopt : std::optional<at::Tensor>(*tensor);
}

template <typename Work> char *guarded(Work work) {
    try {
        work();
        return nullptr;
    } catch (const std::exception &error) {
        return strdup(error.what());
    } catch (...) {
        return strdup("libtorch threw what is no exception");
    }
}

} // namespace

extern "C" {

// One step of Adam for `count` parameters, in as few kernels as hold them. `steps` has the number of the step for each, f32.
// Nothing is changed where `skip`, f32, is 1.
char *autodenoise_adam(
    at::Tensor *const *parameters, at::Tensor *const *gradients, at::Tensor *const *means, at::Tensor *const *squares,
    at::Tensor *const *steps, size_t count, double rate, double beta1, double beta2, double decay, double eps,
    const at::Tensor *skip) {
    return guarded([&] {
        at::_fused_adam_(
            list(parameters, count), list(gradients, count), list(means, count), list(squares, count), {},
            list(steps, count), rate, beta1, beta2, decay, eps, /*amsgrad=*/false, /*maximize=*/false, {},
            optional(skip));
    });
}

// The same of plain gradient descent.
char *autodenoise_sgd(
    at::Tensor *const *parameters, at::Tensor *const *gradients, size_t count, double rate, double decay,
    const at::Tensor *skip) {
    return guarded([&] {
        at::_fused_sgd_(
            list(parameters, count), list(gradients, count), {}, decay, /*momentum=*/0.0, rate, /*dampening=*/0.0,
            /*nesterov=*/false, /*maximize=*/false, /*is_first_step=*/true, {}, optional(skip));
    });
}

// Products and convolutions of f32 are computed in f32, not in TF32.
char *autodenoise_use_full_precision() {
    return guarded([] {
        at::Context &context = at::globalContext();
        context.setAllowTF32CuBLAS(false);
        context.setAllowTF32CuDNN(false);
    });
}

// Whether they are.
char *autodenoise_has_full_precision(bool *answer) {
    return guarded([&] {
        const at::Context &context = at::globalContext();
        *answer = !context.allowTF32CuBLAS() && !context.allowTF32CuDNN();
    });
}
}
