//! `syncline serve` and the other commands, as the real binary.

mod backup;
mod crash;
mod demo;
mod doctor;
mod encryption;
mod keys;
mod many_crashes;
mod no_room;
mod secrets;
mod start;
mod sync;
mod upgrade;
