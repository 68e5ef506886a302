//! analysis/derive
