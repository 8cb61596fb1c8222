// What libtorch has and tch does not expose, for native.rs. Functions return null, or a message that the caller frees.

#include "guarded.h"

#include <ATen/Context.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/_fused_adam.h>
#include <ATen/ops/_fused_sgd.h>
#include <ATen/ops/empty.h>
#include <c10/core/Event.h>
#include <c10/core/StreamGuard.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <cstdint>
#include <cstring>
#include <memory>
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

// A copy under way: the tensor, the stream it is made on, and the moment from which on it is there.
struct Sent {
    at::Tensor there;
    c10::Event ready;
};

} // namespace

extern "C" {

// Begins a copy of `count` numbers to a GPU, by a stream of its own, from memory that is pinned.
char *autodenoise_send(const int32_t *values, int64_t count, int8_t gpu, Sent **answer) {
    return guarded([&] {
        at::Tensor pinned = at::empty({count}, at::TensorOptions().dtype(at::kInt).pinned_memory(true));
        std::memcpy(pinned.mutable_data_ptr<int32_t>(), values, count * sizeof(int32_t));
        const c10::Device device(c10::DeviceType::CUDA, gpu);
        const c10::impl::VirtualGuardImpl streams(device.type());
        // One stream for all copies of a thread: they are made in their order.
        thread_local std::optional<c10::Stream> beside;
        if (!beside || beside->device() != device) beside = streams.getStreamFromGlobalPool(device);
        const c10::StreamGuard guard(*beside);
        auto sent = std::make_unique<Sent>(Sent{pinned.to(device, /*non_blocking=*/true), c10::Event(device.type())});
        sent->ready.record(*beside);
        *answer = sent.release();
    });
}

// Has the device's present stream wait for a copy, and hands over the tensor.
char *autodenoise_arrive(Sent *sent, at::Tensor **answer) {
    return guarded([&] {
        const c10::Stream here = c10::impl::VirtualGuardImpl(sent->there.device().type()).getStream(sent->there.device());
        sent->ready.block(here);
        // Its memory is not to be used again before this stream is done with it.
        sent->there.record_stream(here);
        *answer = new at::Tensor(sent->there);
    });
}

void autodenoise_forget(Sent *sent) { delete sent; }

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
