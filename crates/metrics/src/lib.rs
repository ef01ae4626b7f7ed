//! Every metric of the worker, one registry per instance.
