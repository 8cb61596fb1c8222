//! Tables with planted noise.
