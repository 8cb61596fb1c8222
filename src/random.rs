//! The job's own random numbers: counter-based streams keyed by (seed, purpose, epoch).
