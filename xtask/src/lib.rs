//! The chores of the repository as a library, so that tests can use the lab.
