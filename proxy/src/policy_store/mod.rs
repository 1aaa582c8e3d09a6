//! The policy files on disk and the policy in force.
