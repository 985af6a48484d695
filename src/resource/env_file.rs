//! `.env.agent.<id>`.
