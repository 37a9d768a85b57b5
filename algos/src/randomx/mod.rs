//! RandomX on the C library.
