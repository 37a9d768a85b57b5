//! Pool and node protocols.
