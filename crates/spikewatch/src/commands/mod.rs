//! One file a command.

pub(crate) mod accept;
pub(crate) mod act;
pub(crate) mod backfill;
pub(crate) mod backtest;
pub(crate) mod cases;
pub(crate) mod check;
pub(crate) mod decode;
pub(crate) mod demo;
pub(crate) mod erase;
pub(crate) mod evaluate;
pub(crate) mod explain;
pub(crate) mod poll;
pub(crate) mod run;
pub(crate) mod show_config;
pub(crate) mod simulate;
pub(crate) mod sql;
pub(crate) mod sql_gateway;
