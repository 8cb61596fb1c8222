//! AUC and log-loss, exact (spec `metrics.md`).
