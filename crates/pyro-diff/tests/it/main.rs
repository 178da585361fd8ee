//! The crate from outside: beside Git, on random trees, and on patches as models write them.

mod beside_git;
mod disk;
mod git;
mod hostile;
mod model;
mod options;
mod random;
mod tree;
