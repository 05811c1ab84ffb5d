//! `syncline serve` and the other commands, as the real binary.

mod backup;
mod console;
mod crash;
mod demo;
mod doctor;
mod drain;
mod encryption;
mod feed;
mod help;
mod keys;
mod logs;
mod many_crashes;
mod messages;
mod monitoring;
mod no_room;
mod open_files;
mod outage;
mod pages;
mod pooler;
mod readme;
mod secrets;
mod start;
mod status;
mod sync;
mod upgrade;
