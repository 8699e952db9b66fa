//! Nodes, devices and the queue together: the only interpreter of effects, and the three acts of a run.
//!
//! The world never knows what was promised: whoever judges it watches through [`observe`].
//!
//! | file | what it holds |
//! |---|---|
//! | [`world`] | nodes, devices, queue: events taken, processes told |
//! | `carry_out` | effects carried out |
//! | `spoken` | each node's words in the world's |
//! | `furnish` | nodes, machines and disks for a model |
//! | [`run`] | faults, heal, settle |
//! | `strike` | the fault schedule, struck and ended |
//! | [`budget`] | who has stopped uncleanly and is not back in sync |
//! | [`min_isr`] | what `min.insync.replicas` is, whoever set it |
//! | `machine` | a machine, its process, and the process's alarms |
//! | `threads` | what a request takes a broker |
//! | `due` | what the queue holds |
//! | [`happened`] | everything that can happen |
//! | [`observe`] | the hook |
//! | [`metrics`] | what followed each fault |

pub mod budget;
mod carry_out;
mod due;
mod furnish;
pub mod happened;
mod machine;
pub mod metrics;
pub mod min_isr;
pub mod observe;
pub mod run;
mod spoken;
mod strike;
mod threads;
#[allow(clippy::module_inception, reason = "the world is what this folder is about")]
pub mod world;
