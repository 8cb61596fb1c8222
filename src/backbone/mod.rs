//! The recommender models and the one training loop.
