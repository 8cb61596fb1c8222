//! The trainer process: one resolved job in, events and result files out.
