//! Host side of pyro.
