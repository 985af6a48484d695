//! One integration binary: one file a command or a property, all against the real binary in private worlds.

mod world;

mod browser;
mod cli_agent;
mod crash;
mod database;
mod demo;
mod docs;
mod env_file;
mod guards;
mod infra;
mod init;
mod isolation;
mod launch;
mod mail;
mod manifest;
mod obtain;
mod postgres;
mod processes;
mod s3;
mod session;
mod setup;
mod supervise;
mod teardown;
mod template;
mod uninstall;
mod verify;
mod watch;
mod worktree;
