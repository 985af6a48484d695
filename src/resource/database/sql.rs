//! `after_clone` steps that are SQL.

use super::DatabaseError;
use crate::infra::postgres::{Login, Session};

/// Runs the statements of every step, in this order and in one transaction, as `login`'s role in its database: all
/// of them are done or none. Each step is a name and its SQL.
///
/// # Errors
/// When a step fails; the error names it.
pub async fn after_clone(login: &Login, steps: &[(String, String)]) -> Result<(), DatabaseError> {
    if steps.is_empty() {
        return Ok(());
    }
    let session = Session::open(login).await?;
    session.run("begin a transaction", "BEGIN").await?;
    for (step, sql) in steps {
        session
            .run_long(&format!("run the SQL of {step}"), sql)
            .await
            .map_err(|source| DatabaseError::AfterClone { step: step.clone(), source })?;
    }
    session.run("commit the after_clone steps", "COMMIT").await?;
    session.close().await?;
    Ok(())
}
