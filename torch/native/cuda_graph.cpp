// A CUDA graph for cuda_graph.rs: a library of its own, which is loaded beside libtorch_cuda and only then. Functions return null, or
// a message that the caller frees. No GPU was at hand: this was compiled, and never run.

#include "guarded.h"

#include <ATen/cuda/CUDAGraph.h>
#include <c10/core/DeviceGuard.h>
#include <c10/core/Event.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <cstdint>
#include <cstdlib>
#include <memory>

namespace {

c10::impl::VirtualGuardImpl streams() { return c10::impl::VirtualGuardImpl(c10::DeviceType::CUDA); }

// Has what `later` is given from now on wait for what `earlier` was given so far.
void order(const c10::Stream &earlier, const c10::Stream &later) {
    c10::Event event(c10::DeviceType::CUDA);
    event.record(earlier);
    event.block(later);
}

} // namespace

extern "C" {

struct Graph {
    // A capture cannot be made on the device's default stream, so that it and the steps before it have one of their own.
    c10::Stream side;
    // The stream that `enter` left.
    c10::Stream before;
    at::cuda::MempoolId_t pool;
    std::unique_ptr<at::cuda::CUDAGraph> graph;
};

// A graph without work, for this GPU.
char *autodenoise_graph_new(int8_t gpu, Graph **answer) {
    return guarded([&] {
        const c10::Stream side = streams().getStreamFromGlobalPool(c10::Device(c10::DeviceType::CUDA, gpu));
        *answer = new Graph{side, side, at::cuda::graph_pool_handle(), nullptr};
    });
}

// This thread's work goes to the graph's stream, behind what the present one was given.
char *autodenoise_graph_enter(Graph *graph) {
    return guarded([&] {
        graph->before = streams().getStream(graph->side.device());
        order(graph->before, graph->side);
        streams().exchangeStream(graph->side);
    });
}

// The thread's work goes again where it went, behind what the graph's stream was given.
char *autodenoise_graph_leave(Graph *graph) {
    return guarded([&] {
        streams().exchangeStream(graph->before);
        order(graph->side, graph->before);
    });
}

// From now on work is kept and not done; on the graph's stream, with memory that nothing else gets as long as the graph lives.
char *autodenoise_graph_begin(Graph *graph) {
    return guarded([&] {
        const c10::DeviceGuard guard(graph->side.device());
        graph->graph = std::make_unique<at::cuda::CUDAGraph>();
        graph->graph->capture_begin(graph->pool);
    });
}

// Work is done again, and what was kept can be replayed.
char *autodenoise_graph_end(Graph *graph) {
    return guarded([&] {
        const c10::DeviceGuard guard(graph->side.device());
        try {
            graph->graph->capture_end();
        } catch (...) {
            // The allocator would go on setting memory apart for a capture that failed; where it has stopped already, it throws.
            free(guarded([&] {
                c10::cuda::CUDACachingAllocator::endAllocateToPool(graph->side.device_index(), graph->pool);
            }));
            throw;
        }
    });
}

// Does the work once more, on the present stream.
char *autodenoise_graph_replay(Graph *graph) {
    return guarded([&] { graph->graph->replay(); });
}

void autodenoise_graph_destroy(Graph *graph) { delete graph; }
}
