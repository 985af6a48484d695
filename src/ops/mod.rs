//! What commands do, as steps over resources, infra and supervisors. Prints nothing but progress.

pub mod example;
pub mod run;
