// How a function of ours answers across the border to Rust: null, or a message that the caller frees, and no exception.

#pragma once

#include <cstring>
#include <exception>

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
