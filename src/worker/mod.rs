//! Worker slots: claim, lease, supervise.
