//! AutoDenoise: policy, reward, loss history, search, selection.
