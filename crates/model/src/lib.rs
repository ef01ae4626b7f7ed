//! The words of a Matrix key backup and the rule that merges its keys; pure, no I/O.
